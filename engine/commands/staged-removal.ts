/**
 * Removing many elements of a large collection, in slices: what stays is made another tree, beside the one that is there (`tree/tree-rest.ts`), and takes its
 * place in the command's own turn. The record says what the command removed, not how: replayed, the elements are taken out.
 *
 * What stays is as of one moment. So who would change the collection waits (`holds`); if it changes all the same, the work is begun anew, and given up after
 * some tries: the command then does all in its turn.
 */
import type { Execution } from '../execution.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import { isMemoryRefusal } from '../memory/refusal.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { TreeImage } from '../tree/tree-image.ts'
import type { Leaving, Rest } from '../tree/tree-rest.ts'
import { TreeRest } from '../tree/tree-rest.ts'
import { copyBytesOf } from '../tree/tree-size.ts'
import type { CollectionType } from '../types/collection-type.ts'

/** `cold`: something that tells what goes is. `little`: so few elements go that it is not worth it. */
export type Begun = 'begun' | 'cold' | 'little'

/** What goes, decided in slices. */
export interface RemovalPlan extends Leaving {
  readonly memoryBytes: number
  /** Does a slice of what comes before the collection is looked at; false when that is done. */
  prepare(): boolean
  /** Begins with the collection of an entry as it is now. `wants` is told of what is cold. */
  begin(entry: number, wants?: ColdWants): Begun
  /** Once that has begun: how many elements go for sure. */
  readonly count: number
}

/** Bytes of leaves in one step. */
const stepBytesMax = 32 * 1024
const triesMax = 8
/** Taking one element out of each order of a tree counts for so many bytes where these say what is large. */
const removalCost = 256
/** A walk over the collection is worth it from one element that goes of so many. */
const walkRatio = 8
/** A tree of more bytes for each element that goes is not made anew. */
const bytesPerElementMax = 256 * 1024

/** Whether taking so many elements out of a tree takes too long for one turn. */
export function isLongRemoval({ limits }: Execution, type: TypeNumber, count: number): boolean {
  const orders = type === sortedSetType ? 2 : 1
  return count * orders * removalCost >= (limits.slicedValueBytes ?? slicedValueBytes)
}

/** The entry of the key that is argument `index`, if that holds a tree of the type, and removing so many elements is staged; else 0. */
export function slicedRemoval(x: Execution, type: TypeNumber, count: number, index = 1): number {
  if (!isLongRemoval(x, type, count)) return 0
  const { args, keyspace } = x
  const { entries, trees } = keyspace
  keyspace.forgetLookUp()
  const entry = keyspace.find(x.db, args.buffer, args.starts[index], args.ends[index])
  if (entry === 0 || entries.type(entry) !== type || !entries.isTree(entry) || !isLongRemoval(x, type, entries.length(entry))) return 0
  return trees.roots.residentBytes(entries.value(entry)) <= count * bytesPerElementMax ? entry : 0
}

export class StagedRemoval<Plan extends RemovalPlan = RemovalPlan> implements StagedWork {
  readonly plan: Plan
  /** What the command replies of what goes, rendered before that goes. */
  readonly image: TreeImage | undefined
  readonly #keyspace: Keyspace
  readonly #handle: TreeHandle
  readonly #stepBytes: number
  #rest: TreeRest | undefined
  /** Of the last change to the collection that the rest is of. */
  #lsn = 0
  #tries = 0
  #isComplete = false
  #isGivenUp = false

  /** Of an entry whose value is a tree. */
  constructor({ keyspace, limits }: Execution, entry: number, plan: Plan, image?: TreeImage) {
    this.plan = plan
    this.#keyspace = keyspace
    this.#handle = new TreeHandle(keyspace, entry)
    this.#stepBytes = Math.min(stepBytesMax, limits.slicedValueBytes ?? slicedValueBytes)
    this.image = image
  }

  get memoryBytes(): number {
    return this.plan.memoryBytes + (this.image?.memoryBytes ?? 0)
  }

  step(): boolean {
    const entry = this.#isGivenUp || this.#isComplete ? 0 : this.#handle.find()
    if (entry === 0) return false
    if (this.plan.prepare() || this.image?.step() === true) return true
    try {
      return this.#goesOn(entry)
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      this.#isGivenUp = true
      return false
    }
  }

  #goesOn(entry: number): boolean {
    const { entries } = this.#keyspace
    const root = entries.value(entry)
    if (this.#rest !== undefined && !this.#isUnchanged(entry)) {
      this.#rest.release()
      this.#rest = undefined
    }
    if (this.#rest !== undefined) {
      this.#isComplete = this.#rest.advance(root, this.#stepBytes)
      return !this.#isComplete
    }
    const begun = this.#tries === triesMax ? 'little' : this.plan.begin(entry)
    if (begun === 'cold') return true
    const bytes = begun === 'begun' ? this.#bytesOfRest(entry) : 0
    if (begun === 'little' || !this.#keyspace.hasPlaceFor(bytes)) {
      this.#isGivenUp = true
      return false
    }
    this.#tries++
    this.#lsn = entries.lsn(entry)
    this.#rest = new TreeRest(this.#keyspace, root, this.plan, bytes)
    return true
  }

  /** About how many bytes stay. */
  #bytesOfRest(entry: number): number {
    const { entries, trees } = this.#keyspace
    const length = entries.length(entry)
    return Math.ceil((copyBytesOf(trees, entries.value(entry)) * Math.max(0, length - this.plan.count)) / length)
  }

  #isUnchanged(entry: number): boolean {
    return this.#keyspace.entries.lsn(entry) === this.#lsn
  }

  eachCold(wants: ColdWants): boolean {
    const entry = this.#isGivenUp ? 0 : this.#handle.find()
    if (entry === 0) return false
    if (this.#isComplete) return this.#isUnchanged(entry) && (this.image?.eachCold?.(wants) ?? true)
    if (this.#rest === undefined) {
      if (this.image?.eachCold?.(wants) !== false) this.plan.begin(entry, wants)
    } else if (this.#isUnchanged(entry)) this.#rest.want(this.#keyspace.entries.value(entry), wants)
    return true
  }

  holds(entry: number): boolean {
    return !this.#isGivenUp && this.#handle.find() === entry
  }

  /** Whether what stays of the value of `entry` is there. */
  isOf(entry: number): boolean {
    return this.#isComplete && this.#handle.find() === entry && this.#isUnchanged(entry)
  }

  /** How many elements are to go. */
  get removed(): number {
    return this.#rest?.removed ?? 0
  }

  /** What stays, which is the caller's from now on. */
  take(): Rest {
    const rest = this.#rest as TreeRest
    this.#rest = undefined
    this.#isComplete = false
    this.#isGivenUp = true
    return rest.take()
  }

  release(): void {
    this.#rest?.release()
    this.#rest = undefined
  }
}

/** What was made beforehand of the removal of elements of `entry`, by a plan of this kind. */
export function removalOf<Plan extends RemovalPlan>(
  { staged }: Execution,
  entry: number,
  kind: abstract new (...args: never[]) => Plan,
): StagedRemoval<Plan> | undefined {
  return staged instanceof StagedRemoval && staged.plan instanceof kind && entry !== 0 && staged.isOf(entry) ? staged : undefined
}

/**
 * Does at once what `stage` would have done in slices, where nothing is staged (in transactions and scripts): so much goes that a walk over the collection,
 * all of which is in memory, is less work than taking the elements out one by one.
 */
export function removedAtOnce<Plan extends RemovalPlan>(
  { keyspace }: Execution,
  entry: number,
  count: number,
  stage: () => StagedRemoval<Plan> | undefined,
): StagedRemoval<Plan> | undefined {
  const { entries, trees } = keyspace
  if (entry === 0 || !entries.isTree(entry) || count * walkRatio < entries.length(entry)) return undefined
  const removal = trees.roots.coldLeaves(entries.value(entry)) === 0 ? stage() : undefined
  if (removal === undefined) return undefined
  while (removal.step());
  if (removal.isOf(entry)) return removal
  removal.release()
  return undefined
}

/** Edits the collection under the key that is argument `key` by putting what stays in its place; the payload says what was removed. Returns how many. */
export function removeStaged(
  { args, mutator, db }: Execution,
  removal: StagedRemoval,
  type: CollectionType,
  edit: number,
  key: number,
  payload?: RecordBuffer,
): number {
  const rest = removal.take()
  return mutator.types.collections.withRest(rest, () =>
    mutator.edit(type, edit, db, args.buffer, args.starts[key], args.ends[key], payload),
  )
}
