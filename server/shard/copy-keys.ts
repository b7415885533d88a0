/**
 * Gives a shard that has just been opened the data of another one, in place of what its directory held: for switching the
 * log on or off. Nobody may change either meanwhile.
 *
 * The new shard's log gets one record, without meaning, whose LSN everything copied carries; the data themselves are in no
 * record. They become durable all at once, by the marker of the checkpoint that the caller makes next: until then the
 * directory holds what it held before, and a crash leaves it so.
 */

import { rawString, stringType, textString } from '../../engine/keyspace/entries.ts'
import type { Clock } from '../../storage/clock.ts'
import type { KeyVisitor, WalkedKey, WalkedLeaf } from './key-walk.ts'
import { KeyWalk } from './key-walk.ts'
import type { Shard } from './shard.ts'

const nothing = Buffer.alloc(0)
const freeingStepsPerPause = 4

/** Rejects when a value cannot be read or written; the former shard is as it was. */
export async function copyKeys(from: Shard, to: Shard, clock: Clock): Promise<void> {
  const { keyspace, mutator, log } = to
  const lsn = await appendNothing(to)
  const recorded = mutator.recording
  mutator.recording = false
  mutator.begin(lsn)
  for (let db = 0; db < keyspace.databases.length; db++) mutator.flush(db)
  const copy = new KeyCopy(from, to)
  const walk = new KeyWalk(from.keyspace, from.tier, clock, copy)
  for (let db = 0; db < keyspace.databases.length; db++) await walk.database(db)
  mutator.recording = recorded
  mutator.begin(log.appended + 1)
}

/** A record that changes nothing, for its LSN. Resolves when it is committed. */
async function appendNothing({ primary, log, waiters }: Shard): Promise<number> {
  primary.change(({ mutator }) => mutator.swap(0, 0))
  log.flush()
  if (log.committed < log.appended) await waiters.wait(log.appended)
  return log.appended
}

class KeyCopy implements KeyVisitor {
  readonly #from: Shard
  readonly #to: Shard

  constructor(from: Shard, to: Shard) {
    this.#from = from
    this.#to = to
  }

  string(key: WalkedKey, bytes: Buffer, start: number, end: number): undefined {
    this.#to.mutator.putString(this.#db(key), key.key, 0, key.key.length, bytes, start, end, 0)
  }

  blob(key: WalkedKey, bytes: Buffer, start: number, leaf: WalkedLeaf | undefined): void {
    const { type, encoding, length, seed } = key
    this.#to.mutator.load({ db: this.#db(key), key: key.key, type, form: encoding, length, seed }, bytes, start, leaf)
  }

  /** What cannot be seen from the value: how it was made, when it expires. */
  end(key: WalkedKey): void {
    const { keyspace, mutator } = this.#to
    keyspace.forgetLookUp()
    const entry = keyspace.find(this.#db(key), key.key, 0, key.key.length)
    if (key.type !== stringType) keyspace.forgetLookUp()
    else if (key.encoding === rawString) mutator.markRaw(entry)
    else if (key.encoding === textString) mutator.setRange(entry, 0, nothing, 0, 0)
    const placed = keyspace.expiring.setFieldsDue(entry, key.fieldsDue)
    if (key.expireAt !== 0) mutator.expire(placed, key.expireAt)
  }

  async pause(): Promise<void> {
    const { tier } = this.#to
    // What the directory held before goes first.
    for (let steps = 0; steps < freeingStepsPerPause && tier.lazyFree.any; steps++) tier.lazyFree.step()
    await this.#to.makeRoom()
  }

  /** SWAPDB may have numbered the databases of the one differently from those of the other. */
  #db({ db }: WalkedKey): number {
    return this.#to.keyspace.logical[this.#from.keyspace.logical.indexOf(db)]!
  }
}
