/**
 * Which clients have read which keys, and will be told when those change. A key's name counts, in whatever database, as in Redis.
 * Clients are known by number here.
 *
 * The table lies off the V8 heap, in an arena and an index of its own: a million keys of 16 bytes take about 60 MB and no time of the
 * garbage collector. An entry holds up to sixteen clients; the few keys that more have read have a set each.
 *
 *     entry: hash, length of the key, clients (or `manyClients`), places for clients; the clients; the key
 */
import { KeyHash } from '../../engine/keyspace/key-hash.ts'
import type { RefMatcher } from '../../engine/keyspace/key-index.ts'
import { KeyIndex } from '../../engine/keyspace/key-index.ts'
import { Arena, entryKind } from '../../engine/memory/arena.ts'
import type { Random } from '../../engine/random.ts'

const headWords = 4
const placesMax = 16
const manyClients = 0xffffffff
/** Measured: a set in its map, and a client in it. */
const setBytes = 300
const setItemBytes = 24

export class TrackedKeys implements RefMatcher {
  readonly #random: Random
  readonly #hash: KeyHash
  readonly #arena = new Arena()
  readonly #index = new KeyIndex(this.#arena)
  readonly #many = new Map<number, Set<number>>()
  #manyItems = 0
  #items = 0
  /** The key that is looked for. */
  #key: Uint8Array = Buffer.alloc(0)
  #start = 0
  #end = 0

  constructor(random: Random) {
    this.#random = random
    this.#hash = new KeyHash(random)
  }

  /** Keys. */
  get size(): number {
    return this.#index.size
  }

  /** Keys times clients. */
  get items(): number {
    return this.#items
  }

  get bytes(): number {
    return this.#arena.activeBytes + this.#index.bytes + this.#many.size * setBytes + this.#manyItems * setItemBytes
  }

  /** Remembers that a client has read the key `key[start, end)`. Throws, and remembers nothing, when the system gives no memory. */
  add(key: Uint8Array, start: number, end: number, client: number): void {
    const hash = this.#hash.of(key, start, end)
    const ref = this.#find(hash, key, start, end)
    if (ref === 0) {
      this.#index.insert(hash, this.#make(hash, client))
      this.#items++
      return
    }
    const { words, at } = this.#entry(ref)
    const count = words[at + 2]
    if (count === manyClients) {
      this.#addToSet(this.#many.get(ref) as Set<number>, client)
      return
    }
    const first = at + headWords
    for (let i = first; i < first + count; i++) if (words[i] === client) return
    if (count === placesMax) this.#becomesMany(ref, client)
    else if (count < words[at + 3]) {
      words[first + count] = client
      words[at + 2] = count + 1
    } else this.#grow(ref, hash, client)
    this.#items++
  }

  /** The clients that have read the key, which is forgotten; undefined when there are none. */
  take(key: Uint8Array, start: number, end: number): Iterable<number> | undefined {
    if (this.#index.size === 0) return undefined
    const ref = this.#find(this.#hash.of(key, start, end), key, start, end)
    return ref === 0 ? undefined : this.#takeEntry(ref)
  }

  /** Takes some key: `told` hears of its name and of the clients that have read it. There must be one. */
  takeAny(told: (key: Buffer, clients: Iterable<number>) => void): void {
    const ref = this.#index.random(this.#random.nextUint32(), this.#random.nextUint32())
    const { words, at } = this.#entry(ref)
    const start = this.#keyStart(ref, words[at + 3])
    const key = Buffer.from(this.#arena.bytes(ref).subarray(start, start + words[at + 1]))
    told(key, this.#takeEntry(ref))
  }

  matches(ref: number): boolean {
    const { words, at } = this.#entry(ref)
    const length = words[at + 1]
    if (length !== this.#end - this.#start) return false
    const bytes = this.#arena.bytes(ref)
    const start = this.#keyStart(ref, words[at + 3])
    for (let i = 0; i < length; i++) if (bytes[start + i] !== this.#key[this.#start + i]) return false
    return true
  }

  #find(hash: number, key: Uint8Array, start: number, end: number): number {
    this.#key = key
    this.#start = start
    this.#end = end
    return this.#index.probe(hash, this)
  }

  #entry(ref: number): { readonly words: Uint32Array; readonly at: number } {
    return { words: this.#arena.words(ref), at: this.#arena.wordAt(ref) }
  }

  #keyStart(ref: number, places: number): number {
    return this.#arena.at(ref) + (headWords + places) * 4
  }

  /** An entry for the key that was looked for. */
  #make(hash: number, client: number): number {
    const length = this.#end - this.#start
    const ref = this.#arena.allocate((headWords + 1) * 4 + length, entryKind)
    const { words, at } = this.#entry(ref)
    words[at] = hash
    words[at + 1] = length
    words[at + 2] = 1
    words[at + 3] = 1
    words[at + headWords] = client
    this.#arena.bytes(ref).set(this.#key.subarray(this.#start, this.#end), this.#keyStart(ref, 1))
    return ref
  }

  /** Moves an entry that is full to one with twice as many places. */
  #grow(ref: number, hash: number, client: number): void {
    const from = this.#entry(ref)
    const length = from.words[from.at + 1]
    const count = from.words[from.at + 2]
    const to = this.#arena.allocate((headWords + 2 * count) * 4 + length, entryKind)
    const { words, at } = this.#entry(to)
    words[at] = hash
    words[at + 1] = length
    words[at + 2] = count + 1
    words[at + 3] = 2 * count
    for (let i = 0; i < count; i++) words[at + headWords + i] = from.words[from.at + headWords + i]
    words[at + headWords + count] = client
    const start = this.#keyStart(ref, count)
    this.#arena.bytes(to).set(this.#arena.bytes(ref).subarray(start, start + length), this.#keyStart(to, 2 * count))
    this.#index.replace(hash, ref, to)
    this.#arena.release(ref)
  }

  #becomesMany(ref: number, client: number): void {
    const { words, at } = this.#entry(ref)
    const first = at + headWords
    this.#many.set(ref, new Set([...words.subarray(first, first + placesMax), client]))
    this.#manyItems += placesMax + 1
    words[at + 2] = manyClients
  }

  #addToSet(clients: Set<number>, client: number): void {
    const { size } = clients
    clients.add(client)
    this.#manyItems += clients.size - size
    this.#items += clients.size - size
  }

  #takeEntry(ref: number): Iterable<number> {
    const { words, at } = this.#entry(ref)
    const count = words[at + 2]
    let clients: Iterable<number>
    if (count === manyClients) {
      const set = this.#many.get(ref) as Set<number>
      this.#many.delete(ref)
      this.#manyItems -= set.size
      this.#items -= set.size
      clients = set
    } else {
      clients = Array.from(words.subarray(at + headWords, at + headWords + count))
      this.#items -= count
    }
    this.#index.remove(words[at], ref)
    this.#arena.release(ref)
    return clients
  }
}
