/** ZREM, SREM and HDEL of many elements: which of a large collection's go, by the names in the arguments. */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { hashType, setType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { genericEvent } from '../messages.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import type { CollectionType } from '../types/collection-type.ts'
import { hashAt, readElement } from '../types/hash-leaf.ts'
import type { Names } from '../types/named-elements.ts'
import { NamedElements } from '../types/named-elements.ts'
import { PackedCursor } from '../types/packed-fields.ts'
import { scoreRange } from '../types/score-separator.ts'
import { memberSizeAt, memberStartAt } from '../types/set-leaf.ts'
import { hashedMemberAt, hashedSizeAt, placeMemberAt, placeSizeAt, scoreBytes } from '../types/sorted-set-leaf.ts'
import type { Begun, RemovalPlan } from './staged-removal.ts'
import { removalOf, removedAtOnce, removeStaged, StagedRemoval, slicedRemoval } from './staged-removal.ts'

/** Names that are taken in at a time. */
const namesAtOnce = 1024
/** Arguments before the names. */
const firstName = 2

class ArgumentNames implements Names {
  readonly #args: Arguments

  constructor(args: Arguments) {
    this.#args = args
  }

  get count(): number {
    return this.#args.count - firstName
  }

  get buffer(): Buffer {
    return this.#args.buffer
  }

  start(index: number): number {
    return this.#args.starts[firstName + index]
  }

  end(index: number): number {
    return this.#args.ends[firstName + index]
  }
}

abstract class NamedRemoval implements RemovalPlan {
  readonly orderMask: number = 0
  /** Nobody knows which names are there. */
  readonly count = 0
  protected readonly named: NamedElements
  #isFilled = false

  /** The arguments stay the request's. */
  constructor(args: Arguments, seed: number) {
    this.named = new NamedElements(new ArgumentNames(args), seed)
  }

  get memoryBytes(): number {
    return this.named.memoryBytes
  }

  /** All names, as the record has them. */
  get payload(): RecordBuffer {
    return this.named.payload
  }

  prepare(): boolean {
    if (!this.#isFilled) this.#isFilled = !this.named.fill(namesAtOnce)
    return !this.#isFilled
  }

  begin(_entry: number): Begun {
    return 'begun'
  }

  abstract sizeAt(bytes: Buffer, at: number, isSecondOrder: boolean): number
  abstract goes(bytes: Buffer, at: number, end: number, isSecondOrder: boolean): boolean
}

class NamedMembers extends NamedRemoval {
  sizeAt(bytes: Buffer, at: number): number {
    return memberSizeAt(bytes, at)
  }

  goes(bytes: Buffer, at: number, end: number): boolean {
    return this.named.has(hashAt(bytes, at), bytes, memberStartAt(bytes, at), end)
  }
}

class NamedFields extends NamedRemoval {
  readonly #pair = new PackedCursor()
  readonly #keyspace: Keyspace

  constructor(args: Arguments, seed: number, keyspace: Keyspace) {
    super(args, seed)
    this.#keyspace = keyspace
  }

  /** Which fields are there depends on the time, too, if some expire. */
  override begin(entry: number): Begun {
    return this.#keyspace.expiring.fieldsDue(entry) === 0 ? 'begun' : 'little'
  }

  sizeAt(bytes: Buffer, at: number): number {
    readElement(bytes, at, this.#pair)
    return this.#pair.next - at
  }

  goes(bytes: Buffer, at: number): boolean {
    readElement(bytes, at, this.#pair)
    return this.named.has(hashAt(bytes, at), bytes, this.#pair.fieldStart, this.#pair.fieldEnd)
  }
}

class NamedScored extends NamedRemoval {
  override readonly orderMask = scoreRange

  sizeAt(bytes: Buffer, at: number, isByScore: boolean): number {
    return isByScore ? placeSizeAt(bytes, at) : hashedSizeAt(bytes, at)
  }

  goes(bytes: Buffer, at: number, end: number, isByScore: boolean): boolean {
    if (isByScore) return this.named.hasMember(bytes, placeMemberAt(bytes, at), end)
    return this.named.has(hashAt(bytes, at), bytes, hashedMemberAt(bytes, at), end - scoreBytes)
  }
}

function planOf(type: TypeNumber, args: Arguments, keyspace: Keyspace, seed: number): NamedRemoval {
  if (type === hashType) return new NamedFields(args, seed, keyspace)
  return type === setType ? new NamedMembers(args, seed) : new NamedScored(args, seed)
}

/** What is staged of removing the arguments behind the key from a collection of a type. */
export function stageNamed(x: Execution, type: TypeNumber): StagedRemoval<NamedRemoval> | undefined {
  const { args, keyspace } = x
  const entry = slicedRemoval(x, type, args.count - firstName)
  if (entry === 0) return undefined
  const plan = planOf(type, args, keyspace, keyspace.trees.roots.seed(keyspace.entries.value(entry)))
  return plan.begin(entry) === 'little' ? undefined : new StagedRemoval(x, entry, plan)
}

/** The removal of the arguments behind the key from what `entry` holds, if that was made beforehand, or is made at once. */
export function namedRemovalOf(x: Execution, entry: number, type: TypeNumber): StagedRemoval<NamedRemoval> | undefined {
  return removalOf(x, entry, NamedRemoval) ?? removedAtOnce(x, entry, x.args.count - firstName, () => stageNamed(x, type))
}

/** Removes what was named and is there. Returns how many. */
export function removeNamed(
  x: Execution,
  entry: number,
  removal: StagedRemoval<NamedRemoval>,
  type: CollectionType,
  edit: number,
  eventClass: number,
  event: string,
): number {
  if (removal.removed === 0) {
    removal.release()
    return 0
  }
  const before = x.keyspace.entries.length(entry)
  const removed = removeStaged(x, removal, type, edit, 1, removal.plan.payload)
  x.notify(eventClass, event, 1)
  if (removed === before) x.notify(genericEvent, 'del', 1)
  return removed
}
