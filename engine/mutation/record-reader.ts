/** Reads what `RecordBuffer` wrote: bytes, varints, 48-bit integers and ranges, in order. Throws on a record that ends too early. */
import { readU32LE, readU48LE } from '../memory/byte-order.ts'
export class RecordReader {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  end = 0
  /** The range that `range()` read last. */
  start = 0
  stop = 0

  open(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  byte(): number {
    if (this.at >= this.end) throw new Error('record ends too early')
    return this.bytes[this.at++]
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }

  u32(): number {
    this.at += 4
    if (this.at > this.end) throw new Error('record ends too early')
    return readU32LE(this.bytes, this.at - 4)
  }

  u48(): number {
    this.at += 6
    if (this.at > this.end) throw new Error('record ends too early')
    return readU48LE(this.bytes, this.at - 6)
  }

  /** Sets `start` and `stop`. */
  range(): void {
    const length = this.varint()
    this.start = this.at
    this.stop = this.at + length
    this.at = this.stop
    if (this.at > this.end) throw new Error('record ends too early')
  }
}
