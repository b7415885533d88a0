/**
 * Prefetching for the keys of requests to come: it brings what a few keys' look-ups will read into the processor's caches, in
 * passes over all of them, so that their misses overlap instead of following each other (docs/decisions/0008-cache-prefetch.md).
 * It changes nothing and decides nothing; it remembers the hashes that it computed, the leaves that it found and a view of the requests' bytes.
 */
import type { Arena } from '../memory/arena.ts'
import { wordView } from '../memory/word-copy.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { prefetchedMax } from '../tree/tree-leaves.ts'
import { TreePrefetch } from '../tree/tree-prefetch.ts'
import { fieldHash } from '../types/hash-leaf.ts'
import { hashType, residentBit, treeForm } from './entries.ts'
import type { KeyHash } from './key-hash.ts'
import type { KeyIndex } from './key-index.ts'

/** So many keys are prefetched at most at one time. */
const keysMax = prefetchedMax
/** Of a value no more bytes than these are fetched. */
const valueBytesMax = 112

/** The argument behind each key, a field or member, in the buffer of the keys; empty where there is none. */
export interface ElementRanges {
  readonly elementStarts: Int32Array
  readonly elementEnds: Int32Array
}

export class CachePrefetch {
  readonly #arena: Arena
  readonly #hash: KeyHash
  #buffer: Uint8Array = new Uint8Array(0)
  #view: DataView | undefined
  readonly #starts = new Int32Array(keysMax)
  readonly #ends = new Int32Array(keysMax)
  #count = 0
  #next = 0
  readonly #hashes = new Uint32Array(keysMax)
  readonly #refs = new Uint32Array(keysMax)
  readonly #lengths = new Uint32Array(keysMax)
  readonly #trees: TreeLeaves
  readonly #treePrefetch: TreePrefetch
  readonly #separators: readonly Separator[] = Array.from({ length: keysMax }, () => new Separator())
  /** Depends on what was read, so that the compiler does not leave the reads out. */
  #seen = 0

  constructor(arena: Arena, hash: KeyHash, trees: TreeLeaves) {
    this.#arena = arena
    this.#hash = hash
    this.#trees = trees
    this.#treePrefetch = new TreePrefetch(trees, keysMax)
  }

  /**
   * Fetches what up to 64 keys need, `buffer[starts[i], ends[i])`, in the order in which they will be asked for; of large hashes what the
   * fields in `elements` do.
   */
  fetch(index: KeyIndex, buffer: Uint8Array, starts: Int32Array, ends: Int32Array, count: number, elements?: ElementRanges): void {
    const arena = this.#arena
    const hashes = this.#hashes
    const refs = this.#refs
    const lengths = this.#lengths
    for (let i = 0; i < count; i++) {
      hashes[i] = this.#hash.of(buffer, starts[i], ends[i])
      this.#starts[i] = starts[i]
      this.#ends[i] = ends[i]
    }
    for (let i = 0; i < count; i++) refs[i] = index.guess(hashes[i])
    const { prefetched } = this.#trees
    prefetched.begin(buffer)
    for (let i = 0; i < count; i++) {
      const ref = refs[i]
      if (ref === 0) continue
      const words = arena.words(ref)
      const w = arena.wordAt(ref)
      const first = words[w]
      this.#seen ^= words[w + (((first & 0xffff) + 23) >>> 2)]
      const isTree = ((first >>> 20) & 15) === treeForm
      refs[i] = (first & residentBit) !== 0 && !isTree ? words[w + 4] : 0
      if (isTree && elements !== undefined && ((first >>> 16) & 15) === hashType) {
        this.#addField(words[w + 4], buffer, elements.elementStarts[i], elements.elementEnds[i])
      }
      lengths[i] = Math.min(words[w + 1], valueBytesMax)
    }
    for (let i = 0; i < count; i++) {
      const value = refs[i]
      if (value === 0) continue
      const words = arena.words(value)
      const w = arena.wordAt(value)
      this.#seen ^= words[w + 3] ^ words[w + 3 + (lengths[i] >>> 2)]
    }
    if (prefetched.count > 0) this.#treePrefetch.fetch(prefetched, this.#separators)
    if (this.#buffer !== buffer) this.#view = wordView(buffer)
    this.#buffer = buffer
    this.#count = count
    this.#next = 0
  }

  #addField(root: number, buffer: Uint8Array, start: number, end: number): void {
    const { prefetched, roots } = this.#trees
    const seed = roots.seed(root)
    const hash = fieldHash(buffer, start, end, seed)
    this.#separators[prefetched.count].set(hash)
    prefetched.add(root, seed, start, end, hash)
  }

  /** The bytes of the keys may change from now on. */
  end(): void {
    this.#count = 0
    this.#trees.prefetched.clear()
  }

  /** A key's hash: the one that was computed by `fetch`, if it was for this range, else a new one. */
  hashOf(key: Uint8Array, start: number, end: number): number {
    if (this.#count > 0 && key === this.#buffer) {
      let i = this.#next
      while (i < this.#count && this.#starts[i] < start) i++
      this.#next = i
      if (i < this.#count && this.#starts[i] === start && this.#ends[i] === end) return this.#hashes[i]
    }
    return this.#hash.of(key, start, end)
  }

  /** A view of `bytes` if they held the keys that were fetched last: making one is worth while for many requests only. */
  viewOf(bytes: Uint8Array): DataView | undefined {
    return bytes === this.#buffer ? this.#view : undefined
  }
}
