/**
 * A client that writes, pipelined, to keys of its own, and remembers what it was told. After its server was killed, what
 * is there must be what it had been told was done, and of what it had sent beyond that a first part: in order, transactions
 * whole or not at all.
 *
 * Values are remembered by a number and a length, from which their bytes follow.
 */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { Random } from '../../engine/random.ts'
import { chance } from '../chance.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'

/** Bytes that no compression makes smaller. */
const noise = makeNoise(1 << 22)
/** Now and then a value that the server keeps in the memory it arrived in, and in pieces on disk. */
const largeBytesMax = 3 << 20
const pipelined = 32

/** A string's pieces, each `number:length`; or a hash's fields. */
type Value = string | ReadonlyMap<string, string>

interface Sent {
  /** One request, or a transaction's. */
  readonly requests: readonly (readonly string[])[]
  /** What it makes of each of its keys; undefined for none. */
  readonly effects: ReadonlyMap<string, Value | undefined>
}

export class Writer {
  readonly name: string
  /** Requests that were answered, transactions as one. */
  acknowledged = 0
  /** Of all keys, as of everything answered. */
  readonly values = new Map<string, Value>()
  /** Sent and not answered, oldest first. */
  #pending: Sent[] = []
  /** As of everything sent, where that differs. */
  readonly #sentValues = new Map<string, Value | undefined>()
  readonly #random: Random
  readonly #keyCount: number
  readonly #bytesMax: number
  #number = 0
  #socket: Socket | undefined
  #running = false
  #closed: Promise<void> = Promise.resolve()
  #repliesLeft = 0
  /** Instead of random requests. */
  #planned: (() => Sent)[] | undefined
  #onAnswer: () => void = () => undefined

  constructor(name: string, random: Random, keyCount: number, bytesMax: number) {
    this.name = name
    this.#random = random
    this.#keyCount = keyCount
    this.#bytesMax = bytesMax
  }

  /** Connects and writes until the connection breaks or `drain` is called. Rejects what is no connection. */
  async start(port: number): Promise<void> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.removeAllListeners('error')
    socket.setNoDelay(true)
    const decoder = new RespDecoder()
    this.#socket = socket
    this.#running = true
    this.#closed = new Promise((resolve, reject) => {
      socket.on('error', () => undefined)
      socket.once('close', () => resolve())
      socket.on('data', (bytes) => {
        try {
          decoder.push(bytes)
          for (let found = decoder.next(); found !== undefined; found = decoder.next()) this.#answered(found.reply)
          this.#fill()
        } catch (failure) {
          reject(failure as Error)
          socket.destroy()
        }
      })
    })
    this.#fill()
  }

  /** Writes every key once, large hashes too, and returns when all is answered. */
  async populate(port: number): Promise<void> {
    const plan: (() => Sent)[] = []
    for (let i = 0; i < this.#keyCount; i++) plan.push(() => this.#set(this.#key(i)))
    for (let i = 0; i < 20; i++) for (let j = 0; j < 10; j++) plan.push(() => this.#setFields(`${this.name}:h${i}`, 20))
    this.#planned = plan
    await this.start(port)
    await this.drained()
    await this.stop()
    this.#planned = undefined
  }

  /** Resolves when everything sent has been answered; nothing more is sent. */
  async drained(): Promise<void> {
    if (this.#planned === undefined) this.#running = false
    await Promise.race([
      this.#closed,
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (this.#pending.length === 0 && (this.#planned?.length ?? 0) === 0) resolve()
          else this.#onAnswer = look
        }
        look()
      }),
    ])
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#socket?.destroy()
    await this.#closed
  }

  /** Resolves when the connection is gone. Rejects when a reply was wrong. */
  async broken(): Promise<void> {
    await this.#closed
    this.#running = false
  }

  /**
   * Finds out how much of what was not answered has happened, and takes that for the state. `read` gives a key's value
   * as the server has it. Throws when no first part of it explains what is there.
   */
  async reconcile(read: (key: string, isHash: boolean) => Promise<string | ReadonlyMap<string, string> | undefined>): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    this.#sentValues.clear()
    this.#repliesLeft = 0
    const touched = new Set(pending.flatMap(({ effects }) => [...effects.keys()]))
    const found = new Map<string, string | ReadonlyMap<string, string> | undefined>()
    for (const key of touched) found.set(key, await read(key, isHashKey(key)))
    let wrong = this.#firstDifference(found)
    for (let done = 0; wrong !== undefined; done++) {
      const next = pending[done]
      if (next === undefined)
        throw new Error(`${this.name}: ${pending.length} unanswered requests, and no first part of them explains ${wrong}`)
      this.#apply(next)
      wrong = this.#firstDifference(found)
    }
  }

  /** A few keys at random. */
  sample(count: number): string[] {
    const keys = [...this.values.keys()]
    return Array.from({ length: Math.min(count, keys.length) }, () => keys[this.#below(keys.length)] as string)
  }

  /** What is wrong with a value that the server gave. */
  difference(key: string, found: string | ReadonlyMap<string, string> | undefined): string | undefined {
    const value = this.values.get(key)
    if (value === undefined || found === undefined)
      return value === found ? undefined : `${key}: ${shown(found)} instead of ${shown(value)}`
    if (typeof value === 'string') return found === expand(value) ? undefined : `${key}: ${shown(found)} instead of ${value}`
    if (typeof found === 'string' || found.size !== value.size) return `${key}: ${shown(found)} instead of ${value.size} fields`
    for (const [field, piece] of value)
      if (found.get(field) !== expand(piece)) return `${key} ${field}: ${shown(found.get(field))} instead of ${piece}`
    return undefined
  }

  #firstDifference(found: ReadonlyMap<string, string | ReadonlyMap<string, string> | undefined>): string | undefined {
    for (const [key, value] of found) {
      const wrong = this.difference(key, value)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  #fill(): void {
    const socket = this.#socket as Socket
    let text = ''
    while (this.#running && this.#pending.length < pipelined) {
      const sent = this.#planned === undefined ? this.#next() : this.#planned.shift()?.()
      if (sent === undefined) break
      this.#pending.push(sent)
      if (this.#pending.length === 1) this.#repliesLeft = sent.requests.length
      for (const [key, value] of sent.effects) this.#sentValues.set(key, value)
      for (const words of sent.requests) text += `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
    }
    if (text !== '') socket.write(text, 'latin1')
  }

  #answered(reply: Reply): void {
    if (reply.type === 'error' || reply.type === 'nilArray') {
      throw new Error(
        `${this.name}: ${'text' in reply ? reply.text.toString() : reply.type} in answer to ${this.#pending[0]?.requests[0]?.[0]}`,
      )
    }
    if (--this.#repliesLeft > 0) return
    const done = this.#pending.shift() as Sent
    this.#repliesLeft = this.#pending[0]?.requests.length ?? 0
    this.#apply(done)
    this.acknowledged++
    this.#onAnswer()
  }

  #apply({ effects }: Sent): void {
    for (const [key, value] of effects) {
      if (value === undefined) this.values.delete(key)
      else this.values.set(key, value)
    }
  }

  /** A random request or transaction. */
  #next(): Sent {
    const key = this.#key(this.#below(this.#keyCount))
    const choice = this.#below(20)
    if (choice < 8) return this.#set(key)
    if (choice < 10) return this.#append(key)
    if (choice < 11) return { requests: [['DEL', key]], effects: new Map([[key, undefined]]) }
    if (choice < 14) return this.#increment(`${this.name}:n${this.#below(50)}`)
    if (choice < 16) return this.#setFields(`${this.name}:h${this.#below(20)}`, 1 + this.#below(5))
    if (choice < 17) return this.#deleteFields(`${this.name}:h${this.#below(20)}`)
    if (this.#below(15) === 0) return this.#set(`${this.name}:l${this.#below(3)}`, largeBytesMax)
    return this.#transaction()
  }

  #set(key: string, bytesMax = this.#bytesMax): Sent {
    const piece = this.#piece(1 + this.#below(bytesMax))
    return { requests: [['SET', key, expand(piece)]], effects: new Map([[key, piece]]) }
  }

  #append(key: string): Sent {
    const before = this.#value(key)
    const piece = this.#piece(20)
    const pieces = typeof before === 'string' ? before.split(' ') : []
    if (pieces.length > 5) return this.#set(key)
    return { requests: [['APPEND', key, expand(piece)]], effects: new Map([[key, [...pieces, piece].join(' ')]]) }
  }

  #increment(key: string): Sent {
    const before = this.#value(key)
    const after = Number(typeof before === 'string' ? before.slice(1) : 0) + 1
    return { requests: [['INCR', key]], effects: new Map([[key, `=${after}`]]) }
  }

  #setFields(key: string, count: number): Sent {
    const fields = new Map(this.#value(key) as ReadonlyMap<string, string> | undefined)
    const words: string[] = []
    for (let i = 0; i < count; i++) {
      const field = `f${this.#below(300)}`
      const piece = this.#piece(80 + this.#below(80))
      fields.set(field, piece)
      words.push(field, expand(piece))
    }
    return { requests: [['HSET', key, ...words]], effects: new Map([[key, fields]]) }
  }

  #deleteFields(key: string): Sent {
    const fields = new Map(this.#value(key) as ReadonlyMap<string, string> | undefined)
    const names = Array.from({ length: 4 }, () => `f${this.#below(300)}`)
    for (const name of names) fields.delete(name)
    return { requests: [['HDEL', key, ...names]], effects: new Map([[key, fields.size === 0 ? undefined : fields]]) }
  }

  /** Several requests on different keys. */
  #transaction(): Sent {
    const parts = [
      this.#increment(`${this.name}:n0`),
      this.#set(this.#key(0)),
      this.#setFields(`${this.name}:h0`, 2),
      this.#append(this.#key(1)),
    ]
    return {
      requests: [['MULTI'], ...parts.flatMap(({ requests }) => requests), ['EXEC']],
      effects: new Map(parts.flatMap(({ effects }) => [...effects])),
    }
  }

  /** As of everything sent. */
  #value(key: string): Value | undefined {
    return this.#sentValues.has(key) ? this.#sentValues.get(key) : this.values.get(key)
  }

  #key(i: number): string {
    return `${this.name}:s${i}`
  }

  #piece(length: number): string {
    return `${++this.#number}:${length}`
  }

  #below(n: number): number {
    return this.#random.nextUint32() % n
  }
}

export function isHashKey(key: string): boolean {
  return key.includes(':h')
}

/** The text that a description of a value stands for. */
function expand(value: string): string {
  if (value.startsWith('=')) return value.slice(1)
  return value
    .split(' ')
    .map((piece) => {
      const [number, length] = piece.split(':').map(Number) as [number, number]
      const from = Math.imul(number, 0x9e3779b1) >>> 13
      return `${number}.${noise.slice(from, from + length)}`
    })
    .join('')
}

function shown(value: Value | undefined): string {
  if (value === undefined) return 'nothing'
  return typeof value === 'string' ? `${value.slice(0, 40)}… (${value.length})` : `${value.size} fields`
}

function makeNoise(length: number): string {
  const random = chance()
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = 32 + random.below(95)
  return bytes.toString('latin1')
}
