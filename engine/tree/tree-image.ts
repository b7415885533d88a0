/**
 * A large collection rendered in slices: parts that each show a run of its leaves, as a reply would have them.
 *
 * A part is good as long as its leaves begin and end where they did, show no later LSN and as many elements in all: every
 * change of a leaf raises its LSN, except that a leaf which loses its last element may leave without a trace of its own.
 * `each` renders anew what is not good any more, so that all of it shows one moment. Good parts need no leaf in memory.
 */

import { wantRow } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { Separator } from './separator.ts'
import type { TreeLeaves } from './tree-leaves.ts'
import { LeafRow } from './tree-shape.ts'

/** What leaves look like, one after the other: called for each slot of a run, then for the whole. */
export interface LeafRenderer {
  /** Of the leaf's elements only `count` from number `from` on, if told: of those whose image is a range. */
  leaf(ref: number, from?: number, count?: number): void
  /** What the leaves since the last call came to, in memory that nobody else will touch. */
  take(): Buffer
}

interface Part {
  readonly first: Separator
  /** Where the leaf behind it begins; undefined for the last. */
  readonly end: Separator | undefined
  readonly lsn: number
  readonly count: number
  readonly bytes: Buffer
}

/** The elements that are shown of so many, by rank: from the first up to one before `end`. */
export type RangeOf = (length: number) => { readonly first: number; readonly end: number }

const all = { first: 0, end: Number.POSITIVE_INFINITY }

/** Cold leaves that are asked for at a time. */
const leavesAhead = 64

export class TreeImage implements StagedWork {
  readonly #trees: TreeLeaves
  readonly #handle: TreeHandle
  readonly #renderer: LeafRenderer
  readonly #partBytes: number
  readonly #rangeOf: RangeOf
  /** In the order of the leaves. */
  readonly #parts: Part[] = []
  /** Where the next part begins. */
  readonly #position = new Separator()
  #isRendered = false
  #memoryBytes = 0

  /** Of an entry whose value is a tree, in parts that show about `partBytes`; of all elements, or of those in a range that holds one at least. */
  constructor(keyspace: Keyspace, entry: number, renderer: LeafRenderer, partBytes: number, rangeOf: RangeOf = () => all) {
    this.#trees = keyspace.trees
    this.#handle = new TreeHandle(keyspace, entry)
    this.#renderer = renderer
    this.#partBytes = partBytes
    this.#rangeOf = rangeOf
    const root = keyspace.entries.value(entry)
    const { first } = this.#range(root)
    if (first === 0) return
    const at = new LeafRow()
    this.#trees.shape.locateRank(root, first, at)
    this.#trees.shape.separator(at, this.#position)
  }

  #range(root: number): { readonly first: number; readonly end: number } {
    return this.#rangeOf(this.#trees.roots.count(root))
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  step(): boolean {
    const trees = this.#trees
    const { shape, nodes } = trees
    const at = new LeafRow()
    if (!this.#next(at)) return false
    if (trees.ref(at) === 0) return true
    const first = shape.separator(at, new Separator())
    let shown = 0
    let lsn = 0
    let count = 0
    let hasMore = true
    while (hasMore && shown < this.#partBytes && trees.ref(at) !== 0) {
      this.#renderer.leaf(trees.ref(at))
      shown += nodes.bytes(at.node, at.row)
      lsn = Math.max(lsn, nodes.lsn(at.node, at.row))
      count += nodes.count(at.node, at.row)
      hasMore = shape.next(at)
    }
    const end = hasMore ? shape.separator(at, new Separator()) : undefined
    const bytes = this.#renderer.take()
    this.#parts.push({ first, end, lsn, count, bytes })
    this.#memoryBytes += bytes.length
    if (end === undefined || shape.rankOf(at) >= this.#range(shape.rootOf(at.node)).end) this.#isRendered = true
    else this.#position.copy(end)
    return !this.#isRendered
  }

  /** Whether it is an image of the value of `entry`. */
  shows(entry: number): boolean {
    return this.#handle.find() === entry
  }

  eachCold(wants: ColdWants): boolean {
    const trees = this.#trees
    const root = this.#handle.root()
    if (root === 0) return false
    const at = new LeafRow()
    if (this.#next(at)) {
      let left = leavesAhead
      do {
        if (trees.ref(at) !== 0) break
        wantRow(trees, root, at, wants)
      } while (--left > 0 && trees.shape.next(at))
      return true
    }
    this.#walk(
      root,
      () => undefined,
      (row) => {
        if (trees.ref(row) === 0) wantRow(trees, root, row, wants)
      },
    )
    return true
  }

  /** Visits all of the collection as it is now, in order. What is not named by `eachCold` must be resident. */
  each(visit: (bytes: Buffer) => void): void {
    const root = this.#handle.root()
    if (root === 0) throw new Error('tree image: the collection is gone')
    let hasUnrendered = false
    const flush = (): void => {
      if (hasUnrendered) visit(this.#renderer.take())
      hasUnrendered = false
    }
    this.#walk(
      root,
      (part) => {
        flush()
        visit(part.bytes)
      },
      (row, from, count) => {
        this.#renderer.leaf(this.#trees.used(row), from, count)
        hasUnrendered = true
      },
    )
    flush()
  }

  /** Walks over the leaves: a good part at once, the others leaf by leaf, of which `count` elements from number `from` on are in the range. */
  #walk(root: number, onPart: (part: Part) => void, onLeaf: (row: LeafRow, from: number, count: number) => void): void {
    const { shape, nodes, roots } = this.#trees
    const parts = this.#parts
    const at = new LeafRow()
    const { first, end } = this.#range(root)
    if (first >= roots.count(root)) return
    shape.locateRank(root, first, at)
    let rank = first - shape.rankWithin
    let next = 0
    for (let goesOn = true; goesOn && rank < end; ) {
      const words = shape.arena.words(at.node)
      const w = nodes.rowAt(at.node, at.row)
      while (next < parts.length && (parts[next] as Part).first.compare(words, w) < 0) next++
      const part = next < parts.length && (parts[next] as Part).first.compare(words, w) === 0 ? parts[next] : undefined
      const isWithin = part !== undefined && rank >= first && rank + part.count <= end
      const behind = isWithin ? this.#behind(part, at) : undefined
      if (part === undefined || behind === undefined) {
        const count = nodes.count(at.node, at.row)
        const from = Math.max(0, first - rank)
        onLeaf(at, from, Math.min(count, end - rank) - from)
        rank += count
        goesOn = shape.next(at)
        continue
      }
      onPart(part)
      rank += part.count
      goesOn = part.end !== undefined
      at.set(behind.node, behind.row)
    }
  }

  /** The leaf behind a part that begins at `from` (of the last part, its last leaf); undefined when the part is not good. */
  #behind(part: Part, from: LeafRow): LeafRow | undefined {
    const { shape, nodes } = this.#trees
    const at = new LeafRow().set(from.node, from.row)
    let count = 0
    for (;;) {
      const order = part.end === undefined ? 1 : part.end.compare(shape.arena.words(at.node), nodes.rowAt(at.node, at.row))
      if (order <= 0) return order === 0 && count === part.count ? at : undefined
      if (nodes.lsn(at.node, at.row) > part.lsn) return undefined
      count += nodes.count(at.node, at.row)
      if (shape.next(at)) continue
      return part.end === undefined && count === part.count ? at : undefined
    }
  }

  /** Finds the first leaf that begins where the next part does, or behind; false when there is none. */
  #next(into: LeafRow): boolean {
    const root = this.#isRendered ? 0 : this.#handle.root()
    if (root === 0) return false
    const { shape, nodes } = this.#trees
    shape.locate(root, this.#position, into)
    // A leaf that begins before has taken in what began here: it is rendered at the end.
    if (this.#position.compare(shape.arena.words(into.node), nodes.rowAt(into.node, into.row)) === 0) return true
    return shape.next(into)
  }
}
