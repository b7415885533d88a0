/** A primary that the log has not heard for a lease, while nobody else has claimed. */
import { describe, expect, it } from 'vitest'
import type { MemoryLog } from '../../wal/memory-log.ts'
import { ClusterScene } from './cluster-scene.ts'

const ok = '+OK\r\n'

describe('a primary that has lost its lease', () => {
  it('claims again at once if nobody else has, but not twice in a row', async () => {
    const scene = new ClusterScene(18)
    await scene.start()
    const primary = await scene.primary()
    const client = await scene.client(primary)
    expect(await client.ask('SET', 'k', 'committed')).toBe(ok)
    await scene.pass(25_000)
    const holdCommits = (): void => (primary.server!.shard!.log as MemoryLog).store.holdCommits()
    holdCommits()
    client.send('SET', 'k', 'never committed')
    await scene.loop.run(() => scene.primaries.length === 0)
    const lostMs = scene.loop.nowMs
    expect(await scene.primary()).toBe(primary)
    // Others wait for more than a quarter of a lease.
    expect(scene.loop.nowMs - lostMs).toBeLessThan(400)
    expect(await client.receive()).toBe('closed')
    const again = await scene.client(primary)
    expect(await again.ask('GET', 'k')).toBe('$9\r\ncommitted\r\n')
    expect(await again.ask('SET', 'k', 'goes on')).toBe(ok)
    holdCommits()
    const next = await scene.primaryOtherThan(primary)
    expect(await (await scene.client(next)).ask('GET', 'k')).toBe('$7\r\ngoes on\r\n')
  })
})
