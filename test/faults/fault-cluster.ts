/** Three members of etcd and three nodes, one of each in each zone, as processes on the machines of a `ZonedNetwork`. Runs on the clients' machine. */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { makeCertificates } from '../integration/certificates.ts'
import { httpExchange } from '../integration/http-exchange.ts'
import { moraineMain } from '../integration/processes.ts'
import { EtcdAccess, etcdPort } from './etcd-access.ts'
import { RespConnection } from './resp-connection.ts'
import type { Machine, ZonedNetwork } from './zoned-network.ts'
import { addressOf, etcdOf, nodeOf, zones } from './zoned-network.ts'
import { ZonedProcess } from './zoned-process.ts'

export const nodePort = 6379
const etcdPeerPort = 2380
const etcdMetricsPort = 2381
/** Small, so that it can be filled. */
const etcdQuotaBytes = 48 * 2 ** 20
const fillerBytes = 2 ** 20
const patienceMs = 90_000
const pollMs = 20
const askMs = 1000

export interface Tenure {
  readonly zone: number
  readonly epoch: number
  /** By the wall clock of this computer. */
  readonly sinceMs: number
}

export class FaultCluster {
  readonly network: ZonedNetwork
  readonly nodes: readonly ZonedProcess[]
  readonly members: readonly ZonedProcess[]
  readonly #directory: string
  readonly #etcd: EtcdAccess

  /** `isSecured`: etcd demands TLS, certificates and a password. */
  constructor(network: ZonedNetwork, directory: string, isSecured: boolean) {
    this.network = network
    this.#directory = directory
    this.#etcd = new EtcdAccess(
      isSecured
        ? makeCertificates(
            directory,
            zones.map((zone) => addressOf(etcdOf(zone))),
          )
        : undefined,
    )
    this.members = zones.map((zone) => new ZonedProcess(network, etcdOf(zone), ['etcd', ...this.#etcdFlags(zone)]))
    this.nodes = zones.map((zone) => new ZonedProcess(network, nodeOf(zone), [process.execPath, moraineMain, ...this.#nodeFlags(zone)]))
  }

  async start(): Promise<void> {
    for (const member of this.members) member.start()
    await this.areMembersHealthy()
    await this.#etcd.begin(addressOf(etcdOf(0)))
    for (const node of this.nodes) node.start()
    await this.areNodesThere()
  }

  async end(): Promise<void> {
    await Promise.all([...this.nodes, ...this.members].map((each) => each.kill()))
  }

  /** Where a node or a member of etcd keeps its data. */
  dataOf(machine: Machine): string {
    return join(this.#directory, machine)
  }

  /** Takes all room that a machine's disk has left. Returns what gives it back. */
  fillDisk(machine: Machine): () => void {
    const file = join(this.dataOf(machine), 'filler')
    const chunk = Buffer.alloc(fillerBytes, 1)
    try {
      for (;;) appendFileSync(file, chunk)
    } catch {
      // It is full.
    }
    return () => rmSync(file, { force: true })
  }

  /** The zone of the node that says that it is the primary, once there is one. */
  async primary(): Promise<number> {
    return this.#first(async (zone) => (await this.ask(zone, 'ROLE')).startsWith('*3\r\n$6\r\nmaster'), 'there is no primary')
  }

  /** The zone of the member of etcd that leads, once there is one. */
  async etcdLeader(): Promise<number> {
    return this.#first(async (zone) => /^etcd_server_is_leader 1$/m.test(await this.#page(zone, '/metrics')), 'etcd has no leader')
  }

  /** A member that has ended is started again, as a supervisor would: etcd ends when it cannot write, in its own time. */
  async areMembersHealthy(): Promise<void> {
    for (const [zone, member] of this.members.entries()) {
      await until(async () => {
        if (member.hasEnded) member.start()
        return (await this.#page(zone, '/health')).includes('"health":"true"')
      }, `etcd ${zone} is not healthy`)
    }
  }

  async areNodesThere(): Promise<void> {
    for (const zone of zones) await until(async () => (await this.ask(zone, 'ROLE')) !== '', `node ${zone} does not answer`)
  }

  /** Resolves when all nodes show the same data. */
  async areNodesEqual(): Promise<void> {
    await until(async () => {
      const digests = await Promise.all(zones.map((zone) => this.ask(zone, 'DEBUG', 'DIGEST')))
      return digests[0] !== '' && digests.every((digest) => digest === digests[0])
    }, 'the nodes do not come to show the same data')
  }

  /** A node's reply; empty when there is none. */
  async ask(zone: number, ...words: readonly string[]): Promise<string> {
    const connection = await RespConnection.open(addressOf(nodeOf(zone)), nodePort, askMs).catch(() => undefined)
    if (connection === undefined) return ''
    const reply = await connection.ask([words], askMs).catch(() => '')
    connection.close()
    return reply
  }

  /** A call to etcd through its JSON gateway. */
  etcdCall(zone: number, path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    return this.#etcd.call(addressOf(etcdOf(zone)), path, body)
  }

  /** When each node has begun to lead, as it has logged it. */
  tenures(): Tenure[] {
    return this.nodes.flatMap(({ lines }, zone) =>
      lines.flatMap((line) => {
        if (!line.includes('This node is the primary now')) return []
        const { epoch, time } = JSON.parse(line) as { epoch: number; time: string }
        return [{ zone, epoch, sinceMs: Date.parse(time) }]
      }),
    )
  }

  writeLogs(directory: string): void {
    mkdirSync(directory, { recursive: true })
    for (const [zone, { lines }] of this.nodes.entries()) writeFileSync(join(directory, `node${zone}.log`), `${lines.join('\n')}\n`)
    for (const [zone, { lines }] of this.members.entries()) writeFileSync(join(directory, `etcd${zone}.log`), `${lines.join('\n')}\n`)
  }

  async #first(is: (zone: number) => Promise<boolean>, otherwise: string): Promise<number> {
    let found = -1
    await until(async () => {
      const answers = await Promise.all(zones.map(is))
      found = answers.indexOf(true)
      return found >= 0
    }, otherwise)
    return found
  }

  #page(zone: number, path: string): Promise<string> {
    const url = `http://${addressOf(etcdOf(zone))}:${etcdMetricsPort}${path}`
    return httpExchange(url, { timeoutMs: askMs }).then(
      ({ text }) => text,
      () => '',
    )
  }

  #nodeFlags(zone: number): string[] {
    const address = addressOf(nodeOf(zone))
    const flags = {
      bind: address,
      port: `${nodePort}`,
      dir: this.dataOf(nodeOf(zone)),
      log: 'etcd',
      'log-endpoints': zones.map((other) => `${addressOf(etcdOf(other))}:${etcdPort}`).join(','),
      'replica-announce-ip': address,
      'protected-mode': 'no',
      'enable-debug-command': 'yes',
      ...this.#etcd.nodeFlags,
    }
    return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])
  }

  #etcdFlags(zone: number): string[] {
    const address = addressOf(etcdOf(zone))
    const clientUrl = this.#etcd.urlOf(address)
    const peerUrl = `http://${address}:${etcdPeerPort}`
    const flags = {
      name: etcdOf(zone),
      'data-dir': this.dataOf(etcdOf(zone)),
      'listen-client-urls': clientUrl,
      'advertise-client-urls': clientUrl,
      'listen-metrics-urls': `http://${address}:${etcdMetricsPort}`,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': zones.map((other) => `${etcdOf(other)}=http://${addressOf(etcdOf(other))}:${etcdPeerPort}`).join(','),
      'snapshot-count': '1000',
      'quota-backend-bytes': `${etcdQuotaBytes}`,
      'heartbeat-interval': '100',
      'election-timeout': '1000',
      'pre-vote': 'true',
      logger: 'zap',
      'log-outputs': 'stderr',
      'log-level': 'warn',
      ...this.#etcd.memberFlags,
    }
    return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
  }
}

async function until(is: () => Promise<boolean>, otherwise: string): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!(await is())) {
    if (performance.now() > endMs) throw new Error(`${otherwise}, after ${patienceMs / 1000} s`)
    await pause(pollMs)
  }
}
