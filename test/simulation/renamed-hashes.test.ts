/** Large hashes that get other keys while the background writes them, and crashes at every point of that. */
import { describe, expect, it } from 'vitest'
import { Scene } from './scene.ts'

const cold = { 'tier-cool-start-percent': 0, 'tier-drop-percent': 0, 'tier-min-value-size': 0 }
const sizes = { treeLeafBytes: 64, batchEntries: 1, largeValueBytes: 200 }
const config = { 'hash-max-listpack-entries': 1 }
const fields = (mark: string): string[] => Array.from({ length: 40 }, (_, i) => [`f${i}`, `<${mark}${i}>..........`]).flat()

describe('a large hash', () => {
  it('is whole under one of its keys after a crash at any operation of a checkpoint', async () => {
    let crashes = 0
    for (let operation = 1; operation <= 40; operation++) {
      const scene = new Scene(operation, { config, sizes, diskMsMax: 3 })
      await scene.start()
      const client = await scene.client()
      await client.ask('HSET', 'a', ...fields('a'))
      await client.ask('HSET', 'b', ...fields('b'))
      if (operation % 2 === 0) await scene.checkpoint()
      await client.ask('HSET', 'a', 'f1', '<changed>')
      const { disk } = scene.machine
      disk.crashAt(disk.operations + Math.ceil(operation / 2))
      scene.server.maintenance.checkpoint().catch(() => undefined)
      for (const request of [
        ['RENAME', 'a', 'c'],
        ['RENAME', 'b', 'a'],
        ['HSET', 'a', 'f2', '<changed, too>'],
        ['COPY', 'a', 'b', 'DB', '0'],
        ['MOVE', 'c', '1'],
        ['RENAME', 'b', 'a'],
      ])
        client.send(...request)
      await scene.loop.run(() => disk.isOff || client.raw.waiting.length === 0)
      if (disk.isOff) crashes++
      await scene.crashAndStart()
      const again = await scene.client()
      for (const key of ['a', 'b', 'c']) await again.ask('HGETALL', key)
      await again.ask('SELECT', '1')
      await again.ask('HGETALL', 'c')
      await scene.checkpoint()
      await scene.crashAndStart()
      const last = await scene.client()
      for (const key of ['a', 'b', 'c']) await last.ask('HGETALL', key)
    }
    expect(crashes).toBeGreaterThan(10)
  })

  it('that another one replaced is not read when the log is replayed', async () => {
    const scene = new Scene(1, { config: { ...config, ...cold }, sizes })
    await scene.start()
    const client = await scene.client()
    await client.ask('HSET', 'former', ...fields('a'))
    await scene.checkpoint()
    await client.ask('HSET', 'new', ...fields('b'))
    await client.ask('RENAME', 'new', 'former')
    await scene.crashAndStart()
    const { tier, keyspace } = scene.server.primary
    expect([keyspace.size, tier.counts.coldReads]).toEqual([1, 0])
    await (await scene.client()).ask('HGETALL', 'former')
  })
})
