/**
 * What every question is given: sizes, a place for data, servers, progress. Everything started is stopped and everything
 * written is removed when a question ends, however it ends; data that several questions need are made once and kept until the end.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../server/logging.ts'
import type { StartProgress } from '../server/progress.ts'
import { progressTo } from '../server/progress.ts'
import { realClock } from '../server/real-clock.ts'
import type { RunningServer } from './processes.ts'
import { startMemcached, startMoraine, startRedis } from './processes.ts'

export interface Start {
  readonly flags?: readonly string[]
  /** Flags of Node, for Moraine. */
  readonly nodeFlags?: readonly string[]
  /** Data of an earlier server; a new directory without. */
  readonly directory?: string
}

export class Context {
  readonly quick: boolean
  readonly root: string
  readonly progress: StartProgress
  readonly #servers: RunningServer[] = []
  readonly #shared = new Map<string, Promise<unknown>>()
  #directories = 0

  constructor(root: string, quick: boolean) {
    this.root = root
    this.quick = quick
    this.progress = progressTo({ clock: realClock, log: consoleLog, terminal: process.stderr.isTTY ? process.stderr : undefined })
  }

  /** One of two sizes: of a full run, or of a quick one. */
  size<T>(full: T, quick: T): T {
    return this.quick ? quick : full
  }

  say(text: string): void {
    console.log(`  ${text}`)
  }

  async directory(name: string): Promise<string> {
    const path = join(this.root, `${name}-${++this.#directories}`)
    await mkdir(path, { recursive: true })
    return path
  }

  async moraine({ flags = [], nodeFlags = [], directory }: Start = {}): Promise<RunningServer> {
    return this.#keep(await startMoraine(directory ?? (await this.directory('moraine')), flags, nodeFlags))
  }

  async redis({ flags = [], directory }: Start = {}): Promise<RunningServer> {
    return this.#keep(await startRedis(directory ?? (await this.directory('redis')), flags))
  }

  async memcached(memoryMb: number, flags: readonly string[]): Promise<RunningServer> {
    return this.#keep(await startMemcached(await this.directory('memcached'), memoryMb, flags))
  }

  /** Makes `name` the first time it is asked for. */
  shared<T>(name: string, make: () => Promise<T>): Promise<T> {
    const made = this.#shared.get(name) ?? make()
    this.#shared.set(name, made)
    return made as Promise<T>
  }

  /** Removes a server's data, once it has ended. */
  async discard(server: RunningServer): Promise<void> {
    await server.stop()
    await rm(server.directory, { recursive: true, force: true })
  }

  /** Ends what a question left running. */
  async stopServers(): Promise<void> {
    for (const server of this.#servers.splice(0)) await server.stop()
  }

  #keep(server: RunningServer): RunningServer {
    this.#servers.push(server)
    return server
  }
}

const print = (text: string) => console.log(`  ${text}`)

const consoleLog: Log = {
  error: print,
  warn: print,
  info: print,
  debug: () => undefined,
  setLevel: () => undefined,
  with: () => consoleLog,
}
