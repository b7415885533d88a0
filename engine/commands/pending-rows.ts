/**
 * Very many ids that are about to change what a group has pending, in order: each is taken off, or becomes pending for one consumer. As bytes, in the layout of *deliver*
 * (`stream-group-leaf.ts`), in chunks: nothing that grows with their number is ever copied in one go.
 */
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import { longVarintBytes } from '../mutation/record-buffer.ts'
import { deliveryBytes } from '../types/stream-group-leaf.ts'
import { idBytes, StreamId } from '../types/stream-id.ts'
import type { Slices } from './repeated-work.ts'
import { allInOrder, Stint } from './sort-order.ts'

const chunkRows = 4096
const timeOffset = 20
const deliveriesOffset = 26
/** Comparisons and copies in one slice. */
const workMax = 4096

/** What becomes of an id: it becomes pending for the consumer, is taken off, or was to be taken off and is not pending. */
export type PendingFate = 0 | 1 | 2
export const given: PendingFate = 0
export const takenOff: PendingFate = 1
export const missed: PendingFate = 2

export class PendingRows {
  /** Ids, each counted once after `settle`. */
  count = 0
  /** The row that was sought last: where it begins. */
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  readonly #chunks: Buffer[] = []
  readonly #fates: Uint8Array[] = []
  /** Numbers of the rows in order of id; undefined while that is the order they came in. */
  #order: Uint32Array | undefined
  #isInOrder = true
  readonly #last = new StreamId()
  readonly #id = new StreamId()

  get memoryBytes(): number {
    return this.#chunks.length * chunkRows * (deliveryBytes + 1) + (this.#order?.byteLength ?? 0)
  }

  /** `former`: the unit of the consumer that has it, 0 for none or if nobody knows yet. */
  add(id: StreamId, former: number, fate: PendingFate, deliveredAt: number, deliveries: bigint): void {
    const number = this.count++
    if (number % chunkRows === 0) {
      this.#chunks.push(Buffer.allocUnsafeSlow(chunkRows * deliveryBytes))
      this.#fates.push(new Uint8Array(chunkRows))
    }
    if (number > 0 && this.#last.compare(id) >= 0) this.#isInOrder = false
    this.#last.copy(id)
    this.#seekNumber(number)
    const { bytes, at } = this
    id.write(bytes, at)
    bytes.writeUInt32LE(former, at + idBytes)
    bytes.writeUIntLE(deliveredAt, at + timeOffset, 6)
    bytes.writeBigUInt64BE(deliveries, at + deliveriesOffset)
    this.#fatesOf(number)[number % chunkRows] = fate
  }

  #seekNumber(number: number): void {
    this.bytes = this.#chunks[Math.floor(number / chunkRows)] as Buffer
    this.at = (number % chunkRows) * deliveryBytes
  }

  #fatesOf(number: number): Uint8Array {
    return this.#fates[Math.floor(number / chunkRows)] as Uint8Array
  }

  #numberOf(index: number): number {
    return this.#order === undefined ? index : (this.#order[index] as number)
  }

  /** Puts them in order. What was told last of an id counts, but who had it before is what was told first. */
  *settle(): Slices<void> {
    if (this.#isInOrder) return
    const stint = new Stint(workMax)
    const order = new Uint32Array(this.count)
    for (let i = 0; i < order.length; i++) order[i] = i
    const a = new StreamId()
    yield* allInOrder(
      order,
      (left, right) => {
        this.#seekNumber(left)
        a.read(this.bytes, this.at)
        this.#seekNumber(right)
        return a.compareAt(this.bytes, this.at) || left - right
      },
      stint,
    )
    let kept = 0
    for (let i = 0; i < order.length; i++) {
      const number = order[i] as number
      this.#seekNumber(number)
      if (kept > 0 && a.compareAt(this.bytes, this.at) === 0) {
        const former = order[kept - 1] as number
        const owner = this.#formerOf(former)
        this.#seekNumber(number)
        this.bytes.writeUInt32LE(owner, this.at + idBytes)
        order[kept - 1] = number
      } else {
        a.read(this.bytes, this.at)
        order[kept++] = number
      }
      if (stint.isOver(1)) yield undefined
    }
    this.#order = order.subarray(0, kept)
    this.count = kept
  }

  #formerOf(number: number): number {
    this.#seekNumber(number)
    return this.bytes.readUInt32LE(this.at + idBytes)
  }

  /** Has `bytes` and `at` tell a row, by its place in order of id. */
  seek(index: number): this {
    this.#seekNumber(this.#numberOf(index))
    return this
  }

  id(index: number): StreamId {
    this.seek(index)
    return this.#id.read(this.bytes, this.at)
  }

  former(index: number): number {
    return this.#formerOf(this.#numberOf(index))
  }

  fate(index: number): PendingFate {
    const number = this.#numberOf(index)
    return this.#fatesOf(number)[number % chunkRows] as PendingFate
  }

  /** The group has it pending, for a consumer. */
  found(index: number, consumer: number): void {
    this.seek(index)
    this.bytes.writeUInt32LE(consumer, this.at + idBytes)
  }

  /** The group does not have it pending. */
  miss(index: number): void {
    const number = this.#numberOf(index)
    this.#fatesOf(number)[number % chunkRows] = missed
  }

  /** Writes those with a fate, in order: their number, and each as *acknowledge* has it, or as *deliver* does. */
  *write(payload: RecordBuffer, fate: PendingFate): Slices<void> {
    const size = fate === takenOff ? idBytes + 4 : deliveryBytes
    const countAt = payload.reserve(longVarintBytes)
    let count = 0
    for (let index = 0; index < this.count; index++) {
      if (this.fate(index) === fate) {
        this.seek(index)
        payload.raw(this.bytes, this.at, this.at + size)
        count++
      }
      if (index % workMax === workMax - 1) yield undefined
    }
    payload.longVarintAt(countAt, count)
  }
}
