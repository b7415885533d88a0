/**
 * An engine whose values become cold at a test's word, and come back only as far as a command's row asks: the tier's own
 * prefetch over a cold store that is a map. A handler that touches more than its row names fails.
 */

import { Arguments } from '../../engine/arguments.ts'
import type { EngineCommand } from '../../engine/command.ts'
import { chunkedHash } from '../../engine/keyspace/entries.ts'
import type { Preparation } from '../../engine/preparation.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import type { ColdStore } from '../../storage/cold-store.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import type { CommandTables, InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

export class ColdEngine {
  readonly engine: InProcessEngine
  readonly session: InProcessSession
  readonly tier: Tier
  readonly #codec = new ValueCodec()
  readonly #copies = new Map<number, Buffer>()
  readonly #random: SeededRandom
  #nextId = 1

  constructor(tables: CommandTables, seed: number) {
    this.engine = new InProcessEngine(tables, seed)
    this.session = this.engine.connect()
    this.#random = new SeededRandom(seed + 1)
    const store = { read: async (id: number) => this.#copies.get(id) } as ColdStore
    const settings = { demotes: true, valueBytesMin: 0, promote: 'always', ttlMinMs: 0 } as const
    this.tier = new Tier(this.engine.keyspace, store, this.#codec, new ManualClock(), settings, () => {})
    this.engine.keyspace.observer = this.tier
  }

  /** Fetches what the command's row asks for, and runs it. */
  ask(...parts: readonly (string | Buffer)[]): Promise<Reply> {
    return this.#run(Arguments.of(...parts), undefined)
  }

  /** Fetches what a preparation asks for. Returns how many chunks, or -1 if it leaves that to the command's row. */
  async fetchFor(preparation: Preparation): Promise<number> {
    const set = new ColdSet()
    if (!preparation.eachCold?.((hash, firstHash, id) => set.addChunk(hash, firstHash, id))) return -1
    await this.tier.fetch(set)
    this.tier.admit(set)
    return set.items.length
  }

  /** As `ask`, with what was prepared. */
  async askPrepared(preparation: Preparation, ...parts: readonly string[]): Promise<Reply> {
    const args = Arguments.of(...parts)
    if ((await this.fetchFor(preparation)) < 0) return this.#run(args, preparation)
    return this.session.exchange(args, preparation).reply
  }

  async #run(args: Arguments, prepared: Preparation | undefined): Promise<Reply> {
    const { keyspace, tables } = this.engine
    const { keys, needs = 'value' } = tables[args.string(0)] as EngineCommand
    const need = typeof needs === 'function' ? needs(args) : needs
    keyspace.forgetLookUp()
    let cold: ReturnType<Tier['coldOf']>
    const last = keys.last < 0 ? args.count + keys.last : keys.last
    if (need !== 'none') {
      for (let i = keys.first; i <= last; i += keys.step) {
        const entry = keyspace.find(0, args.buffer, args.start(i), args.end(i))
        if (entry !== 0) cold = this.tier.coldOf(entry, need, args, i, cold)
      }
    }
    if (cold !== undefined) {
      await this.tier.fetch(cold)
      this.tier.admit(cold)
    }
    const { reply } = this.session.exchange(args, prepared)
    this.tier.settle()
    return reply
  }

  /** Writes out everything and makes about `share` of it cold. Returns how many chunks and values went. */
  freeze(share: number): number {
    const { keyspace } = this.engine
    const { entries, values } = keyspace
    let frozen = 0
    keyspace.databases[0].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
      if (entries.encoding(entry) === chunkedHash) frozen += this.#freezeChunks(entries.value(entry), share)
      else if (entries.isResident(entry) && this.#drawn(share)) {
        const value = entries.value(entry)
        const id = this.#copy(value, values.room(value))
        entries.setCold(entry, id, 0)
        this.tier.residency.leave(value)
        values.release(value)
        keyspace.coldCount++
        frozen++
      }
    })
    return frozen
  }

  #freezeChunks(collection: number, share: number): number {
    const hash = this.engine.keyspace.collections[collection]
    if (hash === undefined) throw new Error('a large hash without its collection')
    const written: [firstHash: number, lsn: number, id: number, value: number][] = []
    hash.eachDirty((firstHash, value, lsn, _count, bytes) => {
      written.push([firstHash, lsn, this.#copy(value, bytes), value])
      return true
    })
    let frozen = 0
    for (const [firstHash, lsn, id, value] of written) {
      if (!hash.stored(firstHash, lsn, id)) throw new Error('a chunk changed while nothing ran')
      if (this.#drawn(share) && hash.evict(value)) frozen++
    }
    return frozen
  }

  #copy(value: number, bytes: number): number {
    const { values } = this.engine.keyspace
    const start = values.start(value)
    this.#copies.set(this.#nextId, Buffer.from(this.#codec.encode(values.bytes(value), start, start + bytes)))
    return this.#nextId++
  }

  #drawn(share: number): boolean {
    return this.#random.nextUint32() < share * 2 ** 32
  }
}
