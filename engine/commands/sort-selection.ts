/** The elements that SORT returns, in their order. What it reads of other keys, the caller looks up. */
import { setType } from '../keyspace/entries.ts'
import { compareMembers } from '../types/sorted-set-leaf.ts'
import { MemberList } from './member-list.ts'
import type { SortOptions, SortSpan } from './sort-options.ts'
import { sortSpan } from './sort-options.ts'
import type { Compare } from './sort-order.ts'
import { orderPart } from './sort-order.ts'
import type { SortPattern } from './sort-pattern.ts'
import type { SortSource } from './sort-source.ts'
import { found } from './sort-source.ts'
import { sortWeight } from './sort-weight.ts'

/** What a pattern names for an element, in the buffer that is returned, `found` of `sort-source.ts` saying where. */
export type LookUp = (pattern: SortPattern, element: Buffer, start: number, end: number) => Buffer | undefined

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
    const { span, length, readsSpan } = this
    const { isDescending } = this.options
    const first = readsSpan ? span.first : 0
    const elements = this.#source.elements(this.#entry, first, readsSpan ? span.end : length, readsSpan && isDescending)
    const order = Uint32Array.from({ length: elements.count }, (_, i) => i)
    if (this.isUnsorted) return { elements, order, span: { first: span.first - first, end: span.end - first } }
    const compare = this.isAlpha ? this.#byText(elements, lookUp) : this.#byNumber(elements, lookUp)
    if (compare === undefined) return undefined
    const directed: Compare = isDescending ? (a, b) => -compare(a, b) : compare
    if (this.by !== undefined && span.end - span.first < length) orderPart(order, span.first, span.end, directed)
    else order.sort(directed)
    return { elements, order, span }
  }

  #byNumber(elements: MemberList, lookUp: LookUp): Compare | undefined {
    const { by } = this
    const weights = new Float64Array(elements.count)
    let areNumbers = true
    for (let i = 0; i < elements.count; i++) {
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
  #byText(elements: MemberList, lookUp: LookUp): Compare {
    const compareTexts = this.options.target !== 0 ? compareBytes : compareStrings
    const { by } = this
    if (by === undefined) return (a, b) => compareTexts(elements, a, b)
    const weights = new MemberList()
    const isMissing = new Uint8Array(elements.count)
    for (let i = 0; i < elements.count; i++) {
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
