/** What SCAN and HSCAN are told: a cursor and options. Texts and rules as in Redis 7.0. */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { uint64Max } from '../integer.ts'
import { notAnInteger, syntaxError } from './errors.ts'

export const invalidCursor = 'ERR invalid cursor'
const defaultCount = 10

export interface ScanOptions {
  count: number
  /** Argument that holds the pattern; 0 for none, and for `*`, which here alone matches an empty name, too. */
  pattern: number
  /** Argument that names the type; 0 for none. */
  type: number
  /** Whether values are left out. */
  noValues: boolean
}

/** The options from argument `first` on; undefined when the error is written already. */
export function readScanOptions(x: Execution, first: number, withType: boolean, withNoValues = false): ScanOptions | undefined {
  const { args, reply } = x
  const options: ScanOptions = { count: defaultCount, pattern: 0, type: 0, noValues: false }
  for (let i = first; i < args.count; i += 2) {
    const complete = i + 1 < args.count
    if (withNoValues && args.is(i, 'NOVALUES')) {
      options.noValues = true
      i--
      continue
    }
    if (complete && args.is(i, 'COUNT')) {
      const count = args.bigInteger(i + 1)
      if (count === undefined) {
        reply.error(notAnInteger)
        return undefined
      }
      if (count < 1n) {
        reply.error(syntaxError)
        return undefined
      }
      options.count = Math.min(Number(count), Number.MAX_SAFE_INTEGER)
    } else if (complete && args.is(i, 'MATCH')) options.pattern = isStar(x, i + 1) ? 0 : i + 1
    else if (complete && withType && args.is(i, 'TYPE')) options.type = i + 1
    else {
      reply.error(syntaxError)
      return undefined
    }
  }
  return options
}

function isStar(x: Execution, index: number): boolean {
  return x.args.length(index) === 1 && x.args.buffer[x.args.start(index)] === 0x2a
}

/** By the rules of C's strtoul, which Redis reads cursors with, up to a zero byte; -1 for what is no cursor. Hashes end at 2^32, other cursors are beyond everything. */
export function readCursor(args: Arguments, index: number): number {
  const [text] = args.string(index, 'latin1').split('\0', 1) as [string]
  if (text === '') return 0
  const parts = /^([+-]?)(\d+)$/.exec(text)
  if (parts === null) return -1
  const magnitude = BigInt(parts[2] as string)
  if (magnitude > uint64Max) return -1
  return Number(parts[1] === '-' ? BigInt.asUintN(64, -magnitude) : magnitude)
}
