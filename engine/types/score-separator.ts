/**
 * Separators of a sorted set's leaves. One tree holds both orders: separators whose first bit is clear are hashes of members, the others scores.
 *
 * Below the first bit, a score's are 64 bits in the order of the scores, then a label of 63 bits for leaves that begin among elements of one
 * score (`order-label.ts` has the idea): 0 where the score begins. Between labels of neighbours a new one lies near the side on which elements
 * come in, so that a run of insertions at one place leaves room for the next.
 */
import type { Separator } from '../tree/separator.ts'
import { scoreWords } from './sorted-set-leaf.ts'

/** The first bit of a separator in order of score. */
export const scoreRange = 0x80000000
const labelHighEnd = 2 ** 31
/** Labels at an end of a run lie so far apart, in units of 2^32. */
const endStep = 16
/** The share of a gap that a run of insertions uses up with each leaf. */
const gapShare = 64
const two32 = 2 ** 32

export function hashSeparator(hash: number, into: Separator): Separator {
  return into.set(hash >>> 1, (hash & 1) << 31)
}

/** The hash at which a leaf in order of hash begins. */
export function hashOfSeparator({ words }: Separator): number {
  return ((words[0] << 1) | (words[1] >>> 31)) >>> 0
}

/** Where elements of a score begin, or with `atEnd` the last place among them. */
export function scoreSeparator(score: number, atEnd: boolean, into: Separator): Separator {
  const halves = scoreWords(score === 0 ? 0 : score)
  let low = halves[0]
  let high = halves[1]
  if (high >= scoreRange) {
    low = ~low
    high = ~high
  } else high |= scoreRange
  const label = atEnd ? 0x7fffffff : 0
  return into.set(scoreRange | (high >>> 1), (high << 31) | (low >>> 1), (low << 31) | label, atEnd ? 0xffffffff : 0)
}

/** Whether a leaf that begins at the separator in `words` at `w` begins among elements of the score of `sought`, not where they begin. */
export function isLabelled(words: Uint32Array, w: number, sought: Separator): boolean {
  const own = sought.words
  if (words[w] !== own[0] || words[w + 1] !== own[1]) return false
  return (words[w + 2] ^ own[2]) >>> 31 === 0 && ((words[w + 2] & 0x7fffffff) !== 0 || words[w + 3] !== 0)
}

/** Which side of a leaf elements come in at. */
export type Side = 'front' | 'middle' | 'back'

/**
 * Gives `into`, which has a score, a label between those of the leaf at `w` in `words` and of the one behind it, at `nextW` in `nextWords`
 * (undefined: none); either may begin at another score. False when there is none between.
 */
export function labelBetween(
  words: Uint32Array,
  w: number,
  nextWords: Uint32Array | undefined,
  nextW: number,
  side: Side,
  into: Separator,
): boolean {
  const hasLeft = isLabelled(words, w, into)
  const hasRight = nextWords !== undefined && isLabelled(nextWords, nextW, into)
  const leftHigh = hasLeft ? words[w + 2] & 0x7fffffff : 0
  const leftLow = hasLeft ? words[w + 3] : 0
  const rightHigh = hasRight ? nextWords[nextW + 2] & 0x7fffffff : labelHighEnd
  const rightLow = hasRight ? nextWords[nextW + 3] : 0
  const gap = rightHigh - leftHigh
  if (gap >= 2 * endStep) {
    if (!hasLeft && !hasRight) return setLabel(into, labelHighEnd / 2, 0)
    if (!hasRight) return setLabel(into, leftHigh + endStep, 0)
    if (!hasLeft) return setLabel(into, rightHigh - endStep, 0)
    const part = side === 'middle' ? gap >>> 1 : Math.max(1, Math.floor(gap / gapShare))
    return setLabel(into, side === 'front' ? rightHigh - part : leftHigh + part, 0)
  }
  const exact = gap * two32 + rightLow - leftLow
  if (exact < 2) return false
  const part = side === 'middle' ? Math.floor(exact / 2) : Math.max(1, Math.floor(exact / gapShare))
  const low = side === 'front' ? exact - part + leftLow : part + leftLow
  return setLabel(into, leftHigh + Math.floor(low / two32), low % two32)
}

function setLabel(into: Separator, high: number, low: number): boolean {
  into.words[2] = (into.words[2] & scoreRange) | high
  into.words[3] = low
  return true
}
