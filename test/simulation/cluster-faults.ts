/** What befalls a cluster in the simulation. Each fault ends by itself, as scheduled, or when all of them are ended. */
import { port } from './cluster-client.ts'
import type { Draw } from './draw.ts'
import type { EventLoop } from './event-loop.ts'
import type { LogLink } from './log-link.ts'
import type { Machine } from './machine.ts'
import type { Operator } from './operator.ts'
import type { SimulatedNetwork } from './simulated-network.ts'

export interface ClusterNode {
  readonly machine: Machine
  readonly link: LogLink
  /** Has power, and was told to start. */
  isUp: boolean
  /** Of its program (`node-log.ts`). */
  version: number
}

export interface FaultSurroundings {
  readonly loop: EventLoop
  readonly network: SimulatedNetwork
  readonly nodes: readonly ClusterNode[]
  readonly leaseMs: number
  readonly linkMsMax: number
  readonly clientNames: readonly string[]
  readonly operator: Operator
  /** Whether nodes are upgraded. Some then stop at what newer ones write, and there is less of everything else. */
  readonly upgrades: boolean
  /** Nothing expires: the wall clock of each node may say what it likes. Otherwise they go forward, together. */
  readonly isTimeless: boolean
  /** The only kinds of faults; all unless told. */
  readonly kinds: readonly string[] | undefined
  tell(line: string): void
}

type Fault = (draw: Draw, node: ClusterNode) => void

export class ClusterFaults {
  readonly counts: Record<string, number> = {}
  readonly #around: FaultSurroundings
  readonly #faults: Readonly<Record<string, Fault>>
  /** How often all of them were ended. */
  #ended = 0

  constructor(around: FaultSurroundings) {
    this.#around = around
    this.#faults = {
      crash: (draw, node) => this.#crash(draw, node),
      stop: (draw, node) => this.#stop(draw, node),
      cut: (draw, node) => this.#cut(draw, [node]),
      outage: (draw) => this.#cut(draw, around.nodes),
      slow: (draw, node) => this.#slow(draw, node),
      partition: (draw, node) => this.#partition(draw, node),
      shutdown: (draw, node) => this.#shutDown(draw, node, () => undefined),
      failover: (draw, node) => this.#failover(draw, node),
      wallClock: (draw, { machine }) => {
        if (around.isTimeless) machine.clock.wallSkewMs += draw.pick([-3_600_000, -5000, 5000, 3_600_000])
        else around.loop.wallSkewMs += draw.pick([200, 5000, 3_600_000])
      },
      checkpoint: (_draw, { machine }) => {
        if (machine.server?.shard !== undefined) machine.server.maintenance.checkpoint().catch(() => undefined)
      },
      reopen: (draw, { machine }) => {
        if (machine.server?.shard !== undefined) machine.server.shardSwitch.reopen(draw.once(2)).catch(() => undefined)
      },
      fullDisk: (draw, { machine }) => {
        machine.disk.limitFreeBytes(draw.below(2000))
        this.#later(draw, () => machine.disk.limitFreeBytes(Number.POSITIVE_INFINITY))
      },
      slowDisk: (draw, { machine }) => {
        machine.diskMsMax = 50
        this.#later(draw, () => {
          machine.diskMsMax = undefined
        })
      },
      ...(around.upgrades ? { upgrade: (draw: Draw) => this.#upgrade(draw) } : {}),
    }
  }

  /** Lets one thing go wrong, mostly with the primary. */
  begin(draw: Draw): void {
    const { nodes } = this.#around
    const primary = nodes.find(leads)
    const node = primary !== undefined && draw.once(2) ? primary : draw.pick(nodes)
    const name = draw.pick(this.#around.kinds ?? Object.keys(this.#faults))
    this.#around.tell(`${name} of ${node.machine.name}`)
    this.count(name)
    this.#faults[name]?.(draw, node)
  }

  count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1
  }

  /** Everything works again, every node is started, and an upgrade that was begun is finished. */
  end(): void {
    const { network, nodes, linkMsMax } = this.#around
    this.#ended++
    const newest = Math.max(...nodes.map(({ version }) => version))
    for (const node of nodes) {
      const { machine, link } = node
      link.heal()
      link.delayMsMax = linkMsMax
      machine.continueProcess()
      machine.disk.limitFreeBytes(Number.POSITIVE_INFINITY)
      machine.diskMsMax = undefined
      machine.clock.wallSkewMs = 0
      for (const other of this.#othersThan(machine)) network.heal(other, machine.name)
      if (node.version < newest) {
        node.version = newest
        this.#loseProcess(node)
      }
      this.start(node)
    }
  }

  start(node: ClusterNode): void {
    if (node.isUp) return
    node.isUp = true
    node.machine.begin()
  }

  /** After a time that is short, or longer than a lease. */
  #later(draw: Draw, work: () => void): void {
    const { leaseMs, loop } = this.#around
    loop.schedule(draw.below(draw.pick([100, leaseMs, leaseMs * 4])), work)
  }

  #crash(draw: Draw, node: ClusterNode): void {
    this.#loseProcess(node)
    this.#later(draw, () => this.start(node))
  }

  #loseProcess(node: ClusterNode): void {
    node.isUp = false
    node.machine.crash()
  }

  #shutDown(draw: Draw, node: ClusterNode, before: () => void): void {
    const { server, clock } = node.machine
    if (server === undefined) return
    // A process ends whether everything could be closed or not.
    const ended = (): void => {
      if (!clock.alive) return
      before()
      this.#crash(draw, node)
    }
    server.stop().then(ended, ended)
  }

  /**
   * One node more gets the newest version, or the first one a still newer one. Replicas first, as one should, now and then in any order. The primary hands
   * over the lead first, as one should, or not: then it follows for a while who writes what it does not know.
   */
  #upgrade(draw: Draw): void {
    const { nodes, operator } = this.#around
    const versions = nodes.map(({ version }) => version)
    const newest = Math.max(...versions)
    const next = Math.min(...versions) < newest ? newest : newest + 1
    const older = nodes.filter(({ version }) => version < next)
    const replicas = older.filter((node) => !leads(node))
    const node = draw.pick(replicas.length === 0 || draw.once(6) ? older : replicas)
    if (leads(node) && draw.once(2)) {
      operator.command(node.machine.name, ['FAILOVER'])
      this.#later(draw, () => {
        if (node.version < next) this.#replaceProgram(draw, node, next)
      })
    } else this.#replaceProgram(draw, node, next)
  }

  #replaceProgram(draw: Draw, node: ClusterNode, version: number): void {
    const replace = (): void => {
      node.version = Math.max(node.version, version)
    }
    if (node.machine.server !== undefined && draw.once(2)) {
      this.#shutDown(draw, node, replace)
      return
    }
    replace()
    this.#crash(draw, node)
  }

  /** An operator asks for a planned hand-over, of the primary mostly, and may change its mind. */
  #failover(draw: Draw, { machine }: ClusterNode): void {
    const { operator, nodes, leaseMs, loop } = this.#around
    const target = ['TO', draw.pick(nodes).machine.name, `${port}`]
    const timeout = ['TIMEOUT', `${1 + draw.below(leaseMs * 2)}`]
    const options = draw.pick([[], [], target, timeout, [...target, ...timeout], [...target, 'FORCE', ...timeout]])
    operator.command(machine.name, ['FAILOVER', ...options])
    if (!draw.once(4)) return
    const ended = this.#ended
    loop.schedule(draw.below(60), () => {
      if (ended === this.#ended) operator.command(machine.name, ['FAILOVER', 'ABORT'])
    })
  }

  #stop(draw: Draw, { machine }: ClusterNode): void {
    machine.stopProcess()
    this.#later(draw, () => machine.continueProcess())
  }

  #cut(draw: Draw, nodes: readonly ClusterNode[]): void {
    const directions = draw.pick<('to' | 'from')[]>([['to'], ['from'], ['to', 'from']])
    for (const { link } of nodes) {
      for (const direction of directions) link.cut(direction)
      this.#later(draw, () => link.heal())
    }
  }

  #slow(draw: Draw, { link }: ClusterNode): void {
    const { leaseMs, linkMsMax } = this.#around
    link.delayMsMax = draw.pick([20, 200, leaseMs])
    this.#later(draw, () => {
      link.delayMsMax = linkMsMax
    })
  }

  #partition(draw: Draw, { machine }: ClusterNode): void {
    const { network } = this.#around
    for (const other of this.#othersThan(machine)) {
      if (!draw.once(2)) continue
      network.partition(other, machine.name)
      this.#later(draw, () => network.heal(other, machine.name))
    }
  }

  /** Clients and other nodes, which fetch copies from each other. */
  #othersThan({ name }: Machine): string[] {
    const { clientNames, nodes } = this.#around
    return [...clientNames, ...nodes.map(({ machine }) => machine.name).filter((other) => other !== name)]
  }
}

function leads({ machine }: ClusterNode): boolean {
  return machine.server?.roles.role === 'primary'
}
