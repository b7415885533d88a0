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
const pieceBytesMax = 256 * 1024

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

  /** Waits for bytes; false at the end. */
  async #any(): Promise<boolean> {
    while (this.#bytes === 0) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#ended) return false
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return true
  }

  /** What has come, as it came; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    if (!(await this.#any())) return undefined
    const first = this.#chunks.shift() as Buffer
    this.#took(first.length)
    return first
  }

  /** Up to `length` bytes, at least one; 0 at the end. */
  async read(into: Buffer, at: number, length: number): Promise<number> {
    if (!(await this.#any())) return 0
    const first = this.#chunks[0] as Buffer
    const count = Math.min(length, first.length)
    first.copy(into, at, 0, count)
    if (count === first.length) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(count)
    this.#took(count)
    return count
  }

  #took(count: number): void {
    this.#bytes -= count
    if (this.#bytes < pauseBytes / 2 && this.#socket.isPaused()) this.#socket.resume()
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

  /** `follows`: the stream of changes is wanted, too. */
  static async open(address: Address, follows: boolean): Promise<ReplicaSource> {
    const source = new ReplicaSource(await openSocket(address))
    try {
      await source.#begin(address, follows)
    } catch (failure) {
      source.#socket.destroy()
      throw failure
    }
    return source
  }

  async #begin({ user, password }: Address, follows: boolean): Promise<void> {
    if (password !== undefined) await this.#ask('AUTH', ...(user === undefined ? [] : [user]), password)
    await this.#ask('PING')
    // A server before 2.8 knows neither of these; one before 4 no abilities.
    await this.#offer('REPLCONF', 'listening-port', '0')
    await this.#offer('REPLCONF', 'capa', 'eof', 'capa', 'psync2')
    // Known from 7.0 on; others send changes that nobody reads.
    if (!follows) await this.#offer('REPLCONF', 'rdb-only', '1')
    const answer = await this.#offer('PSYNC', '?', '-1')
    if (answer.startsWith('-NOMASTERLINK') || answer.startsWith('-LOADING')) throw new Error(answer.slice(1))
    if (answer.startsWith('+FULLRESYNC')) this.offset = Number(answer.split(' ')[2] ?? 0)
    else if (answer.startsWith('-')) this.#send('SYNC')
    else throw new Error(`the server answers PSYNC with ${answer}`)
    const header = await this.#bytes.line()
    if (header.startsWith('-')) throw new Error(`the server sends no RDB: ${header.slice(1)}`)
    if (header.startsWith('$EOF:')) {
      this.#mark = header.slice(5)
      return
    }
    if (!/^\$\d+$/.test(header)) throw new Error(`the server sends no RDB: ${header}`)
    this.totalBytes = Number(header.slice(1))
    this.#left = this.totalBytes
  }

  /** All of the RDB as it comes, where nobody looks into it. */
  async *pieces(): AsyncGenerator<Buffer> {
    if (this.#mark === undefined) {
      for (let piece = await this.#pieceOf(this.#left); piece.length > 0; piece = await this.#pieceOf(this.#left)) yield piece
      if (this.#left > 0) throw new Error('the server closed the connection before the end of the RDB')
      return
    }
    const mark = Buffer.from(this.#mark, 'latin1')
    // Nothing follows the mark before it was answered, so it is what comes last.
    let end = Buffer.alloc(0)
    while (!end.equals(mark)) {
      const next = await this.#bytes.next()
      if (next === undefined) throw new Error('the server closed the connection before the end of the RDB')
      const bytes = Buffer.concat([end, next])
      end = bytes.subarray(Math.max(0, bytes.length - markBytes))
      if (bytes.length > end.length) yield bytes.subarray(0, bytes.length - end.length)
    }
    this.#mark = undefined
  }

  async #pieceOf(length: number): Promise<Buffer> {
    const piece = Buffer.allocUnsafe(Math.min(length, pieceBytesMax))
    const count = await this.read(piece, 0, piece.length)
    return piece.subarray(0, count)
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
