import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { Transaction } from '../../server/transaction.ts'
import { chance } from '../chance.ts'

const now = 1_700_000_000_000

function fixture() {
  const random = chance(1)
  const keyspace = new Keyspace(random, noObserver)
  const mutator = new Mutator(keyspace, { hashMaxListpackEntries: 8, hashMaxListpackValue: 64 }, random)
  const transaction = new Transaction()
  const { interest } = mutator
  interest.now = now
  let lsn = 0
  const change = (work: () => void): void => {
    keyspace.forgetLookUp()
    mutator.begin(++lsn)
    work()
  }
  const put = (name: string, expireAt = 0, db = 0): void => {
    const key = Buffer.from(name)
    change(() => mutator.putString(db, key, 0, key.length, key, 0, key.length, expireAt))
  }
  const remove = (name: string): void => {
    const key = Buffer.from(name)
    change(() => mutator.delete(0, key, 0, key.length))
  }
  const watch = (name: string): void => transaction.watch(interest, 0, Buffer.from(name))
  return { mutator, interest, transaction, change, put, remove, watch }
}

describe('watched keys', () => {
  it('break a transaction when they change, are made, or go', () => {
    for (const change of ['changed', 'made', 'deleted', 'made anew'] as const) {
      const { interest, transaction, put, remove, watch } = fixture()
      for (const name of ['untouched', 'changed', 'deleted', 'made anew']) put(name)
      for (const name of ['untouched', 'missing', change, change]) watch(name)
      expect([interest.active, transaction.isBroken()]).toEqual([3, false])
      put('somebody else’s')
      expect(transaction.isBroken()).toBe(false)
      if (change === 'deleted' || change === 'made anew') remove(change)
      if (change !== 'deleted') put(change)
      expect([transaction.isBroken(), transaction.watchedChanged]).toEqual([true, true])
      transaction.unwatch()
      expect([transaction.isBroken(), transaction.watchedChanged]).toEqual([false, false])
    }
  })

  it('break it when they are made, though they are gone again', () => {
    const { transaction, put, remove, watch } = fixture()
    watch('made')
    put('made')
    remove('made')
    expect(transaction.isBroken()).toBe(true)
  })

  it('break it when they expire, but not when they had expired before and are deleted at last', () => {
    const { interest, transaction, put, remove, watch } = fixture()
    put('expires', now + 10)
    put('expired', now - 10)
    watch('expires')
    watch('expired')
    remove('expired')
    expect(transaction.isBroken()).toBe(false)
    interest.now = now + 11
    expect([transaction.isBroken(), transaction.watchedChanged]).toEqual([true, false])
    transaction.discard()
    expect([interest.active, transaction.isBroken()]).toEqual([0, false])
  })

  it('are forgotten once one has changed, for nothing more can come of them; their memory is counted until then', () => {
    const { interest, transaction, put, watch } = fixture()
    watch('a')
    const one = transaction.memoryBytes
    watch('b')
    expect([transaction.memoryBytes, interest.active]).toEqual([2 * one, 2])
    expect(one).toBeGreaterThanOrEqual(interest.bytes / 2)
    put('a')
    expect([transaction.memoryBytes, interest.bytes, interest.active]).toEqual([0, 0, 0])
    watch('c')
    expect([interest.active, transaction.isBroken()]).toEqual([0, true])
  })

  describe('when databases change places', () => {
    const cases: readonly (readonly [string, 'put' | 'expired' | 'missing', 'put' | 'expired' | 'missing', boolean])[] = [
      ['a key and nothing', 'put', 'missing', true],
      ['a key and another', 'put', 'put', true],
      ['nothing and a key', 'missing', 'put', true],
      ['nothing and nothing', 'missing', 'missing', false],
      ['nothing and an expired key', 'missing', 'expired', false],
      ['an expired key and nothing', 'expired', 'missing', false],
      ['an expired key and another', 'expired', 'expired', false],
      ['an expired key and a key', 'expired', 'put', true],
    ]
    it.each(cases)('%s', (_, here, there, breaks) => {
      const { mutator, transaction, change, put, watch } = fixture()
      if (here !== 'missing') put('k', here === 'expired' ? now - 1 : 0)
      if (there !== 'missing') put('k', there === 'expired' ? now - 1 : 0, 1)
      watch('k')
      change(() => mutator.swap(0, 1))
      expect(transaction.isBroken()).toBe(breaks)
    })
  })

  it('break it when all data is read again, if they were there or are there', () => {
    for (const [key, breaks] of [
      ['before', true],
      ['after', true],
      ['neither', false],
    ] as const) {
      const first = fixture()
      const second = fixture()
      first.put('before')
      second.put('after')
      first.watch(key)
      first.interest.moveTo(second.mutator.keyspace)
      expect(first.transaction.isBroken()).toBe(breaks)
    }
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
