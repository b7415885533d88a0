/** A client that asks a simulated server for an RDB, and what it has received. */
import { Buffer } from 'node:buffer'
import { Crc64 } from '../../engine/rdb/crc64.ts'
import { RdbInput } from '../../engine/rdb/rdb-input.ts'
import { RdbReader } from '../../engine/rdb/rdb-reader.ts'
import { ValueDecoder } from '../../engine/rdb/value-decoder.ts'
import type { Pipe, PipeOwner } from '../../server/network/network.ts'
import { Notes } from '../property/dump-model.ts'
import type { Scene } from './scene.ts'

export class RdbReceiver implements PipeOwner {
  closed = false
  #pieces: Buffer[] = []
  readonly #scene: Scene
  readonly #pipe: Pipe

  private constructor(scene: Scene, pipe: Pipe) {
    this.#scene = scene
    this.#pipe = pipe
    pipe.start(this)
  }

  /** Everything that has come. */
  get bytes(): Buffer {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0] ?? Buffer.alloc(0)
  }

  static async connect(scene: Scene): Promise<RdbReceiver> {
    return new RdbReceiver(scene, await scene.pipe())
  }

  send(...words: readonly string[]): void {
    this.#pipe.write([Buffer.from(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`, 'latin1')])
  }

  /** Sends a request whose reply is a line, and takes that. */
  async ask(...words: readonly string[]): Promise<string> {
    this.send(...words)
    await this.#scene.loop.run(() => this.closed || this.bytes.includes('\r\n'))
    const line = this.bytes.toString('latin1', 0, this.bytes.indexOf('\r\n'))
    this.#pieces = []
    return line
  }

  /** Has said that it wants an RDB alone. */
  async prepare(...capabilities: readonly string[]): Promise<void> {
    for (const capability of capabilities) await this.ask('REPLCONF', 'capa', capability)
    await this.ask('REPLCONF', 'rdb-only', '1')
  }

  /** Reads no more, or goes on. */
  pause(): void {
    this.#pipe.pause()
  }

  resume(): void {
    this.#pipe.resume()
  }

  leave(): void {
    this.#pipe.destroy()
  }

  /** Resolves when the server has closed the connection. */
  async end(): Promise<void> {
    await this.#scene.loop.run(() => this.closed)
  }

  /** The RDB of what has come, without what stands around it. */
  rdb(): Buffer {
    const { bytes } = this
    const start = bytes.indexOf('$')
    const head = bytes.toString('latin1', start, bytes.indexOf('\r\n', start))
    const from = start + head.length + 2
    if (!head.startsWith('$EOF:')) {
      if (bytes.length - from !== Number(head.slice(1))) throw new Error(`${bytes.length - from} bytes instead of ${head}`)
      return bytes.subarray(from)
    }
    const mark = head.slice('$EOF:'.length)
    const to = bytes.length - mark.length
    if (mark.length !== 40 || bytes.toString('latin1', to) !== mark) throw new Error('the mark is missing')
    return bytes.subarray(from, to)
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
  }

  onDrain(): void {}

  onEnd(): void {
    this.#pipe.end()
  }

  onClose(): void {
    this.closed = true
  }
}

export interface RdbContent {
  /** By database and key: kind, elements in an order that is the same for equal values, and expiry. */
  readonly keys: Map<string, string>
  readonly libraries: string[]
}

export function contentOf(rdb: Buffer): RdbContent {
  const input = new RdbInput(rdb, 0, rdb.length)
  const reader = new RdbReader(input)
  const content: RdbContent = { keys: new Map(), libraries: [] }
  for (;;) {
    const part = reader.next()
    if (part.part === 'function') content.libraries.push(part.code.toString())
    if (part.part === 'key') {
      const notes = new Notes()
      const decoder = new ValueDecoder(input, part.type, notes)
      while (decoder.step(Number.POSITIVE_INFINITY));
      const name = `${part.db} ${part.key.toString('latin1')}`
      if (content.keys.has(name)) throw new Error(`${name} is there twice`)
      content.keys.set(name, shown(notes, part.expireAt))
    }
    if (part.part !== 'end') continue
    const crc = new Crc64()
    crc.update(rdb, 0, part.checksum)
    if (!crc.matches(rdb, part.checksum)) throw new Error('the checksum is wrong')
    if (input.at !== rdb.length) throw new Error('something stands behind the end')
    return content
  }
}

/** A value and its expiry, so that equal ones look the same. */
export function shown({ kind, lines }: Notes, expireAt: number): string {
  const ordered = kind === 'list' || kind === 'stream' ? lines : [...lines].sort()
  return `${kind} ${expireAt} ${ordered.join('\n')}`
}
