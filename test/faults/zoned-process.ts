/** A process on one of the machines of a `ZonedNetwork`. It can be killed, stopped where it is, continued, and started again. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Machine, ZonedNetwork } from './zoned-network.ts'

const linesMax = 5000

export class ZonedProcess {
  /** What it has printed, also before it was started again. */
  readonly lines: string[] = []
  readonly #network: ZonedNetwork
  readonly #machine: Machine
  readonly #words: readonly string[]
  #child: ChildProcess | undefined

  constructor(network: ZonedNetwork, machine: Machine, words: readonly string[]) {
    this.#network = network
    this.#machine = machine
    this.#words = words
  }

  get hasEnded(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  start(): void {
    // ip(8) becomes the program, so its process id is the program's.
    const words = ['netns', 'exec', this.#network.namespaceOf(this.#machine), ...this.#words]
    const child = spawn('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line)
        if (this.lines.length > linesMax) this.lines.shift()
      })
    }
  }

  signal(name: NodeJS.Signals): void {
    if (!this.hasEnded) this.#child?.kill(name)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || this.hasEnded) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
}
