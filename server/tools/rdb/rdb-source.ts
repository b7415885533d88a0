/** Where the bytes of an RDB come from, and the window in which what is being read lies: files larger than memory pass through it. */
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { Crc64 } from '../../../engine/rdb/crc64.ts'
import { RdbInput } from '../../../engine/rdb/rdb-input.ts'

export interface RdbSource {
  /** Bytes in all; undefined when that is not known before the end. */
  readonly totalBytes: number | undefined
  /** Reads up to `length` bytes into `into` from `at` on; 0 at the end. */
  read(into: Buffer, at: number, length: number): Promise<number>
  close(): Promise<void>
}

const windowBytesMin = 1024 * 1024

export class FileSource implements RdbSource {
  readonly totalBytes: number
  readonly #file: FileHandle

  private constructor(file: FileHandle, totalBytes: number) {
    this.#file = file
    this.totalBytes = totalBytes
  }

  static async open(path: string): Promise<FileSource> {
    const file = await open(path, 'r')
    return new FileSource(file, (await file.stat()).size)
  }

  async read(into: Buffer, at: number, length: number): Promise<number> {
    return (await this.#file.read(into, at, length, null)).bytesRead
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

export class RdbWindow {
  readonly input = new RdbInput(Buffer.allocUnsafeSlow(windowBytesMin), 0, 0, false)
  readonly #source: RdbSource
  /** Of all that has left the window. */
  readonly #crc = new Crc64()

  constructor(source: RdbSource) {
    this.#source = source
  }

  /**
   * Reads on until `needed` bytes are there from where the input is, or no more come. What is before `keepFrom` may go. Returns by how
   * many places the rest has moved to the front. A length is believed only as far as there are bytes for it.
   */
  async fill(needed: number, keepFrom: number): Promise<number> {
    const { input } = this
    const { totalBytes } = this.#source
    if (totalBytes !== undefined && needed > totalBytes - input.offset)
      input.refuse(`${needed} bytes should follow, of which ${totalBytes - input.offset} are there`)
    const moved = this.#moveUp(keepFrom)
    while (input.end - input.at < needed && !input.isComplete) {
      if (input.end === input.bytes.length) this.#grow()
      const count = await this.#source.read(input.bytes, input.end, input.bytes.length - input.end)
      if (count === 0) input.isComplete = true
      input.end += count
    }
    return moved
  }

  /** Whether the 8 bytes at `at` are the checksum of all before, or zeros, which means that there is none. */
  hasChecksum(at: number): boolean {
    const { input } = this
    const crc = new Crc64()
    crc.set(this.#crc)
    crc.update(input.bytes, 0, at)
    return crc.matches(input.bytes, at) || input.bytes.readBigUInt64LE(at) === 0n
  }

  #moveUp(keepFrom: number): number {
    const { input } = this
    if (keepFrom === 0) return 0
    this.#crc.update(input.bytes, 0, keepFrom)
    input.bytes.copyWithin(0, keepFrom, input.end)
    input.base += keepFrom
    input.at -= keepFrom
    input.end -= keepFrom
    return keepFrom
  }

  #grow(): void {
    const { input } = this
    const more = Buffer.allocUnsafeSlow(Math.min(input.bytes.length * 2, 2 ** 32 - 1))
    if (more.length === input.bytes.length) input.refuse('an element of more than 4 GiB')
    input.bytes.copy(more, 0, 0, input.end)
    input.bytes = more
  }
}
