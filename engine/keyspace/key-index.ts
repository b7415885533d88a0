/**
 * The index of one database: from a key's hash to the ref of its entry. Open addressing over many small tables: a
 * table is chosen by the hash's upper 16 bits, and the place in it grows with the lower 16, so that a walk over the
 * places is a walk in hash order. A place is three 16-bit words: lower hash, lower ref, upper ref; ref 0 is none.
 *
 * It compares no keys: the caller tells whether a candidate is the key. SCAN's cursor is a hash, which no growth moves:
 * every key that is there from the first call to the last is met at least once.
 *
 * The tables lie in the arena, whose memory they share and whose locality makes a probe one miss of the cache. A table
 * that is full grows on its own, which takes microseconds. From a million keys on a sweep goes over the tables in order
 * while the index grows, gives each the size it needs until the next sweep, and moves it to the other of two kinds of
 * runs: what it makes lies dense, and what it leaves behind, which the last sweep made, becomes free run by run.
 */
import type { Arena, Kind } from '../memory/arena.ts'
import { evenTableKind, oddTableKind, tableKind } from '../memory/arena.ts'

const restBits = 16
const restMask = 0xffff
const tableCount = 2 ** 16
const tableMask = tableCount - 1
const placeBytes = 6
const capacityMin = 2
/** Share of the places that may be taken; swept tables may exceed it by what chance adds until the sweep comes again. */
const loadMax = 0.86
const sweptLoadMax = 0.97
/** Keys from which on tables are swept, and by how much the index grows during one sweep. */
const sweepFrom = tableCount * 16
const sweepGrowth = 0.08
/** Places that a guess looks at. */
const guessMax = 4
/** So many tables in a row are read whole. */
const nearTables = 4
/** Words of 16 bits on a line of the processor's cache. */
const lineHalves = 32
/** A random key is drawn among this many neighbours. */
const randomAmong = 24
/** Tables without a key that one call of `scan` passes by at least; that takes about ten microseconds. */
const emptyTablesMin = 16_384
/** What an index without keys looks into; never written. */
const noRefs = new Uint32Array(tableCount)
const noCounts = new Uint16Array(tableCount)

export interface RefMatcher {
  /** Whether the entry at `ref` is the one that is looked for. */
  matches(ref: number): boolean
}

export class KeyIndex {
  readonly #arena: Arena
  /** Per table: where it lies (0: nowhere yet), places, places taken. */
  #refs = noRefs
  #capacities = noCounts
  #counts = noCounts
  #size = 0
  /** The next table to sweep, the size at which that is due, and the kind of runs that the sweep fills. */
  #sweepNext = 0
  #sweepAt = sweepFrom
  #sweepKind = evenTableKind
  /** Keys that tables were made for and that have not all come. */
  #reserved = 0

  constructor(arena: Arena) {
    this.#arena = arena
  }

  get size(): number {
    return this.#size
  }

  /** Places in all tables, taken or free. */
  get places(): number {
    let places = 0
    for (const capacity of this.#capacities) places += capacity
    return places
  }

  /** Bytes beside the tables, which the arena counts. */
  get bytes(): number {
    return this.#refs === noRefs ? 0 : tableCount * 8
  }

  /** The ref stored under this hash that `matcher` recognises; 0 when there is none. */
  probe(hash: number, matcher: RefMatcher): number {
    const number = hash >>> restBits
    const table = this.#refs[number]
    if (table === 0) return 0
    const halves = this.#arena.halves(table)
    const base = this.#arena.halfAt(table)
    const capacity = this.#capacities[number]
    const rest = hash & restMask
    const end = base + capacity * 3
    let at = base + home(rest, capacity) * 3
    for (;;) {
      const ref = (halves[at + 1] | (halves[at + 2] << 16)) >>> 0
      if (ref === 0) return 0
      if (halves[at] === rest && matcher.matches(ref)) return ref
      at += 3
      if (at === end) at = base
    }
  }

  /** Whether the ref is stored under this hash. */
  holds(hash: number, ref: number): boolean {
    const number = hash >>> restBits
    return this.#refs[number] !== 0 && this.#placeOf(hash, ref) >= 0
  }

  /** The ref of an entry that is probably the one under this hash, 0 when the first look shows none. Compares no keys. */
  guess(hash: number): number {
    const number = hash >>> restBits
    const table = this.#refs[number]
    if (table === 0) return 0
    const halves = this.#arena.halves(table)
    const capacity = this.#capacities[number]
    const rest = hash & restMask
    const place = home(rest, capacity)
    let at = this.#arena.halfAt(table) + place * 3
    const end = at + Math.min(guessMax, capacity - place) * 3
    for (; at < end; at += 3) if (halves[at] === rest) return (halves[at + 1] | (halves[at + 2] << 16)) >>> 0
    return 0
  }

  /**
   * For whoever looks up hashes in their order, this one after `former`: fetches into the processor's caches what lies between. Where the tables of
   * the two are near to each other that is all of the tables behind the former's, because the processor reads ahead of one that goes on in a row,
   * which costs less than to jump to a few of their lines; else only where this hash may stand. Answers a number that depends on what was read.
   */
  prefetch(former: number, hash: number): number {
    const last = hash >>> restBits
    let number = (former >>> restBits) + 1
    if (number > last + 1 || last - number >= nearTables) return this.guess(hash)
    let seen = 0
    for (; number <= last; number++) {
      const table = this.#refs[number]
      if (table === 0) continue
      const halves = this.#arena.halves(table)
      const base = this.#arena.halfAt(table)
      const end = base + this.#capacities[number] * 3
      for (let at = base; at < end; at += lineHalves) seen ^= halves[at]
    }
    return seen
  }

  /** Adds a ref; the caller has made sure that its key is not there. */
  insert(hash: number, ref: number): void {
    const number = hash >>> restBits
    if (this.#refs === noRefs) this.#begin()
    const count = this.#counts[number] + 1
    if (count > this.#capacities[number] * (this.#size < sweepFrom ? loadMax : sweptLoadMax)) {
      this.#resize(number, Math.max(capacityMin, Math.ceil((count * 1.04) / loadMax)), tableKind)
    }
    const capacity = this.#capacities[number]
    this.#place(this.#arena.halves(this.#refs[number]), this.#arena.halfAt(this.#refs[number]), capacity, hash & restMask, ref)
    this.#counts[number] = count
    this.#size++
    while (this.#size >= this.#sweepAt) this.#sweep()
  }

  /** Points the place that holds `ref` at `newRef`: its entry has moved. */
  replace(hash: number, ref: number, newRef: number): void {
    const at = this.#placeOf(hash, ref)
    const halves = this.#arena.halves(this.#refs[hash >>> restBits])
    halves[at + 1] = newRef
    halves[at + 2] = newRef >>> 16
  }

  remove(hash: number, ref: number): void {
    const number = hash >>> restBits
    const halves = this.#arena.halves(this.#refs[number])
    const base = this.#arena.halfAt(this.#refs[number])
    const capacity = this.#capacities[number]
    let hole = (this.#placeOf(hash, ref) - base) / 3
    // Backward shift: whatever stands after the hole and may stand in it moves there, so that no tombstone is left.
    for (let place = next(hole, capacity); ; place = next(place, capacity)) {
      const at = base + place * 3
      if ((halves[at + 1] | halves[at + 2]) === 0) break
      const wanted = home(halves[at], capacity)
      const fits = hole <= place ? wanted <= hole || wanted > place : wanted <= hole && wanted > place
      if (!fits) continue
      halves.copyWithin(base + hole * 3, at, at + 3)
      hole = place
    }
    halves.fill(0, base + hole * 3, base + hole * 3 + 3)
    const count = --this.#counts[number]
    this.#size--
    if (this.#reserved !== 0) return
    if (count === 0) this.#drop(number)
    else if (capacity > 16 && count < capacity * 0.3) this.#resize(number, Math.ceil(count / 0.6), tableKind)
    // What has shrunk by half is swept again when it grows.
    if (this.#size < this.#sweepAt * 0.5) this.#sweepAt = Math.max(sweepFrom, this.#size)
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
        if (++emptyTables >= emptyTablesMin + count * 10 && number + 1 < tableCount) return ((number + 1) << restBits) >>> 0
        continue
      }
      const capacity = this.#capacities[number]
      let place = home(from & restMask, capacity)
      while (place < capacity) {
        const end = Math.min(capacity, place + Math.max(1, count - visited))
        visited += this.#visitHomes(number, place, end, from & restMask, visit)
        place = end
        if (visited < count) continue
        if (place < capacity) return ((number << restBits) | firstRestAt(place, capacity)) >>> 0
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
    let number = r0 & tableMask
    let place = Math.floor((r1 / 2 ** 32) * this.#capacities[number])
    for (;;) {
      while (this.#counts[number] === 0) number = (number + 1) & tableMask
      const capacity = this.#capacities[number]
      const halves = this.#arena.halves(this.#refs[number])
      const base = this.#arena.halfAt(this.#refs[number])
      for (; place < capacity; place++) {
        const ref = refAt(halves, base + place * 3)
        if (ref !== 0 && left-- === 0) return ref
      }
      number = (number + 1) & tableMask
      place = 0
    }
  }

  /** Gives the tables' memory back; the index is empty then. */
  clear(): void {
    for (let number = 0; number < tableCount; number++) if (this.#refs[number] !== 0) this.#drop(number)
    this.#refs = noRefs
    this.#capacities = noCounts
    this.#counts = noCounts
    this.#size = 0
    this.#sweepAt = sweepFrom
    this.#reserved = 0
  }

  /** Gives an empty index the tables that so many keys will need, where that is worth it: then it hardly ever grows on the way. */
  reserve(keys: number): void {
    if (keys < sweepFrom || this.#refs !== noRefs) return
    this.#begin()
    const wanted = Math.ceil(((keys / tableCount) * (1 + sweepGrowth)) / loadMax)
    for (let number = 0; number < tableCount; number++) this.#resize(number, wanted, oddTableKind)
    this.#sweepAt = keys
    this.#reserved = keys
  }

  /** After `reserve`: if far fewer keys came than were expected, gives each table the size that it needs. */
  trim(): void {
    const reserved = this.#reserved
    this.#reserved = 0
    if (reserved === 0 || this.#size > reserved * 0.9) return
    for (let number = 0; number < tableCount; number++) {
      const count = this.#counts[number]
      if (count > 0) this.#resize(number, Math.ceil((count * (1 + sweepGrowth)) / loadMax), this.#sweepKind)
      else if (this.#refs[number] !== 0) this.#drop(number)
    }
    this.#sweepKind = this.#sweepKind === evenTableKind ? oddTableKind : evenTableKind
    this.#sweepAt = Math.max(sweepFrom, this.#size)
  }

  #begin(): void {
    this.#refs = new Uint32Array(tableCount)
    this.#capacities = new Uint16Array(tableCount)
    this.#counts = new Uint16Array(tableCount)
  }

  /** Where in `halves` the ref stands; -1 when it does not. The table must be there. */
  #placeOf(hash: number, ref: number): number {
    const table = this.#refs[hash >>> restBits]
    const halves = this.#arena.halves(table)
    const base = this.#arena.halfAt(table)
    const capacity = this.#capacities[hash >>> restBits]
    const end = base + capacity * 3
    let at = base + home(hash & restMask, capacity) * 3
    for (;;) {
      const found = refAt(halves, at)
      if (found === ref) return at
      if (found === 0) return -1
      at += 3
      if (at === end) at = base
    }
  }

  #place(halves: Uint16Array, base: number, capacity: number, rest: number, ref: number): void {
    const end = base + capacity * 3
    let at = base + home(rest, capacity) * 3
    while ((halves[at + 1] | halves[at + 2]) !== 0) {
      at += 3
      if (at === end) at = base
    }
    halves[at] = rest
    halves[at + 1] = ref
    halves[at + 2] = ref >>> 16
  }

  /** Gives the next table the size it will need until the sweep comes again, among those that were swept before it. */
  #sweep(): void {
    const number = this.#sweepNext
    const count = this.#counts[number]
    if (count > 0) this.#resize(number, Math.ceil((count * (1 + sweepGrowth)) / loadMax), this.#sweepKind)
    this.#sweepAt += (this.#size * sweepGrowth) / tableCount
    this.#sweepNext = (number + 1) & tableMask
    if (this.#sweepNext === 0) this.#sweepKind = this.#sweepKind === evenTableKind ? oddTableKind : evenTableKind
  }

  #resize(number: number, wanted: number, kind: Kind): void {
    const arena = this.#arena
    const from = this.#refs[number]
    const fromCapacity = this.#capacities[number]
    const to = arena.allocate(wanted * placeBytes, kind)
    const capacity = Math.min(restMask, Math.floor(arena.capacity(to) / placeBytes))
    const halves = arena.halves(to)
    const base = arena.halfAt(to)
    halves.fill(0, base, base + capacity * 3)
    this.#refs[number] = to
    this.#capacities[number] = capacity
    if (from === 0) return
    const old = arena.halves(from)
    const start = arena.halfAt(from)
    for (let at = start; at < start + fromCapacity * 3; at += 3) {
      const ref = refAt(old, at)
      if (ref !== 0) this.#place(halves, base, capacity, old[at], ref)
    }
    arena.release(from)
  }

  #drop(number: number): void {
    this.#arena.release(this.#refs[number])
    this.#refs[number] = 0
    this.#capacities[number] = 0
    this.#counts[number] = 0
  }

  /** Visits every entry whose home is in [from, to) and whose lower hash is at least `fromRest`, wherever probing put it; returns how many. */
  #visitHomes(number: number, from: number, to: number, fromRest: number, visit: (ref: number) => void): number {
    const halves = this.#arena.halves(this.#refs[number])
    const base = this.#arena.halfAt(this.#refs[number])
    const capacity = this.#capacities[number]
    let visited = 0
    let place = from
    for (let steps = 0; steps < capacity; steps++, place = next(place, capacity)) {
      const rest = halves[base + place * 3]
      const ref = refAt(halves, base + place * 3)
      if (ref === 0) {
        if (steps >= to - from - 1) break
        continue
      }
      const wanted = home(rest, capacity)
      if (wanted < from || wanted >= to || rest < fromRest) continue
      visit(ref)
      visited++
    }
    return visited
  }
}

function refAt(halves: Uint16Array, at: number): number {
  return (halves[at + 1] | (halves[at + 2] << 16)) >>> 0
}

function next(place: number, capacity: number): number {
  return place + 1 === capacity ? 0 : place + 1
}

/** Where a lower hash would like to stand: monotonic in it. */
function home(rest: number, capacity: number): number {
  return Math.imul(rest, capacity) >>> restBits
}

/** The least lower hash whose home is `place`. */
function firstRestAt(place: number, capacity: number): number {
  return Math.ceil((place * 2 ** restBits) / capacity)
}
