/**
 * A large collection, or a range of one, rendered in slices: parts that each show a run of its leaves, as a reply would have them.
 *
 * A range is one of ranks in the whole tree, and is found anew whenever it matters, for what changes meanwhile moves it. Leaves that lie in it only partly
 * are in no part: they are rendered in the end.
 *
 * A part is good as long as its leaves begin and end where they did, show no later LSN and as many elements in all: every
 * change of a leaf raises its LSN, except that a leaf which loses its last element may leave without a trace of its own.
 * `each` renders anew what is not good any more, so that all of it shows one moment. Good parts need no leaf in memory.
 */

import { ColdFaults } from '../cold-faults.ts'
import { wantRow } from '../cold-wants.ts'
import type { Entries } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { Separator } from './separator.ts'
import type { TreeLeaves } from './tree-leaves.ts'
import { LeafRow } from './tree-shape.ts'

/** What leaves look like, one after the other: called for each slot of a run, then for the whole. */
export interface LeafRenderer {
  /** Of the leaf's elements only `count` from number `from` on, if told: of those whose image is a range. Whoever shows a range backwards begins with the last. */
  leaf(ref: number, from?: number, count?: number): void
  /** What the leaves since the last call came to, in memory that nobody else will touch. */
  take(): Buffer
}

interface Part {
  readonly first: Separator
  /** Where the leaf begins that comes next; undefined for the last. */
  readonly end: Separator | undefined
  readonly lsn: number
  readonly count: number
  readonly bytes: Buffer
}

/** Elements of a tree, by rank: from the first up to one before `end`. */
export interface RankSpan {
  readonly first: number
  readonly end: number
}

/** The elements that are shown of a tree as it is now; undefined while something that tells is cold, which `wants` is then told of. */
export type SpanOf = (root: number, wants?: ColdWants) => RankSpan | undefined

/** Cold leaves that are asked for at a time. */
const leavesAhead = 64

export class TreeImage implements StagedWork {
  readonly #entries: Entries
  readonly #trees: TreeLeaves
  readonly #handle: TreeHandle
  readonly #faults: ColdFaults
  readonly #renderer: LeafRenderer
  readonly #partBytes: number
  readonly #spanOf: SpanOf
  readonly #backwards: boolean
  /** In the order of the walk. */
  readonly #parts: Part[] = []
  /** Where the next part begins, once one has begun. */
  readonly #position = new Separator()
  #hasBegun = false
  #isRendered = false
  /** Of the collection's last change when all parts were rendered: as long as there is no later one, all are good. -1 if it changed in between. */
  #steadyLsn = -1
  #memoryBytes = 0

  /** Of an entry whose value is a tree, in parts that show about `partBytes`; of all elements unless told, in their order or `backwards`. */
  constructor(keyspace: Keyspace, entry: number, renderer: LeafRenderer, partBytes: number, spanOf?: SpanOf, backwards = false) {
    this.#entries = keyspace.entries
    this.#trees = keyspace.trees
    this.#handle = new TreeHandle(keyspace, entry)
    this.#faults = new ColdFaults(keyspace)
    this.#renderer = renderer
    this.#partBytes = partBytes
    this.#spanOf = spanOf ?? ((root) => ({ first: 0, end: keyspace.trees.roots.count(root) }))
    this.#backwards = backwards
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  step(): boolean {
    const root = this.#isRendered ? 0 : this.#handle.root()
    if (root === 0) return false
    const span = this.#spanOf(root)
    if (span === undefined) return true
    const at = new LeafRow()
    if (!this.#next(root, span, at)) return false
    this.#render(at, span)
    return !this.#isRendered
  }

  /** Renders a part that begins with a leaf, unless that is cold. */
  #render(at: LeafRow, { first, end }: RankSpan): void {
    const trees = this.#trees
    const { shape, nodes } = trees
    const begin = shape.separator(at, new Separator())
    let rank = shape.rankOf(at)
    // Leaves that are wholly in front of the range by now do no harm.
    const isPast = (): boolean => (this.#backwards ? rank < first : rank + nodes.count(at.node, at.row) > end)
    let shown = 0
    let lsn = 0
    let count = 0
    let hasMore = true
    while (hasMore && shown < this.#partBytes && !isPast() && trees.ref(at) !== 0) {
      const held = nodes.count(at.node, at.row)
      // A leaf without elements may be of another kind than those of the range.
      if (held > 0) this.#renderer.leaf(trees.ref(at))
      shown += nodes.bytes(at.node, at.row)
      lsn = Math.max(lsn, nodes.lsn(at.node, at.row))
      count += held
      hasMore = this.#moveOn(at)
      rank += this.#backwards ? -nodes.count(at.node, at.row) : held
    }
    const next = hasMore ? shape.separator(at, new Separator()) : undefined
    if (shown > 0) {
      const bytes = this.#renderer.take()
      const now = this.#lsn(shape.rootOf(at.node))
      if (this.#parts.length === 0) this.#steadyLsn = now
      else if (this.#steadyLsn !== now) this.#steadyLsn = -1
      this.#parts.push({ first: begin, end: next, lsn, count, bytes })
      this.#memoryBytes += bytes.length
    }
    if (next === undefined || isPast()) this.#isRendered = true
    else this.#position.copy(next)
  }

  /** Whether it is an image of the value of `entry`. */
  shows(entry: number): boolean {
    return this.#handle.find() === entry
  }

  /** How many elements it shows of the collection as it is now. What is not named by `eachCold` must be resident. */
  count(): number {
    const { first, end } = this.#span(this.#handle.root())
    return Math.max(0, end - first)
  }

  eachCold(wants: ColdWants): boolean {
    const trees = this.#trees
    const root = this.#handle.root()
    if (root === 0) return false
    const span = this.#spanOf(root, wants)
    if (span === undefined) return true
    if (trees.roots.coldLeaves(root) === 0) return true
    const at = new LeafRow()
    if (!this.#isRendered && this.#next(root, span, at)) {
      let left = leavesAhead
      let rank = trees.shape.rankOf(at)
      do {
        if (trees.ref(at) !== 0) break
        const count = trees.nodes.count(at.node, at.row)
        if (this.#backwards ? rank < span.first : rank + count > span.end) break
        wantRow(trees, root, at, wants)
        rank += count
        if (!this.#moveOn(at)) break
        if (this.#backwards) rank -= count + trees.nodes.count(at.node, at.row)
      } while (--left > 0)
      return true
    }
    this.#walk(
      root,
      span,
      () => undefined,
      (row) => {
        if (trees.ref(row) === 0) wantRow(trees, root, row, wants)
      },
    )
    return true
  }

  /** Visits all of the range as it is now. What is not named by `eachCold` must be resident. */
  each(visit: (bytes: Buffer) => void): void {
    const root = this.#handle.root()
    let hasUnrendered = false
    const flush = (): void => {
      if (hasUnrendered) visit(this.#renderer.take())
      hasUnrendered = false
    }
    this.#walk(
      root,
      this.#span(root),
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

  #span(root: number): RankSpan {
    if (root === 0) throw new Error('tree image: the collection is gone')
    for (;;) {
      const span = this.#spanOf(root, this.#faults)
      if (span !== undefined) return span
    }
  }

  #lsn(root: number): number {
    return this.#entries.lsn(this.#trees.roots.owner(root))
  }

  #moveOn(at: LeafRow): boolean {
    const { shape } = this.#trees
    return this.#backwards ? shape.previous(at) : shape.next(at)
  }

  /** Positive if a separator comes behind the leaf at `at` in the order of the walk. */
  #order(separator: Separator, at: LeafRow): number {
    const { shape, nodes } = this.#trees
    const order = separator.compare(shape.arena.words(at.node), nodes.rowAt(at.node, at.row))
    return this.#backwards ? -order : order
  }

  /** Walks over the leaves: a good part at once, the others leaf by leaf, of which `count` elements from number `from` on are in the range. */
  #walk(root: number, span: RankSpan, onPart: (part: Part) => void, onLeaf: (row: LeafRow, from: number, count: number) => void): void {
    const { shape, nodes } = this.#trees
    const parts = this.#parts
    const { first, end } = span
    const at = new LeafRow()
    let left = end - first
    if (!(left > 0)) return
    shape.locateRank(root, this.#backwards ? end - 1 : first, at)
    // Elements of the leaf in front of the range, in the order of the walk.
    let skipped = this.#backwards ? nodes.count(at.node, at.row) - 1 - shape.rankWithin : shape.rankWithin
    let next = 0
    const isSteady = this.#steadyLsn === this.#lsn(root)
    for (let goesOn = true; goesOn && left > 0; ) {
      while (next < parts.length && this.#order((parts[next] as Part).first, at) < 0) next++
      const part = next < parts.length && this.#order((parts[next] as Part).first, at) === 0 ? parts[next] : undefined
      const behind = part !== undefined && skipped === 0 && part.count <= left ? this.#behind(part, at, isSteady) : undefined
      if (part === undefined || behind === undefined) {
        const held = nodes.count(at.node, at.row)
        const shown = Math.min(held - skipped, left)
        onLeaf(at, this.#backwards ? held - skipped - shown : skipped, shown)
        left -= shown
        skipped = 0
        goesOn = left > 0 && this.#moveOn(at)
        continue
      }
      onPart(part)
      left -= part.count
      goesOn = part.end !== undefined
      at.set(behind.node, behind.row)
    }
  }

  /** The leaf behind a part that begins at `from` (of the last part, its last leaf); undefined when the part is not good. */
  #behind(part: Part, from: LeafRow, isSteady: boolean): LeafRow | undefined {
    const { nodes, shape } = this.#trees
    const at = new LeafRow().set(from.node, from.row)
    if (isSteady && part.end !== undefined) {
      shape.locate(shape.rootOf(from.node), part.end, at)
      return at
    }
    let count = 0
    for (;;) {
      const order = part.end === undefined ? 1 : this.#order(part.end, at)
      if (order <= 0) return order === 0 && count === part.count ? at : undefined
      if (nodes.lsn(at.node, at.row) > part.lsn) return undefined
      count += nodes.count(at.node, at.row)
      if (this.#moveOn(at)) continue
      return part.end === undefined && count === part.count ? at : undefined
    }
  }

  /** Finds the leaf with which the next part begins; false when there is none, and nothing is left to render. */
  #next(root: number, { first, end }: RankSpan, into: LeafRow): boolean {
    const { shape, nodes } = this.#trees
    this.#isRendered ||= first >= end
    if (this.#isRendered) return false
    if (!this.#hasBegun) {
      this.#hasBegun = true
      shape.locateRank(root, this.#backwards ? end - 1 : first, into)
      const isWhole = this.#backwards ? shape.rankWithin + 1 === nodes.count(into.node, into.row) : shape.rankWithin === 0
      if (!isWhole && !this.#moveOn(into)) {
        this.#isRendered = true
        return false
      }
      shape.separator(into, this.#position)
      return true
    }
    shape.locate(root, this.#position, into)
    // A leaf that begins before has taken in what began here. Forwards it was passed already, and is rendered in the end.
    if (this.#backwards || this.#order(this.#position, into) === 0 || shape.next(into)) return true
    this.#isRendered = true
    return false
  }
}
