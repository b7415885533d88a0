/**
 * Waits while a record is being made over several turns, by a script that is suspended. A copy that is taken then would have a part of what the
 * record says: a crash would leave that part, and a replay of the record would pass it over as known.
 */
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { Clock } from './clock.ts'

/** Resolves when all that is in memory belongs to complete records. Rejects when the record that is being made never will be. */
export async function wholeRecords(keyspace: Pick<Keyspace, 'recordState'>, clock: Clock): Promise<void> {
  while (keyspace.recordState !== 'whole') {
    if (keyspace.recordState === 'givenUp') throw new Error('a script was given up in the middle: nothing is written out any more')
    await new Promise<void>((resolve) => clock.afterTurn(resolve))
  }
}
