/**
 * What is to be fetched from the cold store before a command runs, and how its row says so. Values are named by their
 * entries; of a large collection single leaves are, so that one element costs one read.
 *
 * Metadata is always in memory: a command whose row says `none` meets no cold value, whatever it does.
 */
import type { Keyspace } from './keyspace/keyspace.ts'
import type { ColdWants } from './need.ts'
import { Separator } from './tree/separator.ts'
import type { TreeLeaves } from './tree/tree-leaves.ts'
import { LeafRow } from './tree/tree-shape.ts'

const at = new LeafRow()
const separator = new Separator()

/** Whether something of an entry is cold. */
export function hasCold({ entries, trees }: Keyspace, entry: number): boolean {
  return entries.isTree(entry) ? trees.roots.coldLeaves(entries.value(entry)) > 0 : !entries.isResident(entry)
}

/** Wants all of an entry's value. */
export function wantValue(keyspace: Keyspace, entry: number, wants: ColdWants): void {
  const { entries, trees } = keyspace
  if (entries.isTree(entry)) wantLeaves(trees, entries.value(entry), wants, separator.set(0), Number.POSITIVE_INFINITY)
  else if (!entries.isResident(entry)) wants.value(entry, entries.valueId(entry))
}

/** Wants the cold ones, up to `max`, among the leaves from the one on in whose range a separator lies. */
export function wantLeaves(trees: TreeLeaves, root: number, wants: ColdWants, from: Separator, max: number): void {
  let left = max
  trees.shape.locate(root, from, at)
  do {
    if (trees.ref(at) !== 0) continue
    wantRow(trees, root, at, wants)
    left--
  } while (left > 0 && trees.shape.next(at))
}

/** Wants the leaf in whose range a separator lies, if it is cold. */
export function wantLeaf(trees: TreeLeaves, root: number, wanted: Separator, wants: ColdWants): void {
  trees.shape.locate(root, wanted, at)
  if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
}

/** Wants a leaf that is cold. */
export function wantRow(trees: TreeLeaves, root: number, row: LeafRow, wants: ColdWants): void {
  wants.leaf(root, trees.shape.separator(row, separator), trees.nodes.valueId(row.node, row.row))
}

/** Passes on what is wanted, and knows whether anything was. */
export class CountedWants implements ColdWants {
  any = false
  readonly #wants: ColdWants

  constructor(wants: ColdWants) {
    this.#wants = wants
  }

  value(...value: Parameters<ColdWants['value']>): void {
    this.any = true
    this.#wants.value(...value)
  }

  leaf(...leaf: Parameters<ColdWants['leaf']>): void {
    this.any = true
    this.#wants.leaf(...leaf)
  }
}
