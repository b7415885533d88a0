/**
 * Two ways to put numbers in order by a comparison: all of them, equal ones staying as they are; or only a part, where the order of equal ones is that of the
 * quicksort which Redis has for that: Bentley and McIlroy's, which passes over what lies outside of the part.
 */
import type { Slices } from './repeated-work.ts'

export type Compare = (a: number, b: number) => number

/** Up to so many are put in order by insertion. */
const insertionMax = 6
/** From here on the pivot is the median of nine. */
const nineMin = 41

/** Counts comparisons, to tell when there were enough for one slice. */
export class Stint {
  readonly #max: number
  #done = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Whether it is time for a pause, after so much more work. */
  isOver(work: number): boolean {
    this.#done += work
    if (this.#done < this.#max) return false
    this.#done = 0
    return true
  }
}

/** Orders `numbers` so far that those in `[first, end)` are the right ones in the right order. */
export function* partInOrder(numbers: Uint32Array, first: number, end: number, compare: Compare, stint: Stint): Slices<void> {
  let from = 0
  const to = numbers.length
  while (to - from > insertionMax) {
    const [less, greater] = yield* partition(numbers, from, to, compare, stint)
    const left = less - from
    const right = to - greater
    if (left > 1 && meets(from, less, first, end)) {
      yield* partInOrder(numbers.subarray(from, less), first - from, end - from, compare, stint)
    }
    if (right <= 1 || !meets(greater, to, first, end)) return
    from = greater
  }
  orderByInsertion(numbers, from, to, compare)
}

/** Runs of so many numbers are put in order at once. */
const runMax = 64

/** Puts all numbers in order in slices, equal ones staying as they are, by merging runs (Knuth, The Art of Computer Programming 3, 5.2.4). */
export function* allInOrder(numbers: Uint32Array, compare: Compare, stint: Stint): Slices<void> {
  const { length } = numbers
  for (let from = 0; from < length; from += runMax) {
    numbers.subarray(from, Math.min(length, from + runMax)).sort(compare)
    if (stint.isOver(runMax * 6)) yield undefined
  }
  let source = numbers
  let target: Uint32Array = new Uint32Array(length)
  for (let run = runMax; run < length; run *= 2) {
    for (let from = 0; from < length; from += 2 * run)
      yield* merged(source, from, Math.min(length, from + run), target, run, compare, stint)
    const former = source
    source = target
    target = former
  }
  if (source !== numbers) numbers.set(source)
}

/** Merges `source[from, middle)` and the run behind it to the same place in `target`. */
function* merged(
  source: Uint32Array,
  from: number,
  middle: number,
  target: Uint32Array,
  run: number,
  compare: Compare,
  stint: Stint,
): Slices<void> {
  const end = Math.min(source.length, middle + run)
  let left = from
  let right = middle
  for (let at = from; at < end; at++) {
    const takesLeft = left < middle && (right >= end || compare(source[left], source[right]) <= 0)
    target[at] = takesLeft ? source[left++] : source[right++]
    if ((at & 1023) === 1023 && stint.isOver(1024)) yield undefined
  }
}

function meets(from: number, to: number, first: number, end: number): boolean {
  return first < to && end > from
}

function orderByInsertion(numbers: Uint32Array, from: number, to: number, compare: Compare): void {
  for (let i = from + 1; i < to; i++) {
    for (let j = i; j > from && compare(numbers[j - 1], numbers[j]) > 0; j--) swap(numbers, j, j - 1)
  }
}

/** Parts `numbers[from, to)` in what is less than a pivot, equal, and greater. Returns where the lesser ones end and where the greater ones begin. */
function* partition(
  numbers: Uint32Array,
  from: number,
  to: number,
  compare: Compare,
  stint: Stint,
): Slices<readonly [less: number, greater: number]> {
  swap(numbers, from, pivotOf(numbers, from, to, compare))
  // Equal ones are gathered at both ends first: in front of `a` and behind `d`.
  let a = from + 1
  let b = from + 1
  let c = to - 1
  let d = to - 1
  for (;;) {
    for (; b <= c; b++) {
      const order = compare(numbers[b], numbers[from])
      if (order > 0) break
      if (order === 0) swap(numbers, a++, b)
      if (stint.isOver(1)) yield undefined
    }
    for (; b <= c; c--) {
      const order = compare(numbers[c], numbers[from])
      if (order < 0) break
      if (order === 0) swap(numbers, c, d--)
      if (stint.isOver(1)) yield undefined
    }
    if (b > c) break
    swap(numbers, b++, c--)
  }
  swapRuns(numbers, from, b, Math.min(a - from, b - a))
  swapRuns(numbers, b, to, Math.min(d - c, to - d - 1))
  return [from + b - a, to - (d - c)]
}

/** Swaps the first `count` numbers from `from` on with the last ones before `to`. */
function swapRuns(numbers: Uint32Array, from: number, to: number, count: number): void {
  for (let i = 0; i < count; i++) swap(numbers, from + i, to - count + i)
}

function pivotOf(numbers: Uint32Array, from: number, to: number, compare: Compare): number {
  const count = to - from
  const middle = from + (count >>> 1)
  if (count === insertionMax + 1) return middle
  if (count < nineMin) return median(numbers, from, middle, to - 1, compare)
  const step = count >>> 3
  return median(
    numbers,
    median(numbers, from, from + step, from + 2 * step, compare),
    median(numbers, middle - step, middle, middle + step, compare),
    median(numbers, to - 1 - 2 * step, to - 1 - step, to - 1, compare),
    compare,
  )
}

function median(numbers: Uint32Array, a: number, b: number, c: number, compare: Compare): number {
  if (compare(numbers[a], numbers[b]) < 0) {
    if (compare(numbers[b], numbers[c]) < 0) return b
    return compare(numbers[a], numbers[c]) < 0 ? c : a
  }
  if (compare(numbers[b], numbers[c]) > 0) return b
  return compare(numbers[a], numbers[c]) < 0 ? a : c
}

function swap(numbers: Uint32Array, a: number, b: number): void {
  const kept = numbers[a]
  numbers[a] = numbers[b]
  numbers[b] = kept
}
