/** Nodes that share a log: one leads, the others follow, and whatever happens to the first nothing acknowledged is lost. */
import { describe, expect, it } from 'vitest'
import { ClusterScene } from './cluster-scene.ts'

const ok = '+OK\r\n'
const readOnly = "-READONLY You can't write against a read only replica.\r\n"

describe('nodes that share a log', () => {
  it('have one primary, and replicas that show what it has committed and take no writes', async () => {
    const scene = new ClusterScene(1)
    await scene.start()
    const primary = await scene.primary()
    const client = await scene.client(primary)
    expect(await client.ask('SET', 'k', 'v')).toBe(ok)
    expect(await client.ask('RPUSH', 'list', 'a', 'b', 'c')).toBe(':3\r\n')
    await scene.caughtUp()
    expect(scene.replicas).toHaveLength(2)
    for (const replica of scene.replicas) {
      const reader = await scene.client(replica)
      expect(await reader.ask('GET', 'k')).toBe('$1\r\nv\r\n')
      expect(await reader.ask('LRANGE', 'list', '0', '-1')).toBe('*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n')
      expect(await reader.ask('SET', 'k', 'w')).toBe(readOnly)
      expect(await reader.ask('EVAL', "return redis.call('set', 'k', 'w')", '0')).toContain('READONLY')
    }
  })

  it('lose nothing acknowledged when the primary loses power, again and again', async () => {
    const scene = new ClusterScene(2, { sizes: { treeLeafBytes: 200 } })
    await scene.start()
    const acknowledged: string[] = []
    for (let round = 0; round < 8; round++) {
      const primary = await scene.primary()
      const client = await scene.client(primary)
      for (let i = 0; i < 20; i++) {
        const key = `${round}:${i}`
        expect(await client.ask('SET', key, `value ${key}`)).toBe(ok)
        await client.ask('RPUSH', 'log', key)
        acknowledged.push(key)
      }
      if (round % 3 === 1) await scene.settled(primary.server!.maintenance.checkpoint())
      client.send('SET', `${round}:unknown`, 'x')
      primary.crash()
      const next = await scene.primary()
      expect(next).not.toBe(primary)
      const reader = await scene.client(next)
      for (const key of acknowledged) expect(await reader.ask('GET', key)).toBe(`$${6 + key.length}\r\nvalue ${key}\r\n`)
      expect(await reader.ask('LLEN', 'log')).toBe(`:${acknowledged.length}\r\n`)
      await scene.startNode(primary)
      await scene.caughtUp()
    }
    const digests = new Set<string>()
    for (const machine of scene.machines) digests.add(await (await scene.client(machine)).ask('DEBUG', 'DIGEST'))
    expect(digests.size).toBe(1)
  })

  it('fence a primary that the log does not hear: it answers nobody, drops what it had not committed, and follows', async () => {
    const scene = new ClusterScene(3)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    await client.ask('SET', 'k', 'committed')
    const log = former.server!.shard!.log as unknown as { holdCommits(): void }
    log.holdCommits()
    client.send('SET', 'k', 'never committed')
    const asked = client.receive()
    const next = await scene.primaryOtherThan(former)
    expect(await asked).toBe('closed')
    const reader = await scene.client(next)
    expect(await reader.ask('GET', 'k')).toBe('$9\r\ncommitted\r\n')
    expect(await reader.ask('SET', 'k', 'of the next')).toBe(ok)
    await scene.caughtUp()
    const again = await scene.client(former)
    expect(await again.ask('GET', 'k')).toBe('$11\r\nof the next\r\n')
    expect(await again.ask('SET', 'k', 'x')).toBe(readOnly)
  })
})
