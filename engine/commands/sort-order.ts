/**
 * Two ways to put numbers in order by a comparison: all of them, equal ones staying as they are; or only a part, where the order of equal ones is that of the
 * quicksort which Redis has for that: Bentley and McIlroy's, which passes over what lies outside of the part.
 */
export type Compare = (a: number, b: number) => number

/** Up to so many are put in order by insertion. */
const insertionMax = 6
/** From here on the pivot is the median of nine. */
const nineMin = 41

/** Orders `numbers` so far that those in `[first, end)` are the right ones in the right order. */
export function orderPart(numbers: Uint32Array, first: number, end: number, compare: Compare): void {
  let from = 0
  const to = numbers.length
  while (to - from > insertionMax) {
    const [less, greater] = partition(numbers, from, to, compare)
    const left = less - from
    const right = to - greater
    if (left > 1 && meets(from, less, first, end)) {
      const part = numbers.subarray(from, less)
      orderPart(part, first - from, end - from, compare)
    }
    if (right <= 1 || !meets(greater, to, first, end)) return
    from = greater
  }
  orderByInsertion(numbers, from, to, compare)
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
function partition(numbers: Uint32Array, from: number, to: number, compare: Compare): readonly [less: number, greater: number] {
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
    }
    for (; b <= c; c--) {
      const order = compare(numbers[c], numbers[from])
      if (order < 0) break
      if (order === 0) swap(numbers, c, d--)
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
