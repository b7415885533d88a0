/** A value that becomes another key's: RENAME and MOVE take the time of one key, however large its value is. */
import { ownIntegerFlag, valueDirtyFlag } from './entries.ts'
import type { Keyspace } from './keyspace.ts'

/**
 * Gives a value to an entry without a value, as it is: in memory or in the cold store, with its stored copy, its place in the
 * queue, and how it was used. `from` is left without one.
 */
export function transferValue({ entries, values, trees, access }: Keyspace, from: number, to: number): void {
  const isTree = entries.isTree(from)
  entries.setTypeAndEncoding(to, entries.type(from), entries.encoding(from))
  entries.setLength(to, entries.length(from))
  for (const flag of [valueDirtyFlag, ownIntegerFlag]) {
    if (entries.flag(from, flag)) entries.setFlag(to, flag)
    else entries.clearFlag(to, flag)
  }
  if (entries.isResident(from)) {
    const value = entries.value(from)
    entries.setResident(to, value, access.used(entries.access(from)))
    if (isTree) trees.roots.setOwner(value, to)
    else values.setOwner(value, to)
  } else entries.setCold(to, entries.valueId(from), entries.coldStamp(from))
  entries.setTypeAndEncoding(from, entries.type(from), 0)
  entries.setResident(from, 0, 0)
}
