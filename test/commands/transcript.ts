/**
 * Transcripts: what a client sends and what it must receive, byte for byte, in `test/commands/<family>.txt`. The same
 * files run against redis-server and against Moraine. A file is a list of sections, a section a list of steps:
 *
 *   # a comment                        (also: an empty line)
 *   [GET, SET] What this shows         a section; the commands that it covers. It starts with an empty server, default
 *                                      configuration and new connections
 *   > SET k "a\x00b" EX 10             a request of connection a, in redis-cli's quoting; its reply on the next lines,
 *   +OK                                in the notation of notation.ts
 *   @b GET k                           a request of connection b
 *   >> "PING\r\n"                      raw bytes (also `@b >> "…"`)
 *   (nothing)                          in place of a reply: none is awaited, and none may come before the next reply
 *   (closed)                           after the replies, or in their place: the server closes the connection
 *   ~unordered                         the next reply's arrays may come in any order, at every depth
 *   ~unordered pairs                   the same, where the innermost array holds names and values in turn
 *   ~match <regular expression>        stands for the next reply: the whole reply in inline notation matches
 *   ~receive b                         a reply that connection b did not ask for (MONITOR) or waited for (CLIENT PAUSE)
 *   ~until <regular expression>        the next request is sent again and again until its reply matches
 *   ~for 1..9                          the next request is sent for each number, written {i} in it; same reply each time
 *   {a*70000}                          in a request: the character so many times
 *   ~advance 1500ms                    that much time passes on the server's clock
 *   ~redis-only <reason>               the next request, or the section that follows, is an intended difference
 *   ~moraine-only <reason>
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { encode, encodeRequest, format, formatInline, parseReplies, splitArguments } from './notation.ts'
import type { Decoded, Reply } from './resp-decoder.ts'

const untilTimeoutMs = 60_000
const slowMs = 400
const attemptsMax = 6

export type Product = 'redis' | 'moraine'
export type Received = Decoded | 'closed'

/** A server under test. Connections have names and open when first used. */
export interface Target {
  readonly product: Product
  /** Sends bytes as they are. Throws if the connection has failed. */
  send(connection: string, request: Uint8Array): Promise<void>
  /** The connection's next reply, in the order of arrival. Rejects if none comes in time. */
  receive(connection: string): Promise<Received>
  /** Bytes and replies that have arrived and that nobody received. */
  unreceived(connection: string): number
  /** Closes the connections, empties the server and restores its configuration. */
  reset(): Promise<void>
  /** Returns when the server's clock has moved on by so many milliseconds. */
  advance(ms: number): Promise<void>
  close(): Promise<void>
}

export interface Section {
  readonly line: number
  readonly commands: readonly string[]
  readonly title: string
  readonly only: Product | undefined
  readonly steps: readonly Step[]
}

export type Step = Exchange | { readonly line: number; readonly advanceMs: number }

interface Exchange {
  readonly line: number
  readonly only: Product | undefined
  readonly connection: string
  /** Undefined: only receives. */
  readonly request: string | undefined
  readonly raw: boolean
  readonly repeat: readonly [number, number] | undefined
  readonly order: 'exact' | 'any' | 'pairs'
  readonly match: RegExp | undefined
  readonly until: boolean
  /** The lines after the request that write the expected replies; `bodyEnd` is exclusive. Counted from 1. */
  bodyEnd: number
  readonly body: string[]
}

export interface Transcript {
  readonly path: string
  readonly lines: readonly string[]
  readonly sections: readonly Section[]
}

export interface Mismatch {
  readonly exchange: Exchange
  readonly request: string
  readonly expected: string
  readonly actual: string
  /** What a transcript would have to say; undefined where a person must decide (`~match`, a missing reply). */
  readonly correction: string | undefined
}

/** All transcripts of a folder, by name. */
export function loadTranscripts(folder: URL): readonly Transcript[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))
  return names.sort().map((name) => parseTranscript(new URL(name, folder).pathname, readFileSync(new URL(name, folder), 'utf8')))
}

export function parseTranscript(path: string, text: string): Transcript {
  const lines = text.split('\n')
  const parser = new TranscriptParser()
  for (const [index, line] of lines.entries()) {
    try {
      parser.line(line, index + 1)
    } catch (error) {
      throw new Error(`${path}:${index + 1}: ${(error as Error).message}`)
    }
  }
  return { path, lines, sections: parser.sections }
}

interface Directives {
  only?: Product
  order?: 'any' | 'pairs'
  match?: RegExp
  until?: boolean
  repeat?: readonly [number, number]
}

class TranscriptParser {
  readonly sections: Section[] = []
  #steps: Step[] | undefined
  #exchange: Exchange | undefined
  #next: Directives = {}

  line(line: string, number: number): void {
    if (line === '' || line === '#' || line.startsWith('# ')) return
    const header = /^\[([A-Z][^\]]*)\] (.+)$/.exec(line)
    const rawRequest = /^>> ?(.*)$/.exec(line)
    const request = /^(?:>|@(\w+)) ?(>> ?)?(.*)$/.exec(line)
    if (header !== null) this.#section(header[1] as string, header[2] as string, number)
    else if (line.startsWith('~')) this.#directive(line, number)
    else if (rawRequest !== null) this.#request('a', rawRequest[1] as string, true, number)
    else if (request !== null) this.#request(request[1] ?? 'a', request[3] as string, request[2] !== undefined, number)
    else if (this.#exchange === undefined) throw new Error(`a reply without a request: ${line}`)
    else {
      this.#exchange.body.push(line)
      this.#exchange.bodyEnd = number + 1
    }
  }

  #section(commands: string, title: string, line: number): void {
    this.#steps = []
    this.#exchange = undefined
    this.sections.push({ line, commands: commands.split(', '), title, only: this.#next.only, steps: this.#steps })
    this.#next = {}
  }

  #directive(line: string, number: number): void {
    const [, word, rest] = /^~(\S+) ?(.*)$/.exec(line) as unknown as [string, string, string]
    if (word === 'redis-only' || word === 'moraine-only') {
      if (rest === '') throw new Error(`~${word} needs a reason`)
      this.#next.only = word === 'redis-only' ? 'redis' : 'moraine'
    } else if (word === 'unordered') this.#next.order = rest === 'pairs' ? 'pairs' : 'any'
    else if (word === 'match' || word === 'until') {
      this.#next.match = new RegExp(`^(?:${rest})$`)
      this.#next.until = word === 'until'
    } else if (word === 'receive') this.#request(rest, undefined, false, number)
    else if (word === 'for') this.#next.repeat = rest.split('..').map(Number) as [number, number]
    else if (word === 'advance') {
      const duration = /^(\d+)ms$/.exec(rest)
      if (duration === null) throw new Error(`not a duration in ms: ${rest}`)
      this.#exchange = undefined
      this.#add({ line: number, advanceMs: Number(duration[1]) })
    } else throw new Error(`unknown directive ~${word}`)
  }

  #request(connection: string, request: string | undefined, raw: boolean, line: number): void {
    const { only, order = 'exact', match, until = false, repeat } = this.#next
    this.#next = {}
    this.#exchange = { line, only, connection, request, raw, repeat, order, match, until, bodyEnd: line + 1, body: [] }
    this.#add(this.#exchange)
  }

  #add(step: Step): void {
    if (this.#steps === undefined) throw new Error('a step before the first section')
    this.#steps.push(step)
  }
}

/**
 * Runs a section from an empty server. Answers what differed; throws only if the target itself fails. What a transcript
 * says of times to live holds only on a machine that does not stall: a run that differed is repeated if it was slow or had
 * to do with time.
 */
export async function runSection(target: Target, section: Section): Promise<readonly Mismatch[]> {
  const isTimed = section.steps.some((step) => 'advanceMs' in step)
  for (let attempt = 1; ; attempt++) {
    await target.reset()
    const start = performance.now()
    const mismatches = await runSteps(target, section)
    if (mismatches.length === 0 || attempt === attemptsMax) return mismatches
    if (!isTimed && performance.now() - start < slowMs) return mismatches
  }
}

async function runSteps(target: Target, section: Section): Promise<readonly Mismatch[]> {
  const mismatches: Mismatch[] = []
  const connections = new Set<string>()
  let last: Exchange | undefined
  for (const step of section.steps) {
    if ('advanceMs' in step) await target.advance(step.advanceMs)
    else if (step.only === undefined || step.only === target.product) {
      connections.add(step.connection)
      last = step
      const mismatch = await runExchange(target, step)
      if (mismatch !== undefined) mismatches.push(mismatch)
    }
  }
  for (const connection of connections) {
    if (last === undefined || target.unreceived(connection) === 0) continue
    const actual = await receiveText(target, connection)
    const request = `(end of section, connection ${connection})`
    mismatches.push({ exchange: last, request, expected: '(nothing)', actual, correction: undefined })
  }
  return mismatches
}

async function receiveText(target: Target, connection: string): Promise<string> {
  const received = await target.receive(connection).catch(() => undefined)
  return received === undefined ? '(part of a reply)' : received === 'closed' ? '(closed)' : format(received.reply)
}

async function runExchange(target: Target, exchange: Exchange): Promise<Mismatch | undefined> {
  const [from, to] = exchange.repeat ?? [0, 0]
  for (let index = from; index <= to; index++) {
    const request = exchange.request?.replaceAll('{i}', String(index))
    const end = performance.now() + untilTimeoutMs
    let mismatch: Mismatch | undefined
    do {
      if (request !== undefined) await target.send(exchange.connection, requestBytes(request, exchange.raw))
      mismatch = await compare(target, exchange, request ?? `~receive ${exchange.connection}`)
    } while (mismatch !== undefined && exchange.until && performance.now() < end)
    if (mismatch !== undefined) return mismatch
  }
  return undefined
}

function requestBytes(request: string, raw: boolean): Buffer {
  const parts = splitArguments(request.replace(/\{(.)\*(\d+)\}/g, (_, character: string, count: string) => character.repeat(Number(count))))
  return raw ? Buffer.concat(parts as Buffer[]) : encodeRequest(parts)
}

async function compare(target: Target, exchange: Exchange, request: string): Promise<Mismatch | undefined> {
  const expectedText = exchange.match?.source ?? exchange.body.join('\n')
  const wrong = (actual: string, correction?: string): Mismatch => ({ exchange, request, expected: expectedText, actual, correction })
  if (exchange.body[0] === '(nothing)') return undefined
  const closed = exchange.body.at(-1) === '(closed)'
  const expected = parseReplies((closed ? exchange.body.slice(0, -1) : exchange.body).join('\n'))
  const wanted = Math.max(expected.length, 1)
  const received: Received[] = []
  try {
    const enough = (): boolean => received.at(-1) === 'closed' || (!closed && received.length === wanted)
    while (!enough()) received.push(await target.receive(exchange.connection))
  } catch (error) {
    return wrong([...received.map(show), `(${(error as Error).message})`].join('\n'))
  }
  const actual = received.map(show).join('\n')
  if (exchange.match !== undefined) {
    const first = received[0]
    const inline = first === undefined || first === 'closed' ? '(closed)' : formatInline(first.reply)
    return exchange.match.test(inline) && closed === (received.at(-1) === 'closed') ? undefined : wrong(inline)
  }
  const same = closed === (received.at(-1) === 'closed') && expected.every((reply, index) => sameReply(exchange, reply, received[index]))
  return same && expected.length === received.length - (closed ? 1 : 0) ? undefined : wrong(actual, actual)
}

function show(received: Received): string {
  return received === 'closed' ? '(closed)' : format(received.reply)
}

function sameReply(exchange: Exchange, expected: Reply, received: Received | undefined): boolean {
  if (received === undefined || received === 'closed') return false
  if (exchange.order === 'exact') return encode(expected).equals(received.raw)
  return sorted(expected, exchange.order) === sorted(received.reply, exchange.order)
}

/** The reply in inline notation with the elements of its aggregates sorted; `pairs` keeps every two scalars of an array together. */
export function sorted(reply: Reply, order: 'any' | 'pairs'): string {
  if (!('items' in reply)) return formatInline(reply)
  const items = reply.items.map((item) => sorted(item, order))
  const scalars = reply.items.every((item) => !('items' in item))
  const paired = reply.type === 'map' || reply.type === 'attribute' || (order === 'pairs' && scalars)
  const units = paired ? items.flatMap((item, index) => (index % 2 === 0 ? [`${item} ${items[index + 1]}`] : [])) : items
  return `${reply.type}[${units.sort().join(', ')}]`
}

/** Writes what the server said in place of what the transcript said. */
export function updateTranscript(transcript: Transcript, mismatches: readonly Mismatch[]): void {
  const lines = [...transcript.lines]
  for (const { exchange, correction } of [...mismatches].sort((a, b) => b.exchange.line - a.exchange.line)) {
    if (correction !== undefined) lines.splice(exchange.line, exchange.bodyEnd - exchange.line - 1, ...correction.split('\n'))
  }
  writeFileSync(transcript.path, lines.join('\n'))
}

/** What a failed test shows. */
export function describeMismatches(transcript: Transcript, mismatches: readonly Mismatch[]): string {
  const indent = (text: string): string => text.replaceAll('\n', '\n    ')
  return mismatches
    .map(({ exchange, request, expected, actual }) => {
      const place = `${transcript.path}:${exchange.line}`
      return `${place}\n  > ${request}\n  expected:\n    ${indent(expected)}\n  received:\n    ${indent(actual)}`
    })
    .join('\n')
}
