/**
 * An etcd cluster for tests, of one member or three: real processes on 127.0.0.1, on ports of their own, with data in a
 * directory that is removed at the end. Members can be killed, stopped, continued and started again. Settings are those
 * that Moraine asks of an operator, where they matter.
 *
 * What it knows of a member it knows from its page of metrics, not through the client that the tests are about.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { TestCertificates } from './certificates.ts'
import { makeCertificates } from './certificates.ts'
import { httpExchange } from './http-exchange.ts'
import { withFreePorts } from './processes.ts'

const program = 'etcd'
export const etcdIsInstalled = spawnSync(program, ['--version']).status === 0

const healthTimeoutMs = 120_000
const healthIntervalMs = 20
/** One that is busy may take its time. */
const pageTimeoutMs = 10_000
const electionMsUnlessTold = 1000
const outputBytesMax = 20_000

export interface EtcdClusterOptions {
  readonly size?: 1 | 3
  /** After so long without a word of the leader its followers elect another one; a second unless told. */
  readonly electionMs?: number
  /** The most bytes that a member's database may take before an alarm is raised. */
  readonly quotaBytes?: number
  /** Whether clients must come with TLS and a certificate. */
  readonly tls?: boolean
  /** The password of the user root; with it, clients must authenticate. */
  readonly rootPassword?: string
}

interface MemberPorts {
  readonly client: number
  readonly peer: number
  readonly metrics: number
}

export async function startEtcd(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
  const { size = 1, rootPassword } = options
  const directory = await mkdtemp(join(tmpdir(), 'moraine-etcd-'))
  const certificates = options.tls ? makeCertificates(directory) : undefined
  const cluster = await withFreePorts(3 * size, async (found) => {
    const ports = Array.from({ length: size }, (_, i) => ({ client: found[3 * i], peer: found[3 * i + 1], metrics: found[3 * i + 2] }))
    const members = ports.map((_, i) => new EtcdMember(i, ports, directory, options, certificates))
    const started = new EtcdCluster(members, directory, certificates)
    try {
      for (const member of members) member.start()
      await started.isHealthy()
      return started
    } catch (failure) {
      await started.endMembers()
      throw failure
    }
  }).catch(async (failure: unknown) => {
    await rm(directory, { recursive: true, force: true })
    throw failure
  })
  if (rootPassword !== undefined) await enableAuth(cluster.members[0], rootPassword)
  return cluster
}

export class EtcdCluster {
  readonly members: readonly EtcdMember[]
  readonly certificates: TestCertificates | undefined
  readonly #directory: string

  constructor(members: readonly EtcdMember[], directory: string, certificates: TestCertificates | undefined) {
    this.members = members
    this.certificates = certificates
    this.#directory = directory
  }

  /** Where clients reach the members: `host:port`. */
  get addresses(): readonly string[] {
    return this.members.map(({ address }) => address)
  }

  /** Resolves when every member that runs says that it is healthy: that it knows a leader and can read through it. */
  async isHealthy(): Promise<void> {
    await Promise.all(this.members.filter(({ isRunning }) => isRunning).map((member) => member.isHealthy()))
  }

  /** Has all members run again, and waits until they are healthy. */
  async heal(): Promise<void> {
    for (const member of this.members) {
      member.continue()
      if (!member.isRunning) member.start()
    }
    await this.isHealthy()
  }

  /** The member that leads, once there is one. */
  async leader(): Promise<EtcdMember> {
    const deadline = performance.now() + healthTimeoutMs
    for (;;) {
      const running = this.members.filter(({ isRunning }) => isRunning)
      const leads = await Promise.all(running.map((member) => member.isLeader()))
      const leaders = running.filter((_, i) => leads[i])
      if (leaders.length === 1) return leaders[0]
      if (performance.now() > deadline) throw new Error(`etcd: ${leaders.length} leaders`)
      await pause(healthIntervalMs)
    }
  }

  /** Ends everything and removes the directory. */
  async stop(): Promise<void> {
    await this.endMembers()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async endMembers(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()))
  }
}

export class EtcdMember {
  readonly name: string
  /** Where clients reach it: `host:port`. */
  readonly address: string
  readonly #flags: readonly string[]
  readonly #metricsUrl: string
  #child: ChildProcess | undefined
  #isStopped = false
  #output = ''

  constructor(
    index: number,
    ports: readonly MemberPorts[],
    directory: string,
    { electionMs = electionMsUnlessTold, quotaBytes }: EtcdClusterOptions,
    certificates: TestCertificates | undefined,
  ) {
    const peerUrls = ports.map(({ peer }) => `http://127.0.0.1:${peer}`)
    const { client, metrics } = ports[index]
    this.name = `m${index}`
    this.address = `127.0.0.1:${client}`
    this.#metricsUrl = `http://127.0.0.1:${metrics}`
    const clientUrl = `${certificates === undefined ? 'http' : 'https'}://${this.address}`
    this.#flags = [
      ...['--name', this.name, '--data-dir', join(directory, this.name)],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl, '--listen-metrics-urls', this.#metricsUrl],
      ...['--listen-peer-urls', peerUrls[index], '--initial-advertise-peer-urls', peerUrls[index]],
      ...['--initial-cluster', peerUrls.map((url, i) => `m${i}=${url}`).join(','), '--initial-cluster-token', directory],
      ...['--snapshot-count', '1000', '--heartbeat-interval', '100', '--election-timeout', `${electionMs}`, '--pre-vote'],
      // The cheapest comparison of passwords that etcd allows.
      ...['--bcrypt-cost', '4', '--logger', 'zap', '--log-outputs', 'stderr', '--log-level', 'warn'],
      ...(quotaBytes === undefined ? [] : ['--quota-backend-bytes', `${quotaBytes}`]),
      ...(certificates === undefined ? [] : ['--client-cert-auth', '--trusted-ca-file', certificates.authority]),
      ...(certificates === undefined ? [] : ['--cert-file', certificates.server.certificate, '--key-file', certificates.server.key]),
    ]
  }

  /** Neither ended nor stopped. */
  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null && !this.#isStopped
  }

  /** Starts the process, for the first time or again; `isHealthy` waits for it. */
  start(): void {
    const child = spawn(program, this.#flags, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    this.#isStopped = false
    this.#output = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-outputBytesMax)
    })
  }

  async isHealthy(): Promise<void> {
    const deadline = performance.now() + healthTimeoutMs
    while (!(await this.#page('/health')).includes('"health":"true"')) {
      if (!this.isRunning || performance.now() > deadline) throw new Error(`etcd ${this.name} is not healthy\n${this.#output}`)
      await pause(healthIntervalMs)
    }
  }

  async isLeader(): Promise<boolean> {
    return /^etcd_server_is_leader 1$/m.test(await this.#page('/metrics'))
  }

  /** As a machine that loses power, as far as a process can. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** Stops the process where it is: its connections stay, and nothing answers. */
  stop(): void {
    this.#child?.kill('SIGSTOP')
    this.#isStopped = true
  }

  continue(): void {
    this.#child?.kill('SIGCONT')
    this.#isStopped = false
  }

  /** A page that the member serves for whoever watches over it; empty when it does not answer. */
  #page(path: string): Promise<string> {
    return httpExchange(this.#metricsUrl + path, { timeoutMs: pageTimeoutMs }).then(
      ({ text }) => text,
      () => '',
    )
  }
}

/** Makes the user root and demands authentication from now on, through etcd's JSON gateway. */
async function enableAuth(member: EtcdMember, password: string): Promise<void> {
  await gateway(member, 'auth/user/add', { name: 'root', password })
  await gateway(member, 'auth/role/add', { name: 'root' })
  await gateway(member, 'auth/user/grant', { user: 'root', role: 'root' })
  await gateway(member, 'auth/enable', {})
}

/** Lets root change its own password: every token that it has is void from then on. */
export async function changeRootPassword(member: EtcdMember, former: string, password: string): Promise<void> {
  const { token } = await gateway(member, 'auth/authenticate', { name: 'root', password: former })
  await gateway(member, 'auth/user/changepw', { name: 'root', password }, token)
}

async function gateway(member: EtcdMember, path: string, body: object, token?: string): Promise<Record<string, string>> {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: token }
  const response = await fetch(`http://${member.address}/v3/${path}`, { method: 'POST', body: JSON.stringify(body), headers })
  const text = await response.text()
  if (!response.ok) throw new Error(`etcd: ${path}: ${text}`)
  return JSON.parse(text) as Record<string, string>
}
