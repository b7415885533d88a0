/**
 * Keys in the server's own database that hold what commands store, as long as it is not complete. Their names begin with a byte that no name of
 * another key there begins with (libraries of functions are named by letters). Each belongs to one request of this process:
 * those that are there when a shard begins to serve are of requests that are no more.
 */
import type { Execution } from '../execution.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { ownDatabase } from '../keyspace/keyspace.ts'
import { newKeyEvent } from '../messages.ts'

const mark = 0

/** A name that no other such key has. */
export function unfinishedName(keyspace: Keyspace): Buffer {
  return Buffer.from(`${String.fromCharCode(mark)}${keyspace.nextCollectionId++}`, 'latin1')
}

/** The entry of the key with such a name; 0 while there is none. */
export function findUnfinished(keyspace: Keyspace, name: Buffer): number {
  keyspace.forgetLookUp()
  const entry = keyspace.find(ownDatabase, name, 0, name.length)
  keyspace.forgetLookUp()
  return entry
}

/** Gives the collection of one of them to the key that is argument `index`, whatever that held. Returns whether it held something. */
export function placeUnfinished(x: Execution, entry: number, index: number): boolean {
  const { args, mutator, keyspace, messages } = x
  const existed = x.find(index) !== 0
  messages.without(existed ? newKeyEvent : 0, () => mutator.move(entry, x.db, args.buffer, args.starts[index], args.ends[index]))
  keyspace.forgetLookUp()
  return existed
}

export function hasUnfinished(keyspace: Keyspace): boolean {
  return unfinished(keyspace).length > 0
}

/** Deletes all of them. */
export function deleteUnfinished({ keyspace, mutator }: Execution): void {
  for (const entry of unfinished(keyspace)) mutator.deleteEntry(entry)
}

function unfinished({ entries, databases, arena }: Keyspace): number[] {
  const found: number[] = []
  databases[ownDatabase].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
    if (entries.keyLength(entry) > 0 && arena.bytes(entry)[entries.keyStart(entry)] === mark) found.push(entry)
  })
  return found
}
