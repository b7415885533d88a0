/** The count that HRANDFIELD, SRANDMEMBER and ZRANDMEMBER are told, and why it is refused. Texts and limits as in Redis 7.0. */
import { int64Min } from '../integer.ts'
import { notAnInteger, outOfRange, syntaxError } from './errors.ts'

const countOutOfRange = 'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807'
/** More elements than these are not shown with what belongs to each. */
const pairsMax = 2n ** 62n - 1n

/**
 * The error's text; undefined when there is none. `count` is undefined for what is no integer; `hasOption` when an argument stands behind it,
 * `withPairs` when that asks for values or scores.
 */
export function refusalOfCount(count: bigint | undefined, hasOption = false, withPairs = false): string | undefined {
  if (count === undefined) return notAnInteger
  if (count === int64Min) return countOutOfRange
  if (hasOption && !withPairs) return syntaxError
  return withPairs && (count > pairsMax || count < -pairsMax) ? outOfRange : undefined
}
