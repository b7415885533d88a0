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
