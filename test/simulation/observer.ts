/**
 * Watches a server from inside, beside its clients: hears each command as it is executed and each record as it is
 * appended, runs the same on the model, and keeps the model's state by LSN. So after a crash the state that must be
 * there is known: that of the last record which the log still has.
 */
import type { Arguments } from '../../engine/arguments.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import type { Server } from '../../server/server.ts'
import type { Primary } from '../../server/shard/primary.ts'
import type { ColdBatch, ColdPut, ColdStore } from '../../storage/cold-store.ts'
import { isHead } from '../../storage/pieced-values.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { State } from './model.ts'
import { emptyState, Model } from './model.ts'
import type { Expected } from './model-replies.ts'
import { blocks, eachOf, throughLua } from './model-replies.ts'
import { modelReply } from './types.ts'

/** An executed request, or several as one, and what its client must see. */
export interface Executed {
  readonly words: readonly string[]
  readonly expected: readonly Expected[]
  /** The reply reveals changes up to this LSN. */
  readonly lsn: number
}

/** Something that may make a record. */
interface Frame {
  /** Of its record; 0 for none. */
  lsn: number
  /** All words of its requests. */
  readonly words: string[]
}

interface Unit extends Frame {
  readonly outer: Unit | undefined
  /** Undefined while nothing has been executed. */
  address: string | undefined
  readonly expected: Expected[]
  changes: number
  seenLsn: number
}

/** Values that the workload writes carry numbered tokens like `<17>`, each used once. */
const tokens = /<(\d+)>/g

export class Observer {
  readonly model = new Model()
  /** Of each client's connection, by its address: executed requests whose replies it has not seen yet. */
  readonly executed = new Map<string, Executed[]>()
  readonly #codec = new ValueCodec()
  #states = new Map<number, State>([[0, emptyState]])
  readonly #tokenLsn = new Map<string, number>()
  /** The log of the server that runs now. */
  log: TransactionLog | undefined
  records = 0
  commands = 0
  coldWrites = 0
  /** Requests that have waited and were served. */
  served = 0
  /** Scripts that were run again because they met something cold. */
  repeated = 0
  /** The newest record that changed the libraries of functions. */
  libraryLsn = 0
  /** What is executed now, within whatever has woken it. */
  #frame: Frame | undefined
  /** The transaction or the script that is under way, one within the other. */
  #unit: Unit | undefined
  /** Where the replies of the script that has ended last were noted. */
  #newest: Executed[] | undefined
  #newestChanges = 0
  /** What clients that wait remember, by address. */
  readonly #remembered = new Map<string, unknown>()

  /** The server has recovered to `lsn`: goes on from the state as of then. Throws when there was no such state. */
  recovered(lsn: number): void {
    const state = this.#states.get(lsn)
    if (state === undefined)
      throw new Error(`recovered to record ${lsn}, known are ${Math.min(...this.#states.keys())}–${Math.max(...this.#states.keys())}`)
    this.model.restore(state)
    this.#states = new Map([[lsn, state]])
    for (const [token, at] of this.#tokenLsn) if (at > lsn) this.#tokenLsn.set(token, Number.POSITIVE_INFINITY)
    this.executed.clear()
    this.#remembered.clear()
    this.#frame = undefined
    this.#unit = undefined
  }

  /** Begins to listen, also to the shards that may take the place of the present one. Called before the server has executed anything. */
  attach(server: Server): void {
    this.#watchScripts(server)
    this.#attachToShard(server)
    const connectShard = server.connectShard.bind(server)
    server.connectShard = (shard) => {
      connectShard(shard)
      this.#attachToShard(server)
    }
  }

  #attachToShard(server: Server): void {
    const { primary } = server
    const { log } = primary
    this.log = log
    const append = log.append.bind(log)
    log.append = (...record) => {
      const lsn = append(...record)
      this.#appended(lsn)
      return lsn
    }
    this.#watchRequests(server, primary)
    this.#watchUnits(primary)
    const change = primary.change.bind(primary)
    // Only what has expired is deleted so, and that is missing from the model already.
    primary.change = (work) => this.#within({ lsn: 0, words: [] }, () => change(work))
  }

  #watchRequests(server: Server, primary: Primary): void {
    const { model } = this
    const run = primary.run.bind(primary)
    primary.run = (command, args, reply, database, staged, wokenFor) => {
      const words = wordsOf(args)
      const address = addressOf(server, reply)
      const unit = this.#unit
      this.commands++
      model.lsn = primary.log.appended + 1
      model.nowMs = primary.x.now
      model.changes = 0
      model.seenLsn = 0
      model.mayBlock = unit === undefined
      model.wokenFor = wokenFor?.key.toString('latin1')
      model.remembered = this.#remembered.get(address)
      const expected = modelReply(model, database, words)
      const { changes, seenLsn, remembered } = model
      const frame: Frame = { lsn: 0, words }
      const lsn = this.#within(frame, () => run(command, args, reply, database, staged, wokenFor))
      const hasBlocked = primary.keyWait !== undefined
      if (hasBlocked !== (expected === blocks)) throw new Error(`${hasBlocked ? 'waits' : 'does not wait'}: ${shown(words)}`)
      if (hasBlocked) this.#remembered.set(address, remembered)
      if (expected === blocks) return lsn
      if (wokenFor !== undefined) this.served++
      if (unit === undefined) {
        this.#requireRecord(frame, changes)
        this.#push(address, { words, expected: [expected], lsn: frame.lsn || seenLsn })
        return lsn
      }
      unit.address = address
      unit.words.push(...words)
      unit.expected.push(expected)
      unit.changes += changes
      // What the unit itself has changed is covered by its own record.
      if (seenLsn <= primary.log.appended) unit.seenLsn = Math.max(unit.seenLsn, seenLsn)
      return lsn
    }
  }

  /** Transactions and scripts: within a transaction, a script's replies are one of the transaction's. */
  #watchUnits(primary: Primary): void {
    const beginUnit = primary.beginUnit.bind(primary)
    primary.beginUnit = () => {
      this.#unit = { outer: this.#unit, lsn: 0, address: undefined, words: [], expected: [], changes: 0, seenLsn: 0 }
      beginUnit()
    }
    const endUnit = primary.endUnit.bind(primary)
    primary.endUnit = () => {
      const unit = this.#unit as Unit
      const { outer } = unit
      this.#unit = outer
      this.#newest = undefined
      this.#newestChanges = unit.changes
      if (outer !== undefined) {
        // Who runs a script in a transaction runs it to its end.
        if (unit.address !== undefined) outer.expected.push(eachOf(unit.expected.map(throughLua)))
        outer.words.push(...unit.words)
        outer.changes += unit.changes
        outer.seenLsn = Math.max(outer.seenLsn, unit.seenLsn)
        return endUnit()
      }
      const lsn = this.#within(unit, endUnit)
      this.#requireRecord(unit, unit.changes)
      const { address, words, expected, seenLsn } = unit
      if (address !== undefined) this.#newest = this.#push(address, { words, expected, lsn: unit.lsn || seenLsn })
      else if (unit.lsn > 0) this.libraryLsn = unit.lsn
      return lsn
    }
  }

  /** A script that has met a cold key before it wrote is run again: what it was answered is forgotten. */
  #watchScripts({ scripting }: Server): void {
    const run = scripting.run.bind(scripting)
    scripting.run = (job) => {
      const started = run(job)
      if (started === 'again') {
        this.repeated++
        const given = this.#newest?.pop()
        if (this.#newestChanges > 0) throw new Error(`run again after a change: ${shown(given?.words ?? [])}`)
      }
      return started
    }
  }

  /** Fails when something is written that a crash could still take back. */
  watch(store: ColdStore): ColdStore {
    return {
      read: (id) => store.read(id),
      readTo: (id, done) => store.readTo(id, done),
      readAtOnce: (id) => store.readAtOnce(id),
      readMany: (ids) => store.readMany(ids),
      write: (batch) => {
        for (const put of batch.puts) this.#requireCommitted(put)
        this.coldWrites += (batch as ColdBatch).puts.length
        return store.write(batch)
      },
      sync: () => store.sync(),
      copy: () => store.copy(),
      clearFrom: (id) => store.clearFrom(id),
      stats: () => store.stats(),
      close: () => store.close(),
    }
  }

  #requireCommitted(put: ColdPut): void {
    if (this.log === undefined) return
    if (isHead(put.bytes)) return
    const text = this.#codec.decode(put.id, Buffer.from(put.bytes)).toString('latin1')
    for (const [, token] of text.matchAll(tokens)) {
      const lsn = this.#tokenLsn.get(token as string) ?? Number.POSITIVE_INFINITY
      if (lsn > this.log.committed)
        throw new Error(`value <${token}> of record ${lsn} reaches the cold store while ${this.log.committed} is committed`)
    }
  }

  #within<T>(frame: Frame, work: () => T): T {
    const outer = this.#frame
    this.#frame = frame
    const result = work()
    this.#frame = outer
    return result
  }

  /** A record is complete, and those who wait have not been told of it yet: the model is as of this record. */
  #appended(lsn: number): void {
    const frame = this.#frame as Frame
    frame.lsn = lsn
    this.records++
    this.#states.set(lsn, this.model.keep())
    for (const word of frame.words)
      for (const [, token] of word.matchAll(tokens)) if (!this.#tokenLsn.has(token as string)) this.#tokenLsn.set(token as string, lsn)
  }

  #requireRecord({ lsn, words }: Frame, changes: number): void {
    if (lsn === 0 && changes > 0) throw new Error(`a change without a record: ${shown(words)}`)
  }

  #push(address: string, executed: Executed): Executed[] {
    const queue = this.executed.get(address)
    if (queue !== undefined) {
      queue.push(executed)
      return queue
    }
    const made = [executed]
    this.executed.set(address, made)
    return made
  }
}

function shown(words: readonly string[]): string {
  return words.join(' ').slice(0, 200)
}

function wordsOf(args: Arguments): string[] {
  return Array.from({ length: args.count }, (_, i) => args.buffer.toString('latin1', args.starts[i], args.ends[i]))
}

function addressOf(server: Server, reply: ReplyWriter): string {
  for (const session of server.sessions.values()) if (session.reply === reply) return session.connection.pipe.remoteAddress
  throw new Error('a command of no session was executed')
}
