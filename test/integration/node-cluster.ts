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
import type { Program, ServerProcess } from './processes.ts'
import { startMoraineWith } from './processes.ts'

const pollMs = 10
/** Longer than anything takes on a machine that has other things to do. */
const patienceMs = 120_000
/** A node that has been stopped takes connections and does not answer: whoever looks for the primary, or writes to it, looks elsewhere then. */
const impatienceMs = 2000
const handOverMs = 20_000
const transactionMs = 20_000

export class NodeCluster {
  readonly etcd: EtcdCluster
  readonly nodes: (ServerProcess | undefined)[] = []
  /** Those that have not been stopped. */
  readonly writers = new Set<ClusterWriter>()
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
    try {
      for (let i = 0; i < 3; i++) await cluster.startNode(i)
    } catch (failure) {
      await cluster.stop()
      throw failure
    }
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

  async startNode(index: number, program: Program = { environment: {} }): Promise<ServerProcess> {
    const shared = ['--log', 'etcd', '--log-endpoints', this.etcd.addresses.join(',')]
    const node = await startMoraineWith(program, '--dir', this.directory(index), ...shared, ...this.#flags)
    this.nodes[index] = node
    return node
  }

  /** Has all run that was started, and no writer, whatever a test has left to the next one. */
  async heal(): Promise<void> {
    const stopped = [...this.writers].map((writer) => writer.stop())
    for (const node of this.nodes) if (node !== undefined) signal(node, 'SIGCONT')
    await this.etcd.heal()
    for (const [i, node] of this.nodes.entries()) if (node === undefined) await this.startNode(i)
    await Promise.all(stopped)
  }

  async stop(): Promise<void> {
    const stopped = [...this.writers].map((writer) => writer.stop())
    for (const node of this.nodes) await node?.stop()
    await Promise.all(stopped)
    await this.etcd.stop()
    await rm(this.#root, { recursive: true, force: true })
  }

  /** The index of the node that says it is the primary. */
  async primary(except = -1): Promise<number> {
    const until = performance.now() + patienceMs
    for (;;) {
      const found = await this.primaryNow(except)
      if (found !== undefined) return found
      if (performance.now() > until) throw new Error('there is no primary')
      await pause(pollMs)
    }
  }

  /** The same if there is one now: the first that says so, for a node that has been stopped says nothing for long. */
  primaryNow(except = -1): Promise<number | undefined> {
    const asked = this.nodes.map(async (node, i) => {
      if (node === undefined || i === except || (await roleOf(node.port)) !== 'master') throw new Error('it is not')
      return i
    })
    return Promise.any(asked).catch(() => undefined)
  }

  /**
   * The primary's reply to a request that may happen twice. The lead may change between looking for the primary and asking it, so it tells its
   * part in the same transaction, and another one is asked when it was none.
   */
  async askPrimary(...words: readonly string[]): Promise<unknown> {
    const until = performance.now() + patienceMs
    for (;;) {
      const { port } = this.node(await this.primary())
      const replies = await inTransaction(port, ['ROLE'], words).catch((failure: Error) => failure)
      if (!(replies instanceof Error) && (replies[0] as unknown[])[0] === 'master') return replies[1]
      if (performance.now() > until) throw new Error(`no primary answers: ${replies}`)
      await pause(pollMs)
    }
  }

  /**
   * Has the primary hand over the lead, and returns who leads then. `request` asks for it, given the primary: it is repeated as long as nodes that
   * have just started are not known, and when the answer was lost.
   */
  async handOver(request: (former: number) => Promise<unknown>): Promise<number> {
    const until = performance.now() + patienceMs
    for (let former = await this.primary(); ; former = await this.primary()) {
      const answer = await request(former).catch((failure: Error) => failure.message)
      // The log may refuse it, and the former one goes on.
      const untilNext = performance.now() + handOverMs
      while (answer === 'OK' && performance.now() < untilNext) {
        const next = await this.primaryNow(former)
        if (next !== undefined) return next
        await pause(pollMs)
      }
      if (performance.now() > until) throw new Error(`the lead is not handed over: ${answer}`)
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
      const digests = await Promise.all(
        this.nodes.flatMap((node, i) => (node === undefined ? [] : [ask(node.port, 'DEBUG', 'DIGEST').catch(() => `none of node ${i}`)])),
      )
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
    cluster.writers.add(this)
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
    this.#cluster.writers.delete(this)
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
      const index = await this.#cluster.primaryNow()
      const node = index === undefined ? undefined : this.#cluster.nodes[index]
      if (node === undefined) {
        await pause(pollMs)
        continue
      }
      const client = connect(node.port, impatienceMs)
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
  return ((await cluster.askPrimary('LRANGE', 'pushed', '0', '-1')) as string[]).map(Number)
}

export function ask(port: number, ...words: readonly string[]): Promise<unknown> {
  return asking(port, patienceMs, (client) => client.call(words[0] as string, ...words.slice(1)))
}

/** The replies to requests of one transaction. */
function inTransaction(port: number, ...requests: readonly (readonly string[])[]): Promise<unknown[]> {
  return asking(port, transactionMs, async (client) => {
    const replies = (await client.multi(requests.map((words) => ['call', ...words])).exec()) ?? []
    for (const [failure] of replies) if (failure !== null) throw failure
    return replies.map(([, reply]) => reply)
  })
}

async function roleOf(port: number): Promise<string> {
  const reply = await asking(port, impatienceMs, (client) => client.call('ROLE')).catch(() => undefined)
  return Array.isArray(reply) ? `${reply[0]}` : 'gone'
}

async function asking<T>(port: number, withinMs: number, request: (client: Redis) => Promise<T>): Promise<T> {
  const client = connect(port, withinMs)
  try {
    return await request(client)
  } finally {
    client.disconnect()
  }
}

function connect(port: number, withinMs: number): Redis {
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 0, retryStrategy: () => null, commandTimeout: withinMs })
  client.on('error', () => undefined)
  return client
}

/** A process that is gone hears nothing. */
function signal({ pid }: ServerProcess, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'ESRCH') throw failure
  }
}
