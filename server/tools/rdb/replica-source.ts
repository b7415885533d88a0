/**
 * The RDB that a server sends to a replica, and what it sends afterwards: PSYNC, or SYNC where that is not known. The RDB comes with
 * its length, or, from a server that writes none to its disk, ended by a mark of 40 bytes ("Replication" in Redis's documentation).
 */
import type { Socket } from 'node:net'
import type { RdbSource } from './rdb-source.ts'
import type { Address } from './resp-client.ts'
import { openSocket } from './resp-client.ts'

const markBytes = 40
const lf = 0x0a
const pauseBytes = 8 * 1024 * 1024

/** The bytes of a connection, awaited. */
class SocketBytes {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #bytes = 0
  #failure: Error | undefined
  #ended = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#bytes += chunk.length
      if (this.#bytes > pauseBytes) socket.pause()
      this.#wakeUp()
    })
    socket.on('error', (failure) => {
      this.#failure = failure
      this.#wakeUp()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#wakeUp()
    })
  }

  /** Puts bytes back in front. */
  unread(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#chunks.unshift(bytes)
    this.#bytes += bytes.length
  }

  /** Up to `length` bytes, at least one; 0 at the end. */
  async read(into: Buffer, at: number, length: number): Promise<number> {
    while (this.#bytes === 0) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#ended) return 0
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const first = this.#chunks[0] as Buffer
    const count = Math.min(length, first.length)
    first.copy(into, at, 0, count)
    if (count === first.length) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(count)
    this.#bytes -= count
    if (this.#bytes < pauseBytes / 2 && this.#socket.isPaused()) this.#socket.resume()
    return count
  }

  /** A line without its end. Empty lines, by which a server shows that it is alive, are passed over. */
  async line(): Promise<string> {
    const byte = Buffer.alloc(1)
    let text = ''
    for (;;) {
      if ((await this.read(byte, 0, 1)) === 0) throw new Error('the server closed the connection')
      if (byte[0] !== lf) text += byte.toString('latin1')
      else if (text.trim() !== '') return text.trimEnd()
      else text = ''
    }
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

export class ReplicaSource implements RdbSource {
  /** Known when the server tells it. */
  totalBytes: number | undefined
  /** Of what follows the RDB, where the server has told it; 0 otherwise. */
  offset = 0
  readonly #socket: Socket
  readonly #bytes: SocketBytes
  #left = 0
  #mark: string | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#bytes = new SocketBytes(socket)
  }

  static async open(address: Address): Promise<ReplicaSource> {
    const source = new ReplicaSource(await openSocket(address))
    try {
      await source.#begin(address)
    } catch (failure) {
      source.#socket.destroy()
      throw failure
    }
    return source
  }

  async #begin({ user, password }: Address): Promise<void> {
    if (password !== undefined) await this.#ask('AUTH', ...(user === undefined ? [] : [user]), password)
    await this.#ask('PING')
    // A server before 2.8 knows neither of these; one before 4 no abilities.
    await this.#offer('REPLCONF', 'listening-port', '0')
    await this.#offer('REPLCONF', 'capa', 'eof', 'capa', 'psync2')
    const answer = await this.#offer('PSYNC', '?', '-1')
    if (answer.startsWith('-NOMASTERLINK') || answer.startsWith('-LOADING')) throw new Error(answer.slice(1))
    if (answer.startsWith('+FULLRESYNC')) this.offset = Number(answer.split(' ')[2] ?? 0)
    else if (answer.startsWith('-')) this.#send('SYNC')
    else throw new Error(`the server answers PSYNC with ${answer}`)
    const header = await this.#bytes.line()
    if (header.startsWith('$EOF:')) {
      this.#mark = header.slice(5)
      return
    }
    if (!/^\$\d+$/.test(header)) throw new Error(`the server sends no RDB: ${header}`)
    this.totalBytes = Number(header.slice(1))
    this.#left = this.totalBytes
  }

  async read(into: Buffer, at: number, length: number): Promise<number> {
    if (this.#mark !== undefined) return this.#bytes.read(into, at, length)
    if (this.#left === 0) return 0
    const count = await this.#bytes.read(into, at, Math.min(length, this.#left))
    this.#left -= count
    return count
  }

  /** The RDB has been read, and `rest` beyond it: what comes next is the stream of changes. */
  async endRdb(rest: Buffer): Promise<void> {
    this.#bytes.unread(Buffer.from(rest))
    if (this.#mark === undefined) return
    const mark = Buffer.alloc(markBytes)
    for (let at = 0; at < markBytes; ) {
      const count = await this.#bytes.read(mark, at, markBytes - at)
      if (count === 0) throw new Error('the server closed the connection before the end of the RDB')
      at += count
    }
    if (mark.toString('latin1') !== this.#mark) throw new Error('the RDB does not end with its mark')
    this.#mark = undefined
  }

  /** Bytes of the stream of changes; 0 when the server has closed it. */
  readStream(into: Buffer): Promise<number> {
    return this.#bytes.read(into, 0, into.length)
  }

  /** Tells the server how far its changes have been taken. */
  acknowledge(offset: number): void {
    this.#send('REPLCONF', 'ACK', String(offset))
  }

  async close(): Promise<void> {
    this.#socket.destroy()
  }

  async #ask(...parts: readonly string[]): Promise<void> {
    const answer = await this.#offer(...parts)
    if (answer.startsWith('-')) throw new Error(answer.slice(1))
  }

  async #offer(...parts: readonly string[]): Promise<string> {
    this.#send(...parts)
    return this.#bytes.line()
  }

  #send(...parts: readonly string[]): void {
    this.#socket.write(`*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`)
  }
}
