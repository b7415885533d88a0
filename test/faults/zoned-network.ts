/**
 * Machines on one network, each in a network namespace of its own on this computer, joined by a bridge in a further one. What a machine sends to
 * another can be lost from one moment to the next, in one direction: the sender is given a hardware address for it that nobody
 * has. So nothing is refused, connections stay, and packets vanish, as behind a switch that has failed.
 *
 * Names carry the id of the process that made them, so that runs do not meet, and what a run has left that was killed is removed by the next.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

export const zones = [0, 1, 2] as const

/** In each zone a member of etcd and a node; the clients are elsewhere. */
const machines = ['node0', 'node1', 'node2', 'etcd0', 'etcd1', 'etcd2', 'clients'] as const
export type Machine = (typeof machines)[number]

const namePattern = /^moraine-(\d+)-/
const nobody = '02:00:00:00:ff:ff'

export function nodeOf(zone: number): Machine {
  return `node${zone}` as Machine
}

export function etcdOf(zone: number): Machine {
  return `etcd${zone}` as Machine
}

export function addressOf(machine: Machine): string {
  return `10.0.0.${machines.indexOf(machine) + 1}`
}

/** Whether this process may make network namespaces here. */
export function mayMakeNamespaces(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const name = `moraine-${process.pid}-trial`
  const made = spawnSync('ip', ['netns', 'add', name]).status === 0
  const joined = made && spawnSync('ip', ['-n', name, 'link', 'add', 'br0', 'type', 'bridge']).status === 0
  if (made) spawnSync('ip', ['netns', 'del', name])
  return joined
}

export class ZonedNetwork {
  /** What all namespaces' names begin with. */
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** To be removed by `remove`, whatever happens. */
  static make(): ZonedNetwork {
    removeLeftBehind()
    const network = new ZonedNetwork(`moraine-${process.pid}-`)
    const hub = `${network.name}hub`
    ip(
      undefined,
      ['hub', ...machines].map((machine) => `netns add ${network.name}${machine}`),
    )
    ip(hub, ['link add br0 type bridge', 'link set br0 up'])
    for (const [i, machine] of machines.entries()) {
      const namespace = network.namespaceOf(machine)
      ip(hub, [`link add port${i} type veth peer name eth0 netns ${namespace}`, `link set port${i} master br0 up`])
      ip(namespace, [
        'link set lo up',
        `link set eth0 address ${hardwareOf(machine)}`,
        'link set eth0 up',
        `addr add ${addressOf(machine)}/24 dev eth0`,
      ])
    }
    network.heal()
    return network
  }

  namespaceOf(machine: Machine): string {
    return `${this.name}${machine}`
  }

  /** What one sends to the other is lost from now on. */
  cutOneWay(from: Machine, to: Machine): void {
    ip(this.namespaceOf(from), [neighbour(to, nobody)])
  }

  cut(one: Machine, other: Machine): void {
    this.cutOneWay(one, other)
    this.cutOneWay(other, one)
  }

  /** Everybody reaches everybody. */
  heal(): void {
    for (const machine of machines) {
      const others = machines.filter((other) => other !== machine)
      ip(
        this.namespaceOf(machine),
        others.map((other) => neighbour(other, hardwareOf(other))),
      )
    }
  }

  /** Ends the processes in the namespaces, and removes these. */
  remove(): void {
    for (const name of namespaces()) if (name.startsWith(this.name)) removeNamespace(name)
  }
}

function hardwareOf(machine: Machine): string {
  return `02:00:00:00:00:0${machines.indexOf(machine) + 1}`
}

function neighbour(machine: Machine, hardware: string): string {
  return `neigh replace ${addressOf(machine)} lladdr ${hardware} dev eth0 nud permanent`
}

/** Commands of ip(8), in a namespace or in that of this process. */
function ip(namespace: string | undefined, commands: readonly string[]): void {
  const where = namespace === undefined ? [] : ['-n', namespace]
  const { status, stderr } = spawnSync('ip', [...where, '-batch', '-'], { input: `${commands.join('\n')}\n`, encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip: ${commands.join('; ')}: ${stderr}`)
}

function namespaces(): string[] {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  return stdout.split('\n').flatMap((line) => line.split(' ')[0] || [])
}

function removeNamespace(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' })
  for (const pid of stdout.split('\n').filter((line) => line !== '')) {
    // It may have ended meanwhile.
    spawnSync('kill', ['-9', pid])
  }
  spawnSync('ip', ['netns', 'del', name])
}

function removeLeftBehind(): void {
  for (const name of namespaces()) {
    const maker = namePattern.exec(name)?.[1]
    if (maker !== undefined && !existsSync(`/proc/${maker}`)) removeNamespace(name)
  }
}
