/**
 * What commands that show elements at random need of a cold collection: of a large one the leaves of those that are drawn, which happens
 * here then, unless they are so many that all of it is walked over; of any other the whole.
 */
import type { Arguments } from '../arguments.ts'
import { wantRow, wantValue } from '../cold-wants.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { hashType, setType, sortedSetType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants, WantsOf } from '../need.ts'
import { LeafRow } from '../tree/tree-shape.ts'

/** As many elements as one reply repeats at most: Redis goes on until memory ends. */
export const repeatsMax = 2 ** 24
/** A walk over the collection is worth it from one element wanted of so many. */
const walkRatio = 8
const at = new LeafRow()

export const wantsRandomMembers = wantsRandom('wantsRandomMembers', setType)
export const wantsRandomElements = wantsRandom('wantsRandomElements', sortedSetType)
export const wantsRandomFields = wantsRandom('wantsRandomFields', hashType)

/** Whether elements at random are so many that all are walked over. `wanted`: as the command says, negative if elements may be the same. */
export function walksOver({ entries }: Keyspace, entry: number, wanted: number): boolean {
  const count = Math.abs(wanted)
  return count * walkRatio >= entries.length(entry) || (count > 1 && !entries.isTree(entry))
}

function wantsRandom(name: string, type: TypeNumber): WantsOf {
  const wants: Record<string, WantsOf> = {
    [name]: (keyspace, entry, args, keyIndex, into) => {
      if (keyspace.entries.type(entry) === type) wantRandom(keyspace, entry, args, keyIndex + 1, into)
    },
  }
  return wants[name] as WantsOf
}

function wantRandom(keyspace: Keyspace, entry: number, args: Arguments, countIndex: number, wants: ColdWants): void {
  const { entries } = keyspace
  const wanted = countIndex < args.count ? Number(args.bigInteger(countIndex) ?? 0n) : 1
  if (wanted === 0 || -wanted > repeatsMax) return
  // Which fields have expired is seen in the command's turn.
  if (!entries.isTree(entry) || walksOver(keyspace, entry, wanted) || keyspace.expiring.fieldsDue(entry) !== 0)
    wantValue(keyspace, entry, wants)
  else wantRanks(keyspace, entry, keyspace.draws.keep(args, entries.length(entry), wanted), wants)
}

/** Wants the leaves of the elements with these ranks. */
export function wantRanks({ entries, trees }: Keyspace, entry: number, ranks: readonly number[], wants: ColdWants): void {
  const root = entries.value(entry)
  // Of a tree with two orders the second is that of the ranks.
  const before = trees.roots.count(root) - entries.length(entry)
  const wanted = new Set<number>()
  for (const rank of ranks) {
    trees.shape.locateRank(root, before + rank, at)
    if (trees.ref(at) !== 0) continue
    const id = trees.nodes.valueId(at.node, at.row)
    if (!wanted.has(id)) wantRow(trees, root, at, wants)
    wanted.add(id)
  }
}
