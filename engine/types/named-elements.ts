/**
 * The elements of a large collection that a request names, looked up by their hash: open addressing over typed arrays. It is filled a slice at a time,
 * and the names are written down on the way as a removal's payload has them. The names stay where they are, in the request's arguments.
 */
import { sameBytes } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { fieldHash } from './hash-leaf.ts'

/** Names, by number. They may move between two slices. */
export interface Names {
  readonly count: number
  readonly buffer: Buffer
  start(index: number): number
  end(index: number): number
}

export class NamedElements {
  /** Their number, then each of them. */
  readonly payload = new RecordBuffer(Number.POSITIVE_INFINITY)
  readonly #names: Names
  readonly #seed: number
  readonly #mask: number
  /** Numbers of names from 1 on, 0 where nothing is, and beside each its hash. */
  readonly #slots: Int32Array
  readonly #hashes: Uint32Array
  #filled = 0

  /** `seed`: of the collection's order. */
  constructor(names: Names, seed: number) {
    this.#names = names
    this.#seed = seed
    const size = 2 ** Math.ceil(Math.log2(names.count * 2 + 2))
    this.#mask = size - 1
    this.#slots = new Int32Array(size)
    this.#hashes = new Uint32Array(size)
    this.payload.varint(names.count)
  }

  get memoryBytes(): number {
    return this.#slots.length * 8 + this.payload.bytes.length
  }

  /** Takes in up to `max` more names; false when all are in. */
  fill(max: number): boolean {
    const names = this.#names
    const { buffer, count } = names
    const end = Math.min(count, this.#filled + max)
    for (let i = this.#filled; i < end; i++) {
      const from = names.start(i)
      const to = names.end(i)
      this.payload.range(buffer, from, to)
      const hash = fieldHash(buffer, from, to, this.#seed) >>> 0
      const slot = this.#find(hash, buffer, from, to)
      if (this.#slots[slot] !== 0) continue
      this.#slots[slot] = i + 1
      this.#hashes[slot] = hash
    }
    this.#filled = end
    return end < count
  }

  /** Whether the element with this hash is named. */
  has(hash: number, bytes: Buffer, start: number, end: number): boolean {
    return this.#slots[this.#find(hash, bytes, start, end)] !== 0
  }

  /** As `has`, of an element whose hash is not known. */
  hasMember(bytes: Buffer, start: number, end: number): boolean {
    return this.has(fieldHash(bytes, start, end, this.#seed) >>> 0, bytes, start, end)
  }

  /** Where an element is, or where it would be. */
  #find(hash: number, bytes: Buffer, start: number, end: number): number {
    const names = this.#names
    const length = end - start
    // The lower bits of hashes that follow each other in a tree are as random as any.
    for (let slot = Math.imul(hash, 0x9e3779b1) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const found = this.#slots[slot] as number
      if (found === 0) return slot
      if (this.#hashes[slot] !== hash) continue
      const from = names.start(found - 1)
      if (names.end(found - 1) - from === length && sameBytes(names.buffer, from, bytes, start, length)) return slot
    }
  }
}
