/** The values in the server's own database, read at the start wherever they lie. */
import { stringType } from '../../engine/keyspace/entries.ts'
import { ownDatabase } from '../../engine/keyspace/keyspace.ts'
import type { Clock } from '../../storage/clock.ts'
import { KeyWalk } from './key-walk.ts'
import type { ShardState } from './shard-state.ts'

/** Rejects when one cannot be read. */
export async function readOwnValues({ keyspace, tier }: Pick<ShardState, 'keyspace' | 'tier'>, clock: Clock): Promise<Buffer[]> {
  const values: Buffer[] = []
  let parts: Buffer[] = []
  const walk = new KeyWalk(keyspace, tier, clock, {
    string: (_key, bytes, start, end) => {
      parts.push(Buffer.from(bytes.subarray(start, end)))
      return undefined
    },
    blob: () => undefined,
    end: ({ type }) => {
      // A crash may have left collections: `unfinished.ts`.
      if (type === stringType) values.push(Buffer.concat(parts))
      parts = []
    },
  })
  await walk.database(ownDatabase)
  return values
}
