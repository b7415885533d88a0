import { describe, expect, it } from 'vitest'
import { AccessClock } from '../../engine/keyspace/access.ts'
import { ColdStamps } from '../../storage/cold-stamps.ts'
import { chance } from '../chance.ts'
import { Scene } from '../simulation/scene.ts'

const startMs = Date.UTC(2026, 5, 1)

function begin(epoch = 1) {
  const access = new AccessClock(chance(1))
  let ms = startMs
  access.tick(ms)
  return {
    access,
    stamps: new ColdStamps(access, epoch),
    pass: (seconds: number) => {
      ms += seconds * 1000
      access.tick(ms)
    },
  }
}

describe('stamps of cold values', () => {
  it('tell for how long a value has been cold, to a minute, and never less', () => {
    const { stamps, pass } = begin()
    const random = chance(2)
    const cold: { stamp: number; seconds: number }[] = []
    let now = 0
    for (let i = 0; i < 2000; i++) {
      const step = random.nextUint32() % 100
      now += step
      pass(step)
      cold.push({ stamp: stamps.now(1 + Math.floor(i / 10)), seconds: now })
    }
    for (const { stamp, seconds } of cold) {
      expect(stamps.idleSeconds(stamp)).toBeGreaterThanOrEqual(now - seconds)
      expect(stamps.idleSeconds(stamp)).toBeLessThan(now - seconds + 60)
    }
  })

  it('keep the epoch at which a value was seen last', () => {
    const { stamps, pass } = begin(7)
    expect(stamps.epochOf(0)).toBe(7)
    const first = stamps.now(7)
    const second = stamps.now(8)
    expect(stamps.now(8)).toBe(second)
    pass(60)
    const third = stamps.now(8)
    expect(new Set([0, first, second, third]).size).toBe(4)
    expect([first, second, third].map((stamp) => stamps.epochOf(stamp))).toEqual([7, 8, 8])
  })

  it('come round without touching the one of the start, in bounded memory', () => {
    const { stamps, pass } = begin()
    pass(100)
    for (let epoch = 1; epoch <= 65_535; epoch++) stamps.now(epoch)
    const { bytes } = stamps
    expect(bytes).toBe(65_536 * 8)
    const oldest = 1
    expect(stamps.epochOf(oldest)).toBe(1)
    pass(100)
    expect(stamps.now(65_536)).toBe(oldest)
    expect(stamps.idleSeconds(oldest)).toBe(0)
    expect(stamps.idleSeconds(0)).toBe(200)
    expect(stamps.idleSeconds(2)).toBe(100)
    expect(stamps.bytes).toBe(bytes)
  })

  it('begin anew when the clock is set back', () => {
    const { stamps, pass } = begin()
    const before = stamps.now(1)
    pass(-3600)
    const after = stamps.now(1)
    expect(after).not.toBe(before)
    pass(10)
    expect(stamps.idleSeconds(after)).toBe(10)
  })
})

describe('of a cold key', () => {
  async function withCold(policy: string) {
    const scene = new Scene(3, { config: { 'maxmemory-policy': policy } })
    await scene.startUnobserved()
    const client = await scene.plainClient()
    await client.ask('SET', 'k', 'v'.repeat(5000))
    await scene.settled(scene.server.maintenance.checkpoint())
    const { primary } = scene.server
    const makeCold = (): void => {
      while (primary.tier.demoteOne() > 0);
    }
    makeCold()
    expect(await client.ask('OBJECT', 'TIER', 'k')).toBe('$4\r\ncold\r\n')
    return { scene, client, makeCold }
  }
  const passMinutes = async (scene: Scene, minutes: number): Promise<void> => {
    for (let i = 0; i < minutes; i++) await scene.pass(60_000)
  }
  const seconds = (reply: string): number => Number(/^:(\d+)\r\n$/.exec(reply)?.[1])

  it('OBJECT IDLETIME counts from when it became cold, and after a restart from there', async () => {
    const { scene, client, makeCold } = await withCold('noeviction')
    await passMinutes(scene, 10)
    const idle = seconds(await client.ask('OBJECT', 'IDLETIME', 'k'))
    expect(idle).toBeGreaterThanOrEqual(600)
    expect(idle).toBeLessThan(660)
    await client.ask('GETRANGE', 'k', '0', '0')
    expect(seconds(await client.ask('OBJECT', 'IDLETIME', 'k'))).toBeLessThan(60)
    await passMinutes(scene, 2)
    makeCold()
    await scene.pass(30_000)
    expect(await client.ask('OBJECT', 'TIER', 'k')).toBe('$4\r\ncold\r\n')
    const again = seconds(await client.ask('OBJECT', 'IDLETIME', 'k'))
    expect(again).toBeGreaterThanOrEqual(30)
    expect(again).toBeLessThan(90)
    scene.machine.crash()
    await scene.startUnobserved()
    await passMinutes(scene, 20)
    const after = await scene.plainClient()
    expect(await after.ask('OBJECT', 'TIER', 'k')).toBe('$4\r\ncold\r\n')
    const sinceStart = seconds(await after.ask('OBJECT', 'IDLETIME', 'k'))
    expect(sinceStart).toBeGreaterThanOrEqual(1200)
    expect(sinceStart).toBeLessThan(1210)
  })

  it('OBJECT FREQ decays as that of a new key', async () => {
    const { scene, client } = await withCold('allkeys-lfu')
    expect(seconds(await client.ask('OBJECT', 'FREQ', 'k'))).toBeLessThanOrEqual(5)
    expect(seconds(await client.ask('OBJECT', 'FREQ', 'k'))).toBeGreaterThan(0)
    await passMinutes(scene, 7)
    expect(await client.ask('OBJECT', 'FREQ', 'k')).toBe(':0\r\n')
    await client.ask('CONFIG', 'SET', 'lfu-decay-time', '0')
    expect(await client.ask('OBJECT', 'FREQ', 'k')).toBe(':5\r\n')
  })
})
