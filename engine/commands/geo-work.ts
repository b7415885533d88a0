/** A search that looks at many places, in slices: the reply in parts, or the sorted set that is stored. */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { ColdWants } from '../need.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { placeOf, scoreRanges } from '../types/geo-hash.ts'
import { wantMember } from '../types/sorted-set-wants.ts'
import { isLongWalk, membersAtOnce } from './combined-work.ts'
import { coordinates } from './geo-arguments.ts'
import { Found } from './geo-found.ts'
import type { GeoCommand, GeoSearch } from './geo-options.ts'
import { readGeoSearch } from './geo-options.ts'
import { replyPlace } from './geo-replies.ts'
import type { Making, Slices } from './repeated-work.ts'
import { RepeatedWork } from './repeated-work.ts'
import { ReplyParts } from './reply-parts.ts'
import { longSortedSet, StoredElements } from './stored-elements.ts'

const nothing: ColdWants = { value: () => undefined, leaf: () => undefined }
const tooCold = 'cold'

/** What a search has come to beforehand. */
export interface FoundBeforehand {
  readonly count: number
  readonly parts: ReplyParts
  /** Undefined for a reply. */
  readonly stored: StoredElements | undefined
}

export function stageSearch(x: Execution, command: GeoCommand): StagedWork | undefined {
  const entry = longSortedSet(x, command.source)
  if (entry === 0) return undefined
  const args = x.args.keep()
  const asked = searchIn(x, entry, args, command, nothing)
  if (typeof asked === 'string' || !isLongWalk(x, candidates(x, entry, asked))) return undefined
  const key = Buffer.from(args.bytes(command.source))
  const isRead = (bytes: Uint8Array, start: number, end: number): boolean => key.compare(bytes, start, end) === 0
  const { reply } = x
  return new RepeatedWork<FoundBeforehand>(x, asked.target !== 0, isRead, (work) => new SearchMaking(x, work, key, args, command, reply))
}

/** What is asked of a sorted set that is a tree, or a text: an error, or that the member from which is searched is cold, and then it is wanted. */
function searchIn(x: Execution, entry: number, args: Arguments, command: GeoCommand, wants: ColdWants): GeoSearch | string {
  const { trees } = x.mutator.types.sortedSets
  const root = x.keyspace.entries.value(entry)
  let isCold = false
  const asked = readGeoSearch(args, command, true, (index) => {
    const { buffer } = args
    const start = args.start(index)
    const end = args.end(index)
    if (!wantMember(trees, root, buffer, start, end, false, wants)) {
      isCold = true
      return false
    }
    const score = trees.score(root, buffer, start, end)
    if (!Number.isNaN(score)) placeOf(score, coordinates)
    return !Number.isNaN(score)
  })
  return isCold ? tooCold : asked
}

/** How many elements lie in the areas that are searched; all of them as long as a leaf that tells is cold. */
function candidates(x: Execution, entry: number, { shape }: GeoSearch): number {
  const { trees } = x.mutator.types.sortedSets
  const root = x.keyspace.entries.value(entry)
  let count = 0
  for (const { min, end } of scoreRanges(shape)) {
    const first = trees.places.rankOfScore(root, min, false)
    const last = trees.places.rankOfScore(root, end, false)
    if (first < 0 || last < 0) return x.keyspace.entries.length(entry)
    count += Math.max(0, last - first)
  }
  return count
}

class SearchMaking implements Making<FoundBeforehand> {
  readonly #x: Execution
  readonly #work: RepeatedWork<FoundBeforehand>
  readonly #key: Buffer
  readonly #args: Arguments
  readonly #command: GeoCommand
  readonly #parts: ReplyParts
  readonly #found = new Found()
  #stored: StoredElements | undefined

  constructor(x: Execution, work: RepeatedWork<FoundBeforehand>, key: Buffer, args: Arguments, command: GeoCommand, reply: ReplyWriter) {
    this.#x = x
    this.#work = work
    this.#key = key
    this.#args = args
    this.#command = command
    this.#parts = new ReplyParts(reply)
  }

  get memoryBytes(): number {
    return this.#parts.bytes + this.#found.elements.members.bytes
  }

  *slices(): Slices<FoundBeforehand> {
    const x = this.#x
    const find = (): number => this.#find()
    yield (wants) => {
      const entry = find()
      if (entry !== 0) searchIn(x, entry, this.#args, this.#command, wants)
    }
    const entry = find()
    const asked = entry === 0 ? tooCold : searchIn(x, entry, this.#args, this.#command, nothing)
    // The key has something else, or lacks the member: that is for the command to look at.
    if (typeof asked === 'string') return yield* this.#work.givenUp()
    const numbers = yield* this.#found.selecting(x, find, asked, membersAtOnce(x))
    if (asked.target === 0) yield* this.#render(asked, numbers)
    else yield* this.#store(asked, numbers)
    return { count: numbers.length, parts: this.#parts, stored: this.#stored }
  }

  *#render(asked: GeoSearch, numbers: Uint32Array): Slices<void> {
    const atOnce = membersAtOnce(this.#x)
    for (const [i, number] of numbers.entries()) {
      if (i % atOnce === 0 && i > 0) {
        this.#parts.endPart()
        yield undefined
      }
      replyPlace(this.#parts.writer, asked, this.#found, number)
    }
    this.#parts.endPart()
  }

  *#store({ storesDistance, shape }: GeoSearch, numbers: Uint32Array): Slices<void> {
    const x = this.#x
    const atOnce = membersAtOnce(x)
    const { elements, distances } = this.#found
    const { members } = elements
    const stored = new StoredElements(x)
    this.#stored = stored
    for (const [i, number] of numbers.entries()) {
      if (i % atOnce === 0 && i > 0) {
        yield* stored.put(x)
        yield undefined
      }
      const score = storesDistance ? (distances[number] as number) / shape.unitMeters : elements.score(number)
      stored.add(members.buffer, members.start(number), members.end(number), score)
    }
    yield* stored.put(x)
  }

  /** The command looks at the member again from which it searches. */
  want(wants: ColdWants): void {
    this.#stored?.want(wants)
    const entry = this.#find()
    if (entry !== 0) searchIn(this.#x, entry, this.#args, this.#command, wants)
  }

  #find(): number {
    const { entries } = this.#x.keyspace
    const entry = this.#work.find(this.#key, 0, this.#key.length)
    return entry !== 0 && entries.type(entry) === sortedSetType && entries.isTree(entry) ? entry : 0
  }

  release(): void {
    this.#stored?.release()
    this.#stored = undefined
  }
}
