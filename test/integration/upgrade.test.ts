/**
 * Two versions of the program over one log in etcd, as real processes: this one, and one to come that writes records which this one does not know
 * (`newer-moraine.mjs`). Replicas are upgraded first and nothing stands still; in the other order the older ones stop, say why, and go on
 * when they are upgraded, too.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { builtMoraine, describeWith, etcdServer } from '../needs.ts'
import { ask, ClusterWriter, NodeCluster, pushed } from './node-cluster.ts'
import type { ProgramVariant } from './program-variant.ts'
import { programVariant } from './program-variant.ts'

const changed = ['engine/mutation/operations', 'engine/mutation/current-record', 'engine/mutation/replay']
const newerVersion = '99.0.0'
/** A primary that a busy machine holds up stays the primary: who leads is told by the test. */
const longLease = ['--leader-lease-ms', '8000']

describeWith([builtMoraine, etcdServer], 'an upgrade of three nodes', () => {
  let newer: ProgramVariant
  let cluster: NodeCluster

  beforeAll(async () => {
    newer = await programVariant(new URL('./newer-moraine.mjs', import.meta.url), changed)
  })

  afterAll(() => newer?.remove())

  beforeEach(async () => {
    cluster = await NodeCluster.start(...longLease)
  })

  afterEach(() => cluster?.stop())

  async function told(index: number, section: string): Promise<string> {
    return (await ask(cluster.node(index).port, 'INFO', section)) as string
  }

  async function upgrade(index: number): Promise<void> {
    await cluster.end(index)
    await cluster.startNode(index, newer)
    expect(await told(index, 'server')).toContain(`moraine_version:${newerVersion}`)
  }

  /** Hands the lead over to a node. */
  async function handOver(to: number): Promise<void> {
    const target = `${cluster.node(to).port}`
    expect(await cluster.handOver((from) => ask(cluster.node(from).port, 'FAILOVER', 'TO', '127.0.0.1', target))).toBe(to)
  }

  /** A record that only the newer version knows, made by the primary. */
  async function writeUnknown(): Promise<void> {
    const { port } = cluster.node(await cluster.primary())
    await ask(port, 'SET', 'k', 'old')
    await ask(port, 'APPEND', 'k', ' and new')
  }

  /** Waits until a node has stopped at what it does not know, and requires that it says so, and goes on showing what it has. */
  async function requireStopped(index: number): Promise<void> {
    await expect.poll(() => cluster.node(index).lines.join('\n')).toMatch(/can follow no longer.*upgrade this node/)
    expect(cluster.node(index).lines.join('\n')).toContain('written by a newer Moraine')
    expect(await told(index, 'replication')).toMatch(/role:slave[\s\S]*master_link_status:down/)
    expect(await ask(cluster.node(index).port, 'GET', 'k')).toBe('old')
  }

  async function requireAll(writer: ClusterWriter): Promise<void> {
    await writer.stop()
    const there = new Set(await pushed(cluster))
    expect(writer.acknowledged.filter((value) => !there.has(value))).toEqual([])
    await cluster.areEqual()
    for (const node of cluster.nodes) expect(await ask(node!.port, 'GET', 'k')).toBe('old and new')
  }

  it('replicas first, then the lead is handed over, then the former primary, loses nothing and keeps nobody waiting', async () => {
    const writer = new ClusterWriter(cluster)
    await writer.more(50)
    const former = await cluster.primary()
    const replicas = [0, 1, 2].filter((index) => index !== former)
    for (const replica of replicas) {
      await upgrade(replica)
      await writer.more(50)
      expect(await cluster.primary()).toBe(former)
    }
    await handOver(replicas[0] as number)
    await writer.more(50)
    await writeUnknown()
    await requireStopped(former)
    await writer.more(50)
    await upgrade(former)
    await writer.more(50)
    await requireAll(writer)
  })

  it('primary first stops the replicas, which say why, do not lead, and go on when they are upgraded, too', async () => {
    const writer = new ClusterWriter(cluster)
    await writer.more(50)
    const first = await cluster.primary()
    const others = [0, 1, 2].filter((index) => index !== first) as [number, number]
    await upgrade(first)
    await handOver(first)
    await writer.more(50)
    await writeUnknown()
    for (const index of others) await requireStopped(index)
    await writer.more(50)
    await cluster.kill(first)
    // Started again it meets the record at once.
    await cluster.end(others[0])
    await expect(cluster.startNode(others[0])).rejects.toThrow('written by a newer Moraine')
    expect(await told(others[1], 'replication')).toContain('role:slave')
    for (const index of others) {
      if (index === others[1]) await cluster.end(index)
      await cluster.startNode(index, newer)
    }
    await writer.more(50)
    expect(others).toContain(await cluster.primary())
    await cluster.startNode(first, newer)
    await requireAll(writer)
  })
})
