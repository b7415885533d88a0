/**
 * Watches a server from inside, beside its clients: hears each command as it is executed and each record as it is
 * appended, runs the same on the model, and keeps the model's state by LSN. So after a crash the state that must be
 * there is known: that of the last record which the log still has.
 */
import type { Arguments } from '../../engine/arguments.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import type { Server } from '../../server/server.ts'
import type { ColdBatch, ColdPut, ColdStore } from '../../storage/cold-store.ts'
import { isHead } from '../../storage/pieced-values.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { State } from './model.ts'
import { emptyState, Model } from './model.ts'
import type { Expected } from './model-commands.ts'
import { modelReply } from './model-commands.ts'

/** An executed request and what its client must see. */
export interface Executed {
  readonly words: readonly string[]
  readonly expected: readonly Expected[]
  /** The reply reveals changes up to this LSN. */
  readonly lsn: number
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
  #unit: { readonly address: string; readonly words: string[]; readonly expected: Expected[]; seenLsn: number } | undefined
  #inUnit = false

  /** The server has recovered to `lsn`: goes on from the state as of then. Throws when there was no such state. */
  recovered(lsn: number): void {
    const state = this.#states.get(lsn)
    if (state === undefined)
      throw new Error(`recovered to record ${lsn}, known are ${Math.min(...this.#states.keys())}–${Math.max(...this.#states.keys())}`)
    this.model.restore(state)
    this.#states = new Map([[lsn, state]])
    for (const [token, at] of this.#tokenLsn) if (at > lsn) this.#tokenLsn.set(token, Number.POSITIVE_INFINITY)
    this.executed.clear()
    this.#inUnit = false
    this.#unit = undefined
  }

  /** Begins to listen, also to the shards that may take the place of the present one. Called before the server has executed anything. */
  attach(server: Server): void {
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
    const run = primary.run.bind(primary)
    primary.run = (command, args, reply, database, staged) => {
      const words = wordsOf(args)
      const before = log.appended
      this.#prepare(before + 1, primary.x.now)
      const expected = modelReply(this.model, database, words)
      const lsn = run(command, args, reply, database, staged)
      if (!this.#inUnit) this.#committed(log, before, words)
      this.#note(addressOf(server, reply), words, expected, log.appended > before ? log.appended : this.model.seenLsn)
      return lsn
    }
    const beginUnit = primary.beginUnit.bind(primary)
    primary.beginUnit = () => {
      this.#inUnit = true
      this.model.changes = 0
      beginUnit()
    }
    const endUnit = primary.endUnit.bind(primary)
    primary.endUnit = () => {
      const before = log.appended
      const lsn = endUnit()
      this.#inUnit = false
      const unit = this.#unit
      this.#unit = undefined
      if (unit === undefined) return lsn
      this.#committed(log, before, unit.words)
      this.#push(unit.address, { words: ['EXEC'], expected: unit.expected, lsn: log.appended > before ? log.appended : unit.seenLsn })
      return lsn
    }
    const change = primary.change.bind(primary)
    primary.change = (work) => {
      const before = log.appended
      const lsn = change(work)
      // Only what has expired is deleted so, and that is missing from the model already.
      this.model.changes = 0
      this.#committed(log, before, [])
      return lsn
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

  #prepare(lsn: number, nowMs: number): void {
    const { model } = this
    model.lsn = lsn
    model.nowMs = nowMs
    if (!this.#inUnit) model.changes = 0
    model.seenLsn = 0
    this.commands++
  }

  #committed(log: TransactionLog, before: number, words: readonly string[]): void {
    if (log.appended === before) {
      if (this.model.changes > 0) throw new Error(`a change without a record: ${words.join(' ').slice(0, 200)}`)
      return
    }
    this.records++
    this.#states.set(log.appended, this.model.keep())
    for (const word of words)
      for (const [, token] of word.matchAll(tokens))
        if (!this.#tokenLsn.has(token as string)) this.#tokenLsn.set(token as string, log.appended)
  }

  #note(address: string, words: readonly string[], expected: Expected, lsn: number): void {
    if (!this.#inUnit) {
      this.#push(address, { words, expected: [expected], lsn })
      return
    }
    this.#unit ??= { address, words: [], expected: [], seenLsn: 0 }
    this.#unit.words.push(...words)
    this.#unit.expected.push(expected)
    // What the transaction itself has changed is covered by its own record.
    if (lsn <= (this.log as TransactionLog).appended) this.#unit.seenLsn = Math.max(this.#unit.seenLsn, lsn)
  }

  #push(address: string, executed: Executed): void {
    const queue = this.executed.get(address)
    if (queue === undefined) this.executed.set(address, [executed])
    else queue.push(executed)
  }
}

function wordsOf(args: Arguments): string[] {
  return Array.from({ length: args.count }, (_, i) => args.buffer.toString('latin1', args.starts[i], args.ends[i]))
}

function addressOf(server: Server, reply: ReplyWriter): string {
  for (const session of server.sessions.values()) if (session.reply === reply) return session.connection.pipe.remoteAddress
  throw new Error('a command of no session was executed')
}
