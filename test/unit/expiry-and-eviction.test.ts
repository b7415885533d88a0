import { describe, expect, it } from 'vitest'
import { defaultEngineLimits } from '../../engine/engine-limits.ts'
import type { EvictionPolicy } from '../../engine/eviction.ts'
import { evictOne } from '../../engine/eviction.ts'
import { Execution } from '../../engine/execution.ts'
import { ExpiryCycle } from '../../engine/expiry-cycle.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { chance } from '../chance.ts'

const start = 1_700_000_000_000

function fixture() {
  const random = chance(2)
  const limits = { ...defaultEngineLimits }
  const keyspace = new Keyspace(random, noObserver)
  const mutator = new Mutator(keyspace)
  const x = new Execution(keyspace, mutator, random, limits)
  x.now = start
  keyspace.access.tick(start)
  const put = (name: string, expireAt: number, db = 0): number => {
    const key = Buffer.from(name)
    return mutator.putString(db, key, 0, key.length, key, 0, key.length, expireAt)
  }
  const has = (name: string): boolean => {
    const key = Buffer.from(name)
    return keyspace.find(0, key, 0, key.length) !== 0
  }
  return { keyspace, mutator, x, put, has }
}

describe('active expiry', () => {
  it('deletes what has expired and nothing else, in every database, a bounded number at a time', () => {
    const { keyspace, x, put, mutator } = fixture()
    for (let i = 0; i < 3000; i++) put(`gone:${i}`, start - 1 - (i % 50), i % 16)
    for (let i = 0; i < 1000; i++) put(`stays:${i}`, i % 2 === 0 ? 0 : start + (i % 7), i % 16)
    const cycle = new ExpiryCycle()
    let deleted = 0
    for (let steps = 0; deleted < 3000; steps++) {
      expect(steps).toBeLessThan(4000 / 64 + 20)
      mutator.begin(steps + 1)
      const before = keyspace.size
      const found = cycle.step(x, 64)
      expect(found).toBeLessThanOrEqual(64)
      expect([before - keyspace.size, mutator.operations]).toEqual([found, found])
      deleted += found
    }
    expect([keyspace.size, x.expired]).toEqual([1000, 3000])
    for (let i = 0; i < 30; i++) expect(cycle.step(x, 64)).toBe(0)
    expect(cycle.staleShare).toBe(0)
  })

  it('ends when no key expires', () => {
    const { x, put } = fixture()
    put('a', 0)
    expect(new ExpiryCycle().step(x, 1000)).toBe(0)
  })
})

describe('eviction by policy', () => {
  it('takes the key used longest ago, or only such as expire', () => {
    for (const [policy, victim] of [
      ['allkeys-lru', 'oldest'],
      ['volatile-lru', 'old'],
    ] as [EvictionPolicy, string][]) {
      const { keyspace, x, put, has } = fixture()
      put('oldest', 0)
      keyspace.access.tick(start + 100_000)
      put('old', start + 999_000)
      keyspace.access.tick(start + 200_000)
      put('new', start + 1000)
      put('newer', 0)
      expect(evictOne(x, policy, 200)).toBe(true)
      expect([has(victim), keyspace.size]).toEqual([false, 3])
    }
  })

  it('takes the key used least, by the decaying counter', () => {
    const { keyspace, x, put, has } = fixture()
    keyspace.access.lfu = true
    keyspace.access.lfuLogFactor = 0
    for (const [name, uses] of [
      ['seldom', 1],
      ['often', 60],
      ['sometimes', 10],
    ] as [string, number][]) {
      const ref = put(name, start + 1000)
      for (let i = 0; i < uses; i++) keyspace.touch(ref)
    }
    expect(evictOne(x, 'allkeys-lfu', 200)).toBe(true)
    expect(has('seldom')).toBe(false)
    expect(evictOne(x, 'volatile-lfu', 200)).toBe(true)
    expect([has('sometimes'), has('often')]).toEqual([false, true])
  })

  it('takes the key that expires soonest', () => {
    const { x, put, has } = fixture()
    put('late', start + 9000)
    put('soon', start + 10)
    put('never', 0)
    expect(evictOne(x, 'volatile-ttl', 200)).toBe(true)
    expect([has('late'), has('soon'), has('never')]).toEqual([true, false, true])
  })

  it('takes any key at random, or none that must stay', () => {
    const { keyspace, x, put, has } = fixture()
    for (let i = 0; i < 50; i++) put(`never:${i}`, 0, i % 16)
    put('expires', start + 10)
    expect(evictOne(x, 'noeviction', 5)).toBe(false)
    expect(evictOne(x, 'volatile-random', 5)).toBe(true)
    expect(has('expires')).toBe(false)
    for (const policy of ['volatile-random', 'volatile-lru', 'volatile-lfu', 'volatile-ttl'] as const)
      expect(evictOne(x, policy, 5)).toBe(false)
    for (let left = 50; left > 0; left--) {
      expect(keyspace.size).toBe(left)
      expect(evictOne(x, 'allkeys-random', 1)).toBe(true)
    }
    expect(evictOne(x, 'allkeys-random', 1)).toBe(false)
  })
})
