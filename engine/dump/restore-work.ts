/**
 * A value made of a dump, a slice at a time, before anybody sees it: the checksum first, then the elements. RESTORE stages it for
 * a large dump, and does it at once for others; a replay makes the same of what a record has.
 */
import { largeValueBytes, valueHeaderBytes } from '../keyspace/values.ts'
import { Crc64 } from '../rdb/crc64.ts'
import { LzfUnpacking } from '../rdb/lzf.ts'
import { stringValue } from '../rdb/rdb-format.ts'
import { RdbElement, RdbInput, RdbRefusal } from '../rdb/rdb-input.ts'
import { ValueDecoder, valueKind } from '../rdb/value-decoder.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax, slicedValueBytes } from '../staged-work.ts'
import type { BuiltValue } from './built-value.ts'
import { footerBytes, hasKnownVersion } from './dump-footer.ts'
import type { BuilderParts, ValueBuilder } from './dumped-type.ts'
import { dumpedKind } from './dumped-types.ts'

/** What is decoded in one step: each element may cost a search in a tree. */
const decodedBytesMax = 16 * 1024

export type RestoreState = 'begun' | 'checked' | 'built' | 'wrong checksum' | 'bad data'

export class RestoreWork implements StagedWork {
  state: RestoreState = 'begun'
  /** The string, if the value is one. */
  string: StringBuild | undefined
  readonly #parts: BuilderParts
  readonly #bytes: Buffer
  readonly #start: number
  /** Of the value, before the footer. */
  readonly #end: number
  readonly #crc = new Crc64()
  #at: number
  #builder: ValueBuilder | undefined
  #decoder: ValueDecoder | undefined
  #input: RdbInput | undefined
  readonly #sliceBytes: number

  /** Of a dump, `bytes[start, end)`, which stays where it is. */
  constructor(parts: BuilderParts, bytes: Buffer, start: number, end: number, largeBytes = slicedValueBytes) {
    this.#parts = parts
    this.#bytes = bytes
    this.#start = start
    this.#end = end - footerBytes
    this.#at = start
    this.#sliceBytes = Math.min(sliceBytesMax, largeBytes)
    if (!hasKnownVersion(bytes, start, end)) this.state = 'wrong checksum'
  }

  get memoryBytes(): number {
    return (this.string?.bytes.length ?? 0) + (this.#input?.unpackedBytes ?? 0)
  }

  step(): boolean {
    if (this.state === 'begun') this.#check()
    else if (this.state === 'checked') this.#build()
    return this.state === 'begun' || this.state === 'checked'
  }

  /** Does all of it. */
  finishAll(): void {
    while (this.step());
  }

  /** Whether it is of this dump. */
  isOf(bytes: Buffer, start: number, end: number): boolean {
    if (this.#bytes === bytes && this.#start === start) return true
    return this.#bytes.compare(bytes, start, end, this.#start, this.#end + footerBytes) === 0
  }

  /** The collection: the caller's from now on. Only when it is built, and no string. */
  take(): BuiltValue {
    return (this.#builder as ValueBuilder).take()
  }

  release(): void {
    this.#builder?.release()
  }

  #check(): void {
    const until = Math.min(this.#end + 2, this.#at + this.#sliceBytes)
    this.#crc.update(this.#bytes, this.#at, until)
    this.#at = until
    if (until === this.#end + 2) this.state = this.#crc.matches(this.#bytes, until) ? 'checked' : 'wrong checksum'
  }

  #build(): void {
    try {
      if (!this.#builds()) this.state = 'built'
    } catch (failure) {
      if (!(failure instanceof RdbRefusal)) throw failure
      this.release()
      this.#builder = undefined
      this.state = 'bad data'
    }
  }

  #builds(): boolean {
    if (this.string !== undefined) return this.string.step(this.#sliceBytes)
    this.#parts.keyspace.arena.reserveSlots(2 * this.#sliceBytes)
    if (this.#decoder === undefined) {
      this.#begin()
      return true
    }
    if (this.#input?.mustUnpack === true) {
      this.#input.unpack(this.#sliceBytes)
      return true
    }
    return this.#decoder.step(Math.min(decodedBytesMax, this.#sliceBytes))
  }

  #begin(): void {
    const { limits } = this.#parts
    const input = new RdbInput(this.#bytes, this.#start, this.#end)
    if (limits !== undefined) input.stringBytesMax = limits.protoMaxBulkBytes
    input.slicedStringBytes = this.#sliceBytes
    this.#input = input
    const type = input.byte()
    if (type === stringValue) {
      this.string = new StringBuild(input)
      return
    }
    const { builder, decoder } = building(this.#parts, input, type)
    this.#builder = builder
    this.#decoder = decoder
  }
}

function building(parts: BuilderParts, input: RdbInput, type: number): { builder: ValueBuilder; decoder: ValueDecoder } {
  const kind = valueKind(type)
  const row = kind === undefined ? undefined : dumpedKind(kind)
  if (row === undefined) return input.refuse(`a value of type ${type} cannot be kept`)
  const builder = row.builder(parts)
  return { builder, decoder: new ValueDecoder(input, type, builder) }
}

/** The collection that a record of the log has, `bytes[start, end)` without a footer. */
export function rebuilt(parts: BuilderParts, bytes: Buffer, start: number, end: number): BuiltValue {
  const input = new RdbInput(bytes, start, end)
  const { builder, decoder } = building(parts, input, input.byte())
  while (decoder.step(Number.POSITIVE_INFINITY));
  return builder.take()
}

/** A string; a large one in memory that the keyspace can adopt: behind room for a value's header. */
export class StringBuild {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly #from: Buffer
  readonly #fromStart: number
  readonly #unpacking: LzfUnpacking | undefined
  readonly #input: RdbInput
  #done = 0

  constructor(input: RdbInput) {
    this.#input = input
    const header = input.stringHeader()
    const short = new RdbElement()
    if (header === undefined) input.string(short)
    const length = header === undefined ? short.length : header.bytes
    this.#fromStart = header === undefined ? short.start : input.take(header.storedBytes)
    this.#from = header === undefined ? short.bytes : input.bytes
    const isCompressed = header?.isCompressed === true
    if (length < largeValueBytes && !isCompressed) {
      // It is copied into a slot anyway, from where it is.
      this.bytes = this.#from
      this.start = this.#fromStart
      this.#done = length
    } else {
      const isLarge = length >= largeValueBytes
      this.bytes = isLarge ? Buffer.from(new ArrayBuffer((valueHeaderBytes + length + 7) & ~7)) : Buffer.allocUnsafe(length)
      this.start = isLarge ? valueHeaderBytes : 0
    }
    this.end = this.start + length
    if (!isCompressed) return
    const fromEnd = this.#fromStart + header.storedBytes
    this.#unpacking = new LzfUnpacking(this.#from, this.#fromStart, fromEnd, this.bytes, this.start, this.end)
  }

  step(bytesMax: number): boolean {
    const unpacking = this.#unpacking
    if (unpacking !== undefined) {
      const isSound = unpacking.step(bytesMax)
      if (isSound && unpacking.hasMore) return true
      if (!isSound || !unpacking.isComplete) this.#input.refuse('a compressed string is damaged')
      return false
    }
    const length = this.end - this.start
    const until = Math.min(this.#done + bytesMax, length)
    this.#from.copy(this.bytes, this.start + this.#done, this.#fromStart + this.#done, this.#fromStart + until)
    this.#done = until
    return until < length
  }
}
