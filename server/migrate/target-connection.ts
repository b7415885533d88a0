/** A connection to the server that MIGRATE sends keys to: requests go out, one-line replies come back, each within a time. */
import type { Clock } from '../../storage/clock.ts'
import type { Network, Pipe, PipeOwner } from '../network/network.ts'

/** What Redis says of a connection that fails, by what was being done. */
export type Failing = 'connecting' | 'writing' | 'reading'

export class TargetFailure extends Error {
  override readonly name = 'TargetFailure'
  readonly failing: Failing

  constructor(failing: Failing) {
    super(`the target failed while ${failing}`)
    this.failing = failing
  }
}

/** Redis notices that nobody has taken the connection only when it writes. */
const noticedLate = ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL']
const lineBytesMax = 64 * 1024

export class TargetConnection implements PipeOwner {
  readonly #clock: Clock
  readonly #timeoutMs: number
  #pipe!: Pipe
  #text = ''
  readonly #lines: string[] = []
  #isClosed = false
  /** Who waits for a line, for room, or for the end. */
  #wake: (() => void) | undefined
  #isFull = false

  private constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  static async open(network: Network, clock: Clock, host: string, port: number, timeoutMs: number): Promise<TargetConnection> {
    const connection = new TargetConnection(clock, timeoutMs)
    connection.#pipe = await connection.#connect(network, host, port)
    connection.#pipe.start(connection)
    return connection
  }

  #connect(network: Network, host: string, port: number): Promise<Pipe> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const timer = this.#clock.after(this.#timeoutMs, () => {
        isLate = true
        reject(new TargetFailure('connecting'))
      })
      network.connect({ host, port }).then(
        (pipe) => {
          timer.cancel()
          if (isLate) pipe.destroy()
          else resolve(pipe)
        },
        (failure: Error & { code?: string }) => {
          timer.cancel()
          reject(new TargetFailure(noticedLate.includes(failure.code ?? '') ? 'writing' : 'connecting'))
        },
      )
    })
  }

  /** Resolves when the system has taken the bytes. They must not change before. */
  async write(views: readonly Uint8Array[]): Promise<void> {
    if (this.#isClosed) throw new TargetFailure('writing')
    this.#isFull = !this.#pipe.write(views)
    await this.#until(() => !this.#isFull, 'writing')
  }

  /** The next line, without its end. */
  async line(): Promise<string> {
    await this.#until(() => this.#lines.length > 0, 'reading')
    return this.#lines.shift() as string
  }

  close(): void {
    if (!this.#isClosed) this.#pipe.destroy()
  }

  async #until(isReached: () => boolean, failing: Failing): Promise<void> {
    let isLate = false
    const timer = this.#clock.after(this.#timeoutMs, () => {
      isLate = true
      this.#wakeUp()
    })
    try {
      while (!isReached()) {
        if (isLate || this.#isClosed) throw new TargetFailure(failing)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      timer.cancel()
    }
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#text += bytes.toString('latin1', start, end)
    const lines = this.#text.split('\r\n')
    this.#text = lines.pop() as string
    this.#lines.push(...lines)
    if (this.#text.length > lineBytesMax) this.#pipe.destroy()
    this.#wakeUp()
  }

  onDrain(): void {
    this.#isFull = false
    this.#wakeUp()
  }

  onEnd(): void {
    this.#pipe.destroy()
  }

  onClose(): void {
    this.#isClosed = true
    this.#wakeUp()
  }
}
