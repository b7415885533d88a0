/** Three members of etcd on this machine, each on ports that were free a moment ago, with the settings that Moraine asks for (`docs/fail-over.md`). */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { join } from 'node:path'

const host = '127.0.0.1'

/** A member, as a process that can be started again. */
export class EtcdMember {
  /** Where clients reach it: `host:port`. */
  readonly address: string
  child: ChildProcess
  readonly #words: readonly string[]

  constructor(address: string, words: readonly string[]) {
    this.address = address
    this.#words = words
    this.child = this.#spawn()
  }

  /** After its process has ended. */
  startAgain(): void {
    this.child = this.#spawn()
  }

  #spawn(): ChildProcess {
    return spawn('etcd', this.#words, { stdio: 'ignore' })
  }
}

/** `ports`: two for each member. */
export function startEtcdMembers(directory: string, ports: readonly number[]): EtcdMember[] {
  const members = Array.from({ length: Math.floor(ports.length / 2) }, (_, i) => ({
    name: `etcd-${i + 1}`,
    client: ports[2 * i],
    peer: ports[2 * i + 1],
  }))
  const cluster = members.map(({ name, peer }) => `${name}=http://${host}:${peer}`).join(',')
  return members.map(({ name, client, peer }) => {
    const flags = {
      name,
      'data-dir': join(directory, name),
      'listen-client-urls': `http://${host}:${client}`,
      'advertise-client-urls': `http://${host}:${client}`,
      'listen-peer-urls': `http://${host}:${peer}`,
      'initial-advertise-peer-urls': `http://${host}:${peer}`,
      'initial-cluster': cluster,
      'snapshot-count': '1000',
      'quota-backend-bytes': `${4 * 1024 ** 3}`,
      'heartbeat-interval': '100',
      'election-timeout': '1000',
      // A member that comes back does not depose the leader.
      'pre-vote': 'true',
      'auto-compaction-retention': '0',
      'log-level': 'error',
    }
    const words = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
    return new EtcdMember(`${host}:${client}`, words)
  })
}
