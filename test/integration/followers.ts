/** Clients of the libraries that write again and again, each with a connection that finds the primary by itself, and remember what was acknowledged. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { createCluster, createSentinel } from 'redis'

const host = '127.0.0.1'
const retryMs = 20
const pollMs = 10
const patienceMs = 120_000
const script = new URL('./follow.py', import.meta.url).pathname

export interface Follower {
  readonly name: string
  /** Numbers of the writes that were acknowledged: number n is the value of the key `name:n`. */
  readonly acknowledged: readonly number[]
  /** What its writes failed with, the latest last. */
  readonly failures: readonly string[]
  /** May be called again. */
  stop(): Promise<void>
}

/** Resolves when each of them has had so many more writes acknowledged. */
export async function more(followers: readonly Follower[], count: number): Promise<void> {
  const wanted = followers.map(({ acknowledged }) => acknowledged.length + count)
  const until = performance.now() + patienceMs
  for (const [i, { name, acknowledged, failures }] of followers.entries()) {
    while (acknowledged.length < (wanted[i] as number)) {
      if (performance.now() > until) throw new Error(`${name} does not follow: ${failures.slice(-3).join('; ')}`)
      await pause(pollMs)
    }
  }
}

/** What a follower needs of its library. */
interface Client {
  set(key: string, value: string): Promise<unknown>
  /** Ends the connections at once. */
  end(): unknown
}

/** What the clients of node-redis have in common. */
interface NodeRedis {
  on(event: 'error', listener: () => void): unknown
  connect(): Promise<unknown>
  set(key: string, value: string): Promise<unknown>
  destroy(): unknown
}

/** Starts followers of each library, for the nodes on these ports. */
export type StartFollowers = (ports: readonly number[]) => Promise<Follower[]>

export const sentinelFollowers: StartFollowers = async (ports) => {
  const sentinels = ports.map((port) => ({ host, port }))
  const options = { sentinels, name: 'mymaster', sentinelRetryStrategy: () => retryMs }
  const nodeRedis = createSentinel({ name: 'mymaster', sentinelRootNodes: sentinels, maxCommandRediscovers: 16 })
  return [
    following('ioredis', ofIoredis(new Redis({ ...options, failoverDetector: true }))),
    // Without a detector it looks for the primary when its connection has ended.
    following('ioredis without a detector', ofIoredis(new Redis({ ...options, commandTimeout: 5000 }))),
    following('node-redis', await ofNodeRedis(nodeRedis)),
    python('sentinel', 'redis-py', ports),
  ]
}

export const clusterFollowers: StartFollowers = async (ports) => {
  const nodes = ports.map((port) => ({ host, port }))
  return [
    following('ioredis', ofIoredis(new Cluster(nodes, { clusterRetryStrategy: () => retryMs }))),
    following('node-redis', await ofNodeRedis(createCluster({ rootNodes: nodes.map((socket) => ({ socket })) }))),
    python('cluster', 'redis-py', ports),
  ]
}

function ofIoredis(client: Redis | Cluster): Client {
  client.on('error', () => undefined)
  return { set: (key, value) => client.set(key, value), end: () => client.disconnect() }
}

async function ofNodeRedis(client: NodeRedis): Promise<Client> {
  client.on('error', () => undefined)
  await client.connect()
  return { set: (key, value) => client.set(key, value), end: () => client.destroy() }
}

function following(name: string, { set, end }: Client): Follower {
  const acknowledged: number[] = []
  const failures: string[] = []
  let stopping = false
  const run = async (): Promise<void> => {
    for (let n = 1; !stopping; n++) {
      try {
        await set(`${name}:${n}`, `${n}`)
        acknowledged.push(n)
      } catch (failure) {
        failures.push((failure as Error).message)
        await pause(retryMs)
      }
    }
  }
  const running = run()
  const ending = async (): Promise<void> => {
    stopping = true
    await Promise.race([running, pause(patienceMs, undefined, { ref: false })])
    end()
  }
  let ended: Promise<void> | undefined
  const stop = (): Promise<void> => {
    ended ??= ending()
    return ended
  }
  return { name, acknowledged, failures, stop }
}

function python(mode: string, name: string, ports: readonly number[]): Follower {
  const child = spawn('/usr/bin/python3', [script, mode, name, ...ports.map(String)], { stdio: ['pipe', 'pipe', 'pipe'] })
  const acknowledged: number[] = []
  const failures: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => acknowledged.push(Number(line)))
  createInterface({ input: child.stderr }).on('line', (line) => failures.push(line))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    name,
    acknowledged,
    failures,
    async stop() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
      await ended
      clearTimeout(timer)
    },
  }
}
