/** A command that does not ask for what it needs of the cold store: the server reads that at once, counts it, and goes on. */
import { describe, expect, it, vi } from 'vitest'
import { memoryRefusal } from '../../engine/memory/refusal.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const elements = Array.from({ length: 60 }, (_, i) => `<${i}>..........`)
const scored = elements.flatMap((member) => ['1', member])
const config = { 'tier-min-value-size': 0n, maxmemory: 1n << 30n } as const

/** A list, a sorted set and a string, all of it cold, and commands that ask for nothing. */
async function begin(seed: number): Promise<{ scene: Scene; client: PlainClient; warned: ReturnType<typeof vi.spyOn> }> {
  const scene = new Scene(seed, { config, sizes: { treeLeafBytes: 64, batchEntries: 1 } })
  await scene.startUnobserved()
  const client = await scene.plainClient()
  await client.ask('RPUSH', 'l', ...elements)
  await client.ask('CONFIG', 'SET', 'zset-max-listpack-entries', '4')
  await client.ask('ZADD', 'z', ...scored)
  await client.ask('SET', 's', 'x'.repeat(100))
  await scene.checkpoint()
  const { tier } = scene.server.shard!
  while (tier.demoteOne() >= 0) await scene.pass(1)
  for (const key of ['l', 'z', 's']) expect(await client.ask('OBJECT', 'TIER', key)).toBe('$4\r\ncold\r\n')
  vi.spyOn(scene.server.primary, 'coldNeeds').mockReturnValue(undefined)
  return { scene, client, warned: vi.spyOn(scene.server.log, 'warn') }
}

describe('what a command needs and has not asked for', () => {
  it('is read at once, counted, and told once', async () => {
    const { scene, client, warned } = await begin(1)
    expect(await client.ask('LSET', 'l', '30', 'new')).toBe('+OK\r\n')
    expect(await client.ask('ZADD', 'z', '2', elements[7]!, '0', 'first')).toBe(':1\r\n')
    expect(await client.ask('APPEND', 's', 'y')).toBe(':101\r\n')
    const { counts } = scene.server.shard!.tier
    expect(counts.faults).toBeGreaterThanOrEqual(3)
    expect(counts.readsAtOnce).toBe(counts.faults)
    expect(await client.ask('INFO', 'tiering')).toContain(`tier_cold_faults:${counts.faults}\r\n`)
    expect(warned.mock.calls).toEqual([[expect.stringContaining('had not asked'), { command: 'LSET' }]])
    scene.machine.crash()
    await scene.startUnobserved()
    const again = await scene.plainClient()
    expect(await again.ask('LINDEX', 'l', '30')).toBe('$3\r\nnew\r\n')
    expect(await again.ask('ZRANGE', 'z', '0', '0')).toBe('*1\r\n$5\r\nfirst\r\n')
    expect(await again.ask('ZRANGE', 'z', '-1', '-1')).toContain(elements[7]!)
    expect(await again.ask('GETRANGE', 's', '99', '-1')).toBe('$2\r\nxy\r\n')
  })

  it('is an error where it has no place in memory or cannot be read, as long as nothing has changed', async () => {
    const { scene, client } = await begin(2)
    const { keyspace, store } = scene.server.shard!
    vi.spyOn(keyspace.values, 'create').mockImplementationOnce(() => {
      throw memoryRefusal()
    })
    expect(await client.ask('LINDEX', 'l', '30')).toMatch(/^-OOM /)
    vi.spyOn(store!, 'readAtOnce').mockImplementationOnce(() => {
      throw new Error('the disk is gone')
    })
    expect(await client.ask('LINDEX', 'l', '30')).toBe('-ERR a cold value could not be read: the disk is gone\r\n')
    expect(await client.ask('LINDEX', 'l', '30')).toContain(elements[30]!)
  })
})
