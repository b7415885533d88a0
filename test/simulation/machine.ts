/**
 * A simulated machine with the whole server on it: a disk for catalog and log, a cold store, a clock and a network. It can
 * lose power at any operation of either disk; what was synced survives, of the rest what chance picks, and the server can
 * be started again on it.
 */
import type { Random } from '../../engine/random.ts'
import type { Config } from '../../server/config/config.ts'
import type { Log, LogFields } from '../../server/logging.ts'
import type { KnownLog, Ports } from '../../server/ports.ts'
import { Server } from '../../server/server.ts'
import { MemoryColdDisk, MemoryColdStore } from '../../storage/memory-cold-store.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { openMemoryLog } from '../../wal/memory-log.ts'
import type { MemoryLogDisk } from '../../wal/memory-log-disk.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { EventLoop, ProcessClock } from './event-loop.ts'
import type { Observer } from './observer.ts'
import './one-thread.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import type { SimulatedNetwork } from './simulated-network.ts'

export interface MachineOptions {
  readonly loop: EventLoop
  readonly random: Random
  readonly network: SimulatedNetwork
  readonly observer: Observer
  readonly config: () => Config
  readonly sizes: Sizes
  /** Longest time that an operation of a disk takes. */
  readonly diskMsMax: number
  /** The host's name; `server` unless told. */
  readonly name?: string
  /** The log that it shares with other machines, if it does. */
  readonly sharedLog?: MemoryLogDisk
  /** Opens a shared log that knows more of the world than `sharedLog`; called once for each process and shard. */
  readonly openSharedLog?: (clock: ProcessClock, known: KnownLog) => Promise<TransactionLog>
  /** Called with each server that has started. */
  readonly onStarted?: (server: Server) => void
  /** How fast its clock runs. */
  readonly clockRate?: number
}

export class Machine {
  readonly disk: SimulatedDisk
  readonly coldDisk = new MemoryColdDisk()
  readonly log = new CapturedLog(() => this.isOff)
  readonly #options: MachineOptions
  #clock: ProcessClock
  server: Server | undefined
  /** Why the start failed, or what else went wrong inside. */
  failure: Error | undefined
  /** Cold stores that were opened and not closed, those of crashed processes included. */
  openStores = 0
  /** Operations of the cold store until power is lost; 0 for none. */
  coldCrashIn = 0
  /** Longest time that an operation of the disk takes, instead of what was told. */
  diskMsMax: number | undefined
  /** Longest time that an operation of the cold store takes; that of the disk unless told. */
  coldDelayMsMax: number | undefined

  constructor(options: MachineOptions) {
    this.#options = options
    this.#clock = options.loop.process(options.clockRate)
    this.disk = new SimulatedDisk(options.random, { schedule: (work) => this.#clock.after(this.#delayMs(), work) })
  }

  get name(): string {
    return this.#options.name ?? 'server'
  }

  get isOff(): boolean {
    return this.disk.isOff
  }

  /** The clock of the process that runs now. */
  get clock(): ProcessClock {
    return this.#clock
  }

  /** As SIGSTOP does. */
  stopProcess(): void {
    this.#clock.stop()
    this.#options.network.stop(this.name)
  }

  /** As SIGCONT does. */
  continueProcess(): void {
    this.#clock.goOn()
    this.#options.network.goOn(this.name)
  }

  /** Starts the server; returns when it serves, has failed, or power was lost. */
  async start(): Promise<void> {
    this.begin()
    await this.#options.loop.run(() => this.server !== undefined || this.failure !== undefined || this.isOff)
  }

  /** Starts the server, and does not wait for it. */
  begin(): void {
    const { observer, config, sizes } = this.#options
    this.server = undefined
    this.failure = undefined
    observer.log = undefined
    const clock = this.#clock
    Server.start(this.ports(), config(), sizes).then(
      (server) => {
        if (!clock.alive) return
        this.server = server
        this.#options.onStarted?.(server)
      },
      (failure: Error) => {
        if (clock.alive) this.failure = failure
      },
    )
  }

  /** What a process on this machine has of it, until it loses power. */
  ports(): Ports {
    const { random, network, observer } = this.#options
    const clock = this.#clock
    return {
      clock,
      random,
      files: this.disk.mount(),
      network: network.host(this.name),
      log: this.log,
      progress: () => ({ update: () => undefined, finish: () => undefined }),
      openColdStore: async (_directory, fresh) => {
        // A fresh store, that of a server without a log, lies elsewhere.
        const disk = fresh ? new MemoryColdDisk() : this.coldDisk
        const store = observer.watch(new MemoryColdStore(disk, { clock, delayMs: () => this.#coldDelayMs() }))
        this.openStores++
        return {
          ...store,
          close: async () => {
            await store.close()
            this.openStores--
          },
        }
      },
      openSharedLog: async (known) => {
        const { sharedLog, openSharedLog } = this.#options
        if (openSharedLog !== undefined) return openSharedLog(clock, known)
        if (sharedLog === undefined) throw new Error('this machine shares no log')
        const { knownCommitted, logId } = known
        if (sharedLog.committed < knownCommitted) throw new Error('the shared log has lost records')
        if (!sharedLog.exists || (logId !== undefined && logId !== sharedLog.logId)) throw new Error('the shared log is another one')
        return openMemoryLog(sharedLog, { clock, schedule: (work) => clock.after(this.#delayMs(), work) })
      },
      residentBytes: () => 0,
    }
  }

  /** Stops the server in order; returns when it has stopped, or power was lost. */
  async stop(): Promise<void> {
    let stopped = false
    this.server?.stop().then(
      () => {
        stopped = true
      },
      (failure: Error) => {
        this.failure = failure
        stopped = true
      },
    )
    await this.#options.loop.run(() => stopped || this.isOff)
    if (!this.isOff) this.server = undefined
  }

  /** Loses power if it has it, decides what survives, and is ready to start again. */
  crash(): void {
    this.#clock.kill()
    this.#options.network.crash(this.name)
    this.#clock = this.#options.loop.process(this.#options.clockRate)
    this.disk.crash()
    this.coldDisk.crash(this.#options.random)
    this.coldCrashIn = 0
    this.server = undefined
  }

  #delayMs(max = this.diskMsMax ?? this.#options.diskMsMax): number {
    return ((this.#options.random.nextUint32() % 1000) / 1000) * max
  }

  #coldDelayMs(): number {
    if (this.coldCrashIn > 0 && --this.coldCrashIn === 0) this.disk.powerOff()
    return this.#delayMs(this.coldDelayMsMax)
  }
}

/** Keeps what would be printed: a machine without power prints nothing, even if the turn in which it lost it goes on here. */
class CapturedLog implements Log {
  readonly errors: string[] = []
  readonly #isOff: () => boolean

  constructor(isOff: () => boolean) {
    this.#isOff = isOff
  }

  error(text: string, fields?: LogFields): void {
    if (this.#isOff()) return
    const error = fields?.error
    this.errors.push(error instanceof Error ? `${text}: ${error.stack}` : text)
  }

  warn(): void {}
  info(): void {}
  debug(): void {}
  setLevel(): void {}

  with(): Log {
    return this
  }
}
