/** What commands on members need of a cold set: of a large one the leaves of the members they name, of any other the whole. */
import type { Arguments } from '../arguments.ts'
import { wantLeaf, wantValue } from '../cold-wants.ts'
import { setType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants, WantsOf } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import { fieldHash } from '../types/hash-leaf.ts'

const separator = new Separator()

/** The member behind the key; all arguments behind the key; for SMOVE, whose member stands behind both keys, the last argument. */
export const wantsMember: WantsOf = (keyspace, entry, args, keyIndex, wants) =>
  wantMembers(keyspace, entry, args, keyIndex + 1, keyIndex + 1, wants)
export const wantsMembers: WantsOf = (keyspace, entry, args, keyIndex, wants) =>
  wantMembers(keyspace, entry, args, keyIndex + 1, args.count - 1, wants)
export const wantsLastMember: WantsOf = (keyspace, entry, args, _keyIndex, wants) =>
  wantMembers(keyspace, entry, args, args.count - 1, args.count - 1, wants)

/** The whole set; nothing of a target, which stands in front of the sources. */
export const wantsSources: WantsOf = (keyspace, entry, _args, keyIndex, wants) => {
  if (keyIndex > 1) wantValue(keyspace, entry, wants)
}

function wantMembers(keyspace: Keyspace, entry: number, args: Arguments, first: number, last: number, wants: ColdWants): void {
  const { entries, trees } = keyspace
  if (entries.type(entry) !== setType) return
  if (!entries.isTree(entry)) {
    wantValue(keyspace, entry, wants)
    return
  }
  const root = entries.value(entry)
  const seed = trees.roots.seed(root)
  for (let i = first; i <= last; i++) {
    wantLeaf(trees, root, separator.set(fieldHash(args.buffer, args.starts[i], args.ends[i], seed)), wants)
  }
}
