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
import { ConsumerGroup } from './consumer-group.ts'
import { Queue, queueForms } from './queues.ts'
import type { Taken } from './taker.ts'
import type { Pen, Written } from './written-types.ts'
import { rounds, writtenTypes } from './written-types.ts'

/** Bytes that no compression makes smaller. */
const noise = makeNoise(1 << 22)
/** Now and then a value that the server keeps in the memory it arrived in, and in pieces on disk. */
const largeBytesMax = 3 << 20
const pipelined = 32

/** A string's pieces, each `number:length`; or what the key's type makes of it. */
type Value = unknown

interface Sent {
  /** One request, or a transaction's. */
  readonly requests: readonly (readonly string[])[]
  /** What it makes of each of its keys; undefined for none. */
  readonly effects: ReadonlyMap<string, Value | undefined>
  /** Where it pushes an element each. */
  readonly pushesTo?: readonly Taken[]
}

/** A script, and a function, of several commands: its arguments give them, each behind the number of its words. */
const body = `local at, done = 1, 0
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + count))
  at = at + count + 1
  done = done + 1
end
return done`
const library = `#!lua name=writers
redis.register_function('commands', function(KEYS, ARGV)
${body}
end)`
const weighted = Object.entries(writtenTypes).flatMap(([letter, { weight }]) => Array.from({ length: weight }, () => letter))

export class Writer {
  readonly name: string
  readonly queues: readonly Taken[]
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
  readonly #pen: Pen
  #number = 0
  #counter = 0
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
    this.queues = [...queueForms.map((form, i) => new Queue(`${name}:q${i}`, form)), new ConsumerGroup(`${name}:g`)]
    this.#pen = { below: (n) => this.#below(n), piece: (length) => this.#piece(length), expand, next: () => ++this.#counter }
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

  /** Writes every key once, collections in several rounds, and returns when all is answered. */
  async populate(port: number): Promise<void> {
    const plan: (() => Sent)[] = [() => ({ requests: [['FUNCTION', 'LOAD', 'REPLACE', library]], effects: new Map() })]
    for (let i = 0; i < this.#keyCount; i++) plan.push(() => this.#set(this.#key(i)))
    for (const [letter, { keys, fill }] of Object.entries(writtenTypes)) {
      for (let i = 0; i < keys; i++) {
        const key = `${this.name}:${letter}${i}`
        for (let round = 0; round < rounds; round++) plan.push(() => sentOf(key, fill(key, this.#value(key), this.#pen, round)))
      }
    }
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
   * as the server has it, as one text. Throws when no first part of it explains what is there.
   */
  async reconcile(read: (key: string) => Promise<string | undefined>): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    this.#sentValues.clear()
    this.#repliesLeft = 0
    const touched = new Set(pending.flatMap(({ effects }) => [...effects.keys()]))
    const found = new Map<string, string | undefined>()
    for (const key of touched) found.set(key, await read(key))
    let wrong = this.#differences(found)
    let best = { wrong, done: 0 }
    for (let done = 0; wrong.length > 0; done++) {
      const next = pending[done]
      if (next === undefined)
        throw new Error(
          `${this.name}: no first part of ${pending.length} unanswered requests explains what is there; ${best.done} of them all but ${best.wrong.join('; ')}; the next is ${summary(pending[best.done])}`,
        )
      this.#apply(next)
      wrong = this.#differences(found)
      if (wrong.length < best.wrong.length) best = { wrong, done: done + 1 }
    }
  }

  /** A few keys at random. */
  sample(count: number): string[] {
    const keys = [...this.values.keys()]
    return Array.from({ length: Math.min(count, keys.length) }, () => keys[this.#below(keys.length)] as string)
  }

  /** What is wrong with a value that the server gave. */
  difference(key: string, found: string | undefined): string | undefined {
    const value = this.values.get(key)
    const expected = value === undefined ? undefined : (typeOf(key)?.text(value, this.#pen) ?? expand(value as string))
    return found === expected ? undefined : `${key}: ${shown(found, expected)} instead of ${shown(expected, found)}`
  }

  #differences(found: ReadonlyMap<string, string | undefined>): string[] {
    return [...found].map(([key, value]) => this.difference(key, value)).filter((wrong) => wrong !== undefined)
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
    for (const queue of done.pushesTo ?? []) queue.acknowledge()
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
    const choice = this.#below(24)
    if (choice < 5) return this.#set(key)
    if (choice < 6) return this.#append(key)
    if (choice < 7) return { requests: [['DEL', key]], effects: new Map([[key, undefined]]) }
    if (choice < 9) return this.#increment(`${this.name}:n${this.#below(50)}`)
    if (choice < 17) return this.#change()
    if (choice < 18) return this.#moveKey()
    if (choice < 20) return this.#push()
    if (this.#below(20) === 0) return this.#set(`${this.name}:b${this.#below(3)}`, largeBytesMax)
    return this.#together()
  }

  /** A request on a collection. */
  #change(letter = weighted[this.#below(weighted.length)] as string): Sent {
    const { keys, change } = writtenTypes[letter] as (typeof writtenTypes)[string]
    const [key, other] = [this.#below(keys), this.#below(keys)].map((i) => `${this.name}:${letter}${i}`) as [string, string]
    return sentOf(key, change(key, this.#value(key), this.#pen, other, this.#value(other)), other)
  }

  /** A collection comes to lie under another key. */
  #moveKey(): Sent {
    const letter = weighted[this.#below(weighted.length)] as string
    const { keys } = writtenTypes[letter] as (typeof writtenTypes)[string]
    const [key, other] = [this.#below(keys), this.#below(keys)].map((i) => `${this.name}:${letter}${i}`) as [string, string]
    const value = this.#value(key)
    if (value === undefined || key === other) return this.#change(letter)
    const copies = this.#below(2) === 0
    const effects = new Map([
      [key, copies ? value : undefined],
      [other, value],
    ] as const)
    return { requests: [copies ? ['COPY', key, other, 'REPLACE'] : ['RENAME', key, other]], effects }
  }

  #push(): Sent {
    const queue = this.queues[this.#below(this.queues.length)] as Taken
    return { requests: [queue.push(++this.#counter)], effects: new Map(), pushesTo: [queue] }
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

  /** Several requests on different keys: a transaction, a script or a function. */
  #together(): Sent {
    const makers = [
      () => this.#increment(`${this.name}:n0`),
      () => this.#set(this.#key(0)),
      ...Object.keys(writtenTypes).map((letter) => () => this.#change(letter)),
      () => this.#append(this.#key(1)),
      () => this.#push(),
    ].filter((_, i) => i === 0 || this.#below(2) === 0)
    const effects = new Map<string, Value | undefined>()
    const requests: (readonly string[])[] = []
    const pushesTo: Taken[] = []
    for (const make of makers) {
      const made = make()
      requests.push(...made.requests)
      pushesTo.push(...(made.pushesTo ?? []))
      for (const [key, value] of made.effects) effects.set(key, value)
    }
    const how = this.#below(3)
    if (how === 0) return { requests: [['MULTI'], ...requests, ['EXEC']], effects, pushesTo }
    const words = requests.flatMap((each) => [`${each.length}`, ...each])
    return { requests: [how === 1 ? ['EVAL', body, '0', ...words] : ['FCALL', 'commands', '0', ...words]], effects, pushesTo }
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

/** The type of a key's collection; undefined for a string. */
export function typeOf(key: string): (typeof writtenTypes)[string] | undefined {
  return writtenTypes[key.charAt(key.indexOf(':') + 1)]
}

function sentOf(key: string, { words, after, other }: Written<unknown>, otherKey = key): Sent {
  return {
    requests: [words],
    effects: new Map(
      other === undefined
        ? [[key, after]]
        : [
            [key, after],
            [otherKey, other],
          ],
    ),
  }
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

/** The commands of a request, and its keys with what it makes of strings. */
function summary(sent: Sent | undefined): string {
  const names = sent?.requests.map((words) => words.slice(0, 3).join(' ').slice(0, 60)).join(', ')
  return `${names} → ${[...(sent?.effects ?? [])].map(([key, value]) => `${key} ${typeof value === 'string' ? value.slice(0, 30) : ''}`).join(', ')}`
}

/** A part of a text, from a little before the place where it differs from another one. */
function shown(text: string | undefined, other: string | undefined): string {
  if (text === undefined) return 'nothing'
  let at = 0
  while (at < text.length && text[at] === other?.[at]) at++
  return `…${text.slice(Math.max(0, at - 20), at + 60)}… (${text.length}, different from ${at} on)`
}

function makeNoise(length: number): string {
  const random = chance()
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = 32 + random.below(95)
  return bytes.toString('latin1')
}
