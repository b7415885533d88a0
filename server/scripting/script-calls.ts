/**
 * `redis.call`: a script has a command executed. What it may not have is refused here; the reply goes to Lua. A key whose value is cold
 * and that was not declared ends the run if nothing has been written yet, so that it can be fetched and the script be run again;
 * after a write it is read while everybody waits, and that is counted.
 */
import { Arguments } from '../../engine/arguments.ts'
import { formatDouble } from '../../engine/double.ts'
import { formatInteger } from '../../engine/integer.ts'
import { OutputBuffer } from '../../engine/output-buffer.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import type { ColdSet } from '../../storage/cold-set.ts'
import type { ScriptSlot, SlotCheck } from '../cluster/slot-check.ts'
import { declaredSlot } from '../cluster/slot-check.ts'
import type { Command, CommandTable } from '../command-table.ts'
import { outOfMemory } from '../dispatch-errors.ts'
import type { Log } from '../logging.ts'
import type { Primary } from '../shard/primary.ts'
import type { Lua } from './lua.ts'
import { typeNumber, typeString } from './lua.ts'
import type { RedisHost } from './redis-library.ts'
import { pushError } from './redis-library.ts'
import { ReplyReader } from './reply-reader.ts'

/** The client whose script it is. */
export interface ScriptClient {
  readonly id: number
  args: Arguments
  reply: ReplyWriter
  database: number
  inExec: boolean
  readonly readOnly: boolean
  execute(command: Command, args: Arguments): void
  /** A command of the script has read keys. `given`: the arguments of EVAL. */
  scriptHasRead(given: Arguments): void
  hold(lsn: number, written: boolean): void
}

/** What scripts need of the server. */
export interface ScriptServer {
  readonly commands: CommandTable
  readonly log: Log
  readonly primary: Primary
  /** Why commands that write are refused now; undefined when they are not. */
  readonly writeRefusal: string | undefined
  /** Whether commands that need memory are refused now. */
  readonly refusesForMemory: boolean
  /** In a cluster. */
  readonly slotCheck: SlotCheck | undefined
}

/** What a script has said of itself, or its command of it. */
export interface ScriptRights {
  readonly writes: boolean
  readonly ignoresMemory: boolean
  /** Whether its commands may be about keys of different slots. */
  readonly crossesSlots: boolean
}

const restartsMax = 8
const argumentBytes = 16 * 1024
/** Of 32 bits, as digits. */
const integerBytes = 11
const logLevels = ['debug', 'debug', 'info', 'warn'] as const

export class ScriptCalls implements RedisHost {
  /** Set when the interpreter is there. */
  lua!: Lua
  /** The run has ended to wait for this. */
  wanted: ColdSet | undefined
  /** What `redis.setresp` has said. */
  protocol: 2 | 3 = 2
  readonly reply = new ReplyWriter(new OutputBuffer())
  #reader!: ReplyReader
  #client!: ScriptClient
  #given!: Arguments
  #rights: ScriptRights = { writes: true, ignoresMemory: false, crossesSlots: true }
  /** Whether the run may be given up and begin anew. */
  mayRestart = false
  /** Of the keys of a script that must not mix slots. */
  #slot: ScriptSlot | undefined
  #operations = 0
  #expired = 0
  #memoryWasShort = false
  readonly #args = new Arguments()
  #room = Buffer.allocUnsafe(argumentBytes)
  readonly #server: ScriptServer

  constructor(server: ScriptServer) {
    this.#server = server
  }

  connect(lua: Lua): void {
    this.lua = lua
    this.#reader = new ReplyReader(lua)
  }

  /** A run begins. `restarts`: how often it has begun before. */
  begin(client: ScriptClient, given: Arguments, rights: ScriptRights, restarts: number, inTransaction: boolean): void {
    const { x, mutator } = this.#server.primary
    this.#client = client
    this.#given = given
    this.#rights = rights
    this.mayRestart = !inTransaction && restarts < restartsMax
    this.#operations = mutator.operations
    this.#expired = x.expired
    this.#memoryWasShort = this.#server.refusesForMemory
    this.wanted = undefined
    this.#slot = this.#server.slotCheck === undefined || rights.crossesSlots ? undefined : { of: declaredSlot(given) }
    this.setProtocol(2)
  }

  /** Whether the run has changed anything: that a key that had expired is gone does not count. */
  get hasWritten(): boolean {
    const { x, mutator } = this.#server.primary
    return mutator.operations - this.#operations > x.expired - this.#expired
  }

  setProtocol(protocol: 2 | 3): void {
    this.protocol = protocol
    this.reply.protocol = protocol
  }

  log(level: number, text: string): void {
    this.#server.log[logLevels[Math.trunc(level)] ?? 'info'](text)
  }

  refusalOf(state: number): string | undefined {
    const refusal = this.#takeArguments(state)
    if (refusal !== undefined) return refusal.replace('ERR ', '')
    return this.#named() === undefined ? 'Invalid command passed to redis.acl_check_cmd()' : undefined
  }

  call(state: number, raises: boolean): number {
    const { lua } = this
    if (lua.isEnding) lua.raise(state)
    const refusal = this.#takeArguments(state) ?? this.#execute(state)
    if (refusal !== undefined) pushError(lua, state, `-${refusal}`, true)
    else if (!this.#pushReply(state)) return raises ? lua.raise(state) : 1
    return refusal !== undefined && raises ? lua.raise(state) : 1
  }

  /** Copies the command on the stack; what is wrong with it, or undefined. */
  #takeArguments(state: number): string | undefined {
    const { lua } = this
    const args = this.#args
    const count = lua.argumentCount(state)
    args.clear()
    args.buffer = this.#room
    if (count === 0) return 'ERR Please specify at least one argument for this redis lib call'
    let end = 0
    for (let i = 1; i <= count; i++) {
      const at = lua.argumentAt(state, i)
      const type = lua.typeAt(at)
      if (type === typeNumber) end = this.#addNumber(lua.numberAt(at), end)
      else if (type === typeString) end = this.#addString(at, end)
      else return 'ERR Lua redis lib command arguments must be strings or integers'
    }
    return undefined
  }

  #addNumber(n: number, at: number): number {
    if (n === (n | 0) && !Object.is(n, -0)) {
      this.#makeRoom(at + integerBytes)
      const end = formatInteger(this.#room, at, n)
      this.#args.push(at, end)
      return end
    }
    // As C's `%.17g` writes it.
    const text = formatDouble(n)
    this.#makeRoom(at + text.length)
    this.#room.write(text, at, 'latin1')
    this.#args.push(at, at + text.length)
    return at + text.length
  }

  #addString(value: number, at: number): number {
    const { lua } = this
    lua.readStringAt(value)
    const { bytes, at: from, length } = lua
    this.#makeRoom(at + length)
    const room = this.#room
    if (length <= 48) for (let i = 0; i < length; i++) room[at + i] = bytes[from + i]
    else bytes.copy(room, at, from, from + length)
    this.#args.push(at, at + length)
    return at + length
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#room.length) return
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.#room.length * 2))
    this.#room.copy(larger)
    this.#room = larger
    this.#args.buffer = larger
  }

  #named(): Command | undefined {
    const args = this.#args
    const command = this.#server.commands.find(args, 0)
    return command?.subcommands !== undefined && args.count > 1 ? command.subcommands.find(args, 1) : command
  }

  /** The command that the arguments name, or why there is none. */
  #find(): Command | string {
    const args = this.#args
    const command = this.#named()
    if (command === undefined) return 'ERR Unknown Redis command called from script'
    const { arity } = command.spec
    if (arity > 0 ? args.count !== arity : args.count < -arity) return 'ERR Wrong number of args calling Redis command from script'
    return command
  }

  /** Executes the command; why it was not, or undefined. */
  #execute(state: number): string | undefined {
    const command = this.#find()
    if (typeof command === 'string') return command
    if (command.noScript) return 'ERR This Redis command is not allowed from script'
    const server = this.#server
    if (command.isWrite) {
      if (!this.#rights.writes) return 'ERR Write commands are not allowed from read-only scripts.'
      const refusal = server.writeRefusal
      if (refusal !== undefined) return refusal
    }
    if (command.denyOom && this.#memoryWasShort && !this.#rights.ignoresMemory && !this.hasWritten) return outOfMemory
    const client = this.#client
    const misplaced = server.slotCheck?.refusalInScript(command, this.#args, client.readOnly, this.#slot)
    if (misplaced !== undefined) return misplaced
    const { primary } = server
    // The arguments lie where those of the last command lay.
    primary.keyspace.forgetLookUp()
    const unread = command.hasKeys && primary.tier.hasCold ? this.#fetch(state, command) : undefined
    if (unread !== undefined) return unread
    primary.x.inScript = true
    client.execute(command, this.#args)
    primary.x.inScript = false
    if (command.isRead && command.hasKeys) client.scriptHasRead(this.#given)
    return undefined
  }

  /** Fetches what the command needs and is cold; why that could not be. */
  #fetch(state: number, command: Command): string | undefined {
    const { primary } = this.#server
    const cold = primary.coldNeeds(command, this.#args, this.#client.database, undefined)
    if (cold === undefined) return undefined
    if (this.mayRestart && !this.hasWritten) {
      this.wanted = cold
      this.lua.isEnding = true
      this.lua.pushText(state, 'the script is run again')
      this.lua.raise(state)
    }
    return primary.fetchRest(command, this.#args, this.#client.database)
  }

  /** False when the reply is an error. */
  #pushReply(state: number): boolean {
    const { output } = this.reply
    const start = output.placeOf(this.#replyStart)
    let isError: boolean
    if (start >= 0) {
      isError = output.chunk[start] === 0x2d
      this.#reader.push(state, output.chunk, start)
      output.rewindTo(this.#replyStart)
    } else {
      const bytes = output.takeAll()
      this.#replyStart = output.position
      isError = bytes[0] === 0x2d
      this.#reader.push(state, bytes, 0)
    }
    return !isError
  }

  /** Where in the output the next reply will begin. */
  #replyStart = 0
}
