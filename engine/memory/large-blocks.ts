/**
 * The blocks of the arena that are larger than any slot of a run: each has a buffer of its own, which others may refer to or have brought.
 * A block is known by a number, and numbers are used again. Memory for blocks can be reserved before they are made.
 */
export class LargeBlocks {
  /** Bytes of all memory that blocks lie in. */
  totalBytes = 0
  readonly #bytes: (Buffer | undefined)[] = []
  readonly #words: (Uint32Array | undefined)[] = []
  /** What each block holds; -1 for one that was released. */
  readonly #kinds: number[] = []
  readonly #free: number[] = []
  readonly #reserved: ArrayBuffer[] = []

  bytes(id: number): Buffer {
    return this.#bytes[id] as Buffer
  }

  /** The same memory as 32-bit words. */
  words(id: number): Uint32Array {
    return this.#words[id] as Uint32Array
  }

  /** What a block holds; -1 for one that was released, undefined for one that never was. */
  kind(id: number): number | undefined {
    return this.#kinds[id]
  }

  /** A block of at least `size` bytes: of reserved memory, or of new memory, which is zeroed. Throws when the system refuses it. */
  allocate(size: number, kind: number): number {
    const capacity = rounded(size)
    const at = this.#reserved.findIndex((memory) => memory.byteLength === capacity)
    const memory = at < 0 ? new ArrayBuffer(capacity) : (this.#reserved.splice(at, 1)[0] as ArrayBuffer)
    return this.adopt(memory, 0, size, kind)
  }

  /** A block of memory that came from elsewhere: `memory` from `at` on, a multiple of 8, with room for `size` rounded up to one. */
  adopt(memory: ArrayBuffer, at: number, size: number, kind: number): number {
    const capacity = rounded(size)
    const id = this.#free.pop() ?? this.#bytes.length
    this.#bytes[id] = Buffer.from(memory, at, capacity)
    this.#words[id] = new Uint32Array(memory, at, capacity / 4)
    this.#kinds[id] = kind
    this.totalBytes += memory.byteLength
    return id
  }

  release(id: number): void {
    this.totalBytes -= this.bytes(id).buffer.byteLength
    this.#bytes[id] = undefined
    this.#words[id] = undefined
    this.#kinds[id] = -1
    this.#free.push(id)
  }

  /** Reserves memory for one more block of `size` bytes. Throws when the system refuses it. */
  reserve(size: number): void {
    this.#reserved.push(new ArrayBuffer(rounded(size)))
  }

  /** Whether memory is reserved for the next block of `size` bytes. */
  isReserved(size: number): boolean {
    return this.#reserved.some((memory) => memory.byteLength === rounded(size))
  }

  /** Gives back what was reserved and not used. */
  releaseReserved(): void {
    if (this.#reserved.length > 0) this.#reserved.length = 0
  }
}

function rounded(size: number): number {
  return (size + 7) & ~7
}
