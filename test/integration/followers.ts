/** Clients of the libraries that write again and again, each with a connection that finds the primary by itself, and remember what was acknowledged. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { createCluster, createSentinel } from 'redis'

const retryMs = 20
const pollMs = 10
const patienceMs = 60_000
const script = new URL('./follow.py', import.meta.url).pathname

export interface Follower {
  readonly name: string
  /** Numbers of the writes that were acknowledged: number n is the value of the key `name:n`. */
  readonly acknowledged: readonly number[]
  /** What its writes failed with, the latest last. */
  readonly failures: readonly string[]
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

export async function sentinelFollowers(ports: readonly number[]): Promise<Follower[]> {
  const sentinels = ports.map((port) => ({ host: '127.0.0.1', port }))
  const ioredis = new Redis({ sentinels, name: 'mymaster', failoverDetector: true, sentinelRetryStrategy: () => retryMs })
  // Without a detector it looks for the primary when its connection has ended.
  const plain = new Redis({ sentinels, name: 'mymaster', sentinelRetryStrategy: () => retryMs, commandTimeout: 5000 })
  const nodeRedis = createSentinel({ name: 'mymaster', sentinelRootNodes: sentinels, maxCommandRediscovers: 16 })
  nodeRedis.on('error', () => undefined)
  for (const client of [ioredis, plain]) client.on('error', () => undefined)
  await nodeRedis.connect()
  return [
    following(
      'ioredis',
      (key, value) => ioredis.set(key, value),
      () => ioredis.disconnect(),
    ),
    following(
      'ioredis without a detector',
      (key, value) => plain.set(key, value),
      () => plain.disconnect(),
    ),
    following(
      'node-redis',
      (key, value) => nodeRedis.set(key, value),
      () => nodeRedis.destroy(),
    ),
    python('sentinel', 'redis-py', ports),
  ]
}

export async function clusterFollowers(ports: readonly number[]): Promise<Follower[]> {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }))
  const ioredis = new Cluster(nodes, { clusterRetryStrategy: () => retryMs })
  ioredis.on('error', () => undefined)
  const nodeRedis = createCluster({ rootNodes: nodes.map((socket) => ({ socket })) })
  nodeRedis.on('error', () => undefined)
  await nodeRedis.connect()
  return [
    following(
      'ioredis',
      (key, value) => ioredis.set(key, value),
      () => ioredis.disconnect(),
    ),
    following(
      'node-redis',
      (key, value) => nodeRedis.set(key, value),
      () => nodeRedis.destroy(),
    ),
    python('cluster', 'redis-py', ports),
  ]
}

function following(name: string, set: (key: string, value: string) => Promise<unknown>, end: () => unknown): Follower {
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
  return {
    name,
    acknowledged,
    failures,
    async stop() {
      stopping = true
      await Promise.race([running, pause(patienceMs, undefined, { ref: false })])
      end()
    },
  }
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
