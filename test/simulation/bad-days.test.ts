/** Disks that fill up or fail, and clocks that jump: what is said then, and what goes on. */
import { describe, expect, it } from 'vitest'
import { Scene } from './scene.ts'

const hour = 3_600_000

describe('a log that cannot be written', () => {
  for (const [what, fail] of [
    ['is full', (scene: Scene) => scene.machine.disk.limitFreeBytes(0)],
    ['fails to sync', (scene: Scene) => scene.machine.disk.failNext('write', 'EIO')],
  ] as const) {
    it(`because the disk ${what}: nothing is acknowledged any more, reads go on, all that was acknowledged stays`, async () => {
      const scene = new Scene(1, { config: { 'log-segment-bytes': 8192 } })
      await scene.start()
      const client = await scene.client()
      await client.ask('SET', 'k', '<1>')
      await client.ask('SET', 'short', '<2>', 'PX', '50')
      fail(scene)
      let answer = '+OK\r\n'
      for (let i = 0; i < 2000 && answer === '+OK\r\n'; i++) answer = await client.ask('SET', 'other', `<${10 + i}>${'x'.repeat(200)}`)
      expect(answer).toBe('closed')
      const next = await scene.client()
      next.raw.tolerated.add('-MISCONF')
      expect(await next.ask('SET', 'k', '<3>')).toMatch(/^-MISCONF Errors writing to the AOF file: /)
      expect(await next.ask('GET', 'k')).toBe('$3\r\n<1>\r\n')
      await scene.pass(1000)
      expect(await next.ask('GET', 'short')).toBe('$-1\r\n')
      expect(await next.ask('GET', 'k')).toBe('$3\r\n<1>\r\n')
      expect(scene.machine.log.errors.join('\n')).toContain('The log failed')
      scene.machine.disk.limitFreeBytes(Number.POSITIVE_INFINITY)
      await scene.crashAndStart()
      expect(await (await scene.client()).ask('GET', 'k')).toBe('$3\r\n<1>\r\n')
    })
  }
})

describe('a cold store that is full', () => {
  it('is told in the log, loses nothing, and is used again when there is room', async () => {
    const scene = new Scene(1, { config: { 'tier-cool-start-percent': 0, 'tier-drop-percent': 0, 'tier-min-value-size': 0 } })
    await scene.start()
    const client = await scene.client()
    scene.machine.coldDisk.fail('write', 'ENOSPC')
    for (let i = 0; i < 20; i++) await client.ask('SET', `k${i}`, `<${i}>${'x'.repeat(100)}`)
    await expect(scene.checkpoint()).rejects.toThrow('ENOSPC')
    expect(scene.machine.log.errors.join('\n')).toContain('ENOSPC')
    for (let i = 0; i < 20; i++) expect(await client.ask('GET', `k${i}`)).toContain(`<${i}>`)
    scene.machine.coldDisk.fail('write', 'ENOSPC', 0)
    await scene.checkpoint()
    expect(scene.machine.coldDisk.contents.size).toBeGreaterThan(0)
    await scene.crashAndStart()
    const again = await scene.client()
    for (let i = 0; i < 20; i++) expect(await again.ask('GET', `k${i}`)).toContain(`<${i}>`)
  })
})

describe('a cold store that fills up under writers', () => {
  const count = 600
  const value = 'x'.repeat(3000)

  /** A server with four times more data than memory, some of it cold, whose tier has no room left: its writers wait. */
  async function full() {
    const scene = new Scene(1, { config: { maxmemory: 4n << 20n } })
    await scene.start()
    const reader = await scene.client()
    for (let i = 0; i < 300; i++) await reader.ask('SET', `early${i}`, `<${i}>${value}`)
    const { keyspace } = scene.server.primary
    expect(keyspace.coldCount).toBeGreaterThan(50)
    scene.machine.coldDisk.fail('write', 'ENOSPC')
    const writers = [await scene.client(), await scene.client(), await scene.client()]
    for (let i = 0; i < count; i++) for (const [w, writer] of writers.entries()) writer.send('SET', `w${w}:${i}`, `<${i}>${value}`)
    const left = () => writers.reduce((sum, { raw }) => sum + raw.waiting.length, 0)
    await scene.loop.run(() => scene.server.gate.waiting === writers.length)
    return { scene, reader, writers, left }
  }

  it('holds them back, reads on, goes on by itself when there is room, and loses nothing', async () => {
    const { scene, reader, writers, left } = await full()
    const { budget, primary } = scene.server.shard as NonNullable<typeof scene.server.shard>
    await scene.pass(1500)
    const [waiting, size, used] = [left(), primary.keyspace.size, budget.usedBytes]
    expect(waiting).toBeGreaterThan(count)
    await scene.pass(1000)
    expect([left(), primary.keyspace.size, scene.server.gate.waiting]).toEqual([waiting, size, writers.length])
    expect(scene.machine.log.errors.join('\n')).toMatch(/writing values to the cold store failed: Error: ENOSPC/)
    expect(scene.server.trouble).toMatch(/^memory cannot be written out: ENOSPC/)
    for (let i = 0; i < 300; i += 5) await reader.ask('GET', `early${i}`)
    expect(budget.usedBytes).toBeLessThan(used * 1.05)
    expect(await reader.ask('DEL', 'early7')).toBe(':1\r\n')
    expect(scene.server.gate.waiting).toBe(writers.length)

    scene.machine.coldDisk.fail('write', 'ENOSPC', 0)
    await scene.loop.run(() => left() === 0)
    expect(scene.server.gate.waiting).toBe(0)
    await scene.crashAndStart()
    const again = await scene.client()
    expect(await again.ask('DBSIZE')).toBe(`:${299 + writers.length * count}\r\n`)
    for (let i = 0; i < count; i++) for (const w of writers.keys()) expect(await again.ask('GET', `w${w}:${i}`)).toContain(`<${i}>`)
  })

  it('refuses them when it lasts, with the reason, and takes them again by itself when there is room', async () => {
    const { scene, reader, writers, left } = await full()
    for (const { raw } of [reader, ...writers]) raw.tolerated.add('-MISCONF')
    const operator = await scene.plainClient()
    await scene.loop.run(() => left() === 0)
    const refused = await reader.ask('SET', 'late', '<1>')
    expect(refused).toMatch(/^-MISCONF Errors writing to the cold store: ENOSPC: .*Memory is full/)
    expect(await operator.ask('INFO', 'persistence')).toContain('rdb_last_bgsave_status:err')
    expect(await operator.ask('INFO', 'tiering')).toMatch(/tier_write_status:err.*tier_write_last_failure:ENOSPC.*tier_writes_refused:1/s)
    // What needs no memory is done, and so is what a transaction does not write.
    expect(await reader.ask('DEL', 'early7')).toBe(':1\r\n')
    expect(await reader.ask('GET', 'early8')).toContain('<8>')
    expect(scene.server.gate.waiting).toBe(0)

    scene.machine.coldDisk.fail('write', 'ENOSPC', 0)
    await scene.loop.run(() => scene.server.trouble === undefined)
    for (const { raw } of [reader, ...writers]) raw.tolerated.clear()
    for (const [w, writer] of writers.entries())
      for (let i = 0; i < 200; i++) expect(await writer.ask('SET', `again${w}:${i}`, `<${i}>${value}`)).toBe('+OK\r\n')
    expect(await operator.ask('INFO', 'persistence')).toContain('rdb_last_bgsave_status:ok')
    await scene.crashAndStart()
    const again = await scene.client()
    for (let i = 0; i < 200; i++) for (const w of writers.keys()) expect(await again.ask('GET', `again${w}:${i}`)).toContain(`<${i}>`)
  })

  it('after a crash meanwhile refuses to start until there is room for what the log holds, and then has all of it', async () => {
    const { scene, writers, left } = await full()
    const acknowledged = 300 + writers.length * count - left()
    await expect(scene.crashAndStart()).rejects.toThrow('ENOSPC')
    await expect(scene.crashAndStart()).rejects.toThrow('ENOSPC')
    scene.machine.coldDisk.fail('write', 'ENOSPC', 0)
    await scene.crashAndStart()
    const again = await scene.client()
    expect(await again.ask('DBSIZE')).toBe(`:${acknowledged}\r\n`)
    for (let i = 0; i < 300; i++) expect(await again.ask('GET', `early${i}`)).toContain(`<${i}>`)
  })
})

describe('a clock', () => {
  it('that jumps ahead ends what should have ended by then, for good', async () => {
    const scene = new Scene(1)
    await scene.start()
    const client = await scene.client()
    await client.ask('SET', 'short', '<1>', 'PX', '60000')
    await client.ask('SET', 'long', '<2>', 'PX', `${2 * hour}`)
    scene.loop.wallSkewMs += hour
    await scene.pass(500)
    expect(await client.ask('GET', 'short')).toBe('$-1\r\n')
    expect(await client.ask('GET', 'long')).toContain('<2>')
    await scene.crashAndStart()
    expect(await (await scene.client()).ask('GET', 'short')).toBe('$-1\r\n')
  })

  it('that jumps back lets keys live longer, stops nothing, and loses nothing', async () => {
    const scene = new Scene(1)
    await scene.start()
    const client = await scene.client()
    await client.ask('SET', 'short', '<1>', 'PX', '60000')
    scene.loop.wallSkewMs -= hour
    await scene.pass(500)
    expect(await client.ask('GET', 'short')).toContain('<1>')
    expect(Number((await client.ask('PTTL', 'short')).slice(1))).toBeGreaterThan(hour)
    await client.ask('SET', 'k', '<2>')
    await scene.checkpoint()
    await scene.crashAndStart()
    expect(await (await scene.client()).ask('GET', 'k')).toContain('<2>')
  })
})
