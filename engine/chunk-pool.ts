/** The memory of connections: chunks for what they write and read, larger buffers for what is larger, used again and counted. */
import { wordView } from './memory/word-copy.ts'

export const chunkBytes = 16 * 1024

/** Larger buffers come in powers of two up to this size, so that they can be used again. */
const reusedBytesMax = 4 * 1024 * 1024
/** Free larger buffers kept, in bytes. Fresh memory costs a page fault per 4 KB, more than what is then copied into it. */
const freeLargeBytesMax = 16 * 1024 * 1024

/** Free buffers, and the count of all memory that connections use. What is free beyond a limit is left to the garbage collector. */
export class ChunkPool {
  /** Bytes in use: chunks, larger buffers, and values held by reference. */
  usedBytes = 0
  readonly #free: Buffer[] = []
  readonly #views = new WeakMap<Buffer, DataView>()
  readonly #freeMax: number
  /** Free larger buffers, by the power of two that is their size. */
  readonly #freeLarge: Buffer[][] = Array.from({ length: 32 }, () => [])
  #freeLargeBytes = 0
  #sharedBytes: Buffer | undefined
  #sharedStart = 0
  #sharedView: Buffer = Buffer.alloc(0)

  /** Keeps up to `freeMax` free chunks. */
  constructor(freeMax = 256) {
    this.#freeMax = freeMax
  }

  /** Bytes kept for later use. */
  get freeBytes(): number {
    return this.#free.length * chunkBytes + this.#freeLargeBytes
  }

  acquire(): Buffer {
    const chunk = this.#free.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)
    this.usedBytes += chunkBytes
    return chunk
  }

  /** The view of a chunk, which lives as long as the chunk does. */
  view(chunk: Buffer): DataView {
    const known = this.#views.get(chunk)
    if (known !== undefined) return known
    const made = wordView(chunk)
    this.#views.set(chunk, made)
    return made
  }

  /** A view of bytes that other connections may send, too: often the one that was asked for last, if they are few. */
  sharedView(bytes: Buffer, start: number, end: number): Buffer {
    if (bytes.length > chunkBytes) return bytes.subarray(start, end)
    if (bytes !== this.#sharedBytes || start !== this.#sharedStart || end !== this.#sharedView.length + start) {
      this.#sharedBytes = bytes
      this.#sharedStart = start
      this.#sharedView = bytes.subarray(start, end)
    }
    return this.#sharedView
  }

  /** A buffer of at least `bytes`, which is more than a chunk has. */
  acquireLarge(bytes: number): Buffer {
    const power = 32 - Math.clz32(bytes - 1)
    const size = bytes > reusedBytesMax ? bytes : 2 ** power
    const free = bytes > reusedBytesMax ? undefined : this.#freeLarge[power]!.pop()
    if (free !== undefined) this.#freeLargeBytes -= size
    const buffer = free ?? Buffer.allocUnsafeSlow(size)
    this.usedBytes += size
    return buffer
  }

  /** Takes back what `acquire` or `acquireLarge` gave. */
  release(buffer: Buffer): void {
    const size = buffer.length
    this.usedBytes -= size
    if (size === chunkBytes) {
      if (this.#free.length < this.#freeMax) this.#free.push(buffer)
    } else if (size <= reusedBytesMax && this.#freeLargeBytes + size <= freeLargeBytesMax) {
      this.#freeLarge[31 - Math.clz32(size)]!.push(buffer)
      this.#freeLargeBytes += size
    }
  }
}
