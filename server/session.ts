/**
 * One client's side of its requests: who it is, which database and protocol it speaks, what it has queued and watched;
 * and the way of each request through dispatch: known? allowed? in time? prefetch, execute, hold the reply.
 *
 * Requests of one client run in order: one that must wait (for a cold value, for memory, for the end of a pause) holds
 * back its own client and nobody else.
 */
import type { Arguments } from '../engine/arguments.ts'
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import type { ReplyWriter } from '../engine/reply-writer.ts'
import type { StagedWork } from '../engine/staged-work.ts'
import type { ColdSet } from '../storage/cold-set.ts'
import type { Command } from './command-table.ts'
import { outOfMemory, unknownCommand, unknownSubcommand, wrongArity } from './dispatch-errors.ts'
import type { Connection, RequestHandler, RequestOutcome } from './network/connection.ts'
import type { KeyPreview } from './resp/key-preview.ts'
import type { Server } from './server.ts'
import { coldOf } from './staged-work.ts'
import { Transaction } from './transaction.ts'

/** While SLOWLOG or LATENCY want commands this short, each is timed. */
const sampledSlowerMinUs = 1000
/** With more arguments than this a command is not brief. */
const briefArgumentsMax = 8

export type ReplyMode = 'on' | 'off' | 'skip'

export class Session implements RequestHandler {
  readonly server: Server
  readonly connection: Connection
  readonly id: number
  readonly reply: ReplyWriter
  readonly transaction = new Transaction()
  args!: Arguments
  /** The command being executed. */
  command: Command | undefined
  database = 0
  name = ''
  libraryName = ''
  libraryVersion = ''
  user = 'default'
  authenticated: boolean
  replyMode: ReplyMode = 'on'
  skipNext = false
  monitoring = false
  noEvict = false
  noTouch = false
  lastCommandName = 'NULL'
  /** Inside EXEC: nothing may wait. */
  inExec = false
  /** A handler has put off its reply: the client waits. */
  blocked = false
  /** Arguments of the request in hand that neither MONITOR nor SLOWLOG shows. */
  readonly redacted: number[] = []
  /** LSN of this client's newest write. */
  lastWriteLsn = 0
  commandsExecuted = 0
  /** What was fetched for the request that is tried again just now. */
  #fetched: ColdSet | undefined
  /** What was staged for the request in hand. */
  #staged: StagedWork | undefined
  #closeAfter = false
  /** Set by a handler that answers later: whether the time until then counts as the command's. */
  #deferred: 'counted' | 'uncounted' | undefined
  #onClose: (() => void) | undefined

  constructor(server: Server, connection: Connection) {
    this.server = server
    this.connection = connection
    this.id = connection.id
    this.reply = connection.reply
    this.authenticated = server.config.values.requirepass === ''
    connection.authenticated = this.authenticated
  }

  request(_connection: Connection, args: Arguments): RequestOutcome {
    this.args = args
    try {
      const command = this.#resolve(args)
      if (command === undefined) return this.#outcome()
      return this.#admit(command)
    } catch (failure) {
      this.#broke(failure)
      return 'close'
    }
  }

  upcoming(buffer: Buffer, keys: KeyPreview): void {
    const { shard } = this.server
    if (shard === undefined) return
    const { keyspace } = shard.primary
    const { index } = keyspace.databases[keyspace.logical[this.database]]
    keyspace.lookAhead.look(index, buffer, keys.starts, keys.ends, keys.count)
  }

  noneUpcoming(): void {
    this.server.shard?.primary.keyspace.lookAhead.end()
  }

  goesOn(): boolean {
    return this.#onClose === undefined && !this.server.gate.pauses(this)
  }

  closed(): void {
    this.transaction.discard()
    this.server.sessionClosed(this)
    const onClose = this.#onClose
    this.#onClose = undefined
    onClose?.()
  }

  get flags(): string {
    let flags = ''
    if (this.monitoring) flags += 'O'
    if (this.transaction.open) flags += 'x'
    if (this.blocked) flags += 'b'
    if (this.transaction.watchedChanged) flags += 'd'
    if (this.#closeAfter) flags += 'c'
    if (this.noEvict) flags += 'e'
    if (this.noTouch) flags += 'T'
    return flags === '' ? 'N' : flags
  }

  /** Executes the request in hand, now that what it waited for has come. */
  retry(): void {
    const { command } = this
    if (this.connection.closed || command === undefined) return
    this.#guard(() => this.#tryAgain(command))
  }

  #tryAgain(command: Command): void {
    this.server.turn.begin()
    const outcome = this.#admit(command)
    // What was fetched was fetched for this request alone, not for those that follow it in the pipeline.
    this.#fetched = undefined
    this.server.shard?.primary.tier.settle()
    if (outcome === 'wait') {
      this.connection.waitsOn()
      return
    }
    if (outcome === 'close') this.connection.closeAfterReply()
    this.connection.resume()
  }

  /**
   * For handlers outside EXEC: the reply comes later; the returned function takes what writes it and may be called in a
   * later turn only. `counted`: the time until then is the command's. `onClose` is called if the client leaves before.
   */
  defer(time: 'counted' | 'uncounted', onClose?: () => void): (write: () => void) => void {
    const { command, args } = this
    const startMs = this.server.clock.monotonicMs()
    this.#deferred = time
    this.#onClose = onClose
    this.blocked = true
    return (write) => {
      if (!this.blocked || this.connection.closed) return
      this.blocked = false
      this.#onClose = undefined
      this.server.turn.begin()
      this.#guard(write)
      if (time === 'counted' && command !== undefined) this.#account(command, args, (this.server.clock.monotonicMs() - startMs) * 1000)
      this.#applyReplyMode()
      if (this.#closeAfter) this.connection.closeAfterReply()
      this.connection.resume()
    }
  }

  /** Another shard is in the place of the one that served so far: what this client has of that is worth nothing. */
  shardReplaced(sameLog: boolean): void {
    this.#staged = undefined
    this.#fetched = undefined
    if (!sameLog) this.lastWriteLsn = 0
  }

  /** Does a part of the request in hand in a later turn. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (failure) {
      this.#broke(failure)
    }
  }

  /** The request in hand has met a broken invariant. */
  #broke(failure: unknown): void {
    this.server.failStop.inRequest(this, failure)
  }

  /** Whether the command, or what EXEC is about to run, may need memory. */
  needsMemory(command: Command): boolean {
    return command.denyOom || (command.name === 'exec' && this.transaction.queued.some((queued) => queued.command.denyOom))
  }

  /** MONITOR and SLOWLOG will not show this argument of the request in hand. */
  redact(index: number): void {
    this.redacted.push(index)
  }

  closeAfterReply(): void {
    this.#closeAfter = true
  }

  /** Back to how a new connection is: RESET. */
  reset(): void {
    this.transaction.discard()
    this.database = 0
    this.name = ''
    this.replyMode = 'on'
    this.skipNext = false
    this.connection.output.discarding = false
    this.noEvict = false
    this.noTouch = false
    this.reply.protocol = 2
    this.server.monitors.delete(this)
    this.monitoring = false
    this.authenticated = this.server.config.values.requirepass === ''
    this.connection.authenticated = this.authenticated
  }

  #resolve(args: Arguments): Command | undefined {
    const container = this.server.commands.find(args, 0)
    if (container === undefined) return isHttp(args) ? this.#hangUp() : this.#refuse(unknownCommand(args), undefined)
    let command = container
    if (container.subcommands !== undefined && args.count > 1) {
      const subcommand = container.subcommands.find(args, 1)
      if (subcommand === undefined) return this.#refuse(unknownSubcommand(container.name, args), container)
      command = subcommand
    }
    this.lastCommandName = command.name
    const { arity } = command.spec
    if (arity > 0 ? args.count !== arity : args.count < -arity) return this.#refuse(wrongArity(command.name), command)
    if (!this.authenticated && !command.noAuth) return this.#refuse('NOAUTH Authentication required.', command)
    return command
  }

  /** Lets a known command run, queue, wait, or not. */
  #admit(command: Command): RequestOutcome {
    const { server } = this
    this.command = command
    const queues = this.transaction.open && !this.transaction.endsWith(command)
    if (queues && command.noMulti) {
      this.#refuse('ERR Command not allowed inside a transaction', command)
      return this.#outcome()
    }
    if (!this.#mayRun(command)) return this.#outcome()
    if (server.gate.holdsBack(this, command)) return 'wait'
    if (queues) {
      this.transaction.queue(command, this.args, this.reply)
      return this.#outcome()
    }
    if (!server.isLoading) {
      server.primary.keyspace.forgetLookUp()
      if (this.#awaitsStagedWork(command) || this.#awaitsCold(command)) return 'wait'
    }
    if (this.#staged === undefined) this.execute(command, this.args)
    else this.#executeStaged(command, this.#staged)
    return this.#outcome()
  }

  /** Has what is long done in slices, if the command asks for it; the request is then tried again. */
  #awaitsStagedWork(command: Command): boolean {
    if (command.stages === undefined || this.#staged !== undefined) return false
    const { server } = this
    const work = server.primary.stage(command, this.args, this.database)
    if (work === undefined) return false
    server.stagedWork.add({
      work,
      isWanted: () => !this.connection.closed,
      done: () => {
        this.#staged = work
        this.retry()
      },
      failed: (failure) => this.#coldReadFailed(failure),
      abandoned: () => this.retry(),
      broke: (failure) => this.#broke(failure),
    })
    return true
  }

  #executeStaged(command: Command, work: StagedWork): void {
    const { x } = this.server.primary
    work.finish?.()
    x.staged = work
    this.execute(command, this.args)
    work.release?.()
    x.staged = undefined
    this.#staged = undefined
  }

  /** Fetches the cold values that the command needs, if any; the request is then tried again. */
  #awaitsCold(command: Command): boolean {
    const { tier } = this.server.primary
    const cold = tier.hasCold ? this.#cold(command) : undefined
    if (cold === undefined) return false
    // Under pressure one value may leave while another is read: a request that needs both keeps what it has got.
    cold.former = this.#fetched
    tier.fetchTo(cold, (failure) => {
      if (failure !== undefined) {
        this.#coldReadFailed(failure)
        return
      }
      this.#guard(() => {
        tier.admit(cold)
        this.#fetched = cold
        this.retry()
      })
    })
    return true
  }

  /** The cold values to fetch before the command may run. */
  #cold(command: Command): ReturnType<Server['primary']['coldNeeds']> {
    const { primary } = this.server
    const chunks = this.#staged === undefined ? undefined : coldOf(this.#staged, primary.keyspace.trees)
    if (chunks !== undefined) return chunks.items.length > 0 ? chunks : undefined
    if (command.name !== 'exec') return primary.coldNeeds(command, this.args, this.database, undefined)
    return this.transaction.coldNeeds(primary, this.database)
  }

  /** Runs a command and holds its reply for the log. Also for the commands of a transaction. */
  execute(command: Command, args: Arguments): void {
    const { server, reply } = this
    const outerArgs = this.args
    this.args = args
    const errorsBefore = server.stats.errors
    const sampled = command.isBrief && server.slowerThanUs >= sampledSlowerMinUs && args.count <= briefArgumentsMax
    const timed = !sampled || command.stats.samplesNext
    const startMs = timed ? server.clock.monotonicMs() : 0
    if (command.serves === undefined) {
      const { primary } = server
      primary.x.touches = !this.noTouch
      const lsn = primary.run(command, args, reply, this.database)
      if (lsn !== 0) this.hold(lsn, command.isWrite)
    } else command.serves(this)
    if (server.stats.errors !== errorsBefore) command.stats.failed++
    if (!timed) {
      command.stats.addUntimed()
      server.stats.commands++
      this.commandsExecuted++
    } else if (this.#deferred !== 'counted') this.#account(command, args, (server.clock.monotonicMs() - startMs) * 1000, sampled)
    if (server.monitors.size > 0) server.feedMonitors(this, args, command)
    if (this.redacted.length > 0) this.redacted.length = 0
    this.args = outerArgs
  }

  #account(command: Command, args: Arguments, us: number, sampled = false): void {
    if (sampled) command.stats.addSample(us)
    else command.stats.add(us)
    this.server.executed(this, command, args, us)
    this.commandsExecuted++
  }

  /** The replies of the request in hand leave when the log has committed `lsn`. */
  hold(lsn: number, written: boolean): void {
    // What is not committed now never will be, and a reply that reveals it would wait for ever.
    if (this.server.logFailure !== undefined && lsn > this.server.primary.log.committed) {
      this.connection.close()
      return
    }
    this.connection.hold(lsn)
    if (written) this.lastWriteLsn = lsn
    this.server.turn.schedule()
  }

  #mayRun(command: Command): boolean {
    const refusal = this.server.refusal(command, this)
    if (refusal === undefined) return true
    this.#staged = undefined
    this.#refuse(refusal, command)
    return false
  }

  #refuse(text: string, command: Command | undefined): undefined {
    this.transaction.refused()
    if (command !== undefined) command.stats.rejected++
    if (command?.name === 'exec') {
      this.transaction.discard()
      this.reply.error(`EXECABORT Transaction discarded because of: ${text.replace(/^ERR /, '')}`)
    } else this.reply.error(text)
    return undefined
  }

  /** A web page has made a browser talk to this port: what follows in its request must not be executed. */
  #hangUp(): undefined {
    this.server.log.warn('A client speaks HTTP, perhaps a web page that attacks this server; closed', {
      client: this.connection.pipe.remoteAddress,
    })
    this.connection.close()
    return undefined
  }

  #coldReadFailed(failure: Error): void {
    this.#staged = undefined
    this.server.coldReadFailed(failure)
    if (this.connection.closed) return
    this.#refuse(isMemoryRefusal(failure) ? outOfMemory : `ERR a cold value could not be read: ${failure.message}`, this.command)
    this.connection.resume()
  }

  #outcome(): RequestOutcome {
    if (this.#deferred !== undefined) {
      this.#deferred = undefined
      return 'wait'
    }
    this.#applyReplyMode()
    if (this.#closeAfter) return 'close'
    return 'next'
  }

  /** CLIENT REPLY: the writer's output forgets what a silent client is not to see. */
  #applyReplyMode(): void {
    if (this.replyMode === 'on' && !this.skipNext) {
      this.connection.output.discarding = false
      return
    }
    this.connection.output.discarding = this.replyMode === 'off' || this.skipNext
    this.skipNext = false
  }
}

function isHttp(args: Arguments): boolean {
  return args.is(0, 'POST') || args.is(0, 'HOST:')
}
