import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import type { Primary } from '../../server/shard/primary.ts'
import { Transaction } from '../../server/transaction.ts'
import { chance } from '../chance.ts'

const now = 1_700_000_000_000

function fixture() {
  const random = chance(1)
  const keyspace = new Keyspace(random, noObserver)
  const mutator = new Mutator(keyspace)
  const transaction = new Transaction()
  let lsn = 0
  const put = (name: string, expireAt = 0): number => {
    const key = Buffer.from(name)
    keyspace.forgetLookUp()
    mutator.begin(++lsn)
    return mutator.putString(0, key, 0, key.length, key, 0, key.length, expireAt)
  }
  const remove = (name: string): void => {
    const key = Buffer.from(name)
    keyspace.forgetLookUp()
    mutator.begin(++lsn)
    mutator.delete(0, key, 0, key.length)
  }
  const primary = { keyspace, x: { now }, missWatchers: new Set() } as unknown as Primary
  const watch = (name: string): void => transaction.watch(primary, 0, Buffer.from(name))
  return { keyspace, transaction, put, remove, watch }
}

describe('watched keys', () => {
  it('break a transaction when they change, are made, or go', () => {
    for (const change of ['changed', 'made', 'deleted', 'made anew'] as const) {
      const { keyspace, transaction, put, remove, watch } = fixture()
      for (const name of ['untouched', 'changed', 'deleted', 'made anew']) put(name)
      for (const name of ['untouched', 'missing', change, change]) watch(name)
      expect([transaction.watchedCount, transaction.isBroken(keyspace, now)]).toEqual([3, false])
      put('somebody else’s')
      expect(transaction.isBroken(keyspace, now)).toBe(false)
      if (change === 'deleted' || change === 'made anew') remove(change)
      if (change !== 'deleted') put(change)
      expect(transaction.isBroken(keyspace, now)).toBe(true)
      transaction.unwatch()
      expect(transaction.isBroken(keyspace, now)).toBe(false)
    }
  })

  it('break it when they expire, but not when they had expired before and are deleted at last', () => {
    const { keyspace, transaction, put, remove, watch } = fixture()
    put('expires', now + 10)
    put('expired', now - 10)
    watch('expires')
    watch('expired')
    remove('expired')
    expect([transaction.isBroken(keyspace, now), transaction.isBroken(keyspace, now + 11)]).toEqual([false, true])
    transaction.discard()
    expect(transaction.watchedCount).toBe(0)
  })
})

describe('queued requests', () => {
  it('keep copies of their arguments', () => {
    const args = Arguments.of('SET', 'key', 'value')
    const copy = args.keep()
    args.buffer.fill(0)
    expect([copy.count, copy.string(0), copy.string(1), copy.string(2)]).toEqual([3, 'SET', 'key', 'value'])
  })

  it('fail together once one was refused inside MULTI', () => {
    const transaction = new Transaction()
    transaction.refused()
    expect(transaction.failed).toBe(false)
    transaction.open = true
    transaction.refused()
    expect(transaction.failed).toBe(true)
    transaction.discard()
    expect([transaction.open, transaction.failed, transaction.queued]).toEqual([false, false, []])
  })
})
