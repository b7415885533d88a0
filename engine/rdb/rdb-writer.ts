/**
 * Writes an RDB file: its head, functions, keys with their values, its end. What has been written is taken in pieces, which do not change any more; the
 * checksum is that of the bytes that were taken.
 */
import { Crc64, crcBytes } from './crc64.ts'
import { auxOpcode, endOpcode, expireMsOpcode, function2Opcode, rdbVersion, resizeOpcode, selectOpcode, stringValue } from './rdb-format.ts'
import { RdbOutput } from './rdb-output.ts'

export class RdbWriter {
  /** For the rest of a value, behind `key`. */
  readonly out = new RdbOutput()
  readonly #value = new RdbOutput()
  readonly #crc = new Crc64()

  /** Whether strings are compressed. */
  set compresses(compresses: boolean) {
    this.out.compresses = compresses
    this.#value.compresses = compresses
  }

  /** The head, with what the file says of itself. */
  begin(facts: readonly (readonly [name: string, value: string])[]): void {
    this.#raw(Buffer.from(`REDIS${String(rdbVersion).padStart(4, '0')}`))
    for (const fact of facts) {
      this.out.byte(auxOpcode)
      for (const text of fact) this.#string(Buffer.from(text))
    }
  }

  library(code: Buffer): void {
    this.out.byte(function2Opcode)
    this.#string(code)
  }

  /** The keys that follow are in this database, which has about so many, of which some expire. Said once or several times. */
  database(number: number, keys: number, expiring: number): void {
    const { out } = this
    out.byte(selectOpcode)
    out.length(number)
    out.byte(resizeOpcode)
    out.length(keys)
    out.length(expiring)
  }

  /** What stands before a value of this type: `bytes[start, end)` is the key, `expireAt` in ms since the epoch, 0 for never. */
  key(type: number, bytes: Buffer, start: number, end: number, expireAt: number): void {
    const { out } = this
    if (expireAt > 0) {
      out.byte(expireMsOpcode)
      out.u64(BigInt(expireAt))
    }
    out.byte(type)
    out.string(bytes, start, end)
  }

  /** A string in one piece. */
  string(bytes: Buffer, start: number, end: number, expireAt: number, value: Buffer, valueStart: number, valueEnd: number): void {
    this.key(stringValue, bytes, start, end, expireAt)
    this.out.string(value, valueStart, valueEnd)
  }

  /** A key with what `write` writes: the type's number, then the value or its beginning. */
  keyWith(bytes: Buffer, start: number, end: number, expireAt: number, write: (out: RdbOutput) => void): void {
    const value = this.#value
    value.end = 0
    write(value)
    this.key(value.bytes[0]!, bytes, start, end, expireAt)
    this.out.raw(value.bytes, 1, value.end)
  }

  /** Behind the last key; all has to be taken before `footer`. */
  end(): void {
    this.out.byte(endOpcode)
  }

  /** The checksum, the last of the file. */
  footer(): Buffer {
    const footer = Buffer.alloc(crcBytes)
    this.#crc.write(footer, 0)
    return footer
  }

  /** Counts `piece[start, end)` in, which was taken of `out`, or stands between what was. */
  count(piece: Buffer, start: number, end: number): void {
    this.#crc.update(piece, start, end)
  }

  #raw(bytes: Buffer): void {
    this.out.raw(bytes, 0, bytes.length)
  }

  #string(bytes: Buffer): void {
    this.out.string(bytes, 0, bytes.length)
  }
}
