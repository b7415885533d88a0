/**
 * The little of Protocol Buffers' wire format that etcd's messages need: varints, and fields with a length
 * (https://protobuf.dev/programming-guides/encoding/).
 *
 * The writer fills its buffer from the end to the beginning, so that the length of a nested message is known when it has to
 * be written, and an entry of the log is copied once. Fields may come in any order; only the elements of a repeated field
 * are written last first. The reader copies nothing: the bytes it returns are part of the message.
 *
 * Numbers are JavaScript's, up to 2^53 - 1: etcd's revisions, counts and sizes stay far below, and a larger one is
 * refused, never rounded. Ids are drawn from 64 bits and are bigints.
 */

const VARINT = 0
const FIXED_64 = 1
const LENGTH_DELIMITED = 2
const FIXED_32 = 5
const VARINT_BYTES_MAX = 10

/** The bytes are no message, or hold a number that JavaScript cannot represent. */
export class ProtobufUnreadable extends Error {
  override readonly name = 'ProtobufUnreadable'
}

/** Writes every field it is given: whoever calls leaves out those that have their default. */
export class ProtobufWriter {
  #bytes: Buffer
  #at: number

  /**
   * `bytes` is the expected size of the message; a larger one makes the buffer grow. Or it is the buffer to write into, from its end on:
   * a value that lies there already, and is written first, is not copied.
   */
  constructor(bytes: number | Buffer) {
    this.#bytes = typeof bytes === 'number' ? Buffer.allocUnsafe(Math.max(64, bytes)) : bytes
    this.#at = this.#bytes.length
  }

  integer(field: number, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} cannot be sent in field ${field}`)
    this.#varint(value)
    this.#varint(field * 8 + VARINT)
  }

  identity(field: number, value: bigint): void {
    const digits: number[] = []
    let rest = BigInt.asUintN(64, value)
    for (; rest >= 128n; rest >>= 7n) digits.push(Number(rest & 127n) | 128)
    digits.push(Number(rest))
    this.#append(Buffer.from(digits))
    this.#varint(field * 8 + VARINT)
  }

  flag(field: number): void {
    this.integer(field, 1)
  }

  bytes(field: number, value: Buffer): void {
    this.#append(value)
    this.#varint(value.length)
    this.#varint(field * 8 + LENGTH_DELIMITED)
  }

  text(field: number, value: string): void {
    this.bytes(field, Buffer.from(value))
  }

  /** A nested message with the fields that `write` writes. */
  message(field: number, write: () => void): void {
    const before = this.length
    write()
    this.#varint(this.length - before)
    this.#varint(field * 8 + LENGTH_DELIMITED)
  }

  get length(): number {
    return this.#bytes.length - this.#at
  }

  /** The message. The writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(this.#at)
  }

  #append(value: Buffer): void {
    this.#reserve(value.length)
    this.#at -= value.length
    const isThere = value.buffer === this.#bytes.buffer && value.byteOffset === this.#bytes.byteOffset + this.#at
    if (!isThere) value.copy(this.#bytes, this.#at)
  }

  #varint(value: number): void {
    let length = 1
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++
    this.#reserve(length)
    this.#at -= length
    let at = this.#at
    let rest = value
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[at++] = (rest % 128) | 128
    this.#bytes[at] = rest
  }

  #reserve(bytes: number): void {
    if (this.#at >= bytes) return
    const written = this.#bytes.subarray(this.#at)
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + bytes)
    this.#at = larger.length - written.length
    written.copy(larger, this.#at)
    this.#bytes = larger
  }
}

/** Steps through the fields of one message. After `next`, one of the others must take the value, or `skip` it. */
export class ProtobufReader {
  /** The number of the field that `next` has found. */
  field = 0
  readonly #bytes: Buffer
  #at = 0
  #wireType = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false
    const tag = this.#varint()
    this.field = Math.floor(tag / 8)
    this.#wireType = tag % 8
    return true
  }

  integer(): number {
    this.#expect(VARINT)
    return this.#varint()
  }

  identity(): bigint {
    this.#expect(VARINT)
    let value = 0n
    for (let shift = 0n; shift < 7n * BigInt(VARINT_BYTES_MAX); shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asUintN(64, value)
    }
    throw new ProtobufUnreadable('a varint has no end')
  }

  flag(): boolean {
    return this.integer() !== 0
  }

  /** Bytes of the message itself, not a copy. */
  bytes(): Buffer {
    this.#expect(LENGTH_DELIMITED)
    const length = this.#varint()
    const start = this.#at
    this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  text(): string {
    return this.bytes().toString()
  }

  message(): ProtobufReader {
    return new ProtobufReader(this.bytes())
  }

  skip(): void {
    switch (this.#wireType) {
      case VARINT:
        while (this.#byte() >= 128);
        return
      case FIXED_64:
        this.#advance(8)
        break
      case LENGTH_DELIMITED:
        this.#advance(this.#varint())
        break
      case FIXED_32:
        this.#advance(4)
        break
      default:
        throw new ProtobufUnreadable(`field ${this.field} has the wire type ${this.#wireType}`)
    }
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (let length = 0; length < VARINT_BYTES_MAX; length++) {
      const byte = this.#byte()
      value += (byte & 127) * scale
      scale *= 128
      if (byte >= 128) continue
      if (Number.isSafeInteger(value)) return value
      throw new ProtobufUnreadable(`field ${this.field} holds a number above 2^53`)
    }
    throw new ProtobufUnreadable('a varint has no end')
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) throw new ProtobufUnreadable('the message ends within a field')
    return this.#bytes[this.#at++]
  }

  #advance(length: number): void {
    if (length > this.#bytes.length - this.#at) throw new ProtobufUnreadable('the message ends within a field')
    this.#at += length
  }

  #expect(wireType: number): void {
    if (this.#wireType === wireType) return
    throw new ProtobufUnreadable(`field ${this.field} has the wire type ${this.#wireType}, not ${wireType}`)
  }
}
