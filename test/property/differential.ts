/**
 * The same bytes to two servers, one request at a time, and the replies compared byte for byte. Only what is legitimately
 * free is let go: the order of a hashtable's fields and of keys, random choices, cursors, and the milliseconds that
 * passed between the two. An order is free only where both servers say that the encoding has none.
 */
import { encodeRequest, format, formatInline } from '../commands/notation.ts'
import type { Decoded, Reply } from '../commands/resp-decoder.ts'
import type { Target } from '../commands/transcript.ts'
import { sorted } from '../commands/transcript.ts'
import type { RandomRequest, RandomSession } from './random-commands.ts'
import { describeRequest, thresholdSettings } from './random-commands.ts'
import { timeless as withoutTimes } from './random-stream-requests.ts'

/** `order`: the same but for the order, where the caller has to know whether the order is free. `count`: one may count expired keys. */
type Comparison = 'same' | 'different' | 'order' | 'count'

/** So much later one of the servers may get a request on a busy machine. Times of expiry are a thousand seconds apart, or absolute and rarely closer. */
const apartMsMax = 10_000

/** Moraine keeps no later time of expiry, in ms; Redis does. */
const expireAtMax = 2 ** 48 - 1

/** Runs a session on both servers from empty. Answers undefined if all replies agree, else what differed first. */
export async function compareServers(left: Target, right: Target, session: RandomSession): Promise<string | undefined> {
  await Promise.all([left.reset(), right.reset()])
  const pair = new ServerPair(left, right)
  for (const name of thresholdSettings) await pair.ask('a', ['CONFIG', 'SET', name, `${session.listpackEntriesMax}`])
  await pair.ask('a', ['HELLO', `${session.protocols.a}`])
  await pair.ask('b', ['HELLO', `${session.protocols.b}`])
  for (const [index, request] of session.requests.entries()) {
    const difference = await pair.compare(request)
    if (difference !== undefined) return `request ${index + 1}: ${difference}`
  }
  for (const connection of ['a', 'b']) {
    if (left.unreceived(connection) !== right.unreceived(connection)) return `connection ${connection}: more replies than requests`
  }
  return undefined
}

class ServerPair {
  readonly #left: Target
  readonly #right: Target
  /** The requests that each connection has queued since MULTI; undefined outside a transaction. */
  readonly #queued = new Map<string, RandomRequest[]>()

  constructor(left: Target, right: Target) {
    this.#left = left
    this.#right = right
  }

  async compare(request: RandomRequest): Promise<string | undefined> {
    const [left, right] = await this.ask(request.connection, request.parts)
    const queued = this.#queued.get(request.connection)
    let comparison = left.raw.equals(right.raw) ? 'same' : compareReplies(request, left.reply, right.reply, queued)
    // Inside EXEC the moment to ask for the encoding has passed.
    if (comparison === 'order') comparison = queued !== undefined || (await this.#isUnordered(request)) ? 'same' : 'different'
    if (comparison === 'count') comparison = queued !== undefined || (await this.#countAlike(request)) ? 'same' : 'different'
    this.#follow(request, left.reply)
    if (comparison === 'same') return undefined
    const names = [this.#left.product, this.#right.product]
    return `${describeRequest(request)}\n${names[0]}: ${format(left.reply)}\n${names[1]}: ${format(right.reply)}`
  }

  async ask(connection: string, parts: readonly (Uint8Array | string)[]): Promise<readonly [Decoded, Decoded]> {
    const bytes = encodeRequest(parts.map((part) => Buffer.from(part as string)))
    await Promise.all([this.#left.send(connection, bytes), this.#right.send(connection, bytes)])
    const [left, right] = await Promise.all([this.#left.receive(connection), this.#right.receive(connection)])
    if (left === 'closed' || right === 'closed') throw new Error(`a server closed connection ${connection}`)
    return [left, right]
  }

  async #isUnordered({ connection, parts }: RandomRequest): Promise<boolean> {
    if (/^(KEYS|SCAN|S(INTER|UNION|DIFF)|SPOP)$/i.test(String(parts[0]))) return true
    const [left, right] = await this.ask(connection, ['OBJECT', 'ENCODING', parts[1] as Buffer])
    // ZSCAN walks over the table that a large sorted set has beside its order.
    const unordered = /^ZSCAN$/i.test(String(parts[0])) ? '"skiplist"' : '"hashtable"'
    return formatInline(left.reply) === unordered && left.raw.equals(right.raw)
  }

  /** Redis goes on counting a key that was set with a time in the past, until it is looked at or found by chance. */
  async #countAlike({ connection, parts }: RandomRequest): Promise<boolean> {
    await this.ask(connection, ['SCAN', '0', 'COUNT', '1000'])
    const [left, right] = await this.ask(connection, parts)
    return left.raw.equals(right.raw)
  }

  #follow(request: RandomRequest, reply: Reply): void {
    const name = String(request.parts[0]).toUpperCase()
    const text = 'text' in reply ? reply.text.toString('latin1') : ''
    const queued = this.#queued.get(request.connection)
    if (name === 'MULTI' && text === 'OK') this.#queued.set(request.connection, [])
    else if (text === 'QUEUED' && queued !== undefined) queued.push(request)
    else if ((name === 'EXEC' || name === 'DISCARD') && !/^ERR/.test(text)) this.#queued.delete(request.connection)
  }
}

function compareReplies(request: RandomRequest, left: Reply, right: Reply, queued: readonly RandomRequest[] | undefined): Comparison {
  const name = String(request.parts[0]).toUpperCase()
  if (left.type !== right.type || left.type === 'error') return same(left, right)
  if (name === 'EXEC' && queued !== undefined && 'items' in left && 'items' in right) {
    return compareAll(queued, left.items, right.items)
  }
  switch (name) {
    case 'TTL':
    case 'EXPIRETIME':
      return near(left, right, apartMsMax / 1000, expireAtMax / 1000)
    case 'PTTL':
    case 'PEXPIRETIME':
      return near(left, right, apartMsMax, expireAtMax)
    case 'RANDOMKEY':
      return 'same'
    case 'DBSIZE':
      return same(left, right) === 'same' ? 'same' : 'count'
    case 'XPENDING':
    case 'XINFO':
      return timeless(request, left) === timeless(request, right) ? 'same' : 'different'
    case 'HRANDFIELD':
    case 'SRANDMEMBER':
      return shape(left) === shape(right) ? 'same' : 'different'
    case 'KEYS':
    case 'HKEYS':
    case 'HVALS':
    case 'SMEMBERS':
    case 'SINTER':
    case 'SUNION':
    case 'SDIFF':
    case 'SPOP':
      return sorted(left, 'any') === sorted(right, 'any') ? 'order' : 'different'
    case 'HGETALL':
      return sorted(left, 'pairs') === sorted(right, 'pairs') ? 'order' : 'different'
    case 'SCAN':
      return compareScans(request.parts[1], left, right, 'any')
    case 'SSCAN':
      return compareScans(request.parts[2], left, right, 'any')
    case 'HSCAN':
    case 'ZSCAN':
      return compareScans(request.parts[2], left, right, 'pairs')
    default:
      return same(left, right)
  }
}

function compareAll(queued: readonly RandomRequest[], left: readonly Reply[], right: readonly Reply[]): Comparison {
  if (left.length !== right.length || left.length !== queued.length) return 'different'
  const each = queued.map((request, index) => compareReplies(request, left[index] as Reply, right[index] as Reply, undefined))
  return each.includes('different') ? 'different' : each.includes('order') || each.includes('count') ? 'order' : 'same'
}

/** Two scans from the beginning to the end must agree in content; parts of scans need not. */
function compareScans(cursor: Buffer | undefined, left: Reply, right: Reply, order: 'any' | 'pairs'): Comparison {
  const complete = (reply: Reply): boolean => 'items' in reply && reply.items[0] !== undefined && formatInline(reply.items[0]) === '"0"'
  if (Number(cursor) !== 0 || !complete(left) || !complete(right)) return 'same'
  return sorted(left, order) === sorted(right, order) ? 'order' : 'different'
}

function same(left: Reply, right: Reply): Comparison {
  return formatInline(left) === formatInline(right) ? 'same' : 'different'
}

function near(left: Reply, right: Reply, tolerance: number, latest: number): Comparison {
  if (!('text' in left) || !('text' in right)) return same(left, right)
  const [a, b] = [Number(left.text.toString()), Number(right.text.toString())]
  // Beyond nine tenths of the latest, Moraine has cut what Redis has kept; nobody asks for such times otherwise.
  if (a > latest * 0.9 && b > latest * 0.9) return 'same'
  // -1 and -2 have meanings of their own.
  return a === b || (a >= 0 && b >= 0 && Math.abs(a - b) <= tolerance) ? 'same' : 'different'
}

/** Without what a clock says. */
function timeless({ parts }: RandomRequest, reply: Reply): string {
  const words = parts.map(String)
  return withoutTimes([words[0]?.toUpperCase() ?? '', words[1]?.toUpperCase() ?? '', ...words.slice(2)], formatInline(reply))
}

function shape(reply: Reply): string {
  return 'items' in reply ? `${reply.type}[${reply.items.map(shape).join(' ')}]` : reply.type
}
