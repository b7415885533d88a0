/** SADD, ZADD and HSET of very many elements: what they add to a tree, some at a time. */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { hashType, packedForm, setType, sortedSetType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import type { StagedWork } from '../staged-work.ts'
import type { HashTrees } from '../types/hash-tree.ts'
import { PackedCursor, visitPairs } from '../types/packed-fields.ts'
import type { SetType } from '../types/set-type.ts'
import type { SortedSetType } from '../types/sorted-set-type.ts'
import { writePayloadElement } from '../types/sorted-set-type.ts'
import { scoreArgument } from './score-argument.ts'
import type { AddFlags } from './sorted-set-options.ts'
import type { AdditionPlan } from './staged-addition.ts'
import { isLongAddition, StagedAddition } from './staged-addition.ts'

/** Elements that are added at a time. */
const atOnce = 128
/** In a payload, before all elements, and beside the bytes of each: its length, or score. */
const headBytesMax = 16
const besideBytesMax = 8

/** Additions that the arguments from a place on name, in groups of the same size. */
abstract class NamedAdditions implements AdditionPlan {
  abstract readonly type: TypeNumber
  readonly packedMax: number
  readonly elements: RecordBuffer
  count = 0
  added = 0
  protected readonly args: Arguments
  readonly #first: number
  readonly #step: number
  #next: number

  /** The arguments stay the request's. */
  constructor(args: Arguments, first: number, step: number, packedMax: number) {
    this.args = args
    const bytes = args.ends[args.count - 1] - args.starts[first]
    this.elements = new RecordBuffer(Number.POSITIVE_INFINITY, headBytesMax + bytes + (args.count - first) * besideBytesMax)
    this.packedMax = packedMax
    this.#first = first
    this.#step = step
    this.#next = first
  }

  beginWithCopy(): void {
    this.elements.end = 0
    this.count = 0
    this.added = 0
    this.#next = this.#first
  }

  begin(root: number, entry: number): void {
    this.beginWithCopy()
    this.takeOver(root, entry)
  }

  get isThrough(): boolean {
    return this.#next >= this.args.count
  }

  add(root: number): boolean {
    const end = Math.min(this.args.count, this.#next + atOnce * this.#step)
    for (; this.#next < end; this.#next += this.#step) if (!this.addOne(root, this.#next)) return false
    return true
  }

  /** Puts what an entry holds in one piece, 0 for nothing, into a new tree. */
  protected abstract takeOver(root: number, entry: number): void
  /** Adds the element that begins at an argument; false if it is none. */
  protected abstract addOne(root: number, index: number): boolean
}

export class MemberAdditions extends NamedAdditions {
  readonly type = setType
  readonly #sets: SetType

  constructor({ args, mutator, limits }: Execution) {
    super(args, 2, 1, limits.setMaxIntsetEntries)
    this.#sets = mutator.types.sets
  }

  protected takeOver(root: number, entry: number): void {
    const { trees } = this.#sets
    if (entry !== 0) this.#sets.each(entry, (bytes, start, end) => trees.add(root, bytes, start, end, 0))
  }

  protected addOne(root: number, index: number): boolean {
    const { buffer, starts, ends } = this.args
    this.elements.range(buffer, starts[index], ends[index])
    this.count++
    if (this.#sets.trees.add(root, buffer, starts[index], ends[index], 0)) this.added++
    return true
  }
}

export class FieldAdditions extends NamedAdditions {
  readonly type = hashType
  readonly #trees: HashTrees
  readonly #keyspace: Keyspace

  constructor({ args, hashTrees, keyspace, limits }: Execution) {
    super(args, 2, 2, limits.hashMaxListpackEntries)
    this.#trees = hashTrees
    this.#keyspace = keyspace
  }

  protected takeOver(root: number, entry: number): void {
    if (entry === 0) return
    const { entries, values } = this.#keyspace
    const value = entries.value(entry)
    visitPairs(values.bytes(value), values.start(value), new PackedCursor(), (bytes, { fieldStart, fieldEnd, valueStart, valueEnd }) => {
      this.#trees.set(root, bytes, fieldStart, fieldEnd, bytes, valueStart, valueEnd, 0)
    })
  }

  protected addOne(root: number, index: number): boolean {
    const { buffer, starts, ends } = this.args
    this.elements.range(buffer, starts[index], ends[index])
    this.elements.range(buffer, starts[index + 1], ends[index + 1])
    this.count++
    if (this.#trees.set(root, buffer, starts[index], ends[index], buffer, starts[index + 1], ends[index + 1], 0)) this.added++
    return true
  }
}

export class ScoredAdditions extends NamedAdditions {
  readonly type = sortedSetType
  readonly #x: Execution
  readonly #sortedSets: SortedSetType
  readonly #flags: AddFlags
  /** Whether Redis would still have a listpack, which keeps no −0, and of how many elements. */
  #isPacked = false
  #length = 0

  constructor(x: Execution, flags: AddFlags) {
    super(x.args, flags.first, 2, x.limits.zsetMaxListpackEntries)
    this.#x = x
    this.#sortedSets = x.mutator.types.sortedSets
    this.#flags = flags
  }

  override beginWithCopy(): void {
    super.beginWithCopy()
    this.#isPacked = false
  }

  protected takeOver(root: number, entry: number): void {
    const { entries } = this.#x.keyspace
    this.#isPacked = entry === 0 || entries.encoding(entry) === packedForm
    this.#length = entry === 0 ? 0 : entries.length(entry)
    const { trees } = this.#sortedSets
    trees.begin(root, 0)
    if (entry !== 0) this.#sortedSets.each(entry, (bytes, start, end, score) => trees.set(root, score, bytes, start, end, 0))
  }

  protected addOne(root: number, index: number): boolean {
    const { args } = this
    const { nx, xx, gt, lt } = this.#flags
    const { trees } = this.#sortedSets
    const start = args.starts[index + 1]
    const end = args.ends[index + 1]
    const given = scoreArgument(args, index)
    if (Number.isNaN(given)) return false
    const former = trees.score(root, args.buffer, start, end)
    const isNew = Number.isNaN(former)
    if (isNew ? xx : nx || given === former || (lt && given > former) || (gt && given < former)) return true
    if (isNew) this.#grow(end - start)
    const score = given === 0 && this.#isPacked ? 0 : given
    writePayloadElement(this.elements, score, args.buffer, start, end)
    this.count++
    if (trees.set(root, score, args.buffer, start, end, 0)) this.added++
    return true
  }

  #grow(length: number): void {
    const { zsetMaxListpackEntries, zsetMaxListpackValue } = this.#x.limits
    if (++this.#length > zsetMaxListpackEntries || length > zsetMaxListpackValue) this.#isPacked = false
  }
}

export function stageMembers(x: Execution): StagedWork | undefined {
  return isLongAddition(x, setType, x.args.count - 2) ? new StagedAddition(x, new MemberAdditions(x)) : undefined
}

export function stageFields(x: Execution): StagedWork | undefined {
  const { count } = x.args
  return count % 2 === 0 && isLongAddition(x, hashType, count / 2 - 1) ? new StagedAddition(x, new FieldAdditions(x)) : undefined
}

/** Of ZADD whose options are right. */
export function stageScored(x: Execution, flags: AddFlags): StagedWork | undefined {
  const pairs = (x.args.count - flags.first) / 2
  return isLongAddition(x, sortedSetType, pairs) ? new StagedAddition(x, new ScoredAdditions(x, { ...flags })) : undefined
}
