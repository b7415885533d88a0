/**
 * The engine's commands in one process: no socket, no log, a clock that stands until it is moved. Requests are words
 * (`run('SET k v')`) and replies come decoded. Dispatch is a short stand-in of the server's: names, counts of arguments,
 * containers. What belongs to the server (SELECT, HELLO 3, MULTI, EXEC, a few parameters of CONFIG SET) does just what
 * transcripts of the engine's commands ask of it.
 */
import { Arguments } from '../../engine/arguments.ts'
import type { EngineCommand } from '../../engine/command.ts'
import { defaultEngineLimits } from '../../engine/engine-limits.ts'
import { Execution } from '../../engine/execution.ts'
import { databaseCount, Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testSeed } from '../chance.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { formatInline, splitArguments } from './notation.ts'
import type { Decoded, Reply } from './resp-decoder.ts'
import { RespDecoder } from './resp-decoder.ts'
import type { Received, Target } from './transcript.ts'

export type CommandTables = Readonly<Record<string, EngineCommand>>

const startMs = Date.UTC(2026, 0, 2, 3, 4, 5)

/** An engine with its clock. LSNs count requests; nothing is ever uncommitted. */
export class InProcessEngine {
  readonly tables: CommandTables
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly execution: Execution
  #lsn = 0

  constructor(tables: CommandTables, seed = testSeed) {
    this.tables = tables
    const limits = { ...defaultEngineLimits }
    const random = new SeededRandom(seed)
    this.keyspace = new Keyspace(random, noObserver)
    this.mutator = new Mutator(this.keyspace)
    this.execution = new Execution(this.keyspace, this.mutator, random, limits)
    this.execution.now = startMs
    this.keyspace.access.tick(startMs)
  }

  advance(ms: number): void {
    this.execution.now += ms
    this.keyspace.access.tick(this.execution.now)
  }

  connect(): InProcessSession {
    return new InProcessSession(this)
  }

  /** The work that the command stages, before its first step. */
  stage(command: EngineCommand, args: Arguments, database: number, reply = new ReplyWriter()): StagedWork | undefined {
    this.#setRequest(args, database)
    this.execution.reply = reply
    return command.stages?.(this.execution)
  }

  /** Does a step, or releases what was staged, as a record of its own. */
  inRecord<Result>(work: () => Result): Result {
    this.mutator.begin(++this.#lsn)
    const result = work()
    this.keyspace.deletions.committed(this.#lsn)
    return result
  }

  execute(command: EngineCommand, args: Arguments, reply: ReplyWriter, database: number, staged?: StagedWork): void {
    const { execution: x, keyspace } = this
    this.#setRequest(args, database)
    x.reply = reply
    x.revealed = 0
    staged?.finish?.()
    x.staged = staged
    this.mutator.begin(++this.#lsn)
    command.handler(x)
    x.staged = undefined
    keyspace.deletions.committed(this.#lsn)
  }

  #setRequest(args: Arguments, database: number): void {
    const { execution: x, keyspace } = this
    x.args = args
    x.database = database
    x.db = keyspace.logical[database]
    keyspace.forgetLookUp()
  }
}

export class InProcessSession {
  readonly engine: InProcessEngine
  readonly reply = new ReplyWriter()
  readonly #decoder = new RespDecoder()
  /** Requests that were done in slices. */
  sliced = 0
  /** Requests since MULTI. */
  #queue: Arguments[] | undefined
  database = 0

  constructor(engine: InProcessEngine) {
    this.engine = engine
  }

  /** One request in redis-cli's quoting; the reply in the transcripts' notation, on one line. */
  run(line: string): string {
    return formatInline(this.ask(...splitArguments(line)))
  }

  /** One request of several arguments, text or bytes. */
  ask(...parts: readonly (string | number | Uint8Array)[]): Reply {
    return this.exchange(Arguments.of(...parts)).reply
  }

  /** The work that a request stages, before its first step. */
  stage(...parts: readonly (string | number | Uint8Array)[]): StagedWork | undefined {
    const args = Arguments.of(...parts)
    const row = this.#row(args)
    return row === undefined || !takes(row, args) ? undefined : this.engine.stage(row, args, this.database, this.reply)
  }

  /** As `ask`, with what was staged for this very request. */
  askStaged(staged: StagedWork, ...parts: readonly (string | number | Uint8Array)[]): Reply {
    return this.exchange(Arguments.of(...parts), staged).reply
  }

  /** As `exchange`, with all that can be staged done beforehand, as a server would. */
  exchangeInSlices(args: Arguments): Decoded {
    const { engine } = this
    const row = this.#row(args)
    const isStaged = this.#queue === undefined && row !== undefined && takes(row, args)
    const staged = isStaged ? engine.stage(row, args, this.database, this.reply) : undefined
    if (staged === undefined) return this.exchange(args)
    this.sliced++
    while (engine.inRecord(() => staged.step()));
    const decoded = this.exchange(args, staged)
    engine.inRecord(() => staged.release?.())
    return decoded
  }

  exchange(args: Arguments, staged?: StagedWork): Decoded {
    this.#dispatch(args, staged)
    this.#decoder.push(this.reply.output.takeAll())
    const decoded = this.#decoder.next()
    if (decoded === undefined || this.#decoder.undecodedBytes > 0) throw new Error('not exactly one reply')
    return decoded
  }

  #row(args: Arguments): EngineCommand | undefined {
    const { tables } = this.engine
    const own = args.string(0).toUpperCase()
    const subcommand = args.count > 1 ? tables[`${own} ${args.string(1).toUpperCase()}`] : undefined
    return subcommand ?? tables[own]
  }

  #dispatch(args: Arguments, staged?: StagedWork): void {
    const { tables } = this.engine
    const own = args.string(0).toUpperCase()
    if (this.#serverCommand(own, args)) return
    const row = tables[own]
    if (row === undefined) {
      const following = Array.from({ length: args.count - 1 }, (_, i) => `'${args.string(i + 1)}' `).join('')
      this.reply.error(`ERR unknown command '${args.string(0)}', with args beginning with: ${following}`)
      return
    }
    const subcommand = args.count > 1 ? `${own} ${args.string(1).toUpperCase()}` : own
    const found = tables[subcommand]
    const command = found ?? row
    const name = (found === undefined ? own : subcommand).toLowerCase().replace(' ', '|')
    if (!takes(command, args)) this.reply.error(`ERR wrong number of arguments for '${name}' command`)
    else this.engine.execute(command, args, this.reply, this.database, staged)
  }

  #serverCommand(name: string, args: Arguments): boolean {
    const { reply } = this
    if (name === 'EXEC' && this.#queue !== undefined) this.#executeQueue(this.#queue)
    else if (this.#queue !== undefined) {
      this.#queue.push(args.keep())
      reply.queued()
    } else if (name === 'MULTI') {
      this.#queue = []
      reply.ok()
    } else if (name === 'SELECT' && args.integer(1) >= 0 && args.integer(1) < databaseCount) {
      this.database = args.integer(1)
      reply.ok()
    } else if (name === 'HELLO' && args.is(1, '3')) {
      reply.protocol = 3
      reply.map(1)
      reply.text('proto')
      reply.integer(3)
    } else if (name === 'CONFIG' && args.is(1, 'SET')) this.#configure(args.string(2), args.string(3))
    else return false
    return true
  }

  #executeQueue(queue: readonly Arguments[]): void {
    this.#queue = undefined
    this.reply.array(queue.length)
    for (const args of queue) this.#dispatch(args)
  }

  #configure(parameter: string, value: string): void {
    const { keyspace, execution } = this.engine
    if (parameter === 'maxmemory-policy') keyspace.access.lfu = value.endsWith('lfu')
    else if (parameter === 'proto-max-bulk-len') execution.limits.protoMaxBulkBytes = Number.parseInt(value, 10) * 1024 * 1024
    else if (/^hash-max-(listpack|ziplist)-entries$/.test(parameter)) execution.limits.hashMaxListpackEntries = Number(value)
    else if (/^hash-max-(listpack|ziplist)-value$/.test(parameter)) execution.limits.hashMaxListpackValue = Number(value)
    else if (parameter === 'hll-sparse-max-bytes') execution.limits.hllSparseMaxBytes = Number(value)
    else if (parameter === 'set-max-intset-entries') execution.limits.setMaxIntsetEntries = Number(value)
    else if (/^zset-max-(listpack|ziplist)-entries$/.test(parameter)) execution.limits.zsetMaxListpackEntries = Number(value)
    else if (/^zset-max-(listpack|ziplist)-value$/.test(parameter)) execution.limits.zsetMaxListpackValue = Number(value)
    else if (parameter === 'stream-node-max-entries') execution.limits.streamNodeMaxEntries = Number(value)
    else throw new Error(`the engine has no parameter ${parameter}`)
    this.reply.ok()
  }
}

function takes({ arity }: EngineCommand, { count }: Arguments): boolean {
  return arity >= 0 ? count === arity : count >= -arity
}

/** The engine as a target of transcripts. */
export class InProcessTarget implements Target {
  readonly product = 'moraine'
  readonly #tables: CommandTables
  readonly #sessions = new Map<string, InProcessSession>()
  readonly #replies = new Map<string, Received[]>()
  #engine: InProcessEngine
  readonly #leafBytesMax: number | undefined
  readonly #slicedBytes: number | undefined
  /** Requests that were done in slices. */
  sliced = 0

  /** `leafBytesMax`: of trees, if not as ever. `slicedBytes`: from which size on work is staged; undefined for none. */
  constructor(tables: CommandTables, leafBytesMax?: number, slicedBytes?: number) {
    this.#tables = tables
    this.#leafBytesMax = leafBytesMax
    this.#slicedBytes = slicedBytes
    this.#engine = this.#newEngine()
  }

  #newEngine(): InProcessEngine {
    const engine = new InProcessEngine(this.#tables)
    if (this.#leafBytesMax !== undefined) engine.keyspace.trees.leafBytesMax = this.#leafBytesMax
    engine.execution.limits.slicedValueBytes = this.#slicedBytes
    return engine
  }

  async send(connection: string, request: Uint8Array): Promise<void> {
    let session = this.#sessions.get(connection)
    if (session === undefined) {
      session = this.#engine.connect()
      this.#sessions.set(connection, session)
      this.#replies.set(connection, [])
    }
    const args = argumentsOf(request)
    const before = session.sliced
    this.#replies.get(connection)?.push(this.#slicedBytes === undefined ? session.exchange(args) : session.exchangeInSlices(args))
    this.sliced += session.sliced - before
  }

  async receive(connection: string): Promise<Received> {
    const reply = this.#replies.get(connection)?.shift()
    if (reply === undefined) throw new Error(`no reply for connection ${connection}`)
    return reply
  }

  unreceived(connection: string): number {
    return this.#replies.get(connection)?.length ?? 0
  }

  async reset(): Promise<void> {
    this.#sessions.clear()
    this.#replies.clear()
    this.#engine = this.#newEngine()
  }

  async advance(ms: number): Promise<void> {
    this.#engine.advance(ms)
  }

  async close(): Promise<void> {}
}

/** A request is written like a reply: an array of bulk strings. */
function argumentsOf(request: Uint8Array): Arguments {
  const decoder = new RespDecoder()
  decoder.push(request)
  const reply = decoder.next()?.reply
  if (reply === undefined || !('items' in reply)) throw new Error('not a request')
  return Arguments.of(...reply.items.map((item) => ('text' in item ? item.text : Buffer.alloc(0))))
}
