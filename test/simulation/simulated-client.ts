/** A client in the simulation: sends requests, pipelined, and compares each reply with what the observer heard of its execution. */
import { Buffer } from 'node:buffer'
import type { Network, Pipe } from '../../server/network/network.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'
import { eachOf, throughLua, wrongWith } from './model-replies.ts'
import type { Executed, Observer } from './observer.ts'

export interface ReplySeen {
  readonly words: readonly string[]
  readonly raw: string
  /** LSN that the reply reveals. */
  readonly lsn: number
  /** In which it was executed, where nodes share a log. */
  readonly epoch: number
}

/** Replies that do not come from the keyspace. */
const plain: Readonly<Record<string, string>> = {
  select: '+OK\r\n',
  multi: '+OK\r\n',
  discard: '+OK\r\n',
  watch: '+OK\r\n',
  ping: '+PONG\r\n',
  function: '$9\r\nsimulated\r\n',
}
const blocking = /^b(?:[lr]pop|lm|zm?pop)/

/** Whether the time may be over before there is anything to answer. */
function mayWait(words: readonly string[]): boolean {
  return blocking.test((words[0] as string).toLowerCase()) || words.includes('BLOCK')
}

export class SimulatedClient {
  /** Requests without a reply yet, oldest first. */
  readonly waiting: (readonly string[])[] = []
  closed = false
  failure: Error | undefined
  /** Called after each reply. */
  onReply: (seen: ReplySeen) => void = () => undefined
  /** Called with the bytes of each reply, before anything else. */
  onAnswer: (raw: string) => void = () => undefined
  onClose: () => void = () => undefined
  /** Starts of error replies that are no mistake now, such as `-OOM`. */
  readonly tolerated = new Set<string>()
  readonly #pipe: Pipe
  readonly #observer: Observer
  readonly #decoder = new RespDecoder()
  /** MULTI was sent, and answered. */
  #openSent = false
  #openAnswered = false

  private constructor(pipe: Pipe, observer: Observer) {
    this.#pipe = pipe
    this.#observer = observer
    pipe.start({
      onData: (bytes, start, end) => this.#data(bytes.subarray(start, end)),
      onDrain: () => undefined,
      onEnd: () => pipe.end(),
      onClose: () => {
        this.closed = true
        this.onClose()
      },
    })
  }

  static async connect(network: Network, observer: Observer, port: number, host = 'server'): Promise<SimulatedClient> {
    return new SimulatedClient(await network.connect({ host, port }), observer)
  }

  /** Whether the next request to be sent would be queued. */
  get inTransaction(): boolean {
    return this.#openSent
  }

  send(words: readonly string[]): void {
    const name = (words[0] as string).toLowerCase()
    if (name === 'multi') this.#openSent = true
    else if (name === 'exec' || name === 'discard') this.#openSent = false
    this.waiting.push(words)
    this.#pipe.write([Buffer.from(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`, 'latin1')])
  }

  destroy(): void {
    this.#pipe.destroy()
  }

  #data(bytes: Buffer): void {
    if (this.failure !== undefined) return
    this.#decoder.push(bytes)
    try {
      for (let found = this.#decoder.next(); found !== undefined; found = this.#decoder.next()) this.#reply(found.raw.toString('latin1'))
    } catch (failure) {
      this.failure = failure as Error
    }
  }

  #reply(raw: string): void {
    const words = this.waiting.shift()
    if (words === undefined) throw new Error(`a reply to nothing: ${raw.slice(0, 100)}`)
    this.onAnswer(raw)
    const name = (words[0] as string).toLowerCase()
    if (raw.startsWith('-') && [...this.tolerated].some((start) => raw.startsWith(start))) {
      if (name === 'exec' || name === 'discard') this.#openAnswered = false
      this.onReply({ words, raw, lsn: 0, epoch: 0 })
      return
    }
    if (name === 'exec') this.#openAnswered = false
    else if (this.#openAnswered && name !== 'discard') {
      this.#require(words, raw, '+QUEUED\r\n')
      return
    }
    if (name === 'multi') this.#openAnswered = true
    if (name === 'discard') this.#openAnswered = false
    const expected = plain[name]
    if (expected !== undefined) {
      this.#require(words, raw, expected)
      return
    }
    // A watched key had changed.
    if (name === 'exec' && raw === '*-1\r\n') return
    this.#compare(words, raw)
  }

  #compare(words: readonly string[], raw: string): void {
    const queue = this.#observer.executed.get(this.#pipe.localAddress) ?? []
    if (mayWait(words) && (raw === '*-1\r\n' || raw === '$-1\r\n')) {
      // It may be one behind it that has been executed, if that has the same words.
      const isIt = (each: readonly string[] | undefined): boolean => each?.join('\0') === words.join('\0')
      if (isIt(queue[0]?.words) && !this.waiting.some(isIt))
        throw new Error(`${shown(words)} was executed, and answered as if its time were over`)
      return
    }
    const executed = queue.shift()
    if (executed === undefined) throw new Error(`not executed, but answered: ${shown(words)} → ${shown([raw])}`)
    this.#judge(words, raw, executed)
    this.onReply({ words, raw, lsn: executed.lsn, epoch: executed.epoch })
  }

  #judge(words: readonly string[], raw: string, { words: done, expected }: Executed): void {
    const name = (words[0] as string).toLowerCase()
    const isScript = name === 'eval' || name === 'fcall'
    const isOne = name !== 'exec' && !isScript
    if (isOne && done.join('\0') !== words.join('\0')) throw new Error(`${shown(words)} is answered with the reply of ${shown(done)}`)
    const judge = isOne ? expected[0] : eachOf(isScript ? expected.map(throughLua) : expected)
    const wrong = wrongWith(raw, judge as string)
    if (wrong !== undefined) throw new Error(`${shown(words)} → ${shown([raw])}: ${wrong.slice(0, 500)}`)
  }

  #require(words: readonly string[], raw: string, expected: string): void {
    if (raw !== expected) throw new Error(`${shown(words)} → ${shown([raw])}, expected ${shown([expected])}`)
  }
}

function shown(words: readonly string[]): string {
  const text = JSON.stringify(words.join(' '))
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text
}
