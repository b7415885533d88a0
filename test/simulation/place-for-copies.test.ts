/** Copies that commands make of large values beside the keyspace: what has no place in memory is not begun, and who waits is answered in the end. */
import { describe, expect, it, vi } from 'vitest'
import { copyBytesOf } from '../../engine/tree/tree-size.ts'
import type { Shard } from '../../server/shard/shard.ts'
import { Scene } from './scene.ts'

const oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
const members = Array.from({ length: 12_000 }, (_, i) => `member ${i} ${'x'.repeat(120)}`)

async function begin(config: Record<string, unknown> = {}) {
  const scene = new Scene(1, { config })
  await scene.startUnobserved()
  const one = await scene.plainClient()
  for (let i = 0; i < members.length; i += 1000) await one.ask('SADD', 's', ...members.slice(i, i + 1000))
  const { budget, keyspace, tier } = scene.server.shard as Shard
  const entry = (): number => {
    keyspace.forgetLookUp()
    return keyspace.find(0, Buffer.from('s'), 0, 1)
  }
  const bytes = copyBytesOf(keyspace.trees, keyspace.entries.value(entry()))
  return { scene, one, budget, keyspace, tier, entry, bytes }
}

describe('a copy that has no place in memory', () => {
  it('is refused, before anything is read for it', async () => {
    const { scene, one, budget, keyspace, tier, entry } = await begin({ maxmemory: 4n << 20n })
    for (let i = 0; i < 2000; i++) await one.ask('SET', `k${i}`, 'x'.repeat(2000))
    expect(keyspace.trees.roots.coldLeaves(keyspace.entries.value(entry()))).toBeGreaterThan(100)
    const hasPlace = vi.spyOn(budget, 'hasPlaceFor').mockReturnValue(false)
    const { coldReads } = tier.counts
    expect(await one.ask('COPY', 's', 'other')).toBe(oom)
    expect(tier.counts.coldReads).toBe(coldReads)
    await one.ask('MULTI')
    await one.ask('COPY', 's', 'other')
    expect(await one.ask('EXEC')).toBe(`*1\r\n${oom}`)
    expect(tier.counts.coldReads).toBe(coldReads)
    expect(await one.ask('EVAL', "return redis.call('copy', KEYS[1], KEYS[2])", '2', 's', 'other')).toContain('OOM')
    expect(await one.ask('EXISTS', 'other')).toBe(':0\r\n')
    hasPlace.mockRestore()
    expect(await one.ask('COPY', 's', 'other')).toBe(':1\r\n')
    expect(await one.ask('SCARD', 'other')).toBe(`:${members.length}\r\n`)
    expect(scene.server.stagedWork.memoryBytes).toBe(0)
  })

  it('is one of several for which there is not place enough together', async () => {
    const { scene, one, budget, bytes } = await begin({ 'tier-enabled': false })
    const other = await scene.plainClient()
    budget.settings.maxmemoryBytes = budget.measure() + bytes * 1.6
    one.send('COPY', 's', 'a')
    other.send('COPY', 's', 'b')
    expect([await one.receive(), await other.receive()].sort()).toEqual([oom, ':1\r\n'])
    expect(budget.measure()).toBeLessThan(budget.settings.maxmemoryBytes)
  })

  it('is made all the same where keys are evicted for it', async () => {
    const { scene, one, budget } = await begin({ 'tier-enabled': false, 'maxmemory-policy': 'volatile-ttl' })
    for (let i = 0; i < 4000; i++) await one.ask('SET', `k${i}`, 'x'.repeat(1000), 'EX', '1000')
    budget.settings.maxmemoryBytes = budget.measure()
    expect(await one.ask('COPY', 's', 'a')).toBe(':1\r\n')
    await scene.pass(1000)
    expect(scene.server.maintenance.evictedKeys).toBeGreaterThan(1000)
  })

  it('keeps nobody waiting for ever, whatever is copied beside it', async () => {
    const { scene, one } = await begin({ maxmemory: 4n << 20n })
    const others = await Promise.all(Array.from({ length: 6 }, () => scene.plainClient()))
    one.send('SREM', 's', ...members.slice(0, 5000))
    for (const [i, other] of others.entries()) {
      if (i % 2 === 0) other.send('COPY', 's', `copy ${i}`)
      else other.send('SUNIONSTORE', `union ${i}`, 's', 's')
      for (let k = 0; k < 20; k++) other.send('SET', `${i} ${k}`, 'x'.repeat(20_000))
    }
    expect(await one.receive()).toBe(':5000\r\n')
    for (const other of others) {
      expect(await other.receive()).toMatch(/^:(1|7000|12000)\r\n$/)
      for (let k = 0; k < 20; k++) expect(await other.receive()).toBe('+OK\r\n')
    }
    const { unowned } = scene.server.primary.keyspace.trees.roots
    expect([scene.server.stagedWork.memoryBytes, unowned.residentBytes, unowned.bytesToCome]).toEqual([0, 0, 0])
  })

  it('is not made for a removal: elements are taken out one by one', async () => {
    const { one, budget, keyspace } = await begin({ 'tier-enabled': false })
    budget.settings.maxmemoryBytes = budget.measure() + 200_000
    const begun = vi.spyOn(keyspace.trees.roots.unowned, 'begin')
    expect(await one.ask('SREM', 's', ...members.slice(0, 6000))).toBe(':6000\r\n')
    budget.settings.maxmemoryBytes *= 4
    await one.ask('RPUSH', 'l', ...Array.from({ length: 30_000 }, (_, i) => (i % 5 === 0 ? 'goes' : `stays ${'y'.repeat(60)}`)))
    begun.mockClear()
    budget.settings.maxmemoryBytes = budget.measure() + 200_000
    expect(await one.ask('LREM', 'l', '0', 'goes')).toBe(':6000\r\n')
    expect(begun).not.toHaveBeenCalled()
    budget.settings.maxmemoryBytes = budget.measure() + 20_000_000
    expect(await one.ask('SREM', 's', ...members.slice(6000, 11_000))).toBe(':5000\r\n')
    expect(begun).toHaveBeenCalledOnce()
  })
})

describe('what has been made for a request', () => {
  it('is counted until the request has run', async () => {
    const { scene, one } = await begin()
    const { stagedWork, gate } = scene.server
    one.send('SMEMBERS', 's')
    await scene.loop.run(() => stagedWork.count > 0)
    gate.pause(1000, 'all')
    await scene.loop.run(() => stagedWork.count === 0)
    expect(one.hasReply).toBe(false)
    expect(stagedWork.memoryBytes).toBeGreaterThan(1_000_000)
    expect((await one.receive()).length).toBeGreaterThan(1_000_000)
    expect(stagedWork.memoryBytes).toBe(0)
  })

  it('is counted by MIGRATE until it is sent', async () => {
    const { scene, one } = await begin()
    const { stagedWork } = scene.server
    one.send('MIGRATE', 'server', `${scene.server.port}`, 's', '1', '100000')
    await scene.loop.run(() => stagedWork.count > 0)
    await scene.loop.run(() => stagedWork.count === 0)
    expect(stagedWork.memoryBytes).toBeGreaterThan(200_000)
    expect(await one.receive()).toBe('+OK\r\n')
    expect(stagedWork.memoryBytes).toBe(0)
  })
})
