/**
 * Elements of large collections that requests to come name: where their names lie, their hashes, and where the leaves were found, so that the
 * requests themselves neither hash nor look for leaves again. A name is known by its place in the requests' bytes, which stay as they are
 * until `clear`; what is known of leaves is void as soon as any row or node moves (`TreeNodes.moves`).
 */
import type { Located } from './located-leaves.ts'

export class PrefetchedElements {
  count = 0
  readonly roots: Uint32Array
  readonly #seeds: Uint32Array
  readonly hashes: Uint32Array
  /** Rows of leaves, as of `moves`. */
  readonly nodes: Uint32Array
  readonly rows: Uint32Array
  moves = 0
  #buffer: Uint8Array = new Uint8Array(0)
  readonly #starts: Int32Array
  readonly #ends: Int32Array
  #next = 0

  constructor(max: number) {
    this.roots = new Uint32Array(max)
    this.#seeds = new Uint32Array(max)
    this.hashes = new Uint32Array(max)
    this.nodes = new Uint32Array(max)
    this.rows = new Uint32Array(max)
    this.#starts = new Int32Array(max)
    this.#ends = new Int32Array(max)
  }

  /** Begins anew, with names in a buffer. */
  begin(buffer: Uint8Array): void {
    this.#buffer = buffer
    this.count = 0
    this.#next = 0
  }

  /** The next name, behind those before, and its hash in the order of a tree with a seed. */
  add(root: number, seed: number, start: number, end: number, hash: number): void {
    const { count } = this
    this.roots[count] = root
    this.#seeds[count] = seed
    this.hashes[count] = hash
    this.#starts[count] = start
    this.#ends[count] = end
    this.count++
  }

  /** Number of a name whose hash with a seed is known, −1 if it is not. Requests are expected in order. */
  find(seed: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.count === 0 || bytes !== this.#buffer) return -1
    let i = this.#next
    while (i < this.count && this.#starts[i] < start) i++
    this.#next = i
    return i < this.count && this.#starts[i] === start && this.#ends[i] === end && this.#seeds[i] === seed ? i : -1
  }

  /** Makes `into` name the leaf of a name in a tree; false when it is not known, or not any more. */
  leafOf(i: number, root: number, moves: number, into: Located): boolean {
    if (moves !== this.moves || root !== this.roots[i]) return false
    into.node = this.nodes[i]
    into.row = this.rows[i]
    return true
  }

  /** The bytes of the names may change from now on. */
  clear(): void {
    this.count = 0
  }
}
