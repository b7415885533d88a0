/** A shard of several nodes over three members of etcd, all on this machine, and a writer that knows for how long nothing was acknowledged. */
import { setTimeout as pause } from 'node:timers/promises'
import type { EtcdMember } from '../server/tools/cluster/etcd-members.ts'
import { startEtcdMembers } from '../server/tools/cluster/etcd-members.ts'
import { RespClient } from '../server/tools/rdb/resp-client.ts'
import type { Context } from './context.ts'
import type { RunningServer } from './processes.ts'
import { freePort, infoNumber, redisCli } from './processes.ts'

const members = 3
const patienceMs = 60_000
const pollMs = 5
const askMs = 500

export class SharedShard {
  readonly nodes: RunningServer[] = []
  readonly etcd: readonly EtcdMember[]
  readonly #context: Context
  readonly #flags: readonly string[]
  readonly #kill: () => void

  private constructor(context: Context, etcd: readonly EtcdMember[], flags: readonly string[]) {
    this.#context = context
    this.etcd = etcd
    this.#flags = flags
    this.#kill = () => {
      for (const { child } of etcd) child.kill('SIGKILL')
    }
    process.once('exit', this.#kill)
  }

  static async start(context: Context, nodes: number, nodeFlags: readonly string[] = []): Promise<SharedShard> {
    const ports = await Promise.all(Array.from({ length: 2 * members }, freePort))
    const etcd = startEtcdMembers(await context.directory('etcd'), ports)
    const shard = new SharedShard(context, etcd, ['--log', 'etcd', '--log-endpoints', etcd.map(({ address }) => address).join(',')])
    for (let i = 0; i < nodes; i++) shard.nodes.push(await context.moraine({ flags: shard.#flags, nodeFlags }))
    await shard.primary()
    return shard
  }

  /** The node that says that it is the primary, once there is one. */
  async primary(): Promise<RunningServer> {
    return until(async () => {
      for (const node of this.nodes) if ((await redisCli(node.port, 'ROLE').catch(() => '')).startsWith('master')) return node
      return undefined
    }, 'there is no primary')
  }

  get ports(): readonly number[] {
    return this.nodes.map(({ port }) => port)
  }

  /** Starts a node again that has ended, with its data. */
  async startAgain(node: RunningServer): Promise<void> {
    const started = await this.#context.moraine({ directory: node.directory, flags: this.#flags })
    this.nodes[this.nodes.indexOf(node)] = started
  }

  /** Resolves when the primary knows so many replicas. */
  async hasReplicas(count: number): Promise<void> {
    await until(
      async () => ((await infoNumber((await this.primary()).port, 'connected_slaves')) ?? 0) >= count || undefined,
      'there are no replicas',
    )
  }

  async etcdLeader(): Promise<EtcdMember> {
    return until(async () => {
      for (const member of this.etcd) {
        const page = await fetch(`http://${member.address}/metrics`, { signal: AbortSignal.timeout(askMs) }).then(
          (response) => response.text(),
          () => '',
        )
        if (/^etcd_server_is_leader 1$/m.test(page)) return member
      }
      return undefined
    }, 'etcd has no leader')
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await this.#context.discard(node)
    this.#kill()
    process.off('exit', this.#kill)
  }
}

async function until<T>(look: () => Promise<T | undefined>, otherwise: string): Promise<T> {
  const endMs = performance.now() + patienceMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > endMs) throw new Error(`${otherwise}, after ${patienceMs / 1000} s`)
    await pause(pollMs)
  }
}

/** Sets a key again and again, one request after the other, at whichever node takes it. */
export class GapWriter {
  acknowledged = 0
  readonly #ports: () => readonly number[]
  readonly #running: Promise<void>
  #lastMs = 0
  #longestMs = 0
  #stopping = false

  constructor(ports: () => readonly number[]) {
    this.#ports = ports
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  /** The gaps from now on count. */
  begin(): void {
    this.#longestMs = 0
  }

  /** When there have been many more acknowledgements: the longest time from one to the next since `begin`, in ms. */
  async gapMs(): Promise<number> {
    await this.more(200)
    return this.#longestMs
  }

  async more(count: number): Promise<void> {
    const wanted = this.acknowledged + count
    await until(async () => this.acknowledged >= wanted || undefined, 'nothing is acknowledged')
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stopping; i++) {
      const ports = this.#ports()
      await this.#writeAt(ports[i % ports.length] as number).catch(() => undefined)
      await pause(1)
    }
  }

  async #writeAt(port: number): Promise<void> {
    const client = await RespClient.open({ host: '127.0.0.1', port, user: undefined, password: undefined })
    try {
      while (!this.#stopping) {
        const late = new AbortController()
        const reply = await Promise.race([
          client.send('SET', 'written', `${this.acknowledged}`),
          pause(askMs, undefined, { signal: late.signal }),
        ])
        late.abort()
        if (reply === undefined || reply instanceof Error) return
        const nowMs = performance.now()
        if (this.#lastMs > 0) this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs)
        this.#lastMs = nowMs
        this.acknowledged++
      }
    } finally {
      client.destroy()
    }
  }
}
