import { describe, expect, it, vi } from 'vitest'
import { defaultEngineLimits } from '../../engine/engine-limits.ts'
import { Compactor } from '../../engine/keyspace/compactor.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { expireFieldsEdit } from '../../engine/types/hash-type.ts'
import type { Config } from '../../server/config/config.ts'
import type { Log } from '../../server/logging.ts'
import { Maintenance } from '../../server/shard/maintenance.ts'
import { Primary } from '../../server/shard/primary.ts'
import type { Shard } from '../../server/shard/shard.ts'
import { MemoryBudget } from '../../storage/memory-budget.ts'
import { MemoryColdStore } from '../../storage/memory-cold-store.ts'
import { noCatalog } from '../../storage/no-catalog.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { WriteOut } from '../../storage/write-out.ts'
import { NoLog } from '../../wal/no-log.ts'
import { chance, testRuns } from '../chance.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

/** Every look at the clock takes a while, and turns end when the test says so. */
class TurningClock extends ManualClock {
  #turn: (() => void)[] = []
  #looks = 0

  override monotonicMs(): number {
    return super.monotonicMs() + ++this.#looks * 0.1
  }

  override afterTurn(work: () => void): void {
    this.#turn.push(work)
  }

  /** Ends the turn; returns how many pieces of work had waited for it. */
  endTurn(): number {
    const turn = this.#turn
    this.#turn = []
    for (const work of turn) work()
    return turn.length
  }
}

function fixture(maxmemoryBytes = 0, demotes = false, policy = 'noeviction', others = () => 0) {
  const clock = new TurningClock()
  const random = chance(1)
  const limits = { ...defaultEngineLimits }
  const keyspace = new Keyspace(random, noObserver)
  const mutator = new Mutator(keyspace)
  mutator.recording = false
  const store = new MemoryColdStore()
  const codec = new ValueCodec()
  const tier = new Tier(keyspace, store, codec, clock, { demotes, valueBytesMin: 64, promote: 'second', ttlMinMs: 0 }, () => undefined)
  keyspace.observer = tier
  const log = new NoLog()
  const primary = new Primary({ keyspace, mutator, log, tier }, random, limits)
  primary.tick(clock.wallMs())
  const compactor = new Compactor(keyspace)
  const settings = {
    maxmemoryBytes,
    coolStartPercent: 70,
    dropPercent: 80,
    throttlePercent: 90,
    diskBytesMax: 0,
    evicts: policy !== 'noeviction',
  }
  const budget = new MemoryBudget({
    settings,
    keyspace,
    tier,
    others,
    nowMs: () => clock.monotonicMs(),
    compact: () => compactor.step(),
    diskBytes: () => 0,
  })
  const writeOut = new WriteOut({
    keyspace,
    tier,
    store,
    codec,
    clock,
    catalog: noCatalog,
    nextValueId: 1,
    committed: async () => undefined,
  })
  const config = { values: { 'maxmemory-policy': policy, 'maxmemory-samples': 5 } } as unknown as Config
  const quiet = { info() {}, error() {} } as unknown as Log
  const shard = {
    keyspace,
    mutator,
    log,
    tier,
    primary,
    budget,
    writeOut: demotes ? writeOut : undefined,
    store,
    checkpointer: undefined,
  } as unknown as Shard
  const maintenance = new Maintenance(shard, clock, config, quiet)
  const put = (name: string, bytes: number, expireAt: number): void => {
    const key = Buffer.from(name)
    primary.change(() => mutator.putString(0, key, 0, key.length, Buffer.alloc(bytes, 120), 0, bytes, expireAt))
  }
  return { clock, keyspace, tier, budget, maintenance, writeOut, store, put, primary }
}

describe('maintenance', () => {
  it('deletes 200,000 keys that expire together in many small slices, one at a time', async () => {
    const { clock, keyspace, maintenance, put } = fixture()
    const keys = testRuns(200_000)
    for (let i = 0; i < keys; i++) put(`k${i}`, 1, clock.wallMs() - 1)
    for (let i = 0; i < 1000; i++) put(`stays${i}`, 1, clock.wallMs() + 1_000_000)
    maintenance.start()
    let slices = 0
    let turns = 0
    while (keyspace.size > 1000) {
      expect(++turns).toBeLessThan(keys)
      // A tick comes again and again while slices are still going on: it must not begin a second row of them.
      if (turns % 10 === 1) clock.advance(100)
      const before = keyspace.size
      const waiting = clock.endTurn()
      expect(waiting).toBeLessThanOrEqual(2)
      expect(before - keyspace.size).toBeLessThanOrEqual(64 * 12)
      if (before > keyspace.size) slices++
    }
    expect(slices).toBeGreaterThan(keys / (64 * 12) / 2)
    await maintenance.stop()
    for (let i = 0; i < 5; i++) clock.endTurn()
    expect([keyspace.size, clock.endTurn()]).toEqual([1000, 0])
  })

  it('records deletions that take much memory, though nothing else is to be written', async () => {
    const { clock, tier, maintenance, writeOut, store, keyspace, primary, put } = fixture(1 << 30, true)
    const name = (i: number): string => `${i} ${'k'.repeat(10_000)}`
    for (let i = 0; i < 1800; i++) put(name(i), 1, 0)
    const turns = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        clock.endTurn()
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
    }
    while (tier.lag.any) {
      const step = writeOut.step(1000)
      await turns(200)
      await step
    }
    primary.change((x) => {
      for (let i = 0; i < 1800; i++) x.mutator.deleteEntry(keyspace.find(0, Buffer.from(name(i)), 0, name(i).length))
    })
    expect([tier.lag.any, tier.lag.tombstones.bytes > 16 << 20]).toEqual([false, true])
    const synced = vi.spyOn(store, 'sync').mockImplementation(() => new Promise((resolve) => setImmediate(resolve)))
    maintenance.start()
    clock.advance(100)
    await turns(400)
    expect([tier.lag.tombstones.bytes, synced.mock.calls.length]).toEqual([0, 0])
    await maintenance.stop()
  })

  it('evicts no more keys than memory needs, though they lie scattered', async () => {
    const { clock, keyspace, budget, maintenance, put } = fixture(32 * 1024 * 1024, false, 'allkeys-random')
    let keys = 0
    while (budget.measure() <= 33 * 1024 * 1024) put(`k${keys++}`, 300, 0)
    expect(budget.isExhausted).toBe(true)
    for (let turns = 0; budget.isExhausted; turns++) {
      expect(turns).toBeLessThan(20_000)
      maintenance.turnEnded()
      clock.endTurn()
    }
    expect(maintenance.evictedKeys).toBe(keys - keyspace.size)
    expect(keyspace.size).toBeGreaterThan(keys * 0.7)
    await maintenance.stop()
  })
})

describe('fields that expire', () => {
  it('have their cold hash fetched when it is due, and go with it', async () => {
    const { clock, keyspace, tier, maintenance, writeOut, primary } = fixture(0, true)
    const { mutator } = primary
    const key = Buffer.from('hash')
    const bytes = Buffer.from(`field${'v'.repeat(200)}`)
    const pair = { count: 1, buffer: () => bytes, fieldStart: () => 0, fieldEnd: () => 5, valueStart: () => 5, valueEnd: () => 205 }
    primary.change(() => {
      mutator.hashSet(0, key, 0, key.length, pair)
      const payload = mutator.payload()
      payload.varint(1)
      payload.u48(clock.wallMs() + 5000)
      payload.range(bytes, 0, 5)
      mutator.edit(mutator.types.hashes, expireFieldsEdit, 0, key, 0, key.length)
    })
    await writeOut.step(100)
    while (tier.demoteOne() > 0);
    expect(keyspace.coldCount).toBe(1)
    maintenance.start()
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms)
      clock.endTurn()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    for (let i = 0; i < 40; i++) await pass(100)
    expect([keyspace.size, keyspace.coldCount, primary.x.expiredFields]).toEqual([1, 1, 0])
    for (let rounds = 0; keyspace.size > 0; rounds++) {
      expect(rounds).toBeLessThan(1000)
      await pass(100)
    }
    expect([keyspace.coldCount, primary.x.expiredFields]).toEqual([0, 1])
    await maintenance.stop()
  })
})

describe('the memory budget', () => {
  it('lets many values pass through beside keys that fill memory, and refuses keys beyond that', () => {
    const mebibyte = 1024 * 1024
    let others = 0
    const { budget, put } = fixture(64 * mebibyte, true, 'noeviction', () => others)
    const limitMax = 64 * mebibyte * 1.1 + 100 * mebibyte
    const keepUsed = (bytes: number): void => {
      others += bytes - budget.measure()
      budget.measure()
    }
    keepUsed(limitMax - mebibyte)
    for (let i = 0; i < 500; i++) put(`k${i}`, 3000, 0)
    budget.measure()
    expect([budget.isShort, budget.isExhausted]).toEqual([false, false])
    for (let i = 500; i < 2000; i++) put(`k${i}`, 3000, 0)
    budget.measure()
    expect([budget.isShort, budget.stuck, budget.isExhausted]).toEqual([true, false, false])
    others += 2 * mebibyte
    budget.measure()
    expect(budget.isExhausted).toBe(true)
  })

  it('lets writers wait while it is short, and goes on once values have become cold', async () => {
    const { clock, tier, budget, maintenance, writeOut, put } = fixture(32 * 1024 * 1024, true)
    expect([budget.room(), budget.isShort, budget.wantsCooling]).toEqual(['ample', false, false])
    let keys = 0
    for (budget.measure(); !budget.isShort; budget.measure()) put(`k${keys++}`, 3000, 0)
    expect([budget.wantsCooling, budget.wantsRoom, budget.room(), budget.isExhausted]).toEqual([true, true, 'none', false])
    // All is hot yet: nothing can go, but it is not stuck either.
    budget.makeRoom()
    expect([budget.isShort, budget.stuck, tier.counts.demotions]).toEqual([true, false, 0])
    let released = 0
    maintenance.onRoom = () => released++
    while ((await Promise.race([writeOut.step(500), turning(clock)])) !== 0);
    for (let turns = 0; budget.wantsRoom; turns++) {
      expect(turns).toBeLessThan(5000)
      maintenance.turnEnded()
      clock.endTurn()
    }
    expect([budget.isShort, released > 0, tier.counts.demotions > 300]).toEqual([false, true, true])
    await maintenance.stop()
  })

  it('leaves values an eighth while keys fill memory, and only a few batches once the limit has given way far', async () => {
    const mib = 1024 * 1024
    let fixedMib = 100
    const { clock, tier, budget, writeOut, put } = fixture(64 * mib, true, 'noeviction', () => fixedMib * mib)
    for (let key = 0; key < 4000; key++) put(`k${key}`, 3000, 0)
    while (tier.lag.any) await Promise.race([writeOut.step(500), turning(clock)])
    const valuesMib = () => {
      budget.measure()
      while (budget.makeRoom());
      expect([budget.stuck, budget.isExhausted]).toEqual([false, false])
      return tier.residency.bytes / mib
    }
    // 80 % of 8 MiB, then of 4 MiB.
    const at100 = valuesMib()
    fixedMib = 128
    const at128 = valuesMib()
    fixedMib = 166
    const at166 = valuesMib()
    expect(at100).toBeGreaterThan(5.5)
    expect(at100).toBeLessThanOrEqual(6.4)
    expect(at128).toBeGreaterThan(2.7)
    expect(at128).toBeLessThanOrEqual(3.2)
    expect(at166).toBeGreaterThan(2.7)
    expect(at166).toBeLessThanOrEqual(3.2)
    fixedMib = 172
    budget.measure()
    expect(budget.isExhausted).toBe(true)
  })
})

/** Ends turns for as long as something waits for them. */
async function turning(clock: TurningClock): Promise<never> {
  for (;;) {
    clock.endTurn()
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
