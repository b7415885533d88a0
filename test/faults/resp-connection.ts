/** One connection to a node, for a client that wants the replies' bytes, and to know for certain when it did not get one. */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { RespDecoder } from '../commands/resp-decoder.ts'

interface Waiting {
  readonly resolve: (reply: string) => void
  readonly reject: (failure: Error) => void
}

export class RespConnection {
  readonly #socket: Socket
  readonly #decoder = new RespDecoder()
  readonly #waiting: Waiting[] = []
  #failure: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    socket.on('error', (failure) => this.#fail(failure))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  static open(host: string, port: number, patienceMs: number): Promise<RespConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true })
      const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), patienceMs)
      socket.once('connect', () => {
        clearTimeout(timer)
        resolve(new RespConnection(socket))
      })
      socket.once('error', (failure) => {
        clearTimeout(timer)
        reject(failure)
      })
    })
  }

  /** The last request's reply, as text of its bytes. Rejects, and closes the connection, when it does not come in time. */
  async ask(requests: readonly (readonly string[])[], patienceMs: number): Promise<string> {
    if (this.#failure !== undefined) throw this.#failure
    const replies = requests.map(() => new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject })))
    const timer = setTimeout(() => this.#fail(new Error('no answer in time')), patienceMs)
    this.#socket.write(requests.map(encode).join(''))
    try {
      return (await Promise.all(replies)).at(-1) as string
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#fail(new Error('closed'))
  }

  #read(bytes: Buffer): void {
    this.#decoder.push(bytes)
    for (let found = this.#decoder.next(); found !== undefined; found = this.#decoder.next()) {
      this.#waiting.shift()?.resolve(found.raw.toString('latin1'))
    }
  }

  #fail(failure: Error): void {
    this.#failure ??= failure
    this.#socket.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}
