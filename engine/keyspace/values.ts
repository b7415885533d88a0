/**
 * A resident value: a slot with a header of 16 bytes and the value's bytes behind it.
 *
 * 32-bit words: 0 owner (ref of the key's entry) · 1 position in the residency queue · 2 id of the identical copy in the
 * cold store, lower 32 bits, 0 when there is none · 3 id, upper 16 bits; frequency (2 bits), queue (2 bits), leaf, shared, logged and preserved bits.
 * The owner of a tree's leaf is the node that has its row.
 */
import type { Arena } from '../memory/arena.ts'
import { valueKind } from '../memory/arena.ts'

export const valueHeaderBytes = 16
/** From this length on a string is never copied as a whole if that can be avoided. Far above what a slot can hold. */
export const largeValueBytes = 256 * 1024
const two32 = 2 ** 32
const frequencyShift = 16
const frequencyMask = 3 << frequencyShift
const queueShift = 18
const queueMask = 3 << queueShift
const leafBit = 1 << 20
const sharedBit = 1 << 21
const loggedBit = 1 << 22
const preservedBit = 1 << 23

/** Word 3 of a slot that holds no value. */
const vacant = 0xffffffff

/** Queues of the demotion policy; 0 is none. */
export type QueueNumber = 0 | 1 | 2

export class Values {
  readonly arena: Arena
  #capacityChange = 0

  constructor(arena: Arena) {
    this.arena = arena
  }

  create(owner: number, size: number, isLeaf: boolean): number {
    return this.#begin(this.arena.allocate(valueHeaderBytes + size, valueKind), owner, isLeaf)
  }

  /** A slot made of memory that holds the value already, at `bytes[start, start + size)`: see `Arguments.donated` for how it must lie there. */
  adopt(owner: number, bytes: Buffer, start: number, size: number): number {
    const at = bytes.byteOffset + start - valueHeaderBytes
    return this.#begin(this.arena.adopt(bytes.buffer as ArrayBuffer, at, valueHeaderBytes + size, valueKind), owner, false)
  }

  #begin(ref: number, owner: number, isLeaf: boolean): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w] = owner
    words[w + 1] = 0
    words[w + 2] = 0
    words[w + 3] = isLeaf ? leafBit : 0
    return ref
  }

  release(ref: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 3] = vacant
    this.arena.release(ref)
  }

  /** Whether a slot that was in use once holds a value now. */
  isLive(ref: number): boolean {
    return this.arena.words(ref)[this.arena.wordAt(ref) + 3] !== vacant
  }

  /** Where in `arena.bytes(ref)` the value's own bytes begin. */
  start(ref: number): number {
    return this.arena.at(ref) + valueHeaderBytes
  }

  /** Where in `arena.words(ref)` they begin. */
  startWord(ref: number): number {
    return this.arena.wordAt(ref) + valueHeaderBytes / 4
  }

  bytes(ref: number): Buffer {
    return this.arena.bytes(ref)
  }

  /** Bytes of value that fit without moving. */
  room(ref: number): number {
    return this.arena.capacity(ref) - valueHeaderBytes
  }

  /** A slot with more (or less) room, holding the first `keep` bytes and the whole header; the old slot is released. */
  relocate(ref: number, size: number, keep: number): number {
    return this.#movedTo(this.arena.allocate(valueHeaderBytes + size, valueKind), ref, keep)
  }

  /** As `moved` to memory that holds the value's bytes already, behind room for the header. */
  movedInto(memory: ArrayBuffer, ref: number): number {
    return this.#movedTo(this.arena.adopt(memory, 0, memory.byteLength, valueKind), ref, 0)
  }

  #movedTo(to: number, ref: number, keep: number): number {
    this.#capacityChange += this.arena.capacity(to) - this.arena.capacity(ref)
    const from = this.arena.at(ref)
    this.arena.bytes(ref).copy(this.arena.bytes(to), this.arena.at(to), from, from + valueHeaderBytes + keep)
    const words = this.arena.words(to)
    words[this.arena.wordAt(to) + 3] &= ~(sharedBit | loggedBit)
    this.release(ref)
    return to
  }

  /** Bytes that slots grew by in `moved` since the last call: for whoever keeps sums of them. */
  takeCapacityChange(): number {
    const change = this.#capacityChange
    this.#capacityChange = 0
    return change
  }

  owner(ref: number): number {
    return this.arena.words(ref)[this.arena.wordAt(ref)]
  }

  setOwner(ref: number, owner: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref)] = owner
  }

  isLeaf(ref: number): boolean {
    return (this.arena.words(ref)[this.arena.wordAt(ref) + 3] & leafBit) !== 0
  }

  /** A reply refers to the bytes: they may be released, but not changed in place. */
  isShared(ref: number): boolean {
    return (this.arena.words(ref)[this.arena.wordAt(ref) + 3] & sharedBit) !== 0
  }

  share(ref: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 3] |= sharedBit
  }

  /** The log refers to the bytes until it has committed the entry's LSN; until then they are as if shared. */
  isLogged(ref: number): boolean {
    return (this.arena.words(ref)[this.arena.wordAt(ref) + 3] & loggedBit) !== 0
  }

  setLogged(ref: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 3] |= loggedBit
  }

  /** A leaf that its tree has left to a write-out. */
  isPreserved(ref: number): boolean {
    return (this.arena.words(ref)[this.arena.wordAt(ref) + 3] & preservedBit) !== 0
  }

  setPreserved(ref: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 3] |= preservedBit
  }

  id(ref: number): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    return words[w + 2] + (words[w + 3] & 0xffff) * two32
  }

  setId(ref: number, id: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    // Stored modulo 2^32.
    words[w + 2] = id
    words[w + 3] = (words[w + 3] & 0xffff0000) | (id / two32)
  }

  frequency(ref: number): number {
    return (this.arena.words(ref)[this.arena.wordAt(ref) + 3] & frequencyMask) >>> frequencyShift
  }

  setFrequency(ref: number, frequency: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref) + 3
    words[w] = (words[w] & ~frequencyMask) | (frequency << frequencyShift)
  }

  /** Counts a use, up to 3. */
  touch(ref: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref) + 3
    if ((words[w] & frequencyMask) !== frequencyMask) words[w] += 1 << frequencyShift
  }

  queue(ref: number): QueueNumber {
    return ((this.arena.words(ref)[this.arena.wordAt(ref) + 3] & queueMask) >>> queueShift) as QueueNumber
  }

  queuePosition(ref: number): number {
    return this.arena.words(ref)[this.arena.wordAt(ref) + 1]
  }

  setQueue(ref: number, queue: QueueNumber, position: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w + 1] = position
    words[w + 3] = (words[w + 3] & ~queueMask) | (queue << queueShift)
  }
}
