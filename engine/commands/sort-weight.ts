/** The number that SORT reads from an element or its weight, as C's strtod does. */
import { parseDouble } from '../double.ts'
import { parseInteger } from '../integer.ts'

/** Below this a double has fewer digits: C reports that as it does what is too large. */
const normalMin = 2 ** -1022

/** NaN for what is no number, is `nan`, or is out of range. Nothing at all is 0. */
export function sortWeight(buffer: Buffer, start: number, end: number): number {
  const integer = parseInteger(buffer, start, end)
  if (!Number.isNaN(integer)) return integer
  const [text] = buffer.toString('latin1', start, end).split('\0', 1) as [string]
  if (text === '') return 0
  const trimmed = text.replace(/^[ \t\n\v\f\r]+/, '')
  const weight = parseDouble(Buffer.from(trimmed, 'latin1'), 0, trimmed.length)
  const isOutOfRange = Number.isFinite(weight) ? weight !== 0 && Math.abs(weight) < normalMin : /\d/.test(trimmed)
  return isOutOfRange ? Number.NaN : weight
}
