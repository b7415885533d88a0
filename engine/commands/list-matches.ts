/**
 * Looking for elements by their bytes in a long list, in slices: parts of an image say how many elements they show, and which of these match.
 * What is found near the end that the search begins from is found at once instead.
 */
import type { Execution } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { sameBytes } from '../memory/packed-bytes.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import type { VisitElement } from '../types/list-leaf.ts'
import { visitElements } from '../types/list-leaf.ts'
import { visitBackwards, visitForwards } from '../types/list-walk.ts'
import { slicedTree } from './sliced-tree.ts'

const partBytesMax = 64 * 1024
/** Elements that are compared at once before the others are left to slices. */
const comparedAtOnceMax = 4096

/** In which order a reply shows ranks. */
export type RankOrder = 'ascending' | 'descending'

/**
 * Counts elements and notes the numbers of those that match: u32 count · u32 matches · u32 each. If the ranks are to be shown, too, their replies follow as
 * they are behind so many elements: u32 elements in front · replies.
 */
export class MatchRenderer implements LeafRenderer {
  /** Matches in all that was rendered. */
  found = 0
  readonly #keyspace: Keyspace
  readonly #visit: VisitElement
  readonly #shows: RankOrder | undefined
  readonly #reply = new ReplyWriter()
  #count = 0
  #matches: number[] = []
  /** Elements in all that was rendered. */
  #before = 0

  constructor(keyspace: Keyspace, wanted: Buffer, shows?: RankOrder) {
    this.#keyspace = keyspace
    this.#shows = shows
    this.#visit = (bytes, start, end) => {
      if (end - start === wanted.length && sameBytes(bytes, start, wanted, 0, wanted.length)) this.#matches.push(this.#count)
      this.#count++
      return true
    }
  }

  leaf(ref: number): void {
    const { values } = this.#keyspace
    visitElements(values.bytes(ref), values.start(ref), this.#visit)
  }

  take(): Buffer {
    const matches = this.#matches
    const before = this.#before
    const head = Buffer.allocUnsafe(4 * (matches.length + 3))
    let at = head.writeUInt32LE(this.#count, 0)
    at = head.writeUInt32LE(matches.length, at)
    for (const index of matches) at = head.writeUInt32LE(index, at)
    head.writeUInt32LE(before, at)
    this.found += matches.length
    this.#before += this.#count
    this.#count = 0
    this.#matches = []
    if (this.#shows === undefined) return head
    if (this.#shows === 'descending') matches.reverse()
    for (const index of matches) this.#reply.integer(before + index)
    return Buffer.concat([head, this.#reply.output.takeAll()])
  }
}

/** What is staged of a search for argument `index` in a large list; undefined if `wanted` matches are soon found from the head, or from the tail. */
export function stageSearch(x: Execution, index: number, backwards: boolean, wanted: number, shows?: RankOrder): StagedWork | undefined {
  return searchOf(x, index, backwards, wanted, shows)?.image
}

/** A search that is under way. */
export interface Search {
  readonly image: TreeImage
  readonly renderer: MatchRenderer
}

/** As `stageSearch`. */
export function searchOf(x: Execution, index: number, backwards: boolean, wanted: number, shows?: RankOrder): Search | undefined {
  const { keyspace, args, limits } = x
  const entry = slicedTree(x)
  if (entry === 0 || keyspace.entries.type(entry) !== listType || areSoonFound(x, entry, index, backwards, wanted)) return undefined
  const partBytes = Math.min(partBytesMax, limits.slicedValueBytes ?? slicedValueBytes)
  const renderer = new MatchRenderer(keyspace, Buffer.from(args.bytes(index)), shows)
  return { image: new TreeImage(keyspace, entry, renderer, partBytes), renderer }
}

/** Only where all is in memory: otherwise the search reads leaf by leaf. */
function areSoonFound({ keyspace, args }: Execution, entry: number, index: number, backwards: boolean, wanted: number): boolean {
  const { entries, trees } = keyspace
  if (trees.roots.coldLeaves(entries.value(entry)) > 0) return false
  const bytes = args.bytes(index)
  let left = wanted
  const visit: VisitElement = (buffer, start, end) => {
    if (end - start === bytes.length && sameBytes(buffer, start, bytes, 0, bytes.length)) left--
    return left > 0
  }
  if (backwards) visitBackwards(keyspace, entry, entries.length(entry) - 1, comparedAtOnceMax, visit)
  else visitForwards(keyspace, entry, 0, comparedAtOnceMax, visit)
  return left <= 0
}

/** What a staged search has found in a run of elements. */
class MatchedRun {
  readonly #bytes: Buffer
  /** Elements of the list in front of it. */
  readonly before: number

  constructor(bytes: Buffer, before: number) {
    this.#bytes = bytes
    this.before = before
  }

  get count(): number {
    return this.#bytes.readUInt32LE(0)
  }

  get matches(): number {
    return this.#bytes.readUInt32LE(4)
  }

  rank(i: number): number {
    return this.before + this.#bytes.readUInt32LE(8 + 4 * i)
  }

  /** The replies of its ranks, if they were rendered as they are now. */
  get shown(): Buffer | undefined {
    const at = 8 + 4 * this.matches
    return this.#bytes.length > at + 4 && this.#bytes.readUInt32LE(at) === this.before ? this.#bytes.subarray(at + 4) : undefined
  }
}

/** Where in a list a staged search has found matches. */
export class FoundMatches {
  readonly #runs: MatchedRun[] = []
  readonly #length: number

  /** Of an image of the list as it is now. */
  constructor(image: TreeImage) {
    let before = 0
    image.each((bytes) => {
      const run = new MatchedRun(bytes, before)
      before += run.count
      if (run.matches > 0) this.#runs.push(run)
    })
    this.#length = before
  }

  /** Visits the ranks of matches among the first `max` elements, or among the last, until told that it is enough. */
  each(backwards: boolean, max: number, visit: (rank: number) => boolean): void {
    for (const run of this.#inOrder(backwards)) if (!this.#eachOf(run, backwards, max, visit)) return
  }

  #inOrder(backwards: boolean): readonly MatchedRun[] {
    return backwards ? [...this.#runs].reverse() : this.#runs
  }

  #eachOf(run: MatchedRun, backwards: boolean, max: number, visit: (rank: number) => boolean): boolean {
    const { matches } = run
    for (let i = 0; i < matches; i++) {
      const rank = run.rank(backwards ? matches - 1 - i : i)
      if ((backwards ? this.#length - 1 - rank : rank) >= max || !visit(rank)) return false
    }
    return true
  }

  /** Replies with the ranks of `wanted` matches behind the first `skipped`, among the first `max` elements, or among the last. */
  replyTo(reply: ReplyWriter, backwards: boolean, max: number, skipped: number, wanted: number): void {
    const token = reply.arrayDeferred()
    let skip = skipped
    let shown = 0
    const show = (rank: number): boolean => {
      if (skip-- > 0) return true
      reply.integer(rank)
      return ++shown < wanted
    }
    for (const run of this.#inOrder(backwards)) {
      const reach = backwards ? this.#length - run.before : run.before + run.count
      const bytes = skip <= 0 && reach <= max && shown + run.matches <= wanted ? run.shown : undefined
      if (bytes === undefined) {
        if (!this.#eachOf(run, backwards, max, show)) break
        continue
      }
      reply.rawShared(bytes)
      shown += run.matches
      if (shown === wanted) break
    }
    reply.resolve(token, shown)
  }
}

/** What a staged search has found in the list `entry`; undefined when it is of something else. */
export function matchesOf(staged: StagedWork | undefined, entry: number): FoundMatches | undefined {
  return staged instanceof TreeImage && staged.shows(entry) ? new FoundMatches(staged) : undefined
}
