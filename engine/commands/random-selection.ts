/**
 * Many elements at random of a large collection, chosen and rendered in slices: distinct ones in one walk over the leaves (Knuth, The Art of Computer
 * Programming 2, 3.4.2, algorithm S), independent ones by rank, some at a time. Only leaves in hand are in memory.
 *
 * A choice is one among the elements of one moment: if the collection changes it begins anew, and after some times leaves it to the command's own turn.
 */

import { wantRow } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { isLongWalk } from './combined-work.ts'
import type { ElementList } from './drawn-elements.ts'
import { DrawnElements, stageDraws } from './drawn-elements.ts'
import { repeatsMax, walksOver, wantRanks } from './random-needs.ts'
import { RepeatedWork } from './repeated-work.ts'
import { isSliced, partBytesOf, slicedTree } from './sliced-tree.ts'

/** What elements look like as a reply has them. */
export interface ElementRenderer {
  /** Shows those elements of a leaf for which `isChosen` says so, which is asked for each in order. */
  leaf(ref: number, isChosen: () => boolean): void
  /** Shows one element of a leaf. */
  one(ref: number, index: number): void
  /** What was shown since the last call, in memory that nobody else will touch. */
  take(): Buffer
}

const triesMax = 4
/** Cold leaves that are asked for at a time. */
const leavesAhead = 64
/** Elements that are drawn at a time: as bytes of a slice. */
const drawBytes = 512

export class RandomSelection implements StagedWork {
  readonly #keyspace: Keyspace
  readonly #handle: TreeHandle
  readonly #wanted: number
  readonly #renderer: ElementRenderer
  readonly #partBytes: number
  readonly #parts: Buffer[] = []
  #memoryBytes = 0
  /** Of the last change to the collection as it is chosen from. */
  #lsn: number
  #tries = 0
  /** Whether nothing more is done beforehand. */
  #isOver = false
  /** Elements that were walked over, or drawn. */
  #done = 0
  /** Elements that are still to be chosen in the walk. */
  #missing: number
  /** Ranks that were drawn and are not shown yet. */
  #drawn: readonly number[] = []
  readonly #at = new LeafRow()

  /** `wanted`: as the command says, negative if elements may be the same. */
  constructor(keyspace: Keyspace, entry: number, wanted: number, renderer: ElementRenderer, partBytes: number) {
    this.#keyspace = keyspace
    this.#handle = new TreeHandle(keyspace, entry)
    this.#wanted = wanted
    this.#renderer = renderer
    this.#partBytes = partBytes
    this.#lsn = keyspace.entries.lsn(entry)
    this.#missing = Math.min(wanted, keyspace.entries.length(entry))
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  step(): boolean {
    const entry = this.#isOver ? 0 : this.#current()
    if (entry !== 0 && !this.#isComplete) this.#choose(entry)
    this.#isOver = entry === 0 || this.#isComplete
    return !this.#isOver
  }

  #choose(entry: number): void {
    if (this.#wanted > 0) this.#walk(entry)
    else this.#draw(entry)
    const bytes = this.#renderer.take()
    if (bytes.length === 0) return
    this.#parts.push(bytes)
    this.#memoryBytes += bytes.length
  }

  eachCold(wants: ColdWants): boolean {
    // In the end it needs nothing; or it is of no use, and the command's row says what that needs.
    if (this.#isOver) return this.isOf(this.#handle.find())
    const entry = this.#current()
    if (entry === 0 || this.#isComplete) return entry !== 0
    if (this.#wanted < 0) {
      wantRanks(this.#keyspace, entry, this.#ranks(entry), wants)
      return true
    }
    const { trees, entries } = this.#keyspace
    const root = entries.value(entry)
    const at = this.#at
    this.#locate(root, entry)
    let left = leavesAhead
    do {
      if (trees.ref(at) !== 0) break
      wantRow(trees, root, at, wants)
    } while (--left > 0 && trees.shape.next(at))
    return true
  }

  /** Whether it is a choice of what `entry` holds now. */
  isOf(entry: number): boolean {
    return this.#isComplete && entry !== 0 && this.#handle.find() === entry && this.#keyspace.entries.lsn(entry) === this.#lsn
  }

  each(visit: (bytes: Buffer) => void): void {
    for (const bytes of this.#parts) visit(bytes)
  }

  /** The entry, as long as it has the collection; if that has changed, the choice has begun anew. 0 when it is of no use any more. */
  #current(): number {
    const { entries } = this.#keyspace
    const entry = this.#handle.find()
    if (entry === 0 || this.#tries === triesMax) return 0
    if (entries.lsn(entry) === this.#lsn) return entry
    this.#lsn = entries.lsn(entry)
    this.#parts.length = 0
    this.#memoryBytes = 0
    this.#done = 0
    this.#drawn = []
    this.#missing = Math.min(this.#wanted, entries.length(entry))
    return ++this.#tries === triesMax ? 0 : entry
  }

  get #isComplete(): boolean {
    return this.#wanted < 0 ? this.#done === -this.#wanted : this.#missing === 0
  }

  /** Makes `#at` name the leaf that the walk has come to. */
  #locate(root: number, entry: number): void {
    const { trees, entries } = this.#keyspace
    // Of a tree with two orders the second is that of the ranks.
    trees.shape.locateRank(root, trees.roots.count(root) - entries.length(entry) + this.#done, this.#at)
  }

  #walk(entry: number): void {
    const { trees, entries, draws } = this.#keyspace
    const { nodes, shape } = trees
    const at = this.#at
    const length = entries.length(entry)
    this.#locate(entries.value(entry), entry)
    const isChosen = (): boolean => {
      if (draws.below(length - this.#done++) >= this.#missing) return false
      this.#missing--
      return true
    }
    for (let shown = 0; shown < this.#partBytes && this.#missing > 0 && trees.ref(at) !== 0; ) {
      if (nodes.count(at.node, at.row) > 0) this.#renderer.leaf(trees.ref(at), isChosen)
      shown += nodes.bytes(at.node, at.row)
      if (!shape.next(at)) return
    }
  }

  #draw(entry: number): void {
    const { trees, entries } = this.#keyspace
    const root = entries.value(entry)
    const before = trees.roots.count(root) - entries.length(entry)
    const ranks = this.#ranks(entry)
    for (let i = 0; i < ranks.length; i++) {
      trees.shape.locateRank(root, before + (ranks[i] as number), this.#at)
      const ref = trees.ref(this.#at)
      if (ref === 0) {
        this.#drawn = ranks.slice(i)
        return
      }
      this.#renderer.one(ref, trees.shape.rankWithin)
      this.#done++
    }
    this.#drawn = []
  }

  /** The ranks to be shown next. */
  #ranks(entry: number): readonly number[] {
    if (this.#drawn.length > 0) return this.#drawn
    const { draws, entries } = this.#keyspace
    const count = Math.min(-this.#wanted - this.#done, Math.max(1, Math.floor(this.#partBytes / drawBytes)))
    const length = entries.length(entry)
    this.#drawn = Array.from({ length: count }, () => draws.below(length))
    return this.#drawn
  }
}

/** What is staged for `wanted` elements at random of the key that is argument 1; undefined if they are few. */
export function stageRandom(
  x: Execution,
  type: TypeNumber,
  wanted: number,
  newRenderer: () => ElementRenderer,
  newList: () => ElementList,
): StagedWork | undefined {
  const { keyspace, args } = x
  const { entries } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || entries.type(entry) !== type || wanted === 0 || -wanted > repeatsMax) return undefined
  const length = entries.length(entry)
  const shown = wanted < 0 ? -wanted : Math.min(wanted, length)
  if (!entries.isTree(entry) || keyspace.expiring.fieldsDue(entry) !== 0) {
    const visited = walksOver(keyspace, entry, wanted) ? Math.max(shown, length) : shown
    return isLongWalk(x, visited) ? stageDraws(x, type, wanted, newList) : undefined
  }
  if (!isLongWalk(x, shown) && !readsMuch(x, entry, wanted)) return undefined
  return new RandomSelection(keyspace, entry, wanted, newRenderer(), partBytesOf(x))
}

/** Whether the leaves in which elements at random lie are so many bytes that they are worked on in slices. */
function readsMuch(x: Execution, entry: number, wanted: number): boolean {
  const { keyspace } = x
  const { entries, trees } = keyspace
  if (slicedTree(x) === 0) return false
  const root = entries.value(entry)
  const share = trees.roots.count(root) / entries.length(entry)
  return (wanted > 0 && walksOver(keyspace, entry, wanted)) || isSliced(x, root, share * Math.abs(wanted))
}

/** What was chosen and rendered beforehand. */
export function selectionOf({ staged }: Execution, entry: number): RandomSelection | DrawnElements | undefined {
  if (staged instanceof RandomSelection) return staged.isOf(entry) ? staged : undefined
  const drawn = staged instanceof RepeatedWork ? staged.settle() : undefined
  return drawn instanceof DrawnElements ? drawn : undefined
}
