/** Nodes over a real etcd, with real faults: what was acknowledged is there, once, in order, whatever dies. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { RespConnection } from '../faults/resp-connection.ts'
import { builtMoraine, describeWith, etcdServer } from '../needs.ts'
import { ask, ClusterWriter, NodeCluster, pushed } from './node-cluster.ts'
import { moraineMain, withFreePort } from './processes.ts'

const host = '127.0.0.1'
/** Longer than a busy machine lets anybody wait. */
const patienceMs = 60_000

/** A reply's bytes; empty when nobody listens yet. */
async function told(port: number, ...words: readonly string[]): Promise<string> {
  const connection = await RespConnection.open(host, port, patienceMs).catch(() => undefined)
  const reply = await connection?.ask([words], patienceMs)
  connection?.close()
  return reply ?? ''
}

describeWith([builtMoraine], 'a node that waits for its log', () => {
  it('does not say that it is the primary', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'moraine-waiting-'))
    await withFreePort(async (port) => {
      // Nobody listens on port 1, so the log is never there.
      const flags = ['--port', `${port}`, '--bind', host, '--dir', directory, '--log', 'etcd', '--log-endpoints', `${host}:1`]
      const node = spawn(process.execPath, [moraineMain, ...flags], { stdio: 'ignore' })
      try {
        await expect.poll(() => told(port, 'ROLE')).toMatch(/^\*5\r\n\$5\r\nslave/)
        expect(await told(port, 'HELLO')).toContain('role\r\n$7\r\nreplica')
      } finally {
        const ended = new Promise((resolve) => node.once('exit', resolve))
        node.kill('SIGKILL')
        await ended
        await rm(directory, { recursive: true, force: true })
      }
    })
  })
})

describeWith([builtMoraine, etcdServer], 'three nodes and three members of etcd', () => {
  let cluster: NodeCluster

  beforeAll(async () => {
    cluster = await NodeCluster.start()
  })

  afterEach(() => cluster?.heal())
  afterAll(() => cluster?.stop())

  /** All that was acknowledged, and perhaps what was on its way: each value once, none missing. */
  async function requireAll(writer: ClusterWriter): Promise<void> {
    await writer.stop()
    const values = await pushed(cluster)
    expect(values).toEqual(values.map((_, i) => i + 1))
    const there = new Set(values)
    expect(writer.acknowledged.filter((value) => !there.has(value))).toEqual([])
    expect(new Set(writer.acknowledged).size).toBe(writer.acknowledged.length)
    await cluster.areEqual()
  }

  it('lose nothing when the primary is killed', async () => {
    const writer = new ClusterWriter(cluster)
    await writer.more(200)
    const former = await cluster.primary()
    await cluster.kill(former)
    await writer.more(200)
    await cluster.startNode(former)
    await requireAll(writer)
  })

  it('lose nothing, and answer nothing stale, when the primary is stopped for longer than a lease and goes on', async () => {
    const writer = new ClusterWriter(cluster)
    await writer.more(200)
    const former = await cluster.primary()
    cluster.signal(former, 'SIGSTOP')
    await cluster.primary(former)
    await cluster.askPrimary('SET', 'told', 'by the next')
    // What it finds when it goes on. A replica may be behind; who says that it is the primary may not.
    const connection = await RespConnection.open(host, cluster.node(former).port, patienceMs)
    const asked = connection.ask([['MULTI'], ['ROLE'], ['GET', 'told'], ['EXEC']], patienceMs).catch(() => 'closed')
    cluster.signal(former, 'SIGCONT')
    const answer = await asked
    connection.close()
    if (answer.includes('\r\nmaster\r\n')) expect(answer).toContain('by the next')
    await writer.more(200)
    await requireAll(writer)
  })

  it('lose nothing when the member of etcd that leads is killed', async () => {
    const writer = new ClusterWriter(cluster)
    await writer.more(200)
    const leader = await cluster.etcd.leader()
    await leader.kill()
    await writer.more(200)
    leader.start()
    await cluster.etcd.isHealthy()
    await requireAll(writer)
  })

  it('lose nothing when everything is killed at once', async () => {
    const writer = new ClusterWriter(cluster)
    await writer.more(200)
    await Promise.all([...cluster.nodes.map((_, i) => cluster.kill(i)), cluster.etcd.endMembers()])
    for (const member of cluster.etcd.members) member.start()
    await cluster.etcd.isHealthy()
    for (let i = 0; i < 3; i++) await cluster.startNode(i)
    await writer.more(200)
    await requireAll(writer)
  })

  it('hand the lead over without losing anything', async () => {
    const writer = new ClusterWriter(cluster)
    await writer.more(200)
    for (let round = 0; round < 3; round++) {
      await cluster.handOver((former) => ask(cluster.node(former).port, 'FAILOVER'))
      await writer.more(100)
    }
    await requireAll(writer)
  })
})
