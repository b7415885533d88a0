/** SORT of a large collection in slices: the reply in parts, or the list that is stored. */
import type { Execution } from '../execution.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { keyMissEvent } from '../messages.ts'
import type { ColdWants } from '../need.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { stringElementBytes } from '../types/listpack-size.ts'
import { isLongWalk, membersAtOnce } from './combined-work.ts'
import { MemberList } from './member-list.ts'
import type { Making, Slices } from './repeated-work.ts'
import { RepeatedWork } from './repeated-work.ts'
import { ReplyParts } from './reply-parts.ts'
import { isSortable, wantOfNamed } from './sort-needs.ts'
import type { SortOptions } from './sort-options.ts'
import { readSortOptions } from './sort-options.ts'
import type { SortPattern } from './sort-pattern.ts'
import type { Selection } from './sort-selection.ts'
import { SortPlan } from './sort-selection.ts'
import type { SortSource } from './sort-source.ts'
import { found, sortSource } from './sort-source.ts'
import { StoredList } from './stored-list.ts'

/** What SORT has come to beforehand. */
export interface SortedBeforehand {
  /** Whether all weights are numbers that have to be; if not, there is nothing else. */
  readonly areNumbers: boolean
  /** Elements of the reply, or of the list. */
  readonly count: number
  readonly parts: ReplyParts
  /** Entry of the list, if that is a tree; otherwise 0. */
  readonly listEntry: () => number
  /** A list in one piece. */
  readonly list: MemberList
  readonly hits: number
  readonly misses: number
}

/** Bytes that are put out in one slice. */
const bytesMax = 64 * 1024

export function stageSort(x: Execution, stores: boolean): StagedWork | undefined {
  const { args, keyspace } = x
  const options = readSortOptions(args, stores, x.limits.hasSlots)
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (typeof options === 'string' || entry === 0 || !isSortable(keyspace, entry)) return undefined
  // Who wants to hear of missing keys hears of them when the command runs.
  if ((x.messages.wanted & keyMissEvent) !== 0) return undefined
  const { readsSpan, span, length, by } = new SortPlan(sortSource(keyspace), entry, options, false)
  const patterns = by === undefined ? options.gets : [by, ...options.gets]
  const elements = readsSpan ? span.end - span.first : length
  if (!isLongWalk(x, elements * (1 + patterns.length))) return undefined
  const key = Buffer.from(args.bytes(1))
  const isRead = (bytes: Uint8Array, start: number, end: number): boolean =>
    key.compare(bytes, start, end) === 0 || patterns.some((pattern) => pattern.mayName(bytes, start, end))
  const { reply } = x
  return new RepeatedWork<SortedBeforehand>(x, options.target !== 0, isRead, (work) => new SortMaking(x, work, key, options, reply))
}

class SortMaking implements Making<SortedBeforehand> {
  readonly #x: Execution
  readonly #work: RepeatedWork<SortedBeforehand>
  readonly #key: Buffer
  readonly #options: SortOptions
  readonly #source: SortSource
  readonly #atOnce: number
  readonly #parts: ReplyParts
  #elements: MemberList | undefined
  #list: StoredList | undefined
  /** Elements of the list that are still to be put there; of a small one all. */
  readonly #pushed = new MemberList()
  /** Of all of them, in one piece. */
  #pushedBytes = packedHeaderBytes
  #hits = 0
  #misses = 0

  constructor(x: Execution, work: RepeatedWork<SortedBeforehand>, key: Buffer, options: SortOptions, reply: ReplyWriter) {
    this.#x = x
    this.#work = work
    this.#key = key
    this.#options = options
    this.#source = sortSource(x.keyspace)
    this.#atOnce = membersAtOnce(x)
    this.#parts = new ReplyParts(reply)
    if (options.target !== 0) this.#list = new StoredList(x)
  }

  get memoryBytes(): number {
    return this.#parts.bytes + (this.#elements?.bytes ?? 0)
  }

  *slices(): Slices<SortedBeforehand> {
    const find = (): number => this.#work.find(this.#key, 0, this.#key.length)
    const want = (...named: [SortPattern, Buffer, number, number, ColdWants]): void => this.#want(...named)
    const plan = new SortPlan(this.#source, find(), this.#options, false)
    const lookUp = (pattern: SortPattern, element: Buffer, start: number, end: number): Buffer | undefined => {
      const entry = this.#read(pattern, element, start, end)
      return entry === 0 ? undefined : this.#source.liveValue(entry, pattern, this.#x.now)
    }
    const selection = yield* plan.selecting(lookUp, { find, want, atOnce: this.#atOnce })
    if (selection === undefined) return this.#result(false, 0)
    this.#elements = selection.elements
    yield* this.#putAll(selection, lookUp)
    const { span } = selection
    return this.#result(true, (span.end - span.first) * Math.max(1, this.#options.gets.length))
  }

  #result(areNumbers: boolean, count: number): SortedBeforehand {
    const list = this.#list
    const listEntry = (): number => {
      const entry = list?.entry ?? 0
      return entry !== 0 && this.#x.keyspace.entries.isTree(entry) ? entry : 0
    }
    this.#elements = undefined
    return { areNumbers, count, parts: this.#parts, listEntry, list: this.#pushed, hits: this.#hits, misses: this.#misses }
  }

  *#putAll(
    { elements, order, span }: Selection,
    lookUp: (...of: [SortPattern, Buffer, number, number]) => Buffer | undefined,
  ): Slices<void> {
    const { gets } = this.#options
    const named = gets.filter(({ namesKey }) => namesKey)
    const { buffer } = elements
    for (let i = span.first; i < span.end; ) {
      const until = Math.min(span.end, i + this.#atOnce)
      const from = i
      yield (wants) => {
        this.#list?.want(wants)
        for (let j = from; j < until; j++) {
          for (const pattern of named) this.#want(pattern, buffer, elements.start(order[j]), elements.end(order[j]), wants)
        }
      }
      const begin = this.#written
      for (; i < until && this.#written - begin < bytesMax; i++) {
        const start = elements.start(order[i])
        const end = elements.end(order[i])
        if (gets.length === 0) this.#put(buffer, start, end)
        for (const pattern of gets) {
          if (pattern.isElement) this.#put(buffer, start, end)
          else this.#put(lookUp(pattern, buffer, start, end), found.start, found.end)
        }
      }
      this.#flush()
    }
  }

  get #written(): number {
    return this.#parts.writer.position + this.#pushed.bytes
  }

  #put(bytes: Buffer | undefined, start: number, end: number): void {
    if (this.#list === undefined) {
      if (bytes === undefined) this.#parts.writer.nil()
      else this.#parts.writer.bulk(bytes, start, end)
    } else {
      const from = bytes === undefined ? 0 : start
      const to = bytes === undefined ? 0 : end
      this.#pushed.add(bytes ?? this.#key, from, to)
      this.#pushedBytes += stringElementBytes(bytes ?? this.#key, from, to)
    }
  }

  /** Ends a slice. A list that stays in one piece is left to the command. */
  #flush(): void {
    if (this.#list === undefined) {
      this.#parts.endPart()
      return
    }
    if (this.#list.entry === 0 && this.#pushedBytes <= this.#x.keyspace.trees.leafBytesMax) return
    this.#list.push(this.#pushed)
    this.#pushed.clear()
  }

  /** The entry of the key that a pattern names for an element, 0 without. */
  #read(pattern: SortPattern, element: Buffer, start: number, end: number): number {
    if (!pattern.namesKey) return 0
    pattern.name(element, start, end)
    const entry = this.#work.find(pattern.key, 0, pattern.keyLength)
    if (entry === 0) this.#misses++
    else {
      this.#hits++
      this.#x.touch(entry)
    }
    return entry
  }

  #want(pattern: SortPattern, element: Buffer, start: number, end: number, wants: ColdWants): void {
    if (!pattern.namesKey) return
    pattern.name(element, start, end)
    const entry = this.#work.find(pattern.key, 0, pattern.keyLength)
    if (entry !== 0) wantOfNamed(this.#x.keyspace, entry, pattern, wants)
  }

  release(): void {
    this.#list?.release()
    this.#list = undefined
  }
}
