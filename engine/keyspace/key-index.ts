/**
 * The index of one database: from a key's hash to the ref of its entry. Open addressing over many small tables: a
 * table is chosen by the hash's upper bits, and the place in it grows with the remaining bits, so that a walk over the
 * places is a walk in hash order. A table grows by about an eighth at a time on its own, which takes microseconds.
 *
 * It stores [hash, ref] pairs and compares no keys: the caller tells whether a candidate is the key. SCAN's cursor is a
 * hash, which no growth moves: every key that is there from the first call to the last is met at least once.
 * The tables lie in the arena, whose memory they share and whose locality makes a probe one miss of the cache.
 */
import type { Arena } from '../memory/arena.ts'
import { tableKind } from '../memory/arena.ts'

const tableBits = 13
const tableCount = 1 << tableBits
const restBits = 32 - tableBits
const restSpan = 2 ** restBits
const restMask = restSpan - 1
const capacityMin = 4
const loadMax = 0.84
/** A random key is drawn among this many neighbours. */
const randomAmong = 24
const noWords = new Uint32Array(0)

export interface RefMatcher {
  /** Whether the entry at `ref` is the one that is looked for. */
  matches(ref: number): boolean
}

export class KeyIndex {
  readonly #arena: Arena
  /** Per table: where it lies (0: nowhere yet), places, places taken. */
  readonly #refs = new Uint32Array(tableCount)
  readonly #capacities = new Uint32Array(tableCount)
  readonly #counts = new Uint32Array(tableCount)
  #size = 0

  constructor(arena: Arena) {
    this.#arena = arena
  }

  get size(): number {
    return this.#size
  }

  /** Bytes beside the tables, which the arena counts. */
  get bytes(): number {
    return tableCount * 12
  }

  /** The ref stored under this hash that `matcher` recognises; 0 when there is none. */
  probe(hash: number, matcher: RefMatcher): number {
    const number = hash >>> restBits
    const table = this.#refs[number]
    if (table === 0) return 0
    const words = this.#arena.words(table)
    const base = this.#arena.wordAt(table)
    const capacity = this.#capacities[number]
    const end = base + capacity * 2
    let at = base + home(hash, capacity) * 2
    for (;;) {
      const ref = words[at + 1]
      if (ref === 0) return 0
      if (words[at] === hash && matcher.matches(ref)) return ref
      at += 2
      if (at === end) at = base
    }
  }

  /** Whether the ref is stored under this hash. */
  holds(hash: number, ref: number): boolean {
    const number = hash >>> restBits
    const table = this.#refs[number]
    if (table === 0) return false
    const words = this.#arena.words(table)
    const base = this.#arena.wordAt(table)
    const capacity = this.#capacities[number]
    for (let slot = home(hash, capacity); ; slot = slot + 1 === capacity ? 0 : slot + 1) {
      const found = words[base + slot * 2 + 1]
      if (found === ref || found === 0) return found === ref
    }
  }

  /** The ref of an entry that is probably the one under this hash, 0 when the first look shows none. Compares no keys. */
  guess(hash: number): number {
    const number = hash >>> restBits
    const table = this.#refs[number]
    if (table === 0) return 0
    const words = this.#arena.words(table)
    const capacity = this.#capacities[number]
    const slot = home(hash, capacity)
    const at = this.#arena.wordAt(table) + slot * 2
    if (words[at] === hash) return words[at + 1]
    return slot + 1 < capacity && words[at + 2] === hash ? words[at + 3] : 0
  }

  /** Adds a ref; the caller has made sure that its key is not there. */
  insert(hash: number, ref: number): void {
    const number = hash >>> restBits
    if (this.#counts[number] + 1 > this.#capacities[number] * loadMax) {
      this.#resize(number, Math.max(capacityMin, Math.ceil(this.#capacities[number] * 1.05)))
    }
    this.#place(number, hash, ref)
    this.#counts[number]++
    this.#size++
  }

  /** Points the place that holds `ref` at `newRef`: its entry has moved. */
  replace(hash: number, ref: number, newRef: number): void {
    const table = this.#refs[hash >>> restBits]
    this.#arena.words(table)[this.#arena.wordAt(table) + this.#slotOf(hash, ref) * 2 + 1] = newRef
  }

  remove(hash: number, ref: number): void {
    const number = hash >>> restBits
    const words = this.#arena.words(this.#refs[number])
    const base = this.#arena.wordAt(this.#refs[number])
    const capacity = this.#capacities[number]
    let hole = this.#slotOf(hash, ref)
    // Backward shift: whatever stands after the hole and may stand in it moves there, so that no tombstone is left.
    for (let slot = next(hole, capacity); words[base + slot * 2 + 1] !== 0; slot = next(slot, capacity)) {
      const wanted = home(words[base + slot * 2], capacity)
      const fits = hole <= slot ? wanted <= hole || wanted > slot : wanted <= hole && wanted > slot
      if (!fits) continue
      words[base + hole * 2] = words[base + slot * 2]
      words[base + hole * 2 + 1] = words[base + slot * 2 + 1]
      hole = slot
    }
    words[base + hole * 2] = 0
    words[base + hole * 2 + 1] = 0
    this.#counts[number]--
    this.#size--
    if (this.#counts[number] === 0) this.#drop(number)
    else if (capacity > 16 && this.#counts[number] < capacity * 0.3) this.#resize(number, Math.ceil(this.#counts[number] / 0.6))
  }

  /**
   * Visits refs in hash order from the hash `cursor` on until at least `count` were visited, and always all that share a
   * hash; returns the cursor to go on from, or 0 when the end was reached. `visit` must not change the index.
   */
  scan(cursor: number, count: number, visit: (ref: number) => void): number {
    let visited = 0
    let emptyTables = 0
    let from = cursor
    for (let number = cursor >>> restBits; number < tableCount; number++, from = (number << restBits) >>> 0) {
      if (this.#refs[number] === 0) {
        if (++emptyTables >= 64 + count * 10 && number + 1 < tableCount) return ((number + 1) << restBits) >>> 0
        continue
      }
      const capacity = this.#capacities[number]
      let slot = home(from, capacity)
      while (slot < capacity) {
        const end = Math.min(capacity, slot + Math.max(1, count - visited))
        visited += this.#visitHomes(number, slot, end, from, visit)
        slot = end
        if (visited < count) continue
        if (slot < capacity) return ((number << restBits) | firstHashAt(slot, capacity)) >>> 0
        return number + 1 < tableCount ? ((number + 1) << restBits) >>> 0 : 0
      }
    }
    return 0
  }

  /**
   * The ref of some key, chosen by two random numbers; 0 when there is none. Nearly uniform: one of the next few keys
   * behind a random place, so that a key behind a long gap is not chosen much more often than its neighbours.
   */
  random(r0: number, r1: number): number {
    const wanted = Math.min(this.#size, randomAmong)
    if (wanted === 0) return 0
    let left = r1 % wanted
    let number = r0 % tableCount
    let slot = Math.floor((r1 / 2 ** 32) * this.#capacities[number])
    for (;;) {
      const capacity = this.#capacities[number]
      const words = capacity === 0 ? noWords : this.#arena.words(this.#refs[number])
      const base = this.#arena.wordAt(this.#refs[number])
      for (; slot < capacity; slot++) {
        const ref = words[base + slot * 2 + 1]
        if (ref !== 0 && left-- === 0) return ref
      }
      number = (number + 1) % tableCount
      slot = 0
    }
  }

  /** Gives the tables' memory back; the index is empty then. */
  clear(): void {
    for (let number = 0; number < tableCount; number++) if (this.#refs[number] !== 0) this.#drop(number)
    this.#counts.fill(0)
    this.#size = 0
  }

  #slotOf(hash: number, ref: number): number {
    const number = hash >>> restBits
    const words = this.#arena.words(this.#refs[number])
    const base = this.#arena.wordAt(this.#refs[number])
    const capacity = this.#capacities[number]
    let slot = home(hash, capacity)
    while (words[base + slot * 2 + 1] !== ref) slot = next(slot, capacity)
    return slot
  }

  #place(number: number, hash: number, ref: number): void {
    const words = this.#arena.words(this.#refs[number])
    const base = this.#arena.wordAt(this.#refs[number])
    const capacity = this.#capacities[number]
    let slot = home(hash, capacity)
    while (words[base + slot * 2 + 1] !== 0) slot = next(slot, capacity)
    words[base + slot * 2] = hash
    words[base + slot * 2 + 1] = ref
  }

  #resize(number: number, capacityMin: number): void {
    const arena = this.#arena
    const from = this.#refs[number]
    const fromCapacity = this.#capacities[number]
    const to = arena.allocate(capacityMin * 8, tableKind)
    const capacity = Math.floor(arena.capacity(to) / 8)
    const start = arena.wordAt(to)
    arena.words(to).fill(0, start, start + capacity * 2)
    this.#refs[number] = to
    this.#capacities[number] = capacity
    if (from === 0) return
    const words = arena.words(from)
    const base = arena.wordAt(from)
    for (let at = base; at < base + fromCapacity * 2; at += 2) if (words[at + 1] !== 0) this.#place(number, words[at], words[at + 1])
    arena.release(from)
  }

  #drop(number: number): void {
    this.#arena.release(this.#refs[number])
    this.#refs[number] = 0
    this.#capacities[number] = 0
  }

  /** Visits every entry whose home is in [fromSlot, toSlot) and whose hash is at least `fromHash`, wherever probing put it; returns how many. */
  #visitHomes(number: number, fromSlot: number, toSlot: number, fromHash: number, visit: (ref: number) => void): number {
    const words = this.#arena.words(this.#refs[number])
    const base = this.#arena.wordAt(this.#refs[number])
    const capacity = this.#capacities[number]
    let visited = 0
    let slot = fromSlot
    for (let steps = 0; steps < capacity; steps++, slot = next(slot, capacity)) {
      const hash = words[base + slot * 2]
      const ref = words[base + slot * 2 + 1]
      if (ref === 0) {
        if (steps >= toSlot - fromSlot - 1) break
        continue
      }
      const wanted = home(hash, capacity)
      if (wanted < fromSlot || wanted >= toSlot || hash < fromHash) continue
      visit(ref)
      visited++
    }
    return visited
  }
}

function next(slot: number, capacity: number): number {
  return slot + 1 === capacity ? 0 : slot + 1
}

/** Where a hash would like to stand: monotonic in the hash. */
function home(hash: number, capacity: number): number {
  return Math.floor(((hash & restMask) * capacity) / restSpan)
}

/** The least rest of a hash whose home is `slot`. */
function firstHashAt(slot: number, capacity: number): number {
  return Math.ceil((slot * restSpan) / capacity)
}
