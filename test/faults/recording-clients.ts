/**
 * Clients that write and read throughout, at whatever node says that it is the primary, one request after the other, and record it
 * all. Every value is written once. Some leave a node that does not answer soon, others stay until it was stopped for long and goes on.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { bulks, itemsOf } from '../simulation/model-replies.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { nodePort } from './fault-cluster.ts'
import type { RecordedHistory } from './recorded-history.ts'
import { RespConnection } from './resp-connection.ts'
import { addressOf, nodeOf, zones } from './zoned-network.ts'

const registers = ['register0', 'register1']
const counters = ['counter0']
export const lists = ['list0', 'list1', 'paired list']
const pairedCounter = 'paired counter'
const pairedList = 'paired list'
const paceMs = 4
const connectMs = 1500
const roleMs = 1500
/** For the last reading, when nothing is wrong any more. */
const finalMs = 60_000
/** Refusals of a request that has not happened. */
const refusals = /^-(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|UNBLOCKED)/

export class RecordingClient {
  readonly #name: string
  readonly #history: RecordedHistory
  readonly #random: SeededRandom
  readonly #patienceMs: number
  readonly #running: Promise<void>
  #stopping = false
  #values = 0
  #zone: number

  constructor(name: string, history: RecordedHistory, random: SeededRandom, patienceMs: number) {
    this.#name = name
    this.#history = history
    this.#random = random
    this.#patienceMs = patienceMs
    this.#zone = random.below(zones.length)
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  /**
   * Reads every key once, and returns what is in the lists; undefined when this node does not do so as the primary: in the same transaction it
   * says what it is, for a busy machine may cost it the lead at any time. To be called when all have stopped.
   */
  static async readAll(zone: number, history: RecordedHistory): Promise<Map<string, readonly string[]> | undefined> {
    const requests = [
      ...[...registers, ...counters, pairedCounter].map((key) => ['GET', key]),
      ...lists.map((key) => ['LRANGE', key, '0', '-1']),
    ]
    const connection = await RespConnection.open(addressOf(nodeOf(zone)), nodePort, finalMs).catch(() => undefined)
    const begun = history.begin(requests)
    const reply = await connection?.ask([['MULTI'], ['ROLE'], ...requests, ['EXEC']], finalMs).catch(() => undefined)
    connection?.close()
    const [role, ...replies] = reply?.startsWith('*') ? itemsOf(reply) : []
    if (role?.startsWith('*3\r\n$6\r\nmaster') !== true) {
      // A reading that nobody has the answer to says nothing.
      begun.refused()
      return undefined
    }
    begun.answered(replies, zone)
    return new Map(requests.flatMap(([name, key], i) => (name === 'LRANGE' ? [[key as string, bulks(replies[i] as string)] as const] : [])))
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const zone = this.#zone
      const connection = await RespConnection.open(addressOf(nodeOf(zone)), nodePort, connectMs).catch(() => undefined)
      try {
        if (connection !== undefined) await this.#use(connection, zone)
      } catch {
        // The request's outcome stays unknown.
      }
      connection?.close()
      this.#zone = (zone + 1) % zones.length
      await pause(paceMs)
    }
  }

  async #use(connection: RespConnection, zone: number): Promise<void> {
    const role = await connection.ask([['ROLE']], roleMs)
    if (!role.startsWith('*3\r\n$6\r\nmaster')) return
    while (!this.#stopping && (await this.#request(connection, zone))) await pause(paceMs)
  }

  /** False when this node is none to ask any more. */
  async #request(connection: RespConnection, zone: number): Promise<boolean> {
    const requests = this.#draw()
    const begun = this.#history.begin(requests)
    const sent = requests.length === 1 ? requests : [['MULTI'], ...requests, ['EXEC']]
    const reply = await connection.ask(sent, this.#patienceMs)
    if (refusals.test(reply) || reply.startsWith('-EXECABORT')) {
      begun.refused()
      return false
    }
    // Of another error it is not known what came of the request.
    if (reply.startsWith('-')) return false
    const replies = requests.length === 1 ? [reply] : itemsOf(reply)
    if (replies.some((each) => each.startsWith('-'))) return false
    begun.answered(replies, zone)
    if (requests.length > 1) this.#checkPair(requests, replies)
    return true
  }

  #draw(): readonly (readonly string[])[] {
    const random = this.#random
    const register = random.pick(registers)
    const list = random.pick(lists.slice(0, 2))
    const value = `${this.#name}-${++this.#values}`
    const drawn = random.below(100)
    if (drawn < 25) return [['SET', register, value]]
    if (drawn < 45) return [['GET', register]]
    if (drawn < 52) return [['APPEND', register, `+${value}`]]
    if (drawn < 65) return [['INCRBY', random.pick(counters), '1']]
    if (drawn < 72) return [['GET', random.pick(counters)]]
    if (drawn < 86) return [['RPUSH', list, value]]
    if (drawn < 89) return [['LRANGE', list, '0', '-1']]
    if (drawn < 97) {
      return [
        ['INCRBY', pairedCounter, '1'],
        ['RPUSH', pairedList, value],
      ]
    }
    return [
      ['GET', pairedCounter],
      ['LRANGE', pairedList, '0', '-1'],
    ]
  }

  /** One transaction after the other has added one to the counter and one element to the list. */
  #checkPair([[name]]: readonly (readonly string[])[], [first, second]: readonly string[]): void {
    const [count, length] =
      name === 'GET'
        ? [Number(first?.startsWith('$-1') ? 0 : first?.split('\r\n')[1]), bulks(second as string).length]
        : [Number(first?.slice(1)), Number(second?.slice(1))]
    if (count !== length) this.#history.fail(`a transaction found ${count} in the counter and ${length} elements in the list`)
  }
}

/** Reads the lists at all nodes in turn: whatever a node's part is, it shows a beginning of what is there in the end. */
export class ReplicaReader {
  readonly #history: RecordedHistory
  readonly #running: Promise<void>
  #stopping = false

  constructor(history: RecordedHistory) {
    this.#history = history
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stopping; i++) {
      const zone = i % zones.length
      const key = lists[i % lists.length] as string
      const connection = await RespConnection.open(addressOf(nodeOf(zone)), nodePort, connectMs).catch(() => undefined)
      let longest = 0
      for (let reads = 0; reads < 10 && connection !== undefined && !this.#stopping; reads++) {
        const reply = await connection.ask([['LRANGE', key, '0', '-1']], roleMs).catch(() => '-')
        if (reply.startsWith('-')) break
        const elements = bulks(reply)
        if (elements.length < longest) this.#history.fail(`node ${zone} has shown ${longest} elements of ${key}, then ${elements.length}`)
        longest = elements.length
        this.#history.replicaShowed(key, elements, zone)
        await pause(50)
      }
      connection?.close()
      await pause(50)
    }
  }
}
