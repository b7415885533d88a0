/**
 * Three nodes that share a log in three members of etcd, all of them processes on this machine, and a client that writes to
 * whoever is the primary, remembers what was acknowledged, and how long nothing was.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { EtcdCluster } from './etcd-cluster.ts'
import { startEtcd } from './etcd-cluster.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraineWith } from './processes.ts'

const pollMs = 10
const patienceMs = 60_000

export class NodeCluster {
  readonly etcd: EtcdCluster
  readonly nodes: (ServerProcess | undefined)[] = []
  readonly #root: string
  readonly #flags: readonly string[]

  private constructor(etcd: EtcdCluster, root: string, flags: readonly string[]) {
    this.etcd = etcd
    this.#root = root
    this.#flags = flags
  }

  static async start(...flags: readonly string[]): Promise<NodeCluster> {
    const etcd = await startEtcd({ size: 3 })
    const cluster = new NodeCluster(etcd, await mkdtemp(join(tmpdir(), 'moraine-nodes-')), flags)
    for (let i = 0; i < 3; i++) await cluster.startNode(i)
    return cluster
  }

  directory(index: number): string {
    return join(this.#root, `node${index}`)
  }

  /** Ends a node in order. */
  async end(index: number): Promise<void> {
    const node = this.node(index)
    this.nodes[index] = undefined
    await node.stop('SIGTERM')
  }

  /** `environment`: variables besides this process's own. */
  async startNode(index: number, environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    const shared = ['--log', 'etcd', '--log-endpoints', this.etcd.addresses.join(',')]
    const node = await startMoraineWith(environment, '--dir', this.directory(index), ...shared, ...this.#flags)
    this.nodes[index] = node
    return node
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) {
      if (node === undefined) continue
      signal(node, 'SIGCONT')
      await node.stop()
    }
    await this.etcd.stop()
    await rm(this.#root, { recursive: true, force: true })
  }

  /** The index of the node that says it is the primary. */
  async primary(except = -1): Promise<number> {
    const until = performance.now() + patienceMs
    for (;;) {
      for (const [i, node] of this.nodes.entries()) {
        if (node !== undefined && i !== except && (await roleOf(node.port)) === 'master') return i
      }
      if (performance.now() > until) throw new Error('there is no primary')
      await pause(pollMs)
    }
  }

  node(index: number): ServerProcess {
    return this.nodes[index] as ServerProcess
  }

  async kill(index: number): Promise<void> {
    const node = this.node(index)
    this.nodes[index] = undefined
    await node.stop('SIGKILL')
  }

  signal(index: number, name: NodeJS.Signals): void {
    signal(this.node(index), name)
  }

  /** Resolves when all nodes show the same. */
  async areEqual(): Promise<void> {
    const until = performance.now() + patienceMs
    for (;;) {
      const digests = await Promise.all(this.nodes.flatMap((node) => (node === undefined ? [] : [ask(node.port, 'DEBUG', 'DIGEST')])))
      if (new Set(digests).size === 1) return
      if (performance.now() > until) throw new Error(`nodes differ: ${digests.join(', ')}`)
      await pause(100)
    }
  }
}

/** Increments a counter and pushes its value, as one transaction, again and again. */
export class ClusterWriter {
  /** Values whose push was acknowledged. */
  readonly acknowledged: number[] = []
  /** The longest time from one acknowledgement to the next, in ms. */
  gapMs = 0
  readonly #cluster: NodeCluster
  #lastMs = performance.now()
  #stopping = false
  readonly #running: Promise<void>

  constructor(cluster: NodeCluster) {
    this.#cluster = cluster
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  /** Resolves when so many more have been acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count
    const until = performance.now() + patienceMs
    while (this.acknowledged.length < wanted) {
      if (performance.now() > until) throw new Error('nothing is acknowledged any more')
      await pause(pollMs)
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const index = await this.#cluster.primary().catch(() => undefined)
      const node = index === undefined ? undefined : this.#cluster.nodes[index]
      if (node === undefined) continue
      const client = connect(node.port)
      try {
        while (!this.#stopping) await this.#write(client)
      } catch {
        // It is the primary no longer, or gone.
      } finally {
        client.disconnect()
      }
    }
  }

  async #write(client: Redis): Promise<void> {
    const script = "local n = redis.call('INCR', KEYS[1]) redis.call('RPUSH', KEYS[2], n) return n"
    this.acknowledged.push((await client.eval(script, 2, 'counter', 'pushed')) as number)
    const nowMs = performance.now()
    this.gapMs = Math.max(this.gapMs, nowMs - this.#lastMs)
    this.#lastMs = nowMs
  }
}

/** What is in the list that the writer pushes to, as the primary shows it. */
export async function pushed(cluster: NodeCluster): Promise<number[]> {
  const client = connect(cluster.node(await cluster.primary()).port)
  try {
    return (await client.lrange('pushed', 0, -1)).map(Number)
  } finally {
    client.disconnect()
  }
}

export async function ask(port: number, ...words: readonly string[]): Promise<unknown> {
  const client = connect(port)
  try {
    return await client.call(words[0] as string, ...words.slice(1))
  } finally {
    client.disconnect()
  }
}

async function roleOf(port: number): Promise<string> {
  const reply = await ask(port, 'ROLE').catch(() => undefined)
  return Array.isArray(reply) ? `${reply[0]}` : 'gone'
}

function connect(port: number): Redis {
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 0, retryStrategy: () => null, commandTimeout: 2000 })
  client.on('error', () => undefined)
  return client
}

function signal({ pid }: ServerProcess, name: NodeJS.Signals): void {
  process.kill(pid, name)
}
