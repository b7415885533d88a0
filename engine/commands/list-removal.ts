/**
 * LREM of many elements, in slices: the matches are counted, and if too many go, a list without them is made beside, which takes the place of the
 * present one in the command's turn. A list that goes on changing is given up after a few tries; what the search has found is used then.
 */
import type { Execution } from '../execution.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import { packedHeaderBytes, sameBytes } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeImage } from '../tree/tree-image.ts'
import type { Rest } from '../tree/tree-rest.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { copyBytesOf } from '../tree/tree-size.ts'
import { visitElements } from '../types/list-leaf.ts'
import type { ListType, Matches } from '../types/list-type.ts'
import type { Search } from './list-matches.ts'
import { searchOf } from './list-matches.ts'
import { slicedTree } from './sliced-tree.ts'

/** So few matches are taken out one by one. */
const matchesAtOnceMax = 2048
/** Bytes of leaves in one step. */
const stepBytesMax = 32 * 1024
const triesMax = 4
/** Cold leaves that are asked for at a time. */
const leavesAhead = 64

/** What is staged of `LREM key count element`. */
export function stageRemoval(x: Execution): StagedWork | undefined {
  const { args, limits, mutator, keyspace } = x
  const count = args.integer(2)
  const search = searchOf(x, 3, count < 0, count === 0 ? Number.POSITIVE_INFINITY : Math.abs(count))
  if (search === undefined || Number.isNaN(count)) return search?.image
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  return new ListRemoval(keyspace, slicedTree(x), mutator.types.lists, search, Buffer.from(args.bytes(3)), count, largeBytes)
}

export class ListRemoval implements StagedWork {
  readonly image: TreeImage
  readonly #search: Search
  readonly #keyspace: Keyspace
  readonly #lists: ListType
  readonly #handle: TreeHandle
  readonly #element: Buffer
  readonly #count: number
  readonly #atOnceMax: number
  readonly #stepBytes: number
  readonly #kept = new RecordBuffer(Number.POSITIVE_INFINITY)
  readonly #reader = new RecordReader()
  #isSearched = false
  #tries = 0
  /** The new list, 0 if there is none; of the present one as of this LSN. */
  #root = 0
  #lsn: number
  #isRewritten = false
  readonly #position = new Separator()
  /** Matches that stay before those that go, and how many go. */
  #matches: Matches = { skip: 0, count: 0 }
  /** About how many go. */
  #goes = 0
  #met = 0
  #removed = 0

  constructor(keyspace: Keyspace, entry: number, lists: ListType, search: Search, element: Buffer, count: number, largeBytes: number) {
    this.image = search.image
    this.#search = search
    this.#keyspace = keyspace
    this.#lists = lists
    this.#handle = new TreeHandle(keyspace, entry)
    this.#lsn = keyspace.entries.lsn(entry)
    this.#element = element
    this.#count = count
    this.#atOnceMax = Math.min(matchesAtOnceMax, largeBytes / 64)
    this.#stepBytes = Math.min(stepBytesMax, largeBytes)
  }

  get memoryBytes(): number {
    return this.image.memoryBytes
  }

  step(): boolean {
    if (!this.#isSearched) return this.image.step() || this.#begin()
    return this.#root !== 0 && !this.#isRewritten && this.#rewrite()
  }

  /** The search has come to its end: false if it is enough. */
  #begin(): boolean {
    this.#isSearched = true
    const entry = this.#handle.find()
    const { found } = this.#search.renderer
    const goes = this.#count === 0 ? found : Math.min(found, Math.abs(this.#count))
    // Which matches go is known only as long as the list is what it was.
    if (entry === 0 || goes <= this.#atOnceMax || (this.#count !== 0 && !this.#isUnchanged(entry))) return false
    const skip = this.#count < 0 ? found - goes : 0
    this.#matches = { skip, count: this.#count === 0 ? 0 : goes }
    this.#goes = goes
    return this.#restart(entry)
  }

  #isUnchanged(entry: number): boolean {
    return this.#keyspace.entries.lsn(entry) === this.#lsn
  }

  /** Goes on with the new list; false when there will be no more of it. */
  #rewrite(): boolean {
    const entry = this.#handle.find()
    const { entries, trees } = this.#keyspace
    if (entry === 0) return false
    if (!this.#isUnchanged(entry) && (this.#count !== 0 || !this.#restart(entry))) return false
    const { shape, nodes } = trees
    const at = new LeafRow()
    shape.locate(entries.value(entry), this.#position, at)
    for (let bytes = 0; bytes < this.#stepBytes; ) {
      const ref = trees.ref(at)
      if (ref === 0) break
      bytes += nodes.bytes(at.node, at.row)
      this.#copy(ref)
      if (shape.next(at)) continue
      this.#isRewritten = true
      return false
    }
    shape.separator(at, this.#position)
    return true
  }

  /** Begins anew, with the list as it is now; false when that has been tried often enough, or what stays has no place. */
  #restart(entry: number): boolean {
    const keyspace = this.#keyspace
    const { trees, entries } = keyspace
    this.release()
    const length = entries.length(entry)
    const bytes = Math.ceil((copyBytesOf(trees, entries.value(entry)) * Math.max(0, length - this.#goes)) / length)
    if (this.#tries++ === triesMax || !keyspace.hasPlaceFor(bytes)) return false
    this.#root = trees.createTree(0, keyspace.nextCollectionId++, 0, packedHeaderBytes, 0, bytes)
    this.#lsn = entries.lsn(entry)
    this.#position.set(0)
    this.#met = 0
    this.#removed = 0
    return true
  }

  #copy(ref: number): void {
    const { values } = this.#keyspace
    const { skip } = this.#matches
    const count = this.#matches.count || Number.POSITIVE_INFINITY
    const element = this.#element
    const kept = this.#kept
    let left = 0
    kept.clear()
    visitElements(values.bytes(ref), values.start(ref), (bytes, start, end) => {
      const isMatch = end - start === element.length && sameBytes(bytes, start, element, 0, element.length)
      if (isMatch && this.#met++ >= skip && this.#removed < count) this.#removed++
      else {
        kept.range(bytes, start, end)
        left++
      }
      return true
    })
    if (left === 0) return
    this.#reader.open(kept.bytes, 0, kept.end)
    this.#lists.trees.append(this.#root, this.#reader, left, 0)
  }

  eachCold(wants: ColdWants): boolean {
    const root = this.#handle.root()
    const isRewriting = this.#isSearched && !this.#isRewritten && this.#root !== 0
    if (!isRewriting || root === 0) return this.#isRewritten && this.#isExact() ? true : this.image.eachCold(wants)
    const { trees } = this.#keyspace
    const at = new LeafRow()
    trees.shape.locate(root, this.#position, at)
    let left = leavesAhead
    do {
      if (trees.ref(at) === 0) wants.leaf(root, trees.shape.separator(at, new Separator()), trees.nodes.valueId(at.node, at.row))
    } while (--left > 0 && trees.shape.next(at))
    return true
  }

  #isExact(): boolean {
    const entry = this.#handle.find()
    return entry !== 0 && this.#root !== 0 && this.#isUnchanged(entry)
  }

  /** What becomes of the list `entry`; undefined when nothing was made of it as it is now. Then it is the caller's. */
  take(entry: number): { readonly matches: Matches; readonly list: Rest } | undefined {
    if (!this.#isRewritten || this.#removed === 0 || this.#handle.find() !== entry || !this.#isExact()) return undefined
    const root = this.#root
    this.#root = 0
    return { matches: this.#matches, list: { root, removed: this.#removed } }
  }

  release(): void {
    dropTree(this.#keyspace, this.#root)
    this.#root = 0
  }
}
