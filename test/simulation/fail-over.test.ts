/** Nodes that share a log: one leads, the others follow, and whatever happens to the first nothing acknowledged is lost. */
import { describe, expect, it } from 'vitest'
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

describe('a planned hand-over', () => {
  it('gives the lead to the replica that is named, within a moment, and answers every request once', async () => {
    const scene = new ClusterScene(4)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const writer = await scene.client(former)
    await client.ask('SET', 'k', 'v')
    await scene.pass(1000)
    const target = scene.replicas[1]!
    const startMs = scene.loop.nowMs
    expect(await client.ask('FAILOVER', 'TO', target.name, `${target.server!.port}`)).toBe(ok)
    expect(await writer.ask('SET', 'k', 'too late')).toBe(readOnly)
    const next = await scene.primary()
    expect(next).toBe(target)
    expect(scene.loop.nowMs - startMs).toBeLessThan(200)
    const reader = await scene.client(next)
    expect(await reader.ask('GET', 'k')).toBe('$1\r\nv\r\n')
    expect(await reader.ask('SET', 'k', 'w')).toBe(ok)
    await scene.caughtUp()
    expect(await client.ask('GET', 'k')).toBe('$1\r\nw\r\n')
    expect(await client.ask('ROLE')).toContain(`$5\r\nslave\r\n$5\r\n${target.name}\r\n`)
  })

  it('is what a primary does that stops', async () => {
    const scene = new ClusterScene(5)
    await scene.start()
    const former = await scene.primary()
    await (await scene.client(former)).ask('SET', 'k', 'v')
    await scene.pass(1000)
    const startMs = scene.loop.nowMs
    await former.stop()
    const next = await scene.primary()
    expect(scene.loop.nowMs - startMs).toBeLessThan(500)
    expect(await (await scene.client(next)).ask('GET', 'k')).toBe('$1\r\nv\r\n')
  })

  it('is refused without replicas, to who is none, and by who is one', async () => {
    const scene = new ClusterScene(6, { nodes: 2 })
    await scene.startNode(scene.machines[0]!)
    const primary = await scene.primary()
    const client = await scene.client(primary)
    expect(await client.ask('FAILOVER')).toBe('-ERR FAILOVER requires connected replicas.\r\n')
    await scene.startNode(scene.machines[1]!)
    await scene.pass(1000)
    expect(await client.ask('FAILOVER', 'TO', 'nobody', '1')).toBe('-ERR FAILOVER target HOST and PORT is not a replica.\r\n')
    expect(await client.ask('FAILOVER', 'ABORT')).toBe('-ERR No failover in progress.\r\n')
    const replica = await scene.client(scene.machines[1]!)
    expect(await replica.ask('FAILOVER')).toBe('-ERR FAILOVER is not valid when server is a replica.\r\n')
  })
})

describe('nodes know of each other', () => {
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

describe('clients of a node whose part changes', () => {
  it('are told so when they wait for keys, and answered by the next primary', async () => {
    const scene = new ClusterScene(9)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const waiting = await scene.client(former)
    await scene.pass(1000)
    waiting.send('BLPOP', 'list', '0')
    await scene.pass(100)
    expect(await client.ask('FAILOVER')).toBe(ok)
    expect(await waiting.receive()).toBe(
      '-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n',
    )
    const next = await scene.primaryOtherThan(former)
    const other = await scene.client(next)
    other.send('BLPOP', 'list', '0')
    await scene.pass(10)
    expect(await (await scene.client(next)).ask('RPUSH', 'list', 'a')).toBe(':1\r\n')
    expect(await other.receive()).toBe('*2\r\n$4\r\nlist\r\n$1\r\na\r\n')
  })

  it('lose a script that had not ended when the lease did, with all that it had written', async () => {
    const scene = new ClusterScene(10, { config: { 'busy-reply-threshold': 0 } })
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const script = "redis.call('SET', KEYS[1], 'half') for i = 1, 1e9 do end"
    client.send('EVAL', script, '1', 'k')
    await scene.pass(20)
    former.server!.roles.demote('the test says so')
    expect(await client.receive()).toBe('closed')
    const next = await scene.primary()
    expect(await (await scene.client(next)).ask('GET', 'k')).toBe('$-1\r\n')
    await scene.caughtUp()
    expect(await (await scene.client(former)).ask('EVAL', 'return 7', '0')).toBe(':7\r\n')
  })

  it('see functions as the primary has them', async () => {
    const scene = new ClusterScene(11)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const library = "#!lua name=l\nredis.register_function{function_name='f', callback=function() return 42 end, flags={'no-writes'}}"
    expect(await client.ask('FUNCTION', 'LOAD', library)).toBe('$1\r\nl\r\n')
    await scene.caughtUp()
    for (const replica of scene.replicas) expect(await (await scene.client(replica)).ask('FCALL_RO', 'f', '0')).toBe(':42\r\n')
    expect(await client.ask('FUNCTION', 'LOAD', 'REPLACE', library.replace('42', '43'))).toBe('$1\r\nl\r\n')
    await scene.caughtUp()
    for (const replica of scene.replicas) expect(await (await scene.client(replica)).ask('FCALL_RO', 'f', '0')).toBe(':43\r\n')
    former.crash()
    const next = await scene.primary()
    expect(await (await scene.client(next)).ask('FCALL', 'f', '0')).toBe(':43\r\n')
  })
})

describe('a node that the log does not reach back to', () => {
  /** A primary with large and small values, most of them cold, and a log that begins long after the first of them. */
  async function trimmed(seed: number): Promise<ClusterScene> {
    const scene = new ClusterScene(seed, {
      config: {
        'tier-cool-start-percent': 0,
        'tier-drop-percent': 0,
        'tier-min-value-size': 0,
        'log-trim-copies': 1,
        'enable-debug-command': 'yes',
      },
      sizes: { treeLeafBytes: 200, batchBytes: 2000 },
    })
    const [first] = scene.machines
    await scene.startNode(first!)
    const primary = await scene.primary()
    const client = await scene.client(primary)
    for (let i = 0; i < 60; i++) await client.ask('SET', `k${i}`, `${i} `.repeat(i))
    for (let i = 0; i < 60; i++) await client.ask('HSET', 'hash', `f${i}`, 'w'.repeat(70))
    for (let i = 0; i < 60; i++) await client.ask('ZADD', 'scores', `${i * 7}`, `m${i}`)
    await scene.settled(primary.server!.maintenance.checkpoint())
    await scene.pass(3000)
    expect(scene.logDisk.first).toBe(181)
    await client.ask('SET', 'after', 'the checkpoint')
    return scene
  }

  async function requireEqual(scene: ClusterScene): Promise<void> {
    await scene.caughtUp()
    const digests = new Set<string>()
    for (const { server, name } of scene.machines) {
      if (server === undefined) continue
      const machine = scene.machines.find((each) => each.name === name)!
      digests.add(await (await scene.client(machine)).ask('DEBUG', 'DIGEST'))
    }
    expect(digests.size).toBe(1)
  }

  it('starts from a copy of another one, while that is being changed', async () => {
    const scene = await trimmed(12)
    const writer = await scene.client(scene.machines[0]!)
    const starting = scene.startNode(scene.machines[1]!)
    for (let i = 0; i < 50; i++) await writer.ask('SET', `k${i}`, `changed ${i}`)
    await starting
    await requireEqual(scene)
    await scene.startNode(scene.machines[2]!)
    await requireEqual(scene)
    scene.machines[0]!.crash()
    const next = await scene.primary()
    const reader = await scene.client(next)
    expect(await reader.ask('GET', 'k7')).toBe('$9\r\nchanged 7\r\n')
    expect(await reader.ask('ZSCORE', 'scores', 'm9')).toBe('$2\r\n63\r\n')
  })

  it('starts anew when it has lost power in the middle of that', async () => {
    const scene = await trimmed(13)
    const node = scene.machines[1]!
    for (const operations of [2, 5, 9, 14, 20]) {
      node.disk.crashAt(node.disk.operations + operations)
      await node.start()
      if (node.isOff) node.crash()
      else await scene.settled(node.stop())
    }
    await scene.startNode(node)
    await requireEqual(scene)
  })

  it('does so in the process when it has fallen behind while it ran', async () => {
    const scene = await trimmed(14)
    await scene.startNode(scene.machines[1]!)
    await scene.caughtUp()
    const replica = scene.machines[1]!.server!
    await scene.settled(replica.roles.disconnect())
    replica.peers.disconnect()
    const client = await scene.client(scene.machines[0]!)
    for (let i = 0; i < 30; i++) await client.ask('SET', `k${i}`, 'while it was away')
    await scene.pass(40_000)
    await scene.settled(scene.machines[0]!.server!.maintenance.checkpoint())
    await scene.pass(3000)
    replica.roles.connect(replica.shard!)
    await scene.pass(2000)
    await requireEqual(scene)
  })
})

describe('a replica of an older version', () => {
  it('stops at a record that it does not know, says so, shows what it has, and does not lead', async () => {
    const scene = new ClusterScene(15, { nodes: 2 })
    await scene.start()
    const primary = await scene.primary()
    const client = await scene.client(primary)
    await client.ask('SET', 'k', 'known')
    await scene.caughtUp()
    const replica = scene.replicas[0]!
    const { log } = primary.server!.shard!
    // A record of this version with an operation of the next one.
    log.append(Buffer.from([2, 99, 0, 1, 0x6b]), 0, 5)
    log.flush()
    await client.ask('SET', 'k', 'unknown to it')
    await scene.pass(500)
    const reader = await scene.client(replica)
    expect(await reader.ask('GET', 'k')).toBe('$5\r\nknown\r\n')
    expect(await reader.ask('INFO', 'replication')).toContain('master_link_status:down')
    expect(replica.server!.trouble).toContain('written by a newer Moraine')
    expect(replica.log.errors.join()).toContain('upgrade this node')
    primary.crash()
    await scene.pass(20_000)
    expect(scene.primaries).toEqual([])
    expect(await reader.ask('SET', 'k', 'x')).toBe(readOnly)
  })
})

describe('the running checksum in the log', () => {
  it('is the same on all nodes, through fail-overs, hand-overs and starts from a checkpoint', async () => {
    const scene = new ClusterScene(16)
    await scene.start()
    for (let round = 0; round < 4; round++) {
      const primary = await scene.primary()
      const client = await scene.client(primary)
      for (let i = 0; i < 10; i++) await client.ask('SET', `k${i}`, `${round}`)
      if (round === 1) await scene.settled(scene.replicas[0]!.server!.maintenance.checkpoint())
      if (round === 2) expect(await client.ask('FAILOVER')).toBe(ok)
      else primary.crash()
      await scene.primaryOtherThan(primary)
      if (round !== 2) await scene.startNode(primary)
      await scene.pass(3000)
      await scene.caughtUp()
      for (const { server } of scene.replicas) expect(server!.shard!.replay.checksum!.comparedLsn).toBe(scene.logDisk.committed)
    }
    expect(scene.logDisk.checksum).toMatchObject({ since: 0, lsn: scene.logDisk.committed })
  })

  it('stops a replica that has read other records than the primary has written', async () => {
    const scene = new ClusterScene(17, { nodes: 2 })
    await scene.start()
    const primary = await scene.primary()
    const client = await scene.client(primary)
    await client.ask('SET', 'k', 'as written')
    await scene.caughtUp()
    const replica = scene.replicas[0]!
    await scene.settled(replica.stop())
    await client.ask('SET', 'k', 'rots')
    await client.ask('SET', 'other', 'v')
    const rotten = scene.logDisk.records.at(-2)!
    rotten[rotten.indexOf('rots')] = 0x52
    const started = scene.startNode(replica)
    await scene.settled(started).catch(() => undefined)
    await scene.pass(3000)
    const told = [replica.failure?.message, ...replica.log.errors].join()
    expect(told).toContain('these are two histories')
    primary.crash()
    await scene.pass(20_000)
    expect(scene.primaries).toEqual([])
  })
})

describe('a hand-over while clients go on writing', () => {
  it('is over within a moment, also when they write by scripts', async () => {
    const scene = new ClusterScene(16)
    await scene.start()
    const former = await scene.primary()
    await scene.pass(1000)
    const writers = await Promise.all([1, 2, 3, 4].map(() => scene.client(former)))
    let isOver = false
    const writing = writers.map(async (writer, i) => {
      while (!isOver) {
        const reply = await writer.ask(
          'EVAL',
          "redis.call('INCR', KEYS[1]) return redis.call('RPUSH', KEYS[2], KEYS[1])",
          '2',
          `c${i}`,
          'list',
        )
        if (!reply.startsWith(':')) return reply
      }
      return 'over'
    })
    await scene.pass(50)
    const startMs = scene.loop.nowMs
    expect(await (await scene.client(former)).ask('FAILOVER')).toBe(ok)
    await scene.primaryOtherThan(former)
    expect(scene.loop.nowMs - startMs).toBeLessThan(300)
    isOver = true
    for (const reply of await Promise.all(writing)) expect(reply).toContain('READONLY')
  })
})
