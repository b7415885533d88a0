/**
 * Rows of keys, put into the order of their keys' hashes before they are visited. The index of many million keys is far larger
 * than what the processor's caches and its table of pages hold: rows in the order of the file would each touch a page of it
 * that none of the rows before has touched, while in this order many in a row share one.
 *
 * Rows whose hashes have the same upper half keep their order, and so do those of one key. It knows where rows begin, not what they say.
 */

/** The index has a table for each upper half of a hash. */
const halfBits = 16
const halves = 2 ** halfBits
/** Fewer rows than these lie too far apart in the index for their order to matter. */
const sortedMin = 4096
const firstRoom = 1024
/** A row whose key has 16 bytes ends about here: most rows lie on two lines of the cache. */
const rowBytes = 36

export class GatheredRows {
  #count = 0
  #positions = new Int32Array(firstRoom)
  #hashes = new Uint32Array(firstRoom)
  /** The same in order; made when there is something to sort, as long as the others. */
  #sortedPositions = new Int32Array(0)
  #sortedHashes = new Uint32Array(0)
  /** Per upper half: where its next row goes. */
  #next: Int32Array | undefined
  /** Depends on what was prefetched, so that the compiler does not leave the reads out. */
  #seen = 0

  get count(): number {
    return this.#count
  }

  /** A row begins at `position`, and its key has this hash. */
  add(position: number, hash: number): void {
    if (this.#count === this.#positions.length) this.#grow()
    this.#positions[this.#count] = position
    this.#hashes[this.#count++] = hash
  }

  position(i: number): number {
    return this.#positions[i]!
  }

  hash(i: number): number {
    return this.#hashes[i]!
  }

  /** Reads a little of the rows from the `from`th on, before the `to`th, so that the misses of the cache that visiting them one by one would meet overlap. */
  prefetch(bytes: Uint8Array, from: number, to: number): void {
    const last = bytes.length - 1
    let seen = this.#seen
    for (let i = from; i < to; i++) {
      const position = this.#positions[i]!
      seen ^= bytes[position]! ^ bytes[Math.min(position + rowBytes, last)]!
    }
    this.#seen = seen
  }

  clear(): void {
    this.#count = 0
  }

  /** Puts what has been added into the order of hashes: a counting sort by the upper half. */
  sort(): void {
    const count = this.#count
    if (count < sortedMin) return
    if (this.#sortedPositions.length !== this.#positions.length) {
      this.#sortedPositions = new Int32Array(this.#positions.length)
      this.#sortedHashes = new Uint32Array(this.#positions.length)
    }
    const next = this.#startOfHalves()
    const positions = this.#positions
    const hashes = this.#hashes
    const sortedPositions = this.#sortedPositions
    const sortedHashes = this.#sortedHashes
    for (let i = 0; i < count; i++) {
      const hash = hashes[i]!
      const to = next[hash >>> halfBits]!++
      sortedPositions[to] = positions[i]!
      sortedHashes[to] = hash
    }
    this.#positions = sortedPositions
    this.#hashes = sortedHashes
    this.#sortedPositions = positions
    this.#sortedHashes = hashes
  }

  /** Per upper half, how many rows come before its first. */
  #startOfHalves(): Int32Array {
    this.#next ??= new Int32Array(halves)
    const next = this.#next.fill(0)
    const hashes = this.#hashes
    for (let i = 0; i < this.#count; i++) next[hashes[i]! >>> halfBits]!++
    let before = 0
    for (let half = 0; half < halves; half++) {
      const rows = next[half]!
      next[half] = before
      before += rows
    }
    return next
  }

  #grow(): void {
    const positions = new Int32Array(this.#positions.length * 2)
    positions.set(this.#positions)
    this.#positions = positions
    const hashes = new Uint32Array(positions.length)
    hashes.set(this.#hashes)
    this.#hashes = hashes
  }
}
