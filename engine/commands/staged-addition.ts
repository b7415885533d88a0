/**
 * Adding very many elements in one request, in slices: they are put into a copy of the collection, or into a new one, which takes the place of the former in the
 * command's own turn. The counterpart of `staged-removal.ts`, which says what holds for both.
 */
import type { Execution } from '../execution.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { sortedSetType, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { isMemoryRefusal } from '../memory/refusal.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import { longVarintBytes } from '../mutation/record-buffer.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { TreeRest } from '../tree/tree-rest.ts'
import { copyBytesOf } from '../tree/tree-size.ts'
import type { CollectionType } from '../types/collection-type.ts'
import { scoreRange } from '../types/score-separator.ts'

/** What is added, taken in slices. */
export interface AdditionPlan {
  readonly type: TypeNumber
  /** A collection with so few elements, or fewer, may have to be in one piece. */
  readonly packedMax: number
  /** Changes so far, as the record has them, behind room for what comes before; their number. Its memory is as much as it may take. */
  readonly elements: RecordBuffer
  readonly count: number
  /** Elements that are new. */
  readonly added: number
  /** Begins anew, with a tree that has nothing yet: it gets what `entry` holds in one piece, 0 for nothing. */
  begin(root: number, entry: number): void
  /** Begins anew, with a copy. */
  beginWithCopy(): void
  /** Puts the next few into the tree. False if the command will find a fault with them. */
  add(root: number): boolean
  /** All are in. */
  readonly isThrough: boolean
}

/** Putting one element into each order of a tree counts for so many bytes where these say what is large. */
const additionCost = 256
const stepBytesMax = 32 * 1024
const triesMax = 8

/** Whether adding so many elements takes too long for one turn. */
export function isLongAddition({ limits }: Execution, type: TypeNumber, count: number): boolean {
  return count * (type === sortedSetType ? 2 : 1) * additionCost >= (limits.slicedValueBytes ?? slicedValueBytes)
}

export class StagedAddition<Plan extends AdditionPlan = AdditionPlan> implements StagedWork {
  readonly plan: Plan
  readonly #keyspace: Keyspace
  readonly #db: number
  readonly #key: Buffer
  readonly #stepBytes: number
  readonly #nextSeed: () => number
  /** Of the last change to what the key held when this began, −1 if there was no key. */
  #lsn = 0
  #seed = 0
  #countAt = 0
  #hasBegun = false
  #isNew = false
  #copy: TreeRest | undefined
  #root = 0
  #tries = 0
  #isComplete = false
  #isGivenUp = false

  /** For the key that is argument 1. */
  constructor(x: Execution, plan: Plan) {
    const { args, keyspace, limits, db } = x
    this.plan = plan
    this.#keyspace = keyspace
    this.#db = db
    this.#key = Buffer.from(args.bytes(1))
    this.#stepBytes = Math.min(stepBytesMax, limits.slicedValueBytes ?? slicedValueBytes)
    this.#nextSeed = () => x.random.nextUint32()
  }

  get memoryBytes(): number {
    return this.plan.elements.bytes.length
  }

  /** What the record says, once all are in. */
  get payload(): RecordBuffer {
    return this.plan.elements
  }

  #find(): number {
    const keyspace = this.#keyspace
    keyspace.forgetLookUp()
    const entry = keyspace.find(this.#db, this.#key, 0, this.#key.length)
    keyspace.forgetLookUp()
    return entry
  }

  #isUnchanged(entry: number): boolean {
    return this.#lsn === (entry === 0 ? -1 : this.#keyspace.entries.lsn(entry))
  }

  step(): boolean {
    if (this.#isGivenUp || this.#isComplete) return false
    try {
      this.#goOn(this.#find())
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      this.#isGivenUp = true
    }
    return !this.#isGivenUp && !this.#isComplete
  }

  #goOn(entry: number): void {
    if (this.#hasBegun && !this.#isUnchanged(entry)) this.#drop()
    if (!this.#hasBegun) this.#begin(entry)
    else if (this.#copy !== undefined) this.#goOnCopying(this.#copy, entry)
    else this.#add()
  }

  #begin(entry: number): void {
    const keyspace = this.#keyspace
    const { entries, trees } = keyspace
    const isTree = entry !== 0 && entries.isTree(entry)
    const mayBegin = entry === 0 || (entries.type(entry) === this.plan.type && keyspace.expiring.fieldsDue(entry) === 0)
    const copyBytes = isTree ? copyBytesOf(trees, entries.value(entry)) : 0
    const hasPlace = !isTree || keyspace.hasPlaceFor(copyBytes)
    if (this.#tries++ === triesMax || !mayBegin || !hasPlace || (entry !== 0 && !isTree && !entries.isResident(entry))) {
      this.#isGivenUp = true
      return
    }
    this.#hasBegun = true
    this.#lsn = entry === 0 ? -1 : entries.lsn(entry)
    this.#isNew = !isTree
    if (isTree) {
      const nothingLeaves = { orderMask: this.plan.type === sortedSetType ? scoreRange : 0 }
      this.#copy = new TreeRest(keyspace, entries.value(entry), nothingLeaves, copyBytes)
      this.plan.beginWithCopy()
      this.#writeHead()
      return
    }
    this.#seed = this.#nextSeed()
    this.#root = trees.createTree(0, keyspace.nextCollectionId++, this.#seed, packedHeaderBytes, 0)
    this.plan.begin(this.#root, entry)
    this.#writeHead()
  }

  /** Form, seed, and room for the number of elements. */
  #writeHead(): void {
    const { elements } = this.plan
    elements.byte(this.#isNew ? treeForm : 0)
    if (this.#isNew) elements.u32(this.#seed)
    this.#countAt = elements.reserve(longVarintBytes)
  }

  #goOnCopying(copy: TreeRest, entry: number): void {
    if (!copy.advance(this.#keyspace.entries.value(entry), this.#stepBytes)) return
    this.#root = copy.take().root
    this.#copy = undefined
  }

  #add(): void {
    const { plan } = this
    const { arena, trees } = this.#keyspace
    arena.reserveSlots(this.#stepBytes + 16 * trees.leafBytesMax)
    this.#isGivenUp = !plan.add(this.#root)
    arena.releaseReserved()
    if (!plan.isThrough || this.#isGivenUp) return
    const orders = plan.type === sortedSetType ? 2 : 1
    if (trees.roots.count(this.#root) <= plan.packedMax * orders) {
      this.#isGivenUp = true
      return
    }
    plan.elements.longVarintAt(this.#countAt, plan.count)
    this.#isComplete = true
  }

  eachCold(wants: ColdWants): boolean {
    const entry = this.#isGivenUp ? 0 : this.#find()
    if (this.#isGivenUp) return false
    if (this.#isComplete) return this.#isUnchanged(entry)
    if (this.#copy !== undefined && this.#isUnchanged(entry)) this.#copy.want(this.#keyspace.entries.value(entry), wants)
    return true
  }

  holds(entry: number): boolean {
    return !this.#isGivenUp && this.#find() === entry
  }

  /** Whether it has what the value of `entry`, 0 for a missing key, comes to. */
  isOf(entry: number): boolean {
    return this.#isComplete && this.#find() === entry && this.#isUnchanged(entry)
  }

  /** The tree that takes the former value's place, which is the caller's from now on. */
  take(): number {
    const root = this.#root
    this.#root = 0
    this.#isComplete = false
    this.#isGivenUp = true
    return root
  }

  #drop(): void {
    this.#copy?.release()
    this.#copy = undefined
    dropTree(this.#keyspace, this.#root)
    this.#root = 0
    this.#hasBegun = false
  }

  release(): void {
    this.#drop()
  }
}

/** What was made beforehand of additions to what `entry` holds, 0 for a missing key, by a plan of this kind. */
export function additionOf<Plan extends AdditionPlan>(
  { staged }: Execution,
  entry: number,
  kind: abstract new (...args: never[]) => Plan,
): StagedAddition<Plan> | undefined {
  return staged instanceof StagedAddition && staged.plan instanceof kind && staged.isOf(entry) ? staged : undefined
}

/** Edits the collection under the key that is argument 1 by putting the tree with the additions in its place. */
export function addStaged({ args, mutator, db }: Execution, addition: StagedAddition, type: CollectionType, edit: number): void {
  const rest = { root: addition.take(), removed: -addition.plan.added }
  mutator.types.collections.withRest(rest, () => mutator.edit(type, edit, db, args.buffer, args.starts[1], args.ends[1], addition.payload))
}
