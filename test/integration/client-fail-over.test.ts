/** Clients of the usual libraries, in Sentinel and in cluster mode, find the new primary by themselves, and what was acknowledged to them is there. */
import { spawnSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { builtMoraine, describeWith, etcdServer, redisPy, redisServer } from '../needs.ts'
import type { Follower, StartFollowers } from './followers.ts'
import { clusterFollowers, more, sentinelFollowers } from './followers.ts'
import { ask, NodeCluster } from './node-cluster.ts'

/** A primary that a busy machine holds up must not lose the lead while clients must not notice anything. */
const longLease = ['--leader-lease-ms', '8000']

function ports(cluster: NodeCluster): number[] {
  return cluster.nodes.flatMap((node) => (node === undefined ? [] : [node.port]))
}

interface Story {
  readonly follow: StartFollowers
  /** Settings of the nodes. */
  readonly flags: readonly string[]
  /** Asks for a hand-over of the lead from the node on this port. */
  readonly handOver: (cluster: NodeCluster, port: number) => Promise<unknown>
  /** Whether clients must not notice it. */
  readonly isSeamless: boolean
}

/** The primary is killed, comes back, and then the lead is handed over and back. */
async function follow(cluster: NodeCluster, followers: readonly Follower[], { handOver, isSeamless }: Story): Promise<void> {
  await more(followers, 20)
  const killed = await cluster.primary()
  await cluster.kill(killed)
  await more(followers, 20)
  await cluster.startNode(killed)
  const failed = followers.map(({ failures }) => failures.length)
  for (let round = 0; round < 2; round++) {
    await cluster.handOver((former) => handOver(cluster, cluster.node(former).port))
    await more(followers, 20)
  }
  if (isSeamless)
    expect(followers.flatMap(({ name, failures }, i) => failures.slice(failed[i]).map((text) => `${name}: ${text}`))).toEqual([])
  for (const follower of followers) await follower.stop()
  const there = new Set((await cluster.askPrimary('KEYS', '*')) as string[])
  for (const { name, acknowledged } of followers) {
    expect(acknowledged.length).toBeGreaterThanOrEqual(80)
    expect(acknowledged.filter((n) => !there.has(`${name}:${n}`))).toEqual([])
  }
}

/** Nodes for the tests of a block, of which the first is the story. */
function nodesWith(story: Story): { readonly cluster: NodeCluster } {
  const made = {} as { cluster: NodeCluster }
  let followers: Follower[] = []
  beforeAll(async () => {
    made.cluster = await NodeCluster.start(...story.flags)
  })
  afterEach(async () => {
    for (const follower of followers.splice(0)) await follower.stop()
    await made.cluster.heal()
  })
  afterAll(() => (made.cluster as NodeCluster | undefined)?.stop())

  it('follow the lead when the primary is killed, and when it is handed over', async () => {
    const { cluster } = made
    await cluster.primary()
    followers = await story.follow(ports(cluster))
    await follow(cluster, followers, story)
  })
  return made
}

describeWith([builtMoraine, etcdServer, redisPy], 'clients in Sentinel mode', () => {
  const nodes = nodesWith({
    follow: sentinelFollowers,
    flags: [],
    handOver: (_cluster, port) => ask(port, 'SENTINEL', 'FAILOVER', 'mymaster'),
    isSeamless: false,
  })

  it('hear of the same primary from every node', async () => {
    const { cluster } = nodes
    for (const port of ports(cluster)) {
      const tellsWhoLeads = async (): Promise<boolean> => {
        const address = await ask(port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')
        return `${address}` === `127.0.0.1,${cluster.node(await cluster.primary()).port}`
      }
      await expect.poll(tellsWhoLeads).toBe(true)
      await expect.poll(async () => ((await ask(port, 'SENTINEL', 'SENTINELS', 'mymaster')) as unknown[]).length).toBe(2)
      await expect.poll(() => ask(port, 'SENTINEL', 'CKQUORUM', 'mymaster')).toMatch(/^OK \d usable Sentinels/)
    }
  })
})

describeWith([builtMoraine, etcdServer, redisPy, redisServer], 'clients of a cluster', () => {
  const nodes = nodesWith({
    follow: clusterFollowers,
    flags: ['--cluster-enabled', 'yes', ...longLease],
    handOver: (cluster, port) => ask(ports(cluster).find((each) => each !== port) as number, 'CLUSTER', 'FAILOVER'),
    isSeamless: true,
  })

  it('are sent to the primary by a replica: redis-cli -c', async () => {
    const { cluster } = nodes
    const primary = cluster.node(await cluster.primary()).port
    const replica = ports(cluster).find((port) => port !== primary) as number
    const cli = (...words: readonly string[]): string =>
      spawnSync('redis-cli', ['-p', `${replica}`, ...words], { encoding: 'utf8' }).stdout.trim()
    expect(cli('SET', 'foo', 'v')).toBe(`MOVED 12182 127.0.0.1:${primary}`)
    expect(cli('-c', 'SET', 'foo', 'v')).toContain('OK')
    expect(cli('-c', 'GET', 'foo')).toContain('v')
  })
})
