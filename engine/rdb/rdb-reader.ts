/**
 * What an RDB file is made of, one part after the other: a header, then keys with what is told of them, and other things between
 * them, then the end with a checksum. Values are the caller's to decode (`value-decoder.ts`), from where the input then is.
 */
import { crcBytes } from './crc64.ts'
import {
  auxOpcode,
  endOpcode,
  expireMsOpcode,
  expireOpcode,
  frequencyOpcode,
  function2Opcode,
  functionOpcode,
  idleOpcode,
  module2Value,
  moduleAuxOpcode,
  moduleValue,
  rdbVersionMax,
  resizeOpcode,
  selectOpcode,
  slotInfoOpcode,
} from './rdb-format.ts'
import type { RdbInput } from './rdb-input.ts'
import { RdbElement, RdbShortage } from './rdb-input.ts'
import { valueKind } from './value-decoder.ts'

const magic = 'REDIS'
const headerBytes = 9
/** From this version on there is a checksum at the end. */
const checksumVersionMin = 5

export interface RdbKey {
  readonly part: 'key'
  readonly db: number
  readonly key: Buffer
  /** RDB's type of the value, which is one that can be decoded. */
  readonly type: number
  /** Milliseconds since 1970, 0 for never. */
  readonly expireAt: number
  /** Seconds since it was used, -1 if that is not told. */
  readonly idleSeconds: number
  /** Redis's counter of uses, -1 if that is not told. */
  readonly frequency: number
}

export type RdbPart =
  | RdbKey
  | { readonly part: 'aux'; readonly name: string; readonly value: string }
  /** How many keys, and keys that expire, the database has whose keys follow. */
  | { readonly part: 'size'; readonly keys: number; readonly expiring: number }
  | { readonly part: 'function'; readonly code: Buffer }
  /** `checksum`: where it is in the input, -1 if there is none. */
  | { readonly part: 'end'; readonly checksum: number }

export class RdbReader {
  readonly #input: RdbInput
  readonly #first = new RdbElement()
  readonly #second = new RdbElement()
  version = 0
  #db = 0
  #expireAt = 0
  #idleSeconds = -1
  #frequency = -1

  /** Of a file that begins where the input is. */
  constructor(input: RdbInput) {
    this.#input = input
  }

  /** Reads the next part; of a key not its value. Throws `RdbShortage` when there is not enough of it, and may be called again. */
  next(): RdbPart {
    for (;;) {
      const input = this.#input
      const mark = input.at
      try {
        if (this.version === 0) this.#header()
        const part = this.#read()
        if (part !== undefined) return part
      } catch (failure) {
        if (failure instanceof RdbShortage) {
          failure.needed += input.at - mark
          input.at = mark
        }
        throw failure
      }
    }
  }

  #header(): void {
    const input = this.#input
    const at = input.take(headerBytes)
    const text = input.bytes.toString('latin1', at, at + headerBytes)
    if (!text.startsWith(magic) || !/^\d{4}$/.test(text.slice(magic.length))) input.refuse('this is no RDB file', at)
    const version = Number(text.slice(magic.length))
    if (version < 1 || version > rdbVersionMax) input.refuse(`RDB version ${version} cannot be read`, at)
    this.version = version
  }

  /** Undefined for what is only taken note of. */
  #read(): RdbPart | undefined {
    const input = this.#input
    const { at } = input
    const opcode = input.byte()
    switch (opcode) {
      case selectOpcode:
        this.#db = input.length()
        return undefined
      case expireMsOpcode:
        this.#expireAt = this.#time(input.bytes.readBigInt64LE(input.take(8)), at)
        return undefined
      case expireOpcode:
        this.#expireAt = input.bytes.readInt32LE(input.take(4)) * 1000
        return undefined
      case idleOpcode:
        this.#idleSeconds = input.length()
        return undefined
      case frequencyOpcode:
        this.#frequency = input.byte()
        return undefined
      case slotInfoOpcode:
        for (let i = 0; i < 3; i++) input.length()
        return undefined
      case resizeOpcode:
        return { part: 'size', keys: input.length(), expiring: input.length() }
      case auxOpcode:
        return this.#aux()
      case function2Opcode:
        input.string(this.#first)
        return { part: 'function', code: this.#first.toBuffer() }
      case endOpcode:
        return { part: 'end', checksum: this.version < checksumVersionMin ? -1 : input.take(crcBytes) }
      case functionOpcode:
        return input.refuse('a function of a version of Redis that was never released', at)
      case moduleAuxOpcode:
        return input.refuse("a module's data, which only that module can read", at)
      default:
        return this.#key(opcode, at)
    }
  }

  #time(ms: bigint, at: number): number {
    const time = Number(ms)
    return Number.isSafeInteger(time) ? time : this.#input.refuse('a time of expiry that cannot be', at)
  }

  #aux(): RdbPart {
    const input = this.#input
    input.string(this.#first)
    input.string(this.#second)
    return { part: 'aux', name: textOf(this.#first), value: textOf(this.#second) }
  }

  #key(type: number, at: number): RdbKey {
    const input = this.#input
    if (type === moduleValue || type === module2Value) input.refuse("a module's value, which only that module can read", at)
    if (valueKind(type) === undefined) input.refuse(`unknown opcode or type ${type}`, at)
    input.string(this.#first)
    const key: RdbKey = {
      part: 'key',
      db: this.#db,
      key: this.#first.toBuffer(),
      type,
      expireAt: this.#expireAt,
      idleSeconds: this.#idleSeconds,
      frequency: this.#frequency,
    }
    this.#expireAt = 0
    this.#idleSeconds = -1
    this.#frequency = -1
    return key
  }
}

function textOf({ bytes, start, end }: RdbElement): string {
  return bytes.toString('utf8', start, end)
}
