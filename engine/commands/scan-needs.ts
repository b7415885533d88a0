/** What HSCAN and SSCAN need of a cold collection: of a large one, which is in order of its elements' hashes, the leaves that the scan meets next. */
import { wantLeaves, wantValue } from '../cold-wants.ts'
import type { WantsOf } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import { hashEnd } from '../types/hash-leaf.ts'
import { readCursor } from './scan-arguments.ts'

/** Leaves that a scan fetches in one go. */
export const scanLeavesMax = 8
const separator = new Separator()

export const wantsScan: WantsOf = (keyspace, entry, args, keyIndex, wants) => {
  const { entries, trees } = keyspace
  if (!entries.isTree(entry)) {
    wantValue(keyspace, entry, wants)
    return
  }
  const cursor = readCursor(args, keyIndex + 1)
  if (cursor >= 0 && cursor < hashEnd) wantLeaves(trees, entries.value(entry), wants, separator.set(cursor), scanLeavesMax)
}
