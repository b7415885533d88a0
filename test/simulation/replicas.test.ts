/** Replicas that cannot go on as they are: the log begins behind them, they do not know a record, or have another history than the log. */
import { describe, expect, it, vi } from 'vitest'
import { ClusterScene } from './cluster-scene.ts'
import type { Machine } from './machine.ts'

const ok = '+OK\r\n'
const readOnly = "-READONLY You can't write against a read only replica.\r\n"

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

  it('has the log kept for it until it has its copy and follows', async () => {
    const scene = await trimmed(15)
    const [first, second, third] = scene.machines as [Machine, Machine, Machine]
    await scene.startNode(second)
    await scene.caughtUp()
    const begun = [first, second].map(({ server }) => vi.spyOn(server!.copies, 'begin'))
    third.coldDelayMsMax = 500
    third.diskMsMax = 500
    third.begin()
    const writer = await scene.client(first)
    for (let i = 0; third.server === undefined && i < 60; i++) {
      expect(await writer.ask('SET', `k${i % 60}`, `changed ${i}`)).toBe(ok)
      for (const { server } of [first, second]) await scene.settled(server!.maintenance.checkpoint())
      await scene.pass(1000)
    }
    third.coldDelayMsMax = undefined
    third.diskMsMax = undefined
    expect(begun.flatMap(({ mock }) => mock.calls)).toHaveLength(1)
    await requireEqual(scene)
    // It is not kept for ever.
    for (const { server } of scene.machines) await scene.settled(server!.maintenance.checkpoint())
    await scene.pass(90_000)
    expect(scene.logDisk.first).toBe(scene.logDisk.committed + 1)
  })

  it('starts from one, too, when the log is trimmed just as it begins to read it', async () => {
    for (let operations = 1; operations <= 12; operations++) {
      // With one copy, the primary trims nothing by itself.
      const scene = new ClusterScene(19, { nodes: 2, config: { 'enable-debug-command': 'yes' } })
      const [first, second] = scene.machines as [Machine, Machine]
      await scene.startNode(first)
      const client = await scene.client(await scene.primary())
      for (let i = 0; i < 20; i++) await client.ask('SET', `k${i}`, 'v')
      await scene.settled(first.server!.maintenance.checkpoint())
      await scene.pass(1000)
      const starting = scene.startNode(second)
      await scene.loop.run(() => second.disk.operations >= operations || second.server !== undefined)
      await first.server!.shard!.log.trim(20)
      await starting
      await requireEqual(scene)
    }
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

describe('a node that is being opened', () => {
  it('can make a checkpoint of what came meanwhile, also when nothing comes afterwards', async () => {
    for (let delayMs = 0; delayMs < 600; delayMs += 50) {
      const scene = new ClusterScene(32, { nodes: 2 })
      const [first, second] = scene.machines as [Machine, Machine]
      await scene.startNode(first)
      const client = await scene.client(await scene.primary())
      expect(await client.ask('SET', 'k', 'before')).toBe(ok)
      second.diskMsMax = 200
      second.begin()
      await scene.loop.run(() => second.openStores > 0)
      await scene.pass(delayMs)
      expect(await client.ask('SET', 'k', 'meanwhile')).toBe(ok)
      await scene.loop.run(() => second.server !== undefined)
      await scene.caughtUp()
      expect((await scene.settled(second.server!.maintenance.checkpoint())).lsn).toBe(2)
    }
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
