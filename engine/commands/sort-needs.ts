/**
 * What SORT needs of the cold store: the elements it reads; then, when these are there, the weights; and then the values of the elements that it will return. So
 * it is asked again until nothing is missing, and does each time as much of its work as it can.
 */
import { CountedWants, hasCold, wantValue } from '../cold-wants.ts'
import { hashType, listType, setType, sortedSetType, stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants, WantsBeyond, WantsOf } from '../need.ts'
import { wantField } from '../types/hash-tree.ts'
import { wantElements } from '../types/list-type.ts'
import { SortedSetTrees } from '../types/sorted-set-tree.ts'
import { wantRanks } from '../types/sorted-set-wants.ts'
import type { SortOptions } from './sort-options.ts'
import { readSortOptions } from './sort-options.ts'
import type { SortPattern } from './sort-pattern.ts'
import { SortPlan } from './sort-selection.ts'
import { sortSource } from './sort-source.ts'

export const wantsSorted: WantsBeyond = { name: 'wantsSorted', wantsBeyond: wanting(true) }
export const wantsSortedToRead: WantsBeyond = { name: 'wantsSorted', wantsBeyond: wanting(false) }

function wanting(stores: boolean): WantsOf {
  return (keyspace, entry, args, keyIndex, wants) => {
    const options = keyIndex === 1 ? readSortOptions(args, stores) : ''
    if (typeof options !== 'string' && isSortable(keyspace, entry)) new SortWants(keyspace, entry, options, wants).name()
  }
}

export function isSortable({ entries }: Keyspace, entry: number): boolean {
  const type = entries.type(entry)
  return type === listType || type === setType || type === sortedSetType
}

class SortWants {
  readonly #keyspace: Keyspace
  readonly #entry: number
  readonly #plan: SortPlan
  readonly #wants: CountedWants
  /** A weight may have expired by the time of the command, which then returns other elements. */
  #mayExpire = false

  constructor(keyspace: Keyspace, entry: number, options: SortOptions, wants: ColdWants) {
    this.#keyspace = keyspace
    this.#entry = entry
    this.#plan = new SortPlan(sortSource(keyspace), entry, options, false)
    this.#wants = new CountedWants(wants)
  }

  name(): void {
    const { options, by, isUnsorted } = this.#plan
    if (hasCold(this.#keyspace, this.#entry)) this.#wantElements()
    const gets = options.gets.filter(({ namesKey }) => namesKey)
    if (this.#wants.any || (gets.length === 0 && (isUnsorted || by === undefined))) return
    const selection = this.#plan.select((pattern, element, start, end) => this.#weight(pattern, element, start, end))
    if (this.#wants.any || selection === undefined || gets.length === 0) return
    const { elements, order, span } = selection
    // A script gives a set that is not sorted an order.
    const isKnown = !this.#mayExpire && (this.#plan.readsSpan || !isUnsorted)
    const end = isKnown ? span.end : order.length
    for (let i = isKnown ? span.first : 0; i < end; i++) {
      const number = order[i]
      for (const pattern of gets) this.#wantNamed(pattern, elements.buffer, elements.start(number), elements.end(number))
    }
  }

  #wantElements(): void {
    const { readsSpan, span, options, length } = this.#plan
    const { entries, trees } = this.#keyspace
    const entry = this.#entry
    const isTree = entries.isTree(entry)
    const type = entries.type(entry)
    const first = readsSpan ? span.first : 0
    const count = (readsSpan ? span.end : length) - first
    const isBackwards = readsSpan && options.isDescending
    if (count <= 0) return
    if (!isTree || type === setType) wantValue(this.#keyspace, entry, this.#wants)
    else if (type === listType) wantElements(this.#keyspace, entry, isBackwards ? length - first - count : first, count, this.#wants)
    else {
      const rank = isBackwards ? length - 1 - first : first
      wantRanks(new SortedSetTrees(trees), entries.value(entry), rank, count, isBackwards, this.#wants)
    }
  }

  /** The weight of an element, or that it is wanted. */
  #weight(pattern: SortPattern, element: Buffer, start: number, end: number): Buffer | undefined {
    const entry = this.#find(pattern, element, start, end)
    if (entry === 0) return undefined
    if (this.#keyspace.entries.expireAt(entry) !== 0) this.#mayExpire = true
    return this.#wantOf(entry, pattern) ? undefined : sortSource(this.#keyspace).value(entry, pattern)
  }

  #wantNamed(pattern: SortPattern, element: Buffer, start: number, end: number): void {
    const entry = this.#find(pattern, element, start, end)
    if (entry !== 0) this.#wantOf(entry, pattern)
  }

  #find(pattern: SortPattern, element: Buffer, start: number, end: number): number {
    const keyspace = this.#keyspace
    pattern.name(element, start, end)
    keyspace.forgetLookUp()
    return keyspace.find(keyspace.entries.db(this.#entry), pattern.key, 0, pattern.keyLength)
  }

  #wantOf(entry: number, pattern: SortPattern): boolean {
    return wantOfNamed(this.#keyspace, entry, pattern, this.#wants)
  }
}

/** Wants what a pattern reads of an entry that it has named. Returns whether something is cold. */
export function wantOfNamed(keyspace: Keyspace, entry: number, { field }: SortPattern, into: ColdWants): boolean {
  const { entries } = keyspace
  if (!hasCold(keyspace, entry) || (field === undefined) !== (entries.type(entry) === stringType)) return false
  const wants = new CountedWants(into)
  if (!entries.isTree(entry)) wantValue(keyspace, entry, wants)
  else if (field !== undefined && entries.type(entry) === hashType) wantField(keyspace, entry, field, 0, field.length, wants)
  return wants.any
}
