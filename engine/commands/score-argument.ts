/** Scores as arguments, by the rules of C's doubles. */
import type { Arguments } from '../arguments.ts'
import { parseInteger } from '../integer.ts'

const letterI = 0x69

/** The score that is argument `index`: NaN when it is not a float, or one that no double holds; `inf` is one. */
export function scoreArgument(args: Arguments, index: number): number {
  const { buffer } = args
  const start = args.starts[index]
  const end = args.ends[index]
  const integer = parseInteger(buffer, start, end)
  if (!Number.isNaN(integer)) return integer
  const score = args.float(index)
  return Number.isFinite(score) || hasLetterI(buffer, start, end) ? score : Number.NaN
}

/** Digits and exponents have none. */
function hasLetterI(buffer: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((buffer[i] | 0x20) === letterI) return true
  return false
}
