/**
 * Loads an RDB into a running server: each value as RESTORE, as it lies in the RDB; a very large collection as the commands that make it. The
 * server decodes what it is sent. A value that it refuses is decoded here, too, to say where in the file it is damaged. Memory does not grow with the file.
 */
import { footerBytes, writeFooter } from '../../../engine/dump/dump-footer.ts'
import { Crc64 } from '../../../engine/rdb/crc64.ts'
import { stringValue } from '../../../engine/rdb/rdb-format.ts'
import type { RdbElement } from '../../../engine/rdb/rdb-input.ts'
import { RdbInput, RdbShortage } from '../../../engine/rdb/rdb-input.ts'
import type { RdbKey } from '../../../engine/rdb/rdb-reader.ts'
import { RdbReader } from '../../../engine/rdb/rdb-reader.ts'
import { ValueDecoder } from '../../../engine/rdb/value-decoder.ts'
import { NoSink } from '../../../engine/rdb/value-sink.ts'
import { skipValue } from '../../../engine/rdb/value-skip.ts'
import type { RdbSource } from './rdb-source.ts'
import { RdbWindow } from './rdb-source.ts'
import type { ByteRange, RequestPart, RespClient } from './resp-client.ts'
import { ValueCommands } from './value-commands.ts'

/** A collection that takes more is loaded by commands. */
export const restoredBytesMax = 32 * 1024 * 1024

/** Dumps that are under way share memory of this size. */
const slabBytes = 1024 * 1024

const restoreWord = Buffer.from('RESTORE')
const replaceWord = Buffer.from('REPLACE')
const absoluteWord = Buffer.from('ABSTTL')

export interface ImportFigures {
  keys: number
  /** Keys whose value has no elements, which a faulty version of Redis has left. */
  empty: number
  /** Keys that were loaded by commands. */
  large: number
  functions: number
  bytes: number
}

export interface ImportOptions {
  readonly source: RdbSource
  readonly target: RespClient
  /** Told how many bytes have been read. */
  readonly onProgress: (bytes: number) => void
  readonly warn: (text: string) => void
  readonly restoredBytesMax?: number | undefined
}

export class Importer {
  readonly figures: ImportFigures = { keys: 0, empty: 0, large: 0, functions: 0, bytes: 0 }
  readonly #options: ImportOptions
  readonly #window: RdbWindow
  readonly #reader: RdbReader
  readonly #crc = new Crc64()
  readonly #bytesMax: number
  #slab = Buffer.alloc(0)
  #slabEnd = 0
  #db = 0
  #failure: Error | undefined

  constructor(options: ImportOptions) {
    this.#options = options
    this.#bytesMax = options.restoredBytesMax ?? restoredBytesMax
    this.#window = new RdbWindow(options.source)
    this.#reader = new RdbReader(this.#window.input)
  }

  /** What has been read behind the end: of a connection, what comes after the RDB. */
  get rest(): Buffer {
    const { bytes, at, end } = this.#window.input
    return bytes.subarray(at, end)
  }

  /** Loads all of it. Rejects with what is wrong, in the RDB or with the target. */
  async run(): Promise<ImportFigures> {
    const { input } = this.#window
    const { onProgress, target } = this.#options
    for (let isComplete = false; !isComplete; ) {
      try {
        isComplete = await this.#some()
      } catch (failure) {
        if (!isShortage(failure)) throw failure
        await this.#window.fill(failure.needed, input.at)
      }
      onProgress(input.offset)
    }
    this.figures.bytes = input.offset
    await target.must('PING')
    if (this.#failure !== undefined) throw this.#failure
    return this.figures
  }

  /** Loads what is in the window, as long as there is nothing to wait for. True at the end. */
  async #some(): Promise<boolean> {
    const { input } = this.#window
    const { target } = this.#options
    for (;;) {
      if (target.isFull) await target.room()
      if (this.#failure !== undefined) throw this.#failure
      const part = this.#reader.next()
      if (part.part === 'function') await this.#function(part.code)
      else if (part.part === 'end') {
        if (part.checksum >= 0 && !this.#window.hasChecksum(part.checksum)) input.refuse('the checksum is wrong', part.checksum)
        return true
      } else if (part.part === 'key') {
        this.#select(part)
        const start = this.#valueInWindow(part) ?? (await this.#valueStart(part))
        this.figures.keys++
        if (start === undefined) await this.#asCommands(part)
        else this.#restore(part, start)
      }
    }
  }

  #select(key: RdbKey): void {
    if (key.db === this.#db) return
    this.#post(['SELECT', key.db], key)
    this.#db = key.db
  }

  /** Where a value begins in the window, which ends where the input then is; undefined, and nothing read, if it is not there as a whole. */
  #valueInWindow({ type }: RdbKey): number | undefined {
    const { input } = this.#window
    const start = input.at
    try {
      skipValue(input, type)
      if (type === stringValue || input.at - start <= this.#bytesMax) return start
    } catch (failure) {
      if (!isShortage(failure)) throw failure
    }
    input.at = start
    return undefined
  }

  /** As `valueInWindow`, when all of the value has been decoded; undefined if it is too large, and nothing has been read of it. */
  async #valueStart({ type }: RdbKey): Promise<number | undefined> {
    const { input } = this.#window
    const bytesMax = type === stringValue ? Number.POSITIVE_INFINITY : this.#bytesMax
    let start = input.at
    const decoder = new ValueDecoder(input, type, new NoSink())
    for (;;) {
      try {
        while (decoder.step(Number.POSITIVE_INFINITY));
        break
      } catch (failure) {
        if (!isShortage(failure)) throw failure
        if (input.at - start > bytesMax) {
          input.at = start
          return undefined
        }
        start -= await this.#window.fill(failure.needed, start)
      }
    }
    if (input.at - start > bytesMax) {
      input.at = start
      return undefined
    }
    return start
  }

  /** The value is in the window from `from` on, up to where the input is. */
  #restore(key: RdbKey, from: number): void {
    const { input } = this.#window
    const value = this.#dump(key.type, from)
    const request: RequestPart[] = [restoreWord, key.key, key.expireAt, value, replaceWord, absoluteWord]
    if (key.idleSeconds >= 0) request.push('IDLETIME', key.idleSeconds)
    else if (key.frequency >= 0) request.push('FREQ', key.frequency)
    const offset = input.base + from
    this.#post(request, key, (answer) => this.#isEmpty(key.type, value, offset) || refusalOf(key, answer))
  }

  /** A dump of what is in the window from `from` on, in memory that stays until its request has been answered. */
  #dump(type: number, from: number): ByteRange {
    const { input } = this.#window
    const length = input.at - from
    const bytes = this.#roomFor(1 + length + footerBytes)
    const start = this.#slabEnd
    const end = start + 1 + length
    bytes[start] = type
    input.bytes.copy(bytes, start + 1, from, input.at)
    this.#crc.reset()
    this.#crc.update(bytes, start, end)
    writeFooter(this.#crc, bytes, end)
    this.#slabEnd = end + footerBytes
    return { bytes, start, end: this.#slabEnd }
  }

  /** Memory with room for so many bytes from `slabEnd` on: values share it. */
  #roomFor(bytes: number): Buffer {
    if (this.#slab.length - this.#slabEnd < bytes) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes))
      this.#slabEnd = 0
    }
    return this.#slab
  }

  /** Whether a refused value, of which `value` is what was sent, is one without elements. Throws where it is damaged. */
  #isEmpty(type: number, { bytes, start, end }: ByteRange, offset: number): boolean {
    const counter = new ElementCounter()
    const input = new RdbInput(bytes as Buffer, start + 1, end - footerBytes)
    input.base = offset - start - 1
    const decoder = new ValueDecoder(input, type, counter)
    while (decoder.step(Number.POSITIVE_INFINITY));
    if (counter.count === 0) this.figures.empty++
    return counter.count === 0
  }

  async #asCommands(key: RdbKey): Promise<void> {
    const { input } = this.#window
    const { target } = this.#options
    this.figures.large++
    this.#post(['UNLINK', key.key], key)
    const commands = new ValueCommands(key.key)
    const decoder = new ValueDecoder(input, key.type, commands)
    for (let goesOn = true; goesOn; ) {
      try {
        goesOn = decoder.step(512 * 1024)
      } catch (failure) {
        if (!isShortage(failure)) throw failure
        await this.#window.fill(failure.needed, input.at)
      }
      for (const request of commands.take(!goesOn)) this.#post(request, key)
      await target.room()
      this.#options.onProgress(input.offset)
    }
    if (key.expireAt > 0) this.#post(['PEXPIREAT', key.key, key.expireAt], key)
  }

  async #function(code: Buffer): Promise<void> {
    const { target, warn } = this.#options
    const reply = await target.send('FUNCTION', 'LOAD', 'REPLACE', code)
    if (reply instanceof Error) warn(`A library of functions was not loaded: ${reply.message}`)
    else this.figures.functions++
  }

  /** Sends a request that is about a key. The first refusal of the target ends the import, unless `excuse` answers with true. */
  #post(request: readonly RequestPart[], key: RdbKey, excuse?: (answer: Error) => Error | true): void {
    this.#options.target.post(
      request,
      (answer) => {
        if (!(answer instanceof Error)) return
        try {
          const excused = excuse?.(answer) ?? refusalOf(key, answer)
          if (excused !== true) this.#failed(excused)
        } catch (damage) {
          this.#failed(damage as Error)
        }
      },
      this.#failed,
    )
  }

  readonly #failed = (failure: Error): void => {
    this.#failure ??= failure
  }
}

function refusalOf({ key, db }: RdbKey, answer: Error): Error {
  return new Error(`key ${shown(key)} in database ${db} was refused: ${answer.message}`)
}

function shown(key: Buffer): string {
  const text = key.toString('latin1')
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}

export function isShortage(failure: unknown): failure is RdbShortage {
  return failure instanceof RdbShortage
}

/** Sees whether there is anything in a value. */
class ElementCounter extends NoSink {
  count = 0

  override string(_value: RdbElement): void {
    this.count++
  }

  override element(_value: RdbElement): void {
    this.count++
  }

  override scored(_member: RdbElement, _score: number): void {
    this.count++
  }

  override field(_field: RdbElement, _value: RdbElement, _expireAt: number): void {
    this.count++
  }

  /** A stream may be empty. */
  override totals(): void {
    this.count++
  }
}
