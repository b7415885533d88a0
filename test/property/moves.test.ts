/**
 * Values that move to other keys while a checkpoint runs: at every point at which it waits, to keys that it has written, is
 * still to write, or must leave alone; with chains of moves, keys made anew, overwritten, deleted and flushed. The power fails after the
 * marker, and what catalog and log make of it is what the log alone says.
 */
import { describe, expect, it } from 'vitest'
import { keepTtl } from '../../engine/mutation/string-operations.ts'
import { testRuns, testSeed } from '../chance.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import type { Mutation } from './random-mutations.ts'
import { RecoverableShard } from './recoverable-shard.ts'

const seeds = testRuns(20)

class Changes {
  readonly #random: SeededRandom
  /** One of so many points is used, until there are no records left. */
  pace = 1
  left = 0
  moves = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  below(limit: number): number {
    return this.#random.nextUint32() % limit
  }

  record(): Mutation[] {
    if (this.below(4) === 0) return this.#chain()
    const length = this.below(3) === 0 ? 2 + this.below(4) : 1
    return Array.from({ length }, () => this.mutation())
  }

  sometimes(): Mutation[] | undefined {
    if (this.left === 0 || this.below(this.pace) > 0) return undefined
    this.left--
    return this.record()
  }

  mutation(): Mutation {
    const db = this.#db()
    const key = this.#key()
    const kind = this.below(40)
    if (kind < 20) {
      this.moves++
      return { do: 'move', db, key, toDb: this.#db(), to: this.#key() }
    }
    if (kind < 26) return { do: 'put', db, key, text: this.#text(), expireAt: [0, keepTtl, 5_000_000_000_000][this.below(3)] as 0 }
    if (kind < 30) return { do: 'append', db, key, text: this.#text() }
    if (kind < 34) return { do: 'hashSet', db, key, fields: this.#fields(1 + this.below(14)) }
    if (kind < 36) return { do: 'hashDelete', db, key, fields: this.#fields(1 + this.below(9)).map(([name]) => name) }
    if (kind < 37) return { do: 'delete', db, key }
    if (kind === 37) return { do: 'hashExpire', db, key, fields: this.#fields(5).map(([name]) => name), expireAt: 7_000_000_000_000 as 0 }
    if (kind < 39) return { do: 'expire', db, key, expireAt: [0, 6_000_000_000_000][this.below(2)] as 0 }
    return this.below(3) > 0 ? { do: 'flush', db } : { do: 'swap', db, other: this.#db() }
  }

  /** One value that goes from key to key, with changes on the way. */
  #chain(): Mutation[] {
    const record: Mutation[] = []
    let db = this.#db()
    let key = this.#key()
    for (let i = 2 + this.below(3); i > 0; i--) {
      if (this.below(2) === 0) record.push({ do: 'append', db, key, text: this.#text() })
      if (this.below(3) === 0) record.push({ do: 'hashSet', db, key, fields: this.#fields(2) })
      const [toDb, to] = [this.#db(), this.#key()]
      record.push({ do: 'move', db, key, toDb, to })
      this.moves++
      db = toDb
      key = to
    }
    return record
  }

  #db(): 0 | 1 {
    return this.below(4) === 0 ? 1 : 0
  }

  #key(): string {
    return `key:${this.below(7)}`
  }

  #text(): string {
    return `${this.below(1000)} `.repeat(1 + this.below(30))
  }

  #fields(count: number): [string, string][] {
    return Array.from({ length: count }, () => [`f${this.below(20)}`, this.#text().slice(0, 60)])
  }
}

async function changeAll(shard: RecoverableShard, changes: Changes, records: number): Promise<void> {
  for (let i = 0; i < records; i++) await shard.change(changes.record())
}

/** Failures of disks that were ordered. */
function expectDiskFailure(failure: unknown): void {
  if ((failure as { code?: string }).code !== 'EIO') throw failure
}

async function story(seed: number): Promise<number> {
  const shard = new RecoverableShard(seed)
  await shard.open()
  const changes = new Changes(new SeededRandom(seed + 1_000_000))
  for (let round = 0; round < 4; round++) {
    await changeAll(shard, changes, changes.below(12))
    for (let i = changes.below(3); i > 0; i--) await shard.writeOut.step(1 + changes.below(6)).catch(expectDiskFailure)
    if (changes.below(2) === 0) for (let i = changes.below(6); i > 0; i--) shard.tier.demoteOne()
    await changeAll(shard, changes, changes.below(4))
    const fault = changes.below(12)
    if (fault < 2) shard.coldDisk.fail(fault === 0 ? 'write' : 'sync', 'EIO', 1)
    else if (fault < 4) shard.disk.failNext(fault === 2 ? 'sync' : 'write', 'EIO')
    changes.pace = 1 << changes.below(7)
    changes.left = 25
    await shard
      .interleaved(
        () => {
          if (shard.tier.lazyFree.any && changes.below(3) === 0) shard.tier.lazyFree.step()
          if (changes.below(40) === 0) shard.compactor.step()
          return changes.sometimes()
        },
        () => shard.checkpointer.run(),
      )
      .catch(expectDiskFailure)
    // What it did not meet is for nobody else.
    for (const operation of ['write', 'sync'] as const) shard.coldDisk.fail(operation, 'EIO', 0)
    await changeAll(shard, changes, changes.below(3))
    if (changes.below(3) === 0) continue
    expect(shard.matchesModel()).toBe(true)
    await shard.crash()
    await shard.check()
    shard.resetModel()
  }
  return changes.moves
}

describe('moves while a checkpoint runs', () => {
  it('are told whole or not at all', async () => {
    let moves = 0
    for (let seed = testSeed; seed < testSeed + seeds; seed++) {
      try {
        moves += await story(seed)
      } catch (failure) {
        throw new Error(`replay: MORAINE_TEST_SEED=${seed} npx vitest run test/property/moves.test.ts`, { cause: failure })
      }
    }
    expect(moves).toBeGreaterThan(seeds * 10)
  })
})

const key = (i: number): string => `key:${i}`
const put = (i: number, text: string): Mutation => ({ do: 'put', db: 0, key: key(i), text: text.repeat(20), expireAt: 0 })
const append = (name: string): Mutation => ({ do: 'append', db: 0, key: name, text: 'more' })
const move = (from: string, to: string): Mutation => ({ do: 'move', db: 0, key: from, toDb: 0, to })

/** A checkpoint that has twenty keys to write, and records that come after it has begun and before it gets to the last of them. */
async function during(
  records: Mutation[][],
  prepare: (shard: RecoverableShard) => Promise<void> = async () => undefined,
): Promise<RecoverableShard> {
  const shard = new RecoverableShard(1)
  await shard.open()
  for (let i = 0; i < 20; i++) await shard.change([put(i, 'old')])
  await shard.change([{ do: 'put', db: 0, key: 'clean', text: 'never written again '.repeat(3), expireAt: 0 }])
  await shard.change([{ do: 'hashSet', db: 0, key: 'hash', fields: [['f', 'v']] }])
  await shard.checkpointer.run()
  // What the catalog refers to is of no more use, and goes with the next marker.
  for (let i = 0; i < 20; i++) await shard.change([put(i, 'new')])
  await prepare(shard)
  await shard.interleaved(
    () => records.shift(),
    () => shard.checkpointer.run(),
  )
  expect(records.length).toBe(0)
  await shard.crash()
  await shard.check()
  return shard
}

describe('a key that a checkpoint is yet to write', () => {
  it('is written by the next one if the checkpoint fails', async () => {
    await during([], async (shard) => {
      shard.coldDisk.fail('write', 'EIO', 1)
      await expect(shard.checkpointer.run()).rejects.toThrow('EIO')
      await shard.change([move(key(19), 'b')])
    })
  })

  it('may be changed and moved by one record', async () => {
    await during([[append(key(19)), move(key(19), 'b'), append('b')]])
  })

  it('may move to where a value has moved away that the checkpoint must leave alone', async () => {
    await during([[move('clean', 'b')], [move(key(19), 'clean')], [append('clean')]])
  })
})

describe('a database that is flushed while a checkpoint is to write its keys', () => {
  it('keeps what is set anew before the checkpoint begins', async () => {
    await during([], async (shard) => {
      await shard.change([{ do: 'flush', db: 0 }])
      await shard.change([put(19, 'newer')])
    })
  })

  it('leaves nothing of them that the log after the checkpoint could stumble over', async () => {
    const records = [[append(key(19))], [append('hash')], [{ do: 'flush', db: 0 } as const], [put(3, 'newer')]]
    const shard = await during(records, (each) => each.change([{ do: 'put', db: 0, key: 'hash', text: 'a string', expireAt: 0 }]))
    expect(shard.keyspace.size).toBe(1)
  })
})
