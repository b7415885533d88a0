/**
 * Active expiry of fields: hashes that are due, one after the other. A small hash is looked at as a whole; a large one in a walk over its leaves, a few at a
 * time and one hash at a time, after which it rests for a while in proportion to its size. What is cold is named, for somebody to fetch.
 */
import { wantLeaves } from './cold-wants.ts'
import type { Execution } from './execution.ts'
import { deleteExpired, ExpiredFields, expireInBlob } from './field-expiry.ts'
import type { Keyspace } from './keyspace/keyspace.ts'
import { KeyHandle, TreeHandle } from './keyspace/value-handle.ts'
import type { ColdWants } from './need.ts'
import { Separator } from './tree/separator.ts'
import { LeafRow } from './tree/tree-shape.ts'
import { earlier } from './types/hash-type.ts'

const fieldsPerStep = 256
const stepsAfterFetch = 32
/** Cold hashes in one blob, and leaves of the walk, that are fetched in one go. */
const coldHashesMax = 64
const leavesAhead = 16
/** For each leaf a large hash rests so long between walks. */
const restMsPerLeaf = 0.1
const restMsPerColdLeaf = 2

export class FieldExpiryWalk {
  /** The large hash in hand. */
  #tree: TreeHandle | undefined
  readonly #cursor = new Separator()
  #nextDue = 0
  #hasMetCold = false
  #isWaiting = false
  readonly #cold: KeyHandle[] = []
  readonly #at = new LeafRow()

  /** Whether there is a large hash to go on with. */
  get goesOn(): boolean {
    return this.#tree !== undefined && !this.#isWaiting
  }

  /** Deals with a hash that is due, or notes it. The entry may be gone from the list of what expires afterwards. */
  due(x: Execution, entry: number): void {
    const { keyspace, mutator } = x
    const { entries, trees } = keyspace
    if (entries.isTree(entry)) {
      if (this.#tree !== undefined) return
      this.#tree = new TreeHandle(keyspace, entry)
      this.#cursor.set(0)
      this.#nextDue = 0
      this.#hasMetCold = false
      this.#isWaiting = false
      mutator.types.hashes.walked.collectionId = trees.roots.id(entries.value(entry))
      mutator.types.hashes.walked.due = 0
    } else if (entries.isResident(entry)) expireInBlob(x, entry)
    else if (this.#cold.length < coldHashesMax) this.#cold.push(new KeyHandle(keyspace, entry))
  }

  /** Looks at the next fields of the large hash in hand. */
  step(x: Execution): void {
    const { keyspace, hashTrees } = x
    const { trees } = keyspace
    const entry = this.#tree?.find() ?? 0
    if (entry === 0) {
      this.#end(x)
      return
    }
    const root = keyspace.entries.value(entry)
    trees.shape.locate(root, this.#cursor, this.#at)
    if (trees.ref(this.#at) === 0) {
      this.#isWaiting = true
      this.#hasMetCold = true
      return
    }
    const expired = new ExpiredFields(x.now)
    const next = hashTrees.scan(root, this.#cursor.words[0], fieldsPerStep, expired.visit)
    this.#nextDue = earlier(this.#nextDue, expired.nextDue)
    const isGone = deleteExpired(x, entry, expired)
    this.#cursor.set(next)
    if (!isGone && next !== 0) return
    if (!isGone) this.#rest(x, entry, root)
    this.#end(x)
  }

  /** Notes when to look at the hash again. */
  #rest(x: Execution, entry: number, root: number): void {
    const { keyspace, mutator, now } = x
    const restMs = keyspace.trees.roots.leaves(root) * (this.#hasMetCold ? restMsPerColdLeaf : restMsPerLeaf)
    const due = earlier(this.#nextDue, mutator.types.hashes.walked.due)
    keyspace.expiring.setFieldsDue(entry, due === 0 ? 0 : Math.max(due, Math.ceil(now + restMs)))
  }

  #end({ mutator }: Execution): void {
    this.#tree = undefined
    this.#isWaiting = false
    mutator.types.hashes.walked.collectionId = 0
  }

  /** Names what is cold and due. */
  eachCold(keyspace: Keyspace, wants: ColdWants): void {
    const { entries, trees } = keyspace
    for (const each of this.#cold.splice(0)) {
      const entry = each.entry()
      if (entry === 0 || entries.isResident(entry) || keyspace.expiring.fieldsDue(entry) === 0) continue
      wants.value(entry, entries.valueId(entry))
      this.#cold.push(each)
    }
    const root = this.#isWaiting ? (this.#tree?.root() ?? 0) : 0
    if (root !== 0) wantLeaves(trees, root, wants, this.#cursor, leavesAhead)
    else this.#isWaiting = false
  }

  /** Nothing is waited for any more: what was named is there, or could not be had. */
  fetched(x: Execution): void {
    const { keyspace } = x
    for (const each of this.#cold.splice(0)) {
      const entry = each.entry()
      const due = entry === 0 ? 0 : keyspace.expiring.fieldsDue(entry)
      if (due !== 0 && due < x.now && keyspace.entries.isResident(entry)) this.due(x, entry)
    }
    this.#isWaiting = false
    for (let steps = 0; steps < stepsAfterFetch && this.goesOn; steps++) this.step(x)
  }
}
