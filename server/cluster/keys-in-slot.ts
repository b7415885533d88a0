/**
 * The keys of a slot, found by a walk over all keys, some milliseconds at a time beside everything else: nothing is kept by slot, because
 * one shard has them all. A key that is there all the time is found once; one that comes or goes meanwhile may be found or not.
 */
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { keySlot } from '../../engine/slot.ts'
import type { Clock } from '../../storage/clock.ts'

const sliceMs = 5
const keysAtOnce = 256

/** Calls `found` with each key, until it returns false, or `isThere` says that the keyspace is another one by now. */
export async function eachKeyInSlot(
  { keyspace, clock, isThere }: { readonly keyspace: Keyspace; readonly clock: Clock; readonly isThere: () => boolean },
  slot: number,
  found: (key: Buffer) => boolean,
): Promise<void> {
  const { entries, arena } = keyspace
  let untilMs = clock.monotonicMs() + sliceMs
  let cursor = 0
  let goesOn = true
  do {
    const { index } = keyspace.databases[keyspace.logical[0] as number]!
    cursor = index.scan(cursor, keysAtOnce, (entry) => {
      const bytes = arena.bytes(entry)
      const start = entries.keyStart(entry)
      const end = start + entries.keyLength(entry)
      if (!goesOn || keySlot(bytes, start, end) !== slot) return
      const expireAt = entries.expireAt(entry)
      if (expireAt === 0 || expireAt >= clock.wallMs()) goesOn = found(Buffer.from(bytes.subarray(start, end)))
    })
    if (clock.monotonicMs() < untilMs) continue
    await new Promise<void>((resolve) => clock.afterTurn(resolve))
    untilMs = clock.monotonicMs() + sliceMs
  } while (cursor !== 0 && goesOn && isThere())
}
