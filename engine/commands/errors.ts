/** Error replies that several families give: Redis 7.0's texts, to the letter. */
import type { Arguments } from '../arguments.ts'

export const syntaxError = 'ERR syntax error'
export const notAnInteger = 'ERR value is not an integer or out of range'
export const outOfRange = 'ERR value is out of range'
export const notPositive = 'ERR value is out of range, must be positive'
export const notAnInt = 'ERR value is out of range, value must between -2147483648 and 2147483647'
export const notAFloat = 'ERR value is not a valid float'
export const wouldOverflow = 'ERR increment or decrement would overflow'
export const wouldBeInfinite = 'ERR increment would produce NaN or Infinity'
export const stringTooLong = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
/** Not Redis's. */
export const recordTooLarge = 'ERR the change is too large for one record of the log'
export const noSuchKey = 'ERR no such key'
export const sameObject = 'ERR source and destination objects are the same'
export const databaseOutOfRange = 'ERR DB index is out of range'

export function wrongArgumentCount(command: string): string {
  return `ERR wrong number of arguments for '${command}' command`
}

export function invalidExpireTime(command: string): string {
  return `ERR invalid expire time in '${command}' command`
}

/** An argument as Redis shows it in some errors: to its first zero byte, where text in C ends. */
export function shownInC(args: Arguments, index: number): string {
  const text = args.string(index, 'latin1')
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}
