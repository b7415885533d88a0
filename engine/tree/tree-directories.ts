/**
 * Directories of large trees whose separators are spread evenly by their first words, as keyed hashes are: a table in which the first bits of
 * what is sought tell the node that has its leaf's row, instead of a way through the inner nodes. (The idea is that of extendible hashing: Fagin,
 * Nievergelt, Pippenger and Strong, 1979.)
 *
 * It is an accelerator: a table is filled by those who have gone the way, and a slot is empty where nobody has, or where its range is not
 * within one node's. So whoever finds a node in it knows that the leaf is there. Each node counts the slots that name it (`TreeNodes.named`), and
 * before it loses a part of its range, moves or goes, they are emptied. What a node's range gains makes no slot wrong.
 *
 * Beside each node stands at which of its rows the slot's range begins, about: rows of evenly spread separators are searched from there, and
 * whoever finds one elsewhere corrects it.
 *
 * A table is a slot of the arena that the root block names, in 32-bit words: 0 how far a separator's first word is shifted to give the number of
 * its slot · then for each slot the ref of a node, 0 where none is known, and the row.
 */
import type { Arena } from '../memory/arena.ts'
import { tableKind } from '../memory/arena.ts'
import { isMemoryRefusal } from '../memory/refusal.ts'
import type { TreeNodes } from './tree-nodes.ts'
import type { TreeRoots } from './tree-roots.ts'

/** A tree with fewer leaves has none: its inner nodes fit the caches. */
const leavesMin = 256
/** A new table has so many leaves a slot or fewer: then a node of 44 rows has 22 slots, or more, and one slot in 22 lies in two nodes. */
const leavesPerSlot = 2
/** A table is made anew when it has this many times too few slots, or too many. */
const tooFew = 2
const tooMany = 8
const slotBitsMax = 18
const slotWords = 2
const two32 = 2 ** 32
/** A node counts no more. */
const namedMax = 0xffff

export class TreeDirectories {
  row = 0
  readonly #arena: Arena
  readonly #nodes: TreeNodes
  readonly #roots: TreeRoots

  constructor(nodes: TreeNodes, roots: TreeRoots) {
    this.#arena = nodes.arena
    this.#nodes = nodes
    this.#roots = roots
    nodes.forget = (node) => this.#forget(node)
  }

  /**
   * The node with the row of the leaf of a separator with this first word; 0 when that is not known. `row` then tells which row it is, about: less
   * than 0 or too large it may be, too.
   */
  nodeOf(root: number, first: number): number {
    const table = this.#roots.directory(root)
    if (table === 0) return 0
    const words = this.#arena.words(table)
    const w = this.#arena.wordAt(table)
    const shift = words[w]
    const slot = first >>> shift
    const at = w + 1 + slot * slotWords
    this.row = (words[at + 1] | 0) + this.#rowsFrom(root, slot, shift, first)
    return words[at]
  }

  /** Rows from where the range of a slot begins to a separator in it, if they begin at even distances. */
  #rowsFrom(root: number, slot: number, shift: number, first: number): number {
    return Math.floor(((first - slot * 2 ** shift) * this.#roots.leaves(root)) / two32)
  }

  /** The leaf of a separator with this first word was found at another row than `nodeOf` has told. */
  correct(root: number, first: number, row: number): void {
    const table = this.#roots.directory(root)
    const words = this.#arena.words(table)
    const w = this.#arena.wordAt(table)
    const shift = words[w]
    const slot = first >>> shift
    words[w + 2 + slot * slotWords] = row - this.#rowsFrom(root, slot, shift, first)
  }

  /**
   * Notes what the way to a first word has told: it leads to `row` of `node`, which has the rows for all separators whose first words are above
   * `least` and below `end`.
   */
  learn(root: number, first: number, node: number, row: number, least: number, end: number): void {
    const leaves = this.#roots.leaves(root)
    let table = this.#roots.directory(root)
    if (table !== 0 && this.#isMisfit(table, leaves)) {
      this.drop(root)
      table = 0
    }
    if (table === 0 && leaves >= leavesMin) table = this.#make(root, leaves)
    if (table === 0) return
    const words = this.#arena.words(table)
    const w = this.#arena.wordAt(table)
    const shift = words[w]
    const slot = first >>> shift
    const at = w + 1 + slot * slotWords
    const from = slot * 2 ** shift
    const named = this.#nodes.named(node)
    if (from <= least || from + 2 ** shift > end || words[at] !== 0 || named === namedMax) return
    words[at] = node
    words[at + 1] = row - this.#rowsFrom(root, slot, shift, first)
    this.#nodes.setNamed(node, named + 1)
  }

  /** Gives up the directory of a tree, if there is one. */
  drop(root: number): void {
    const table = this.#roots.directory(root)
    if (table === 0) return
    const words = this.#arena.words(table)
    const w = this.#arena.wordAt(table) + 1
    const slots = slotsOf(words[w - 1])
    for (let slot = 0, last = 0; slot < slots; slot++) {
      const node = words[w + slot * slotWords]
      if (node !== 0 && node !== last) this.#nodes.setNamed(node, 0)
      last = node
    }
    this.#roots.setDirectory(root, 0)
    this.#arena.release(table)
  }

  /** Bytes that the directory of a tree takes. */
  bytes(root: number): number {
    const table = this.#roots.directory(root)
    return table === 0 ? 0 : this.#arena.capacity(table)
  }

  #isMisfit(table: number, leaves: number): boolean {
    const slots = slotsOf(this.#arena.words(table)[this.#arena.wordAt(table)])
    const fitting = leaves / leavesPerSlot
    return fitting < slots / tooMany || (fitting > slots * tooFew && slots < 2 ** slotBitsMax)
  }

  /** An empty table; 0 if there is no memory for it now. It may be asked for in the middle of a change, which must not fail. */
  #make(root: number, leaves: number): number {
    const bits = Math.min(slotBitsMax, Math.ceil(Math.log2(leaves / leavesPerSlot)))
    const size = (1 + 2 ** bits * slotWords) * 4
    const arena = this.#arena
    if (!arena.takes(size) || arena.isReserved(size)) return 0
    let table: number
    try {
      table = arena.allocate(size, tableKind)
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      return 0
    }
    const words = arena.words(table)
    const w = arena.wordAt(table)
    words.fill(0, w, w + size / 4)
    words[w] = 32 - bits
    this.#roots.setDirectory(root, table)
    return table
  }

  /** Empties the slots that name a node, which has the range that it had when they were filled, or more. */
  #forget(node: number): void {
    const nodes = this.#nodes
    const arena = this.#arena
    const table = this.#roots.directory(nodes.rootOf(node))
    const words = arena.words(table)
    const w = arena.wordAt(table)
    const slots = slotsOf(words[w])
    let left = nodes.named(node)
    for (let slot = arena.words(node)[nodes.rowAt(node, 0)] >>> words[w]; left > 0 && slot < slots; slot++) {
      if (words[w + 1 + slot * slotWords] !== node) continue
      words[w + 1 + slot * slotWords] = 0
      left--
    }
    if (left > 0) throw new Error('tree: a directory has lost a node')
    nodes.setNamed(node, 0)
  }
}

function slotsOf(shift: number): number {
  return 2 ** (32 - shift)
}
