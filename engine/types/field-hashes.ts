/**
 * Hashes of the fields of large hashes, and the work on one chunk's blob that needs them all: where to split it, moving
 * a part of it, visiting it in hash order.
 *
 * The hash is keyed by the collection's own secret seed. Chunks in the cold store are cut by it: it may never change.
 */
import { KeyHash } from '../keyspace/key-hash.ts'
import { PackedCursor, packedHeaderBytes, readPair, setUsedBytes, usedBytes } from './packed-fields.ts'

const fixedKey = [0x5bd1e995, 0x1b873593]
let keysRead = 0
const hasher = new KeyHash({ nextUint32: () => fixedKey[keysRead++] })

/** Behind the largest hash. */
export const hashEnd = 2 ** 32
const indexRange = 2 ** 21

/** 32 bits of a field's place among the chunks; the low 8 are its fingerprint there. */
export function fieldHash(field: Uint8Array, fieldStart: number, fieldEnd: number, seed: number): number {
  return hasher.of(field, fieldStart, fieldEnd, seed)
}

/** Called for a pair, which may be read until the visit ends. Must not change the hash that is visited. */
export type VisitPair = (bytes: Buffer, pair: PackedCursor) => void

/** The hashes of one blob's fields: scratch memory that is loaded, used and forgotten. */
export class FieldHashes {
  #count = 0
  #hashes = new Uint32Array(256)
  /** Where each pair begins, from the blob's start, and where the last one ends. */
  #offsets = new Uint32Array(257)
  #order = new Float64Array(256)
  readonly #pair = new PackedCursor()

  load(bytes: Buffer, start: number, seed: number): void {
    const end = start + usedBytes(bytes, start)
    const pair = this.#pair
    let count = 0
    for (let at = start + packedHeaderBytes; at < end; at = pair.next) {
      readPair(bytes, at, pair)
      if (count === this.#hashes.length) this.#grow()
      this.#hashes[count] = fieldHash(bytes, pair.fieldStart, pair.fieldEnd, seed)
      this.#offsets[count++] = at - start
    }
    this.#offsets[count] = end - start
    this.#count = count
  }

  /** The hash at which to split so that both parts are of about the same size; 0 when all fields have one hash. */
  median(): number {
    if (this.#count > indexRange) throw new Error(`chunk of ${this.#count} fields: too many to split`)
    const order = this.#order.subarray(0, this.#count)
    for (let i = 0; i < this.#count; i++) order[i] = this.#hashes[i] * indexRange + i
    order.sort()
    const half = (this.#offsets[this.#count] - packedHeaderBytes) / 2
    let before = 0
    let previous = -1
    let boundary = 0
    for (let i = 0; i < order.length; i++) {
      const hash = Math.floor(order[i] / indexRange)
      const index = order[i] % indexRange
      if (hash !== previous && i > 0) {
        boundary = hash
        if (before >= half) break
      }
      before += this.#offsets[index + 1] - this.#offsets[index]
      previous = hash
    }
    return boundary
  }

  /** Fields whose hash is not below a boundary. */
  countFrom(boundary: number): number {
    let sum = 0
    for (let i = 0; i < this.#count; i++) if (this.#hashes[i] >= boundary) sum++
    return sum
  }

  /** Bytes of the pairs whose hash is not below a boundary. */
  bytesFrom(boundary: number): number {
    let sum = 0
    for (let i = 0; i < this.#count; i++) if (this.#hashes[i] >= boundary) sum += this.#offsets[i + 1] - this.#offsets[i]
    return sum
  }

  /** Moves the pairs from a boundary on from the loaded blob into an empty one, in order. Returns how many moved. */
  moveFrom(boundary: number, bytes: Buffer, start: number, toBytes: Buffer, toStart: number): number {
    let kept = packedHeaderBytes
    let to = packedHeaderBytes
    let moved = 0
    for (let i = 0; i < this.#count; i++) {
      const from = this.#offsets[i]
      const size = this.#offsets[i + 1] - from
      if (this.#hashes[i] >= boundary) {
        bytes.copy(toBytes, toStart + to, start + from, start + from + size)
        to += size
        moved++
      } else {
        if (kept !== from) bytes.copyWithin(start + kept, start + from, start + from + size)
        kept += size
      }
    }
    setUsedBytes(bytes, start, kept)
    setUsedBytes(toBytes, toStart, to)
    return moved
  }

  /**
   * Visits the fields of the loaded blob from a hash on, up to `max` and those with the last one's hash. `visited` then tells
   * how many. Returns the least hash not visited, or `hashEnd`. Fields come in order of hash from call to call, not within one.
   */
  visitFrom(fromHash: number, max: number, bytes: Buffer, start: number, visit: VisitPair): number {
    const stop = this.#stopAfter(fromHash, max)
    const pair = this.#pair
    const count = this.#count
    this.visited = 0
    for (let i = 0; i < count; i++) {
      const hash = this.#hashes[i]
      if (hash < fromHash || hash >= stop) continue
      readPair(bytes, start + this.#offsets[i], pair)
      this.visited++
      visit(bytes, pair)
    }
    return stop
  }
  visited = 0

  #stopAfter(fromHash: number, max: number): number {
    let found = 0
    for (let i = 0; i < this.#count; i++) if (this.#hashes[i] >= fromHash) this.#order[found++] = this.#hashes[i]
    if (found <= max) return hashEnd
    const order = this.#order.subarray(0, found)
    order.sort()
    let next = max
    while (next < found && order[next] === order[max - 1]) next++
    return next < found ? order[next] : hashEnd
  }

  #grow(): void {
    const length = this.#hashes.length * 2
    const hashes = new Uint32Array(length)
    hashes.set(this.#hashes)
    const offsets = new Uint32Array(length + 1)
    offsets.set(this.#offsets)
    this.#hashes = hashes
    this.#offsets = offsets
    this.#order = new Float64Array(length)
  }
}

/** Visits all fields of a blob in order of insertion. */
export function visitAll(bytes: Buffer, start: number, pair: PackedCursor, visit: VisitPair): void {
  const end = start + usedBytes(bytes, start)
  let at = start + packedHeaderBytes
  while (at < end) {
    readPair(bytes, at, pair)
    at = pair.next
    visit(bytes, pair)
  }
}
