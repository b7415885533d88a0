/**
 * Looking for elements by their bytes in a long list, in slices: parts of an image say how many elements they show, and which of these match.
 * What is found near the end that the search begins from is found at once instead.
 */
import type { Execution } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { sameBytes } from '../memory/packed-bytes.ts'
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

/** Counts elements and notes the numbers of those that match: u32 count, then u32 each. */
export class MatchRenderer implements LeafRenderer {
  /** Matches in all that was rendered. */
  found = 0
  readonly #keyspace: Keyspace
  readonly #visit: VisitElement
  #count = 0
  #matches: number[] = []

  constructor(keyspace: Keyspace, wanted: Buffer) {
    this.#keyspace = keyspace
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
    const bytes = Buffer.alloc(4 * (this.#matches.length + 1))
    bytes.writeUInt32LE(this.#count, 0)
    for (const [i, rank] of this.#matches.entries()) bytes.writeUInt32LE(rank, 4 * (i + 1))
    this.found += this.#matches.length
    this.#count = 0
    this.#matches = []
    return bytes
  }
}

/** What is staged of a search for argument `index` in a large list; undefined if `wanted` matches are soon found from the head, or from the tail. */
export function stageSearch(x: Execution, index: number, backwards: boolean, wanted: number): StagedWork | undefined {
  return searchOf(x, index, backwards, wanted)?.image
}

/** A search that is under way. */
export interface Search {
  readonly image: TreeImage
  readonly renderer: MatchRenderer
}

/** As `stageSearch`. */
export function searchOf(x: Execution, index: number, backwards: boolean, wanted: number): Search | undefined {
  const { keyspace, args, limits } = x
  const entry = slicedTree(x)
  if (entry === 0 || keyspace.entries.type(entry) !== listType || areSoonFound(x, entry, index, backwards, wanted)) return undefined
  const partBytes = Math.min(partBytesMax, limits.slicedValueBytes ?? slicedValueBytes)
  const renderer = new MatchRenderer(keyspace, Buffer.from(args.bytes(index)))
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

/** The ranks that were found for the list `entry` by a staged search, ascending; undefined when that is of something else. */
export function matchesOf(image: TreeImage, entry: number): number[] | undefined {
  if (!image.shows(entry)) return undefined
  const ranks: number[] = []
  let before = 0
  image.each((bytes) => {
    for (let at = 4; at < bytes.length; at += 4) ranks.push(before + bytes.readUInt32LE(at))
    before += bytes.readUInt32LE(0)
  })
  return ranks
}
