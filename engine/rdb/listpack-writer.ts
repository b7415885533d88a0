/** Makes listpacks, as redis-server makes them: what reads as an integer of 64 bits is one. `packed-sequence.ts` reads them. */
import { writeBigIntegerElement, writeElement, writeIntegerElement } from '../types/listpack-element.ts'

const headerBytes = 6
const endMark = 0xff
const countMax = 0xffff
/** What an element takes at most besides its bytes. */
const overheadBytesMax = 16

export class ListpackWriter {
  bytes = Buffer.allocUnsafeSlow(512)
  /** Bytes of the listpack so far, without its end mark. */
  end = headerBytes
  count = 0

  clear(): void {
    this.end = headerBytes
    this.count = 0
  }

  /** Adds an element: an integer if it reads as one. */
  add(from: Buffer, start: number, end: number): void {
    this.#room(end - start + overheadBytesMax)
    this.#end(writeElement(this.bytes, this.end, from, start, end))
  }

  /** Adds a safe integer. */
  addInteger(value: number): void {
    this.#room(overheadBytesMax)
    this.#end(writeIntegerElement(this.bytes, this.end, value))
  }

  addBigInteger(value: bigint): void {
    this.#room(overheadBytesMax)
    const small = Number(value)
    this.#end(
      Number.isSafeInteger(small) ? writeIntegerElement(this.bytes, this.end, small) : writeBigIntegerElement(this.bytes, this.end, value),
    )
  }

  /** Adds `count` elements that are encoded already. */
  addEncoded(from: Buffer, start: number, end: number, count: number): void {
    this.#room(end - start)
    this.end += from.copy(this.bytes, this.end, start, end)
    this.count += count
  }

  /** Completes the listpack, which is `bytes[0, end)` until `clear`. */
  finish(): void {
    this.#room(1)
    this.bytes[this.end++] = endMark
    this.bytes.writeUInt32LE(this.end, 0)
    this.bytes.writeUInt16LE(Math.min(this.count, countMax), 4)
  }

  #end(behind: number): void {
    this.end = behind
    this.count++
  }

  #room(count: number): void {
    if (this.bytes.length - this.end >= count) return
    const more = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.end + count))
    this.bytes.copy(more, 0, 0, this.end)
    this.bytes = more
  }
}
