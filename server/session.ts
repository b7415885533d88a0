/**
 * One client's side of its requests: who it is, which database and protocol it speaks, what it has queued and watched;
 * and the way of each request through dispatch: known? allowed? in time? prefetch, execute, hold the reply.
 *
 * Requests of one client run in order: one that must wait (for a cold value, for memory, for the end of a pause) holds
 * back its own client and nobody else.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { CommandSpec } from '../engine/command.ts'
import type { ReplyWriter } from '../engine/reply-writer.ts'
import type { Client } from './client.ts'
import { isRedirection } from './cluster/slot-check.ts'
import type { Command, CommandTable } from './command-table.ts'
import { unknownCommand, unknownSubcommand, wrongArity } from './dispatch-errors.ts'
import { blockOnKeys } from './key-blocking.ts'
import type { Connection, RequestHandler, RequestOutcome } from './network/connection.ts'
import { Subscriptions } from './pubsub/subscriptions.ts'
import { ReplicaWishes } from './replica-wishes.ts'
import { Request } from './request.ts'
import type { RequestOwner } from './request-host.ts'
import type { PipelinedKeys } from './resp/pipelined-keys.ts'
import type { SessionHost } from './session-host.ts'
import type { TrackedClient } from './tracking/tracked-client.ts'
import { Transaction } from './transaction.ts'

/** While SLOWLOG or LATENCY want commands this short, each is timed. */
const sampledSlowerMinUs = 1000

export type ReplyMode = 'on' | 'off' | 'skip'

/** The row of a command that needs the session. */
export type SessionCommand = CommandSpec<Session>

const instanceChangedText = 'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)'

export class Session implements RequestHandler, RequestOwner, Client {
  readonly server: SessionHost
  readonly connection: Connection
  readonly id: number
  /** Where the command that is executed writes its reply: within a script not to the connection. */
  reply: ReplyWriter
  readonly transaction = new Transaction<Session>()
  readonly subscriptions = new Subscriptions()
  readonly replica = new ReplicaWishes()
  /** The request that the client waits for. */
  readonly inHand: Request<Session>
  /** Of the command that is being executed: in EXEC not those of the request. */
  args!: Arguments
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
  /** READONLY: it reads from a replica of a cluster. */
  readOnly = false
  tracked: TrackedClient | undefined
  lastCommandName = 'NULL'
  /** Inside EXEC: nothing may wait. */
  inExec = false
  /** Arguments of the request in hand that neither MONITOR nor SLOWLOG shows. */
  readonly redacted: number[] = []
  /** LSN of this client's newest write. */
  lastWriteLsn = 0
  /** The newest LSN that replies so far have waited for. */
  heldLsn = 0
  commandsExecuted = 0
  #closeAfter = false
  readonly #commands: CommandTable<Session>
  /** How often the node's part had changed when the client came. */
  readonly #partAtBegin: number

  constructor(server: SessionHost, commands: CommandTable<Session>, connection: Connection) {
    this.server = server
    this.#commands = commands
    this.#partAtBegin = server.roles.changes
    this.connection = connection
    this.id = connection.id
    this.reply = connection.reply
    this.inHand = new Request<Session>(server, this)
    this.authenticated = server.config.values.requirepass === ''
    connection.authenticated = this.authenticated
  }

  request(_connection: Connection, args: Arguments): RequestOutcome {
    try {
      this.keepOrder()
      const command = this.#resolve(args)
      if (command === undefined) {
        this.tracked?.commandEnds()
        return this.#outcome()
      }
      this.inHand.begin(command, args)
      return this.#advance()
    } catch (failure) {
      this.broke(failure)
      return 'close'
    }
  }

  prefetch(buffer: Buffer, keys: PipelinedKeys): void {
    const { shard } = this.server
    if (shard === undefined) return
    const { keyspace } = shard
    const { index } = keyspace.databases[keyspace.logical[this.database]]
    keyspace.cachePrefetch.fetch(index, buffer, keys.starts, keys.ends, keys.count, keys)
  }

  endPrefetch(): void {
    this.server.shard?.keyspace.cachePrefetch.end()
  }

  goesOn(): boolean {
    return !this.inHand.waitsForOthers
  }

  closed(): void {
    this.inHand.end()
    this.transaction.discard()
    this.unsubscribeAll()
    if (this.tracked !== undefined) this.server.tracking.left(this.tracked)
    this.server.sessionClosed(this)
  }

  /** Whether a handler has deferred its reply. */
  get blocked(): boolean {
    return this.inHand.isReplyDeferred && this.inHand.state !== 'served'
  }

  get timed(): boolean {
    return this.inHand.isTimed
  }

  get flags(): string {
    let flags = ''
    if (this.connection.isReplica) flags += 'S'
    if (this.monitoring) flags += 'O'
    if (this.subscribed) flags += 'P'
    if (this.transaction.open) flags += 'x'
    if (this.blocked) flags += 'b'
    if (this.tracked !== undefined) flags += this.tracked.flags
    if (this.transaction.watchedChanged) flags += 'd'
    if (this.#closeAfter) flags += 'c'
    if (this.readOnly) flags += 'r'
    if (this.noEvict) flags += 'e'
    if (this.noTouch) flags += 'T'
    return flags === '' ? 'N' : flags
  }

  /** Whether it is a subscriber, for limits, CLIENT LIST, and in RESP2 for what it may send. */
  get subscribed(): boolean {
    return this.connection.subscribed
  }

  unsubscribeAll(): void {
    if (this.subscriptions.any) this.server.pubsub.unsubscribeAll(this, this.subscriptions)
    this.connection.subscribed = false
  }

  /** What was published before comes before what a subscriber is answered now. */
  keepOrder(): void {
    if (this.subscribed) this.server.pubsub.fanOut.settle()
  }

  /** Tries the request in hand again, now that what it waited for has come. */
  retry(): void {
    const { server } = this
    server.turn.begin()
    this.keepOrder()
    const outcome = this.#advance()
    server.shard?.tier.settle()
    this.connection.resume(outcome)
  }

  unblock(withError: boolean): boolean {
    return this.inHand.unblock(withError ? () => this.reply.error('UNBLOCKED client unblocked via CLIENT UNBLOCK') : undefined)
  }

  instanceChanged(): void {
    this.inHand.unblock(() => this.reply.error(instanceChangedText))
  }

  answer(write: () => void, ms: number | undefined): void {
    this.server.turn.begin()
    this.keepOrder()
    write()
    if (ms !== undefined) this.#account(this.inHand.command, this.inHand.args, ms * 1000)
    this.connection.resume(this.#outcome())
  }

  failed(text: string): void {
    this.server.turn.begin()
    this.#refuse(text, this.inHand.command)
    this.connection.resume(this.#outcome())
  }

  broke(failure: unknown): void {
    this.server.failStop.inRequest(this, failure)
  }

  shardReplaced(sameLog: boolean): void {
    this.inHand.shardReplaced()
    if (sameLog) return
    this.lastWriteLsn = 0
    this.heldLsn = 0
  }

  scriptHasRead(given: Arguments): void {
    const { tracked, server } = this
    const command = tracked === undefined ? undefined : this.#commands.find(given, 0)
    if (tracked !== undefined && command !== undefined) server.tracking.read(tracked, command, given)
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
    this.unsubscribeAll()
    this.database = 0
    this.name = ''
    this.replyMode = 'on'
    this.skipNext = false
    this.connection.output.discarding = false
    this.noEvict = false
    this.noTouch = false
    this.readOnly = false
    if (this.tracked !== undefined) this.server.tracking.turnOff(this.tracked)
    this.reply.protocol = 2
    this.server.monitors.delete(this)
    this.monitoring = false
    this.authenticated = this.server.config.values.requirepass === ''
    this.connection.authenticated = this.authenticated
  }

  #resolve(args: Arguments): Command<Session> | undefined {
    const container = this.#commands.find(args, 0)
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

  /** Lets the request in hand run, queue, wait, or not. */
  #advance(): RequestOutcome {
    const { inHand, transaction } = this
    const { command } = inHand
    const queues = transaction.open && !transaction.endsWith(command)
    const refusal =
      queues && command.noMulti
        ? 'ERR Command not allowed inside a transaction'
        : (this.server.refusals.of(inHand, queues, this) ?? this.#refusalToSubscriber(command))
    if (refusal !== undefined) this.#refuse(refusal, command)
    else if (inHand.mustWait(queues)) return 'wait'
    else if (queues) transaction.queue(command, inHand.args, this.reply)
    else this.execute(command, inHand.args)
    return this.#outcome()
  }

  #refusalToSubscriber({ name, whileSubscribed }: Command): string | undefined {
    if (!this.subscribed || this.reply.protocol === 3 || whileSubscribed) return undefined
    return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`
  }

  /** Runs a command and holds its reply for the log. Also for the commands of a transaction. */
  execute(command: Command<Session>, args: Arguments): void {
    const { server, reply } = this
    const { tracking } = server
    const outerArgs = this.args
    this.args = args
    if (tracking.isActive) tracking.begins(this.tracked, server.shard?.primary.x.inScript === true)
    server.pubsub.fanOut.atOnce = this.subscribed
    const errorsBefore = server.stats.errors
    const sampled = args.count <= command.briefArguments && server.slowerThanUs >= sampledSlowerMinUs
    const timed = !sampled || command.stats.samplesNext
    const startMs = timed ? server.clock.monotonicMs() : 0
    if (command.serves === undefined) {
      const { primary } = server
      primary.x.touches = !this.noTouch
      primary.heldLsn = this.heldLsn
      const lsn = primary.run(command, args, reply, this.database, this.inHand.staged)
      if (lsn !== 0) this.hold(lsn, command.isWrite)
      if (primary.keyWait !== undefined) blockOnKeys(this, primary.keyWait)
      if (this.tracked !== undefined && command.isRead && command.hasKeys) tracking.read(this.tracked, command, args)
    } else command.serves(this)
    if (tracking.isActive) tracking.ends()
    // It has met what is cold and will be executed anew.
    if (this.inHand.state === 'awaitsCold') {
      this.args = outerArgs
      return
    }
    if (server.stats.errors !== errorsBefore) command.stats.failed++
    if (!timed) {
      command.stats.addUntimed()
      server.stats.commands++
      this.commandsExecuted++
    } else if (!this.inHand.countsUntilAnswer) {
      const endMs = server.clock.monotonicMs()
      server.turn.reachedMs = endMs
      this.#account(command, args, (endMs - startMs) * 1000, sampled)
    }
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
    if (lsn > this.heldLsn) this.heldLsn = lsn
    if (written) this.lastWriteLsn = lsn
    this.server.turn.schedule()
  }

  #refuse(text: string, command: Command | undefined): undefined {
    this.transaction.refused()
    if (command !== undefined) command.stats.rejected++
    // As Sentinel does with the clients of a former primary, so that those look for the new one that do not at an error.
    if (text.startsWith('READONLY ') && this.#partAtBegin !== this.server.roles.changes) this.closeAfterReply()
    if (command?.executesQueue) {
      this.transaction.discard()
      this.reply.error(isRedirection(text) ? text : `EXECABORT Transaction discarded because of: ${text.replace(/^ERR /, '')}`)
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

  #outcome(): RequestOutcome {
    if (this.inHand.isWaiting) return 'wait'
    this.inHand.end()
    if (this.tracked !== undefined && !this.transaction.open && !this.inHand.command.name.startsWith('client|')) this.tracked.commandEnds()
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
