/** Elements that are copied in slices out of a sorted set, or calculated, and stored as another one. */
import type { Execution } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { wantRanks } from '../types/sorted-set-wants.ts'
import { StoredResult } from './combined-result.ts'
import { isLongWalk, membersAtOnce } from './combined-work.ts'
import { MemberList } from './member-list.ts'
import type { Making, Slices } from './repeated-work.ts'
import { RepeatedWork } from './repeated-work.ts'
import { ScoredList } from './scored-list.ts'
import { replaceWith } from './sorted-set-change.ts'
import { finderIn } from './sorted-set-needs.ts'
import type { RangeOptions } from './sorted-set-options.ts'
import { rankSpan, readRangeOptions, slice } from './sorted-set-options.ts'
import { placeUnfinished } from './unfinished.ts'

const nothing: ColdWants = { value: () => undefined, leaf: () => undefined }

/** A sorted set that is made a part at a time under a key that no client can see. */
export class StoredElements {
  readonly #result: StoredResult
  readonly #members = new MemberList()
  readonly #scores: number[] = []

  constructor(x: Execution) {
    this.#result = new StoredResult(x, true, x.random.nextUint32())
  }

  get count(): number {
    return this.#result.count
  }

  /** Takes an element for the next part. */
  add(bytes: Uint8Array, start: number, end: number, score: number): void {
    this.#scores[this.#members.count] = score
    this.#members.add(bytes, start, end)
  }

  /** Stores the part. */
  *put(x: Execution): Slices<void> {
    const members = this.#members
    if (this.#result.hasCold) yield (wants) => this.#result.wants(members, this.#scores, wants)
    const { arena } = x.keyspace
    // Nothing may be missing half-way.
    arena.reserveSlots(4 * members.bytes + 512 * members.count)
    this.#result.set(members, this.#scores)
    arena.releaseReserved()
    members.clear()
  }

  /** Names what `place` needs. */
  want(wants: ColdWants): void {
    this.#result.wants(this.#members, this.#scores, wants)
  }

  /** Puts it in place of what the key that is argument `index` holds, in the command's turn. Returns whether that held something. */
  place(x: Execution, index: number): boolean {
    const { entry } = this.#result
    if (entry !== 0 && x.keyspace.entries.isTree(entry)) return placeUnfinished(x, entry, index)
    const list = new ScoredList()
    if (entry !== 0) x.mutator.types.sortedSets.each(entry, (bytes, start, end, score) => list.add(bytes, start, end, score))
    return replaceWith(x, list, list.sorted(), index)
  }

  release(): void {
    this.#result.release()
  }
}

/** The entry of the key that is argument `index` if it holds a sorted set that is a tree, and so large that many elements may be looked at; else 0. */
export function longSortedSet(x: Execution, index: number): number {
  const { args, keyspace } = x
  const { entries } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[index], args.ends[index])
  const isTree = entry !== 0 && entries.type(entry) === sortedSetType && entries.isTree(entry)
  return isTree && isLongWalk(x, entries.length(entry)) ? entry : 0
}

/** ZRANGESTORE of many elements. */
export function stageStoredRange(x: Execution): StagedWork | undefined {
  const entry = longSortedSet(x, 2)
  if (entry === 0) return undefined
  const args = x.args.keep()
  const options = readRangeOptions(args, 2, { stores: true })
  if (typeof options === 'string') return undefined
  const range = shownOf(x, entry, options, nothing)
  if (range === undefined || !isLongWalk(x, range.count)) return undefined
  const key = Buffer.from(args.bytes(2))
  const isRead = (bytes: Uint8Array, start: number, end: number): boolean => key.compare(bytes, start, end) === 0
  return new RepeatedWork<StoredElements>(x, true, isRead, (work) => new RangeMaking(x, work, key, options))
}

/** The elements that a range shows of a sorted set that is a tree; undefined as long as a leaf that tells is cold. */
function shownOf(x: Execution, entry: number, options: RangeOptions, wants: ColdWants): { first: number; count: number } | undefined {
  const { entries } = x.keyspace
  const { bounds } = options
  const { trees } = x.mutator.types.sortedSets
  const span = bounds === undefined ? rankSpan(options, entries.length(entry)) : bounds(finderIn(trees, entries.value(entry), wants))
  return span === undefined ? undefined : slice(span, options)
}

class RangeMaking implements Making<StoredElements> {
  readonly memoryBytes = 0
  readonly #x: Execution
  readonly #work: RepeatedWork<StoredElements>
  readonly #key: Buffer
  readonly #options: RangeOptions
  readonly #stored: StoredElements

  constructor(x: Execution, work: RepeatedWork<StoredElements>, key: Buffer, options: RangeOptions) {
    this.#x = x
    this.#work = work
    this.#key = key
    this.#options = options
    this.#stored = new StoredElements(x)
  }

  *slices(): Slices<StoredElements> {
    const x = this.#x
    const { entries } = x.keyspace
    const { sortedSets } = x.mutator.types
    const stored = this.#stored
    const isTree = (entry: number): boolean => entry !== 0 && entries.type(entry) === sortedSetType && entries.isTree(entry)
    const find = (): number => this.#work.find(this.#key, 0, this.#key.length)
    yield (wants) => {
      const entry = find()
      if (isTree(entry)) shownOf(x, entry, this.#options, wants)
    }
    const range = isTree(find()) ? shownOf(x, find(), this.#options, nothing) : undefined
    // The key has something else: that is for the command to look at.
    if (range === undefined) return yield* this.#work.givenUp()
    const { reverse } = this.#options
    let rank = reverse ? range.first - range.count + 1 : range.first
    const end = rank + range.count
    while (rank < end) {
      const count = Math.min(membersAtOnce(x), end - rank)
      yield (wants) => {
        wantRanks(sortedSets.trees, entries.value(find()), rank, count, false, wants)
      }
      sortedSets.visit(find(), rank, count, false, (bytes, start, stop, score) => stored.add(bytes, start, stop, score))
      rank += count
      yield* stored.put(x)
    }
    return stored
  }

  want(wants: ColdWants): void {
    this.#stored.want(wants)
  }

  release(): void {
    this.#stored.release()
  }
}
