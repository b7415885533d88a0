/**
 * RPUSH and LPUSH of very many elements, in slices: leaves are made of them beside the list, whatever becomes of that meanwhile, and are put at its end in the command's
 * turn. A list that is in one piece by then becomes a tree first.
 */
import type { Arguments } from '../arguments.ts'
import { wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { isMemoryRefusal } from '../memory/refusal.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax, slicedValueBytes } from '../staged-work.ts'
import { dropTree } from '../tree/drop-tree.ts'
import type { ListTrees } from '../types/list-tree.ts'
import { wantEnd } from '../types/list-type.ts'
import { longTextBytes, longTextElementBytes } from '../types/listpack-element.ts'

/** What an element counts for, in bytes, where these say what is large. */
const elementCost = 64
const firstElement = 2
/** Elements of a slice, and bytes of them. */
const atOnce = 512
const stepBytesMax = 32 * 1024
/** An element of so many bytes is copied piece by piece, unless the limit of what is large is lower. */
const longElementBytes = 64 * 1024
/** Of an element in the payload, beside its bytes; of flags and number. */
const lengthBytesMax = 5
const headBytes = 16

export class StagedPush implements StagedWork {
  /** As *push* has it; the flags are still to be told. */
  readonly payload: RecordBuffer
  readonly tail: boolean
  readonly #keyspace: Keyspace
  readonly #trees: ListTrees
  readonly #args: Arguments
  readonly #find: () => number
  /** The next argument that goes into the payload, and the next in the order of the list; of a long one, how many of its bytes are there. */
  #toRecord = firstElement
  #toPlace = 0
  #bytesDone = 0
  /** Where the bytes of a long one go. */
  #recordAt = 0
  readonly #some = new RecordBuffer(Number.POSITIVE_INFINITY)
  readonly #reader = new RecordReader()
  readonly #longBytes: number
  #root: number
  #isGivenUp = false

  /** The arguments stay the request's. */
  constructor({ args, keyspace, mutator, db, limits }: Execution, tail: boolean) {
    this.tail = tail
    this.#longBytes = Math.max(longTextBytes, Math.min(longElementBytes, limits.slicedValueBytes ?? slicedValueBytes))
    this.#keyspace = keyspace
    this.#trees = mutator.types.lists.trees
    this.#args = args
    const key = Buffer.from(args.bytes(1))
    this.#find = () => {
      keyspace.forgetLookUp()
      const entry = keyspace.find(db, key, 0, key.length)
      keyspace.forgetLookUp()
      return entry
    }
    const count = args.count - firstElement
    const bytes = args.ends[args.count - 1] - args.starts[firstElement]
    this.payload = new RecordBuffer(Number.POSITIVE_INFINITY, headBytes + bytes + count * lengthBytesMax)
    this.payload.byte(0)
    this.payload.varint(count)
    this.#root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, 0, packedHeaderBytes, 0)
  }

  get memoryBytes(): number {
    return this.payload.bytes.length
  }

  get #isComplete(): boolean {
    return this.#toPlace === this.#args.count - firstElement
  }

  step(): boolean {
    if (this.#isGivenUp || this.#isComplete) return false
    try {
      if (this.#toRecord < this.#args.count) this.#record()
      else this.#place()
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      this.#isGivenUp = true
    }
    return !this.#isGivenUp && !this.#isComplete
  }

  /** Writes the next few elements to the payload, or a piece of a long one. */
  #record(): void {
    const { payload } = this
    const { buffer, starts, ends, count } = this.#args
    if (this.#args.length(this.#toRecord) >= this.#longBytes) {
      const index = this.#toRecord
      const length = this.#args.length(index)
      if (this.#bytesDone === 0) {
        payload.varint(length)
        this.#recordAt = payload.reserve(length)
      }
      const start = starts[index] + this.#bytesDone
      const end = Math.min(start + sliceBytesMax, ends[index])
      payload.bytes.set(buffer.subarray(start, end), this.#recordAt + this.#bytesDone)
      if (this.#passed(end - start, length)) this.#toRecord++
      return
    }
    const from = payload.end
    for (let done = 0; done < atOnce && this.#toRecord < count && payload.end - from < stepBytesMax; done++) {
      if (this.#args.length(this.#toRecord) >= this.#longBytes) break
      payload.range(buffer, starts[this.#toRecord], ends[this.#toRecord])
      this.#toRecord++
    }
  }

  /** So many bytes more of a long element are done; true if that was the last of them. */
  #passed(bytes: number, length: number): boolean {
    this.#bytesDone += bytes
    if (this.#bytesDone < length) return false
    this.#bytesDone = 0
    return true
  }

  /** The argument that is number `place` of the new elements in the order of the list. */
  #argumentAt(place: number): number {
    return this.tail ? firstElement + place : this.#args.count - 1 - place
  }

  /** Puts the next few elements into the tree, or a piece of a long one. */
  #place(): void {
    const { arena, trees } = this.#keyspace
    const { buffer, starts, ends, count } = this.#args
    const first = this.#argumentAt(this.#toPlace)
    const length = this.#args.length(first)
    if (length >= this.#longBytes) {
      if (this.#bytesDone === 0) {
        arena.reserveLarge(valueHeaderBytes + packedHeaderBytes + longTextElementBytes(length))
        this.#trees.appendHollow(this.#root, length, 0)
        arena.releaseReserved()
      }
      const start = starts[first] + this.#bytesDone
      const end = Math.min(start + sliceBytesMax, ends[first])
      this.#trees.writeLast(this.#root, this.#bytesDone, buffer, start, end)
      if (this.#passed(end - start, length)) this.#toPlace++
      return
    }
    arena.reserveSlots(stepBytesMax + 16 * trees.leafBytesMax)
    const some = this.#some
    some.clear()
    let done = 0
    for (; done < atOnce && this.#toPlace < count - firstElement && some.end < stepBytesMax; done++) {
      const index = this.#argumentAt(this.#toPlace)
      if (this.#args.length(index) >= this.#longBytes) break
      some.range(buffer, starts[index], ends[index])
      this.#toPlace++
    }
    this.#reader.open(some.bytes, 0, some.end)
    this.#trees.append(this.#root, this.#reader, done, 0)
  }

  eachCold(wants: ColdWants): boolean {
    const { entries } = this.#keyspace
    const entry = this.#isComplete && !this.#isGivenUp ? this.#find() : 0
    if (this.#isGivenUp) return false
    if (entry === 0 || entries.type(entry) !== listType) return true
    if (!entries.isTree(entry)) wantValue(this.#keyspace, entry, wants)
    else if (!this.tail) wantEnd(this.#keyspace, entry, false, wants)
    return true
  }

  /** The tree with the elements, which is the caller's from now on; 0 if it was not made, or has so few that the list may be in one piece. */
  take(): number {
    if (!this.#isComplete || this.#isGivenUp || (this.#keyspace.trees.roots.leaves(this.#root) === 1 && this.#isSmall)) return 0
    const root = this.#root
    this.#root = 0
    return root
  }

  /** Whether all that is pushed is so little that the list need not become a tree. */
  get #isSmall(): boolean {
    return this.payload.end < this.#keyspace.trees.leafBytesMax
  }

  release(): void {
    dropTree(this.#keyspace, this.#root)
    this.#root = 0
  }
}

/** What is staged of a push of the arguments behind the key. */
export function stagePush(x: Execution, tail: boolean): StagedWork | undefined {
  const { args, limits } = x
  const bytes = args.ends[args.count - 1] - args.starts[firstElement] + (args.count - firstElement) * elementCost
  return bytes >= (limits.slicedValueBytes ?? slicedValueBytes) ? new StagedPush(x, tail) : undefined
}
