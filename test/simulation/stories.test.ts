/** What random simulations once found, told so that it is found again at once. */
import { describe, expect, it, vi } from 'vitest'
import { Scene } from './scene.ts'

const cold = { 'tier-cool-start-percent': 0, 'tier-drop-percent': 0, 'tier-min-value-size': 0 }

describe('a checkpoint', () => {
  it('keeps the value of a key that changes while it is written', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new Scene(seed, { config: cold, sizes: { batchEntries: 1 }, diskMsMax: 5 })
      await scene.start()
      const client = await scene.client()
      for (let i = 0; i < 8; i++) await client.ask('SET', `k${i}`, `<${i}>${'x'.repeat(100)}`)
      const checkpoint = scene.server.maintenance.checkpoint()
      for (let i = 0; i < 8; i++) await client.ask('APPEND', `k${i}`, `<${100 + i}>`)
      await scene.settled(checkpoint)
      await scene.crashAndStart()
      const again = await scene.client()
      for (let i = 0; i < 8; i++) expect(await again.ask('GET', `k${i}`)).toContain(`<${100 + i}>`)
    }
  })

  it('writes an entry that got its ttl, and so another place, just before its turn', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new Scene(seed, { sizes: { batchEntries: 1 }, diskMsMax: 5 })
      await scene.start()
      const client = await scene.client()
      for (let i = 0; i < 8; i++) await client.ask('SET', `k${i}`, `<${i}>${'x'.repeat(100)}`)
      const checkpoint = scene.server.maintenance.checkpoint()
      for (let i = 7; i >= 0; i--) await client.ask('PEXPIRE', `k${i}`, '90000')
      await scene.settled(checkpoint)
      await scene.crashAndStart()
      const again = await scene.client()
      for (let i = 0; i < 8; i++) expect(await again.ask('GET', `k${i}`)).toContain(`<${i}>`)
    }
  })

  it('ends when a large hash is half written and nothing else is dirty', async () => {
    const scene = new Scene(1, {
      config: { 'hash-max-listpack-entries': 1 },
      sizes: { treeLeafBytes: 64, batchEntries: 1 },
    })
    await scene.start()
    const client = await scene.client()
    await client.ask('HSET', 'h', ...Array.from({ length: 60 }, (_, i) => [`f${i}`, `<${i}>..........`]).flat())
    await scene.settled(scene.server.shard?.writeOut?.step(1) as Promise<number>)
    await scene.checkpoint()
    await scene.crashAndStart()
    const again = await scene.client()
    expect(await again.ask('HLEN', 'h')).toBe(':60\r\n')
    await again.ask('HGETALL', 'h')
  })

  it('that wrote a change ahead of its LSN does not have it made twice', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new Scene(seed, { sizes: { batchEntries: 1 }, diskMsMax: 5 })
      await scene.start()
      const client = await scene.client()
      for (let i = 0; i < 20; i++) await client.ask('SET', `k${i}`, `<${i}>${'x'.repeat(100)}`)
      const checkpoint = scene.server.maintenance.checkpoint()
      for (let i = 19; i >= 0; i--) await client.ask('APPEND', `k${i}`, `<${100 + i}>`)
      await scene.settled(checkpoint)
      await scene.crashAndStart()
      const again = await scene.client()
      for (let i = 0; i < 20; i++) await again.ask('GET', `k${i}`)
    }
  })

  it('trims no record that came while it was written', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const scene = new Scene(seed, { config: { 'log-segment-bytes': 8192 }, sizes: { batchEntries: 1 }, diskMsMax: 5 })
      await scene.start()
      const client = await scene.client()
      for (let i = 0; i < 40; i++) await client.ask('SET', `k${i}`, `<${i}>${'x'.repeat(100)}`)
      const checkpoint = scene.server.maintenance.checkpoint()
      for (let i = 0; i < 25; i++) await client.ask('SET', `later${i}`, `<${100 + i}>${'y'.repeat(1500)}`)
      await scene.settled(checkpoint)
      await scene.crashAndStart()
      const again = await scene.client()
      expect(await again.ask('DBSIZE')).toBe(':65\r\n')
      for (let i = 0; i < 25; i++) await again.ask('GET', `later${i}`)
    }
  })

  it('tells which databases were swapped', async () => {
    const scene = new Scene(1)
    await scene.start()
    const client = await scene.client()
    await client.ask('SET', 'k', '<1>')
    await client.ask('SWAPDB', '0', '1')
    await scene.checkpoint()
    await client.ask('SET', 'other', '<2>')
    await scene.checkpoint()
    await scene.crashAndStart()
    expect(await (await scene.client()).ask('EXISTS', 'k')).toBe(':0\r\n')
  })

  it('syncs the log first when its policy does not', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new Scene(seed, { config: { appendfsync: 'everysec' } })
      await scene.start()
      const client = await scene.client()
      for (let i = 0; i < 5; i++) await client.ask('SET', `k${i}`, `<${i}>`)
      await scene.checkpoint()
      await scene.crashAndStart()
      expect(await (await scene.client()).ask('DBSIZE')).toBe(':5\r\n')
    }
  })
})

describe('a reply', () => {
  for (const [what, words] of [
    ['that a key is missing', ['GET', 'k']],
    ['that a key can be set anew', ['SET', 'k', '<2>', 'XX']],
    ['how many keys there are', ['DBSIZE']],
  ] as const) {
    it(`says ${what} only when that is committed`, async () => {
      const scene = new Scene(1, { diskMsMax: 50 })
      await scene.start()
      const [one, other] = [await scene.client(), await scene.client()]
      await one.ask('SET', 'k', '<1>')
      const { log } = scene.server.primary
      one.send('DEL', 'k')
      await scene.loop.run(() => log.appended === 2)
      expect(log.committed).toBe(1)
      await other.ask(...words)
      expect(log.committed).toBe(2)
    })
  }
})

describe('cold values', () => {
  it('of two hashes are read for one transaction, however short memory is', async () => {
    const scene = new Scene(1, { config: cold, diskMsMax: 5 })
    await scene.start()
    const client = await scene.client()
    for (let i = 0; i < 6; i++) await client.ask('SET', `k${i}`, `<${i}>${'x'.repeat(100)}`)
    await scene.checkpoint()
    await scene.pass(300)
    for (let round = 0; round < 5; round++) {
      await client.ask('GET', 'k1')
      for (const words of [['MULTI'], ...Array.from({ length: 6 }, (_, i) => ['APPEND', `k${i}`, `<${round}${i}1>`]), ['EXEC']])
        client.send(...words)
      await client.ask('STRLEN', 'k0')
    }
  })

  it('that one request fetched are not fetched again for those behind it in the pipeline', async () => {
    const scene = new Scene(1, { config: cold, diskMsMax: 20 })
    await scene.start()
    const client = await scene.client()
    const count = 50
    for (let i = 0; i < count; i++) await client.ask('SET', `k${i}`, `<${i}>${'x'.repeat(100)}`)
    await scene.checkpoint()
    await scene.pass(300)
    const { tier, keyspace } = scene.server.primary
    expect(keyspace.coldCount).toBe(count)
    const admit = vi.spyOn(tier, 'admit')
    for (let i = 0; i < count; i++) client.send('GET', `k${i}`)
    await client.ask('PING')
    expect(admit).toHaveBeenCalledTimes(count)
  })

  it('leave no trace in the queues when a later row of the catalog replaces them', async () => {
    const scene = new Scene(1, { config: { ...cold, 'tier-drop-percent': 100 } })
    await scene.start()
    const client = await scene.client()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 40; i++) await client.ask('SET', `k${i}`, `<${round}${i}>${'x'.repeat(50 + 40 * round)}`, 'PX', `${3000 + round}`)
      await scene.checkpoint()
    }
    await scene.crashAndStart()
    const { residency } = scene.server.primary.tier
    expect(residency.count).toBeLessThanOrEqual(40)
    const again = await scene.client()
    for (let i = 0; i < 40; i++) await again.ask('GET', `k${i}`)
  })

  it('that come to a waiting client by SWAPDB are read until it has all that it needs', async () => {
    const scene = new Scene(1, { config: { ...cold, 'zset-max-listpack-entries': 1 }, sizes: { treeLeafBytes: 64 } })
    await scene.start()
    const client = await scene.client()
    await client.ask('SELECT', '1')
    await client.ask('ZADD', 'z', ...Array.from({ length: 80 }, (_, i) => [`${i}`, `<${i}>..........`]).flat())
    await scene.checkpoint()
    await scene.pass(300)
    const waiting = await scene.client()
    waiting.send('BZMPOP', '0', '1', 'z', 'MIN', 'COUNT', '40')
    await scene.pass(10)
    await client.ask('SWAPDB', '0', '1')
    await scene.loop.run(() => waiting.raw.waiting.length === 0 || waiting.raw.failure !== undefined)
    expect(waiting.raw.failure).toBeUndefined()
  })

  it('are not needed by the fields of an emptied leaf', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const scene = new Scene(seed, { config: { ...cold, 'hash-max-listpack-entries': 1 }, sizes: { treeLeafBytes: 64 } })
      await scene.start()
      const client = await scene.client()
      const names = Array.from({ length: 40 }, (_, i) => `f${i}`)
      await client.ask('HSET', 'h', ...names.flatMap((name, i) => [name, `<${i}>..........`]))
      await scene.checkpoint()
      await scene.pass(300)
      for (let i = 0; i < 40; i += 4) await client.ask('HDEL', 'h', ...names.slice(i, i + 4), 'missing', 'gone')
    }
  })
})

describe('a large hash', () => {
  it('may be larger than memory: its writers wait for the write-out, and it for nobody', async () => {
    const scene = new Scene(1, { config: { maxmemory: 4n << 20n } })
    await scene.start()
    const client = await scene.client()
    const fields = 12_000
    for (let i = 0; i < fields; i += 10) {
      const pairs = Array.from({ length: 10 }, (_, j) => [`f${i + j}`, `<${i + j}>${'x'.repeat(1000)}`])
      client.send('HSET', 'h', ...pairs.flat())
    }
    await scene.loop.run(() => client.raw.waiting.length === 0)
    expect(scene.server.primary.tier.counts.demotions).toBeGreaterThan(100)
    expect(await client.ask('HLEN', 'h')).toBe(`:${fields}\r\n`)
    await scene.crashAndStart()
    const again = await scene.client()
    expect(await again.ask('HLEN', 'h')).toBe(`:${fields}\r\n`)
    for (let i = 0; i < fields; i += 501) expect(await again.ask('HGET', 'h', `f${i}`)).toContain(`<${i}>`)
  })
})
