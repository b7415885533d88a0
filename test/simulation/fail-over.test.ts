/** Nodes that share a log: one leads, the others follow, and whatever happens to the first nothing acknowledged is lost. */
import { describe, expect, it, vi } from 'vitest'
import type { MemoryLog } from '../../wal/memory-log.ts'
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

  it('serve nobody before a primary whose data are opened anew leads again', async () => {
    const scene = new ClusterScene(13)
    await scene.start()
    const primary = await scene.primary()
    const client = await scene.client(primary)
    expect(await client.ask('SET', 'k', 'v')).toBe(ok)
    const reopened = primary.server!.shardSwitch.reopen(false)
    // It waits at the gate meanwhile.
    expect(await client.ask('SET', 'k', 'w')).toBe(ok)
    await scene.settled(reopened)
    expect(await client.ask('GET', 'k')).toBe('$1\r\nw\r\n')
  })

  it('fence a primary that the log does not hear: it answers nobody, drops what it had not committed, and follows', async () => {
    const scene = new ClusterScene(3)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    await client.ask('SET', 'k', 'committed')
    const { store } = former.server!.shard!.log as MemoryLog
    store.holdCommits()
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

  it('send nothing more to the log when the lease was over before a request was executed, as after a stop', async () => {
    const scene = new ClusterScene(6)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    expect(await client.ask('SET', 'k', 'in time')).toBe(ok)
    const { written } = scene.logDisk
    const log = former.server!.shard!.log as unknown as { renewedMs: number }
    log.renewedMs = Number.NEGATIVE_INFINITY
    client.send('SET', 'k', 'too late')
    expect(await client.receive()).toBe('closed')
    // It would be a sign of life: nobody else would claim for another lease.
    expect(scene.logDisk.written).toBe(written)
    const reader = await scene.client(await scene.primary())
    expect(await reader.ask('GET', 'k')).toBe('$7\r\nin time\r\n')
  })
})

describe('nodes know of each other', () => {
  it('do not have a primary that cannot read its functions: it lets another one lead, and can lead when it has them', async () => {
    const scene = new ClusterScene(30, { nodes: 2 })
    await scene.start()
    const former = await scene.primary()
    expect(await (await scene.client(former)).ask('SET', 'k', 'v')).toBe(ok)
    await scene.caughtUp()
    const next = scene.replicas[0]!
    vi.spyOn(next.server!, 'restoreLibraries').mockRejectedValueOnce(new Error('a value is unreadable'))
    former.crash()
    await scene.loop.run(() => next.log.errors.length > 0)
    expect(next.log.errors).toEqual([expect.stringContaining('a value is unreadable')])
    expect(next.server!.roles.role).toBe('replica')
    expect(await scene.primary()).toBe(next)
    const client = await scene.client(next)
    expect(await client.ask('GET', 'k')).toBe('$1\r\nv\r\n')
    expect(await client.ask('SET', 'k', 'w')).toBe(ok)
  })

  it('so that WAIT counts replicas, and INFO and ROLE name them', async () => {
    const scene = new ClusterScene(7)
    await scene.start()
    const primary = await scene.primary()
    const client = await scene.client(primary)
    await scene.pass(1000)
    await client.ask('SET', 'k', 'v')
    const startMs = scene.loop.nowMs
    expect(await client.ask('WAIT', '2', '0')).toBe(':2\r\n')
    expect(scene.loop.nowMs - startMs).toBeLessThan(100)
    expect(await client.ask('WAITAOF', '1', '2', '0')).toBe('*2\r\n:1\r\n:2\r\n')
    expect(await client.ask('WAIT', '3', '50')).toBe(':2\r\n')
    const info = await client.ask('INFO', 'replication')
    expect(info).toContain('role:master')
    expect(info).toContain('connected_slaves:2')
    expect(info).toMatch(/slave0:ip=node\d,port=\d+,state=online,offset=\d+,lag=0/)
    const replica = await scene.client(scene.replicas[0]!)
    const ofReplica = await replica.ask('INFO', 'replication')
    expect(ofReplica).toContain('role:slave')
    expect(ofReplica).toContain(`master_host:${primary.name}`)
    expect(ofReplica).toContain('master_link_status:up')
    expect(await replica.ask('WAIT', '1', '0')).toContain('-ERR WAIT cannot be used with replica instances.')
  })

  it('so that WAIT does not count one for a record that it had made itself and never committed', async () => {
    const scene = new ClusterScene(31)
    await scene.start()
    const former = await scene.primary()
    expect(await (await scene.client(former)).ask('SET', 'k', 'committed')).toBe(ok)
    await scene.caughtUp()
    const log = former.server!.shard!.log as MemoryLog
    log.store.holdCommits()
    ;(await scene.client(former)).send('SET', 'k', 'never committed')
    // It tells the others of itself meanwhile.
    await scene.pass(1000)
    former.crash()
    const next = await scene.primaryOtherThan(former)
    const client = await scene.client(next)
    while (next.server!.shard!.log.committed < log.appended) expect(await client.ask('SET', 'k', 'acknowledged')).toBe(ok)
    expect(await client.ask('WAIT', '2', '3000')).toBe(':1\r\n')
  })

  it('so that the log is trimmed as far as all who live have checkpoints, and no further', async () => {
    const scene = new ClusterScene(8)
    await scene.start()
    const primary = await scene.primary()
    const client = await scene.client(primary)
    for (let i = 0; i < 50; i++) await client.ask('SET', `k${i}`, 'v')
    await scene.caughtUp()
    await scene.settled(primary.server!.maintenance.checkpoint())
    await scene.pass(2000)
    expect(scene.logDisk.first).toBe(1)
    for (const replica of scene.replicas) await scene.settled(replica.server!.maintenance.checkpoint())
    await scene.pass(2000)
    expect(scene.logDisk.first).toBe(51)
  })
})
