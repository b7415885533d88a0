/** The elements that SORT returns, in their order. What it reads of other keys, the caller looks up. It is done at once, or in slices. */
import { setType } from '../keyspace/entries.ts'
import type { ColdWants } from '../need.ts'
import { compareMembers } from '../types/sorted-set-leaf.ts'
import { MemberList } from './member-list.ts'
import type { Slices } from './repeated-work.ts'
import { doAtOnce } from './repeated-work.ts'
import type { SortOptions, SortSpan } from './sort-options.ts'
import { sortSpan } from './sort-options.ts'
import type { Compare } from './sort-order.ts'
import { allInOrder, partInOrder, Stint } from './sort-order.ts'
import type { SortPattern } from './sort-pattern.ts'
import type { SortSource } from './sort-source.ts'
import { found } from './sort-source.ts'
import { sortWeight } from './sort-weight.ts'

/** An element takes about as long as so many comparisons. */
const comparisonsPerElement = 8

/** What a pattern names for an element, in the buffer that is returned, `found` of `sort-source.ts` saying where. */
export type LookUp = (pattern: SortPattern, element: Buffer, start: number, end: number) => Buffer | undefined

/** Names what `LookUp` needs of an element. */
export type WantNamed = (pattern: SortPattern, element: Buffer, start: number, end: number, wants: ColdWants) => void

/** How a selection is made in slices. */
export interface SlicedSelection {
  /** The entry of the collection now. */
  find(): number
  readonly want: WantNamed
  /** Elements that are looked at in one slice. */
  readonly atOnce: number
}

export interface Selection {
  readonly elements: MemberList
  /** Numbers of elements. Those in the span are returned, in this order. */
  readonly order: Uint32Array
  readonly span: SortSpan
}

/** How the elements of a collection are put in order. */
export class SortPlan {
  readonly options: SortOptions
  readonly length: number
  readonly span: SortSpan
  /** Whether the elements stay in the order of their collection. */
  readonly isUnsorted: boolean
  readonly isAlpha: boolean
  readonly by: SortPattern | undefined
  readonly #source: SortSource
  readonly #entry: number
  readonly #isSet: boolean

  /** `entry` is a list, a set, a sorted set, or 0. */
  constructor(source: SortSource, entry: number, options: SortOptions, inScript: boolean) {
    const { entries } = source.keyspace
    this.#source = source
    this.#entry = entry
    this.options = options
    this.length = entry === 0 ? 0 : entries.length(entry)
    this.span = sortSpan(options, this.length)
    this.#isSet = entry !== 0 && entries.type(entry) === setType
    // A set has no order of its own: where the result lasts, or a script goes on with it, it gets one.
    const isForced = options.isUnsorted && this.#isSet && (options.target !== 0 || inScript)
    this.isUnsorted = options.isUnsorted && !isForced
    this.isAlpha = options.isAlpha || isForced
    this.by = isForced ? undefined : options.by
  }

  /** Whether only the elements of the span are read. */
  get readsSpan(): boolean {
    return this.isUnsorted && !this.#isSet
  }

  /** The elements in order; undefined when a weight is no number. */
  select(lookUp: LookUp): Selection | undefined {
    return doAtOnce(this.selecting(lookUp))
  }

  /** As `select` in slices, if told how. */
  *selecting(lookUp: LookUp, sliced?: SlicedSelection): Slices<Selection | undefined> {
    const { span, readsSpan } = this
    const first = readsSpan ? span.first : 0
    const elements = yield* this.#gathered(first, sliced)
    const order = new Uint32Array(elements.count)
    const stint = new Stint(sliced === undefined ? Number.POSITIVE_INFINITY : sliced.atOnce * comparisonsPerElement)
    for (let i = 0; i < order.length; i++) {
      order[i] = i
      if (stint.isOver(1)) yield undefined
    }
    if (this.isUnsorted) return { elements, order, span: { first: span.first - first, end: span.end - first } }
    const compare = yield* this.isAlpha ? this.#byText(elements, lookUp, sliced) : this.#byNumber(elements, lookUp, sliced)
    if (compare === undefined) return undefined
    const directed: Compare = this.options.isDescending ? (a, b) => -compare(a, b) : compare
    if (this.by !== undefined && span.end - span.first < this.length) yield* partInOrder(order, span.first, span.end, directed, stint)
    else if (sliced === undefined) order.sort(directed)
    else yield* allInOrder(order, directed, stint)
    return { elements, order, span }
  }

  *#gathered(first: number, sliced: SlicedSelection | undefined): Slices<MemberList> {
    const { readsSpan, span, length } = this
    const end = readsSpan ? span.end : length
    const isBackwards = readsSpan && this.options.isDescending
    const source = this.#source
    const list = new MemberList()
    if (sliced === undefined) source.elements(this.#entry, first, end, isBackwards, list)
    else {
      list.reserve(end - first, source.bytesMax(sliced.find()))
      const cursor = source.cursor(first, end, isBackwards)
      while (!cursor.isAtEnd) {
        yield (wants) => cursor.want(sliced.find(), sliced.atOnce, wants)
        cursor.read(sliced.find(), sliced.atOnce, list)
      }
    }
    return list
  }

  /** Pauses before each slice of the elements whose weights are looked up. */
  *#pause(elements: MemberList, from: number, sliced: SlicedSelection | undefined): Slices<void> {
    const { by } = this
    if (sliced === undefined || from % sliced.atOnce !== 0) return
    const until = Math.min(elements.count, from + sliced.atOnce)
    yield by === undefined
      ? undefined
      : (wants) => {
          for (let i = from; i < until; i++) sliced.want(by, elements.buffer, elements.start(i), elements.end(i), wants)
        }
  }

  *#byNumber(elements: MemberList, lookUp: LookUp, sliced: SlicedSelection | undefined): Slices<Compare | undefined> {
    const { by } = this
    const weights = new Float64Array(elements.count)
    let areNumbers = true
    for (let i = 0; i < elements.count; i++) {
      if (sliced !== undefined) yield* this.#pause(elements, i, sliced)
      const start = elements.start(i)
      const end = elements.end(i)
      const bytes = by === undefined ? elements.buffer : lookUp(by, elements.buffer, start, end)
      if (bytes === undefined) continue
      weights[i] = by === undefined ? sortWeight(bytes, start, end) : sortWeight(bytes, found.start, found.end)
      if (Number.isNaN(weights[i])) areNumbers = false
    }
    if (!areNumbers) return undefined
    return (a, b) => (weights[a] > weights[b] ? 1 : weights[a] < weights[b] ? -1 : compareBytes(elements, a, b))
  }

  /** Text is compared up to its first zero byte, as C's strcoll does, but for a result that is stored. */
  *#byText(elements: MemberList, lookUp: LookUp, sliced: SlicedSelection | undefined): Slices<Compare> {
    const compareTexts = this.options.target !== 0 ? compareBytes : compareStrings
    const { by } = this
    if (by === undefined) return (a, b) => compareTexts(elements, a, b)
    const weights = new MemberList()
    const isMissing = new Uint8Array(elements.count)
    for (let i = 0; i < elements.count; i++) {
      if (sliced !== undefined) yield* this.#pause(elements, i, sliced)
      const bytes = lookUp(by, elements.buffer, elements.start(i), elements.end(i))
      if (bytes === undefined) isMissing[i] = 1
      if (bytes === undefined) weights.add(elements.buffer, 0, 0)
      else weights.add(bytes, found.start, found.end)
    }
    return (a, b) => {
      if (isMissing[a] + isMissing[b] > 0) return isMissing[b] - isMissing[a]
      return compareTexts(weights, a, b)
    }
  }
}

function compareBytes(list: MemberList, a: number, b: number): number {
  const { buffer } = list
  const start = list.start(a)
  return compareMembers(buffer, start, list.end(a) - start, buffer, list.start(b), list.end(b))
}

function compareStrings(list: MemberList, a: number, b: number): number {
  const { buffer } = list
  const start = list.start(a)
  const from = list.start(b)
  const length = stringLength(buffer, start, list.end(a))
  return compareMembers(buffer, start, length, buffer, from, from + stringLength(buffer, from, list.end(b)))
}

function stringLength(buffer: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && buffer[at] !== 0) at++
  return at - start
}
