/**
 * What is to be fetched from the cold store before a command runs, and how its row says so. Values are named by their
 * entries; of a large collection single leaves are, so that one element costs one read.
 *
 * Metadata is always in memory: a command whose row says `none` meets no cold value, whatever it does.
 */
import type { Arguments } from './arguments.ts'
import type { Keyspace } from './keyspace/keyspace.ts'
import { Separator } from './tree/separator.ts'
import type { TreeLeaves } from './tree/tree-leaves.ts'
import { LeafRow } from './tree/tree-shape.ts'

/** Told of what is wanted and cold. */
export interface ColdWants {
  /** The value of an entry. */
  value(entry: number, valueId: number): void
  /** The leaf of a tree whose range begins at `separator`, which is valid during the call. */
  leaf(root: number, separator: Separator, valueId: number): void
}

/** Names what a request wants of an entry of which something is cold. `keyIndex` is the argument that is its key. */
export type WantsOf = (keyspace: Keyspace, entry: number, args: Arguments, keyIndex: number, wants: ColdWants) => void

/** The whole value, nothing (metadata is enough), or what a function names. */
export type Need = 'value' | 'none' | WantsOf

/** Which arguments are keys, see `KeySpec`. */
interface KeyPositions {
  readonly first: number
  readonly last: number
  readonly step: number
  /** The argument that says how many keys follow it. */
  readonly countedAt?: number
}

const at = new LeafRow()
const separator = new Separator()

/** Names what a request wants of its keys, in the physical database `db`. */
export function requestWants(keyspace: Keyspace, need: Need, keys: KeyPositions, args: Arguments, db: number, wants: ColdWants): void {
  if (need === 'none') return
  const { countedAt } = keys
  const isCounted = countedAt !== undefined
  if (!isCounted && keys.first === 0) return
  const first = isCounted ? countedAt + 1 : keys.first
  const end = isCounted ? countedAt + (args.integer(countedAt) || 0) : keys.last < 0 ? args.count + keys.last : keys.last
  for (let i = first; i <= end && i < args.count; i += keys.step || 1) {
    const entry = keyspace.find(db, args.buffer, args.starts[i], args.ends[i])
    if (entry === 0 || !hasCold(keyspace, entry)) continue
    if (need === 'value') wantValue(keyspace, entry, wants)
    else need(keyspace, entry, args, i, wants)
  }
}

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
