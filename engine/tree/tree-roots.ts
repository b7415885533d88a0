/**
 * The root block of a tree: a slot of the arena that an entry's value word names. What belongs to the whole collection is
 * here, so that it can change its key without anything below being touched.
 *
 * In 32-bit words: 0 owner (ref of the entry; once dropped, 0) · 1 top node · 2 elements · 3 `rootTag`, 0 once released ·
 * 4 seed of the order · 5, 6 the collection's id in the catalog (lower 32, upper 16 bits) · 7 leaves · 8 cold leaves ·
 * 9 dirty leaves · 10, 11 bytes of resident leaves' slots (lower, upper) · 12 first block of removed separators, 0 for none ·
 * 13 directory, 0 for none.
 */
import type { Arena } from '../memory/arena.ts'
import { nodeKind } from '../memory/arena.ts'
import { UnownedTrees } from './unowned-trees.ts'

export const rootTag = 2
const rootWords = 14
const two32 = 2 ** 32

export class TreeRoots {
  readonly unowned = new UnownedTrees(this)
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
  }

  create(owner: number, id: number, seed: number): number {
    const root = this.#arena.allocate(rootWords * 4, nodeKind)
    const words = this.#arena.words(root)
    const w = this.#arena.wordAt(root)
    words.fill(0, w, w + rootWords)
    words[w] = owner
    words[w + 3] = rootTag
    words[w + 4] = seed
    words[w + 5] = id % two32
    words[w + 6] = id / two32
    return root
  }

  release(root: number): void {
    this.#arena.words(root)[this.#arena.wordAt(root) + 3] = 0
    this.#arena.release(root)
  }

  /** The block in another slot; whoever points at the old one must be told. */
  relocate(root: number): number {
    const to = this.#arena.allocate(rootWords * 4, nodeKind)
    const from = this.#arena.words(root)
    const f = this.#arena.wordAt(root)
    this.#arena.words(to).set(from.subarray(f, f + rootWords), this.#arena.wordAt(to))
    this.release(root)
    return to
  }

  isRoot(ref: number): boolean {
    return this.#get(ref, 3) === rootTag
  }

  /** Whether a remembered ref still is the root of the collection with this id. */
  isRootOf(ref: number, id: number): boolean {
    return this.#arena.isSlot(ref, nodeKind) && this.isRoot(ref) && this.id(ref) === id
  }

  owner(root: number): number {
    return this.#get(root, 0)
  }

  setOwner(root: number, entry: number): void {
    this.unowned.end(root)
    this.#set(root, 0, entry)
  }

  top(root: number): number {
    return this.#get(root, 1)
  }

  setTop(root: number, node: number): void {
    this.#set(root, 1, node)
  }

  /** Elements in all. */
  count(root: number): number {
    return this.#get(root, 2)
  }

  addCount(root: number, by: number): void {
    this.#add(root, 2, by)
  }

  seed(root: number): number {
    return this.#get(root, 4)
  }

  id(root: number): number {
    return this.#get(root, 5) + this.#get(root, 6) * two32
  }

  leaves(root: number): number {
    return this.#get(root, 7)
  }

  addLeaves(root: number, by: number): void {
    this.#add(root, 7, by)
  }

  coldLeaves(root: number): number {
    return this.#get(root, 8)
  }

  addCold(root: number, by: number): void {
    this.#add(root, 8, by)
  }

  dirtyLeaves(root: number): number {
    return this.#get(root, 9)
  }

  addDirty(root: number, by: number): void {
    this.#add(root, 9, by)
  }

  residentBytes(root: number): number {
    return this.#get(root, 10) + this.#get(root, 11) * two32
  }

  addResidentBytes(root: number, by: number): void {
    const bytes = this.residentBytes(root) + by
    this.#set(root, 10, bytes % two32)
    this.#set(root, 11, bytes / two32)
  }

  removed(root: number): number {
    return this.#get(root, 12)
  }

  setRemoved(root: number, block: number): void {
    this.#set(root, 12, block)
  }

  directory(root: number): number {
    return this.#get(root, 13)
  }

  setDirectory(root: number, table: number): void {
    this.#set(root, 13, table)
  }

  #get(root: number, word: number): number {
    return this.#arena.words(root)[this.#arena.wordAt(root) + word]
  }

  #set(root: number, word: number, value: number): void {
    this.#arena.words(root)[this.#arena.wordAt(root) + word] = value
  }

  #add(root: number, word: number, by: number): void {
    this.#arena.words(root)[this.#arena.wordAt(root) + word] += by
  }
}
