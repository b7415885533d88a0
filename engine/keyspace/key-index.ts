/**
 * The index of one database: from a key's hash to the ref of its entry. Open addressing over many small tables: a
 * table is chosen by the hash's upper bits, and the place in it grows with the remaining bits, so that a walk over the
 * places is a walk in hash order. A table grows by a quarter at a time on its own, which takes microseconds.
 *
 * It stores [hash, ref] pairs and compares no keys: the caller tells whether a candidate is the key. SCAN's cursor is a
 * hash, which no growth moves: every key that is there from the first call to the last is met at least once.
 */

const tableBits = 12
const tableCount = 1 << tableBits
const restBits = 32 - tableBits
const restSpan = 2 ** restBits
const restMask = restSpan - 1
const capacityMin = 4
const loadMax = 0.84

export interface RefMatcher {
  /** Whether the entry at `ref` is the one that is looked for. */
  matches(ref: number): boolean
}

export class KeyIndex {
  readonly #tables: (Uint32Array | undefined)[] = new Array(tableCount).fill(undefined)
  readonly #counts = new Uint32Array(tableCount)
  #size = 0
  #slots = 0

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#slots * 8 + tableCount * 12
  }

  /** First ref stored under this hash at or after `slot`, or 0; `nextSlot` then says where to go on. Start with `firstSlot(hash)`. */
  probe(hash: number, matcher: RefMatcher): number {
    const table = this.#tables[hash >>> restBits]
    if (table === undefined) return 0
    const capacity = table.length >>> 1
    let slot = home(hash, capacity)
    for (;;) {
      const ref = table[slot * 2 + 1]
      if (ref === 0) return 0
      if (table[slot * 2] === hash && matcher.matches(ref)) return ref
      slot = slot + 1 === capacity ? 0 : slot + 1
    }
  }

  /** Adds a ref; the caller has made sure that its key is not there. */
  insert(hash: number, ref: number): void {
    const number = hash >>> restBits
    let table = this.#tables[number]
    if (table === undefined || this.#counts[number] + 1 > (table.length >>> 1) * loadMax) table = this.#grow(number)
    place(table, hash, ref)
    this.#counts[number]++
    this.#size++
  }

  /** Points the place that holds `ref` at `newRef`: its entry has moved. */
  replace(hash: number, ref: number, newRef: number): void {
    const table = this.#tables[hash >>> restBits] as Uint32Array
    table[this.#slotOf(table, hash, ref) * 2 + 1] = newRef
  }

  remove(hash: number, ref: number): void {
    const number = hash >>> restBits
    const table = this.#tables[number] as Uint32Array
    const capacity = table.length >>> 1
    let hole = this.#slotOf(table, hash, ref)
    // Backward shift: whatever stands after the hole and may stand in it moves there, so that no tombstone is left.
    for (let slot = hole + 1 === capacity ? 0 : hole + 1; table[slot * 2 + 1] !== 0; slot = slot + 1 === capacity ? 0 : slot + 1) {
      const wanted = home(table[slot * 2], capacity)
      const fits = hole <= slot ? wanted <= hole || wanted > slot : wanted <= hole && wanted > slot
      if (!fits) continue
      table[hole * 2] = table[slot * 2]
      table[hole * 2 + 1] = table[slot * 2 + 1]
      hole = slot
    }
    table[hole * 2] = 0
    table[hole * 2 + 1] = 0
    this.#counts[number]--
    this.#size--
    if (this.#counts[number] === 0) {
      this.#slots -= capacity
      this.#tables[number] = undefined
    } else if (capacity > 16 && this.#counts[number] < capacity * 0.3) this.#resize(number, Math.ceil(this.#counts[number] / 0.6))
  }

  /**
   * Visits refs in hash order from the hash `cursor` on until at least `count` were visited, and always all that share a
   * hash; returns the cursor to go on from, or 0 when the end was reached.
   */
  scan(cursor: number, count: number, visit: (ref: number) => void): number {
    let visited = 0
    let emptyTables = 0
    let number = cursor >>> restBits
    let from = cursor
    for (; number < tableCount; number++, from = (number << restBits) >>> 0) {
      const table = this.#tables[number]
      if (table === undefined) {
        if (++emptyTables >= 64 + count * 10 && number + 1 < tableCount) return ((number + 1) << restBits) >>> 0
        continue
      }
      const capacity = table.length >>> 1
      let slot = home(from, capacity)
      while (slot < capacity) {
        // All entries at home in one slot, wherever the probing put them, are visited together.
        const slotFrom = slot
        let length = 1
        while (slot + length < capacity && visited + length < count) length++
        visited += visitHomes(table, slotFrom, slotFrom + length, from, visit)
        slot = slotFrom + length
        if (visited >= count) {
          if (slot < capacity) return ((number << restBits) | firstHashAt(slot, capacity)) >>> 0
          if (number + 1 < tableCount) return ((number + 1) << restBits) >>> 0
          return 0
        }
      }
    }
    return 0
  }

  /** The ref of some key, chosen by two random numbers; 0 when there is none. Not exactly uniform: within a table it takes the next used slot. */
  random(r0: number, r1: number): number {
    if (this.#size === 0) return 0
    let number = r0 % tableCount
    while (this.#tables[number] === undefined) number = (number + 1) % tableCount
    const table = this.#tables[number] as Uint32Array
    const capacity = table.length >>> 1
    let slot = r1 % capacity
    while (table[slot * 2 + 1] === 0) slot = (slot + 1) % capacity
    return table[slot * 2 + 1]
  }

  #slotOf(table: Uint32Array, hash: number, ref: number): number {
    const capacity = table.length >>> 1
    let slot = home(hash, capacity)
    while (table[slot * 2 + 1] !== ref) slot = slot + 1 === capacity ? 0 : slot + 1
    return slot
  }

  #grow(number: number): Uint32Array {
    const capacity = (this.#tables[number]?.length ?? 0) >>> 1
    return this.#resize(number, Math.max(capacityMin, Math.ceil(capacity * 1.25)))
  }

  #resize(number: number, capacity: number): Uint32Array {
    const from = this.#tables[number]
    const to = new Uint32Array(capacity * 2)
    this.#slots += capacity - ((from?.length ?? 0) >>> 1)
    if (from !== undefined) {
      for (let at = 0; at < from.length; at += 2) if (from[at + 1] !== 0) place(to, from[at], from[at + 1])
    }
    this.#tables[number] = to
    return to
  }
}

/** Where a hash would like to stand: monotonic in the hash. */
function home(hash: number, capacity: number): number {
  return Math.floor(((hash & restMask) * capacity) / restSpan)
}

/** The least rest of a hash whose home is `slot`. */
function firstHashAt(slot: number, capacity: number): number {
  return Math.ceil((slot * restSpan) / capacity)
}

function place(table: Uint32Array, hash: number, ref: number): void {
  const capacity = table.length >>> 1
  let slot = home(hash, capacity)
  while (table[slot * 2 + 1] !== 0) slot = slot + 1 === capacity ? 0 : slot + 1
  table[slot * 2] = hash
  table[slot * 2 + 1] = ref
}

/** Visits every entry whose home is in [fromSlot, toSlot) and whose hash is at least `fromHash`; returns how many. */
function visitHomes(table: Uint32Array, fromSlot: number, toSlot: number, fromHash: number, visit: (ref: number) => void): number {
  const capacity = table.length >>> 1
  let visited = 0
  let slot = fromSlot
  for (let steps = 0; steps < capacity; steps++) {
    const ref = table[slot * 2 + 1]
    if (ref === 0 && (steps >= toSlot - fromSlot - 1 || slot < fromSlot)) break
    if (ref !== 0) {
      const wanted = home(table[slot * 2], capacity)
      if (wanted >= fromSlot && wanted < toSlot && table[slot * 2] >= fromHash) {
        visit(ref)
        visited++
      }
    }
    slot = slot + 1 === capacity ? 0 : slot + 1
  }
  return visited
}
