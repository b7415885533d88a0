/**
 * A walk over keys and their whole values, cold ones included, beside everything else: a few milliseconds at a time, with
 * reads awaited in between. It admits nothing to memory and counts no use.
 *
 * Nobody may change a key while it runs (the gate holds all requests, expiry and eviction rest); values may move, become
 * cold, or be written out meanwhile. Expired keys are passed over.
 */
import type { TypeNumber } from '../../engine/keyspace/entries.ts'
import { chunkedHash, hashType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { ChunkedHash } from '../../engine/types/chunked-hash.ts'
import type { Clock } from '../../storage/clock.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import type { Tier } from '../../storage/tier.ts'

const sliceMs = 5
/** Keys that are looked at, and bytes of cold strings that are read, at a time. */
const keysAtOnce = 64
const coldBytesAtOnce = 1024 * 1024
const chunksAtOnce = 64

/** What is known of a key without its value, as it was when the walk came to it. */
export interface WalkedKey {
  /** The physical database. */
  readonly db: number
  readonly key: Buffer
  readonly type: TypeNumber
  readonly encoding: number
  /** Milliseconds since the epoch, 0 for never. */
  readonly expireAt: number
}

/** Told of each key: its value in one or several pieces, then its end. Bytes are valid until the call returns, or its promise resolves. */
export interface KeyVisitor {
  string(key: WalkedKey, bytes: Buffer, start: number, end: number): Promise<void> | undefined
  /** Fields and values as `packed-fields.ts` lays them out; a large hash has several such blobs. */
  fields(key: WalkedKey, bytes: Buffer, start: number): void
  end(key: WalkedKey): void
  /** Awaited after every few keys. */
  pause?(): Promise<void>
}

export class KeyWalk {
  readonly #keyspace: Keyspace
  readonly #tier: Tier
  readonly #clock: Clock
  readonly #visitor: KeyVisitor
  #untilMs: number

  constructor(keyspace: Keyspace, tier: Tier, clock: Clock, visitor: KeyVisitor) {
    this.#keyspace = keyspace
    this.#tier = tier
    this.#clock = clock
    this.#visitor = visitor
    this.#untilMs = clock.monotonicMs() + sliceMs
  }

  /** Every key of a physical database. Rejects when a value cannot be read. */
  async database(db: number): Promise<void> {
    const { index } = this.#keyspace.databases[db]!
    let cursor = 0
    do {
      const found: number[] = []
      cursor = index.scan(cursor, keysAtOnce, (entry) => found.push(entry))
      await this.#batch(found)
      await this.#visitor.pause?.()
      await this.#rest()
    } while (cursor !== 0)
  }

  /** One key. */
  entry(entry: number): Promise<void> {
    return this.#batch([entry])
  }

  /** Lets others have their turn, when the slice is over. */
  async #rest(): Promise<void> {
    if (this.#clock.monotonicMs() < this.#untilMs) return
    await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
    this.#untilMs = this.#clock.monotonicMs() + sliceMs
  }

  /** Nothing is awaited before all that entries say has been read: they may move. */
  async #batch(found: readonly number[]): Promise<void> {
    const { entries, collections } = this.#keyspace
    const cold: { readonly key: WalkedKey; readonly entry: number; readonly id: number; readonly bytes: number }[] = []
    const large: { readonly key: WalkedKey; readonly hash: ChunkedHash }[] = []
    const referred: { readonly key: WalkedKey; readonly bytes: Buffer; readonly start: number; readonly end: number }[] = []
    for (const entry of found) {
      const key = this.#describe(entry)
      if (key === undefined) continue
      if (key.encoding === chunkedHash) large.push({ key, hash: collections[entries.value(entry)] as ChunkedHash })
      else if (!entries.isResident(entry)) cold.push({ key, entry, id: entries.valueId(entry), bytes: entries.length(entry) })
      else {
        const value = this.#resident(key, entry)
        if (value !== undefined) referred.push({ key, ...value })
      }
    }
    for (const { key, bytes, start, end } of referred) await this.#piece(key, bytes, start, end)
    for (let from = 0; from < cold.length; ) {
      const set = new ColdSet()
      let bytes = 0
      let to = from
      for (; to < cold.length && (to === from || bytes < coldBytesAtOnce); to++) {
        bytes += cold[to]!.bytes
        set.addValue(cold[to]!.entry, cold[to]!.id)
      }
      await this.#tier.fetch(set)
      for (; from < to; from++) {
        const value = present(set.values[from - (to - set.items.length)])
        await this.#piece(cold[from]!.key, value, 0, value.length)
      }
    }
    for (const { key, hash } of large) await this.#largeHash(key, hash)
  }

  #describe(entry: number): WalkedKey | undefined {
    const { entries, arena } = this.#keyspace
    const expireAt = entries.expireAt(entry)
    if (expireAt !== 0 && expireAt < this.#clock.wallMs()) return undefined
    const start = entries.keyStart(entry)
    const key = Buffer.from(arena.bytes(entry).subarray(start, start + entries.keyLength(entry)))
    return { db: entries.db(entry), key, type: entries.type(entry), encoding: entries.encoding(entry), expireAt }
  }

  /** Visits a value in memory, or returns where it lies when that may take a while: such memory stays as it is. */
  #resident(key: WalkedKey, entry: number): { bytes: Buffer; start: number; end: number } | undefined {
    const { entries, values, arena } = this.#keyspace
    const value = entries.value(entry)
    const bytes = values.bytes(value)
    const start = values.start(value)
    const end = start + entries.length(entry)
    if (key.type === hashType) {
      this.#visitor.fields(key, bytes, start)
      this.#visitor.end(key)
      return undefined
    }
    if (arena.isLarge(value)) {
      values.share(value)
      return { bytes, start, end }
    }
    void this.#visitor.string(key, bytes, start, end)
    this.#visitor.end(key)
    return undefined
  }

  async #piece(key: WalkedKey, bytes: Buffer, start: number, end: number): Promise<void> {
    if (key.type === hashType) this.#visitor.fields(key, bytes, start)
    else await this.#visitor.string(key, bytes, start, end)
    this.#visitor.end(key)
    await this.#rest()
  }

  async #largeHash(key: WalkedKey, hash: ChunkedHash): Promise<void> {
    const { values } = this.#keyspace
    const { directory } = hash
    for (let at = directory.first(); at >= 0; ) {
      const set = new ColdSet()
      for (let next = at; next >= 0 && directory.ref(next) === 0 && set.items.length < chunksAtOnce; next = directory.after(next)) {
        set.addChunk(hash, directory.firstHash(next), directory.valueId(next))
      }
      if (set.items.length === 0) {
        const chunk = directory.ref(at)
        this.#visitor.fields(key, values.bytes(chunk), values.start(chunk))
      } else {
        await this.#tier.fetch(set)
        for (const blob of set.values) this.#visitor.fields(key, present(blob), 0)
      }
      await this.#rest()
      for (let passed = Math.max(1, set.items.length); passed > 0; passed--) at = directory.after(at)
    }
    this.#visitor.end(key)
  }
}

function present(bytes: Buffer | undefined): Buffer {
  if (bytes === undefined) throw new Error('a value changed during a walk that nobody may disturb')
  return bytes
}
