/**
 * Labels for the leaves of collections whose order no element shows by itself: integers of `bits` bits, in the last words of a
 * separator. A new leaf gets one between its neighbours' (Dietz and Sleator, "Two algorithms for maintaining order in a list", 1987, without
 * the relabelling: where no label is left, the leaf stays whole and grows).
 */
import type { Separator } from './separator.ts'

/** Steps of 2^24 leave room for leaves that come between, and for 2^(bits − 24) leaves in a row. */
const usualStepBits = 24n
const word = (1n << 32n) - 1n

/** The last `words` words as one integer. */
export function labelOf({ words }: Separator, count: number): bigint {
  let label = 0n
  for (let i = 4 - count; i < 4; i++) label = (label << 32n) | BigInt(words[i])
  return label
}

/**
 * Sets the last `count` words of `into` to a label between `left` and `right` (-1n: there is none to the right): near the left one if elements
 * come in at the end of the leaf (`atEnd`), near the right one otherwise. False when there is none. It is 2^`stepBits` away, or half-way if
 * that is nearer.
 */
export function labelBetween(
  left: bigint,
  right: bigint,
  count: number,
  atEnd: boolean,
  into: Separator,
  stepBits = usualStepBits,
): boolean {
  const end = right < 0n ? 1n << BigInt(32 * count) : right
  const gap = end - left
  if (gap < 2n) return false
  const half = gap >> 1n
  const step = half < 1n << stepBits ? half : 1n << stepBits
  let label = atEnd || right < 0n ? left + step : end - step
  for (let i = 3; i >= 4 - count; i--) {
    into.words[i] = Number(label & word)
    label >>= 32n
  }
  return true
}
