/**
 * All commands by name, looked up in the request's bytes without making a string. Each has one runtime record: its row,
 * what dispatch asks of it precomputed, and its counters.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { CommandSpec, EngineCommand } from '../engine/command.ts'
import type { Execution } from '../engine/execution.ts'
import type { Need } from '../engine/need.ts'
import type { StagedWork } from '../engine/staged-work.ts'
import { CommandStats } from './command-stats.ts'

/** `Session` is what the handlers of session commands get; who does not run commands need not know it. */
export interface Command<Session = never> {
  /** In lower case; a subcommand's is `container|name`. */
  readonly name: string
  /** The bytes that a request names it by, of a subcommand those behind the container's, in lower case. */
  readonly word: Uint8Array
  readonly spec: EngineCommand | CommandSpec<Session>
  readonly runs: (x: Execution) => void
  readonly serves: ((session: Session) => void) | undefined
  readonly isWrite: boolean
  readonly isRead: boolean
  readonly denyOom: boolean
  readonly noAuth: boolean
  readonly noMulti: boolean
  /** EXEC: it does what was queued. */
  readonly executesQueue: boolean
  /** PUBLISH and SPUBLISH. */
  readonly publishes: boolean
  /** A script or function that may write: CLIENT PAUSE WRITE holds it back, whatever it will do. */
  readonly runsCode: boolean
  /** A client of RESP2 that has subscribed may send it. */
  readonly whileSubscribed: boolean
  readonly noScript: boolean
  /** Also while a script runs that takes long. */
  readonly whileBusy: boolean
  readonly whileLoading: boolean
  readonly hasKeys: boolean
  /** With up to so many arguments it takes about a microsecond, whatever it meets. */
  readonly briefArguments: number
  readonly skipsMonitor: boolean
  readonly skipsSlowlog: boolean
  readonly needs: Need
  readonly stages: ((x: Execution) => StagedWork | undefined) | undefined
  readonly moves: boolean
  readonly stats: CommandStats
  /** Of a container. */
  readonly subcommands: CommandTable<Session> | undefined
}

const codeRunners = new Set(['eval', 'evalsha', 'fcall'])
const whileSubscribed = new Set([
  'subscribe',
  'unsubscribe',
  'psubscribe',
  'punsubscribe',
  'ssubscribe',
  'sunsubscribe',
  'ping',
  'quit',
  'reset',
])

/** What constant or logarithmic time is for each of more arguments is not brief. */
const briefArgumentsUsual = 8

const noHandler = (): void => undefined

export class CommandTable<Session = never> {
  readonly #slots: (Command<Session> | undefined)[]
  readonly #all: Command<Session>[] = []
  #last: Command<Session> | undefined

  constructor(engine: Record<string, EngineCommand>, session: Record<string, CommandSpec<Session>>) {
    const rows = [...Object.entries(engine), ...Object.entries(session)]
    const size = 2 ** Math.ceil(Math.log2(rows.length * 4 + 4))
    this.#slots = new Array(size).fill(undefined)
    for (const [name, spec] of rows) {
      if (name.includes(' ')) continue
      this.#add(makeCommand(name.toLowerCase(), spec, name in session, subcommandsOf(name, engine, session)))
    }
  }

  /** In the order of the tables. */
  get all(): readonly Command<Session>[] {
    return this.#all
  }

  /** The command named by argument `index`, in any case; undefined when there is none. */
  find(args: Arguments, index: number): Command<Session> | undefined {
    const { buffer } = args
    const start = args.starts[index]
    const end = args.ends[index]
    // Pipelines repeat themselves.
    const last = this.#last
    if (last !== undefined && isNamed(last.word, buffer, start, end)) return last
    let hash = end - start
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (buffer[i] | 0x20)) | 0
    const slots = this.#slots
    for (let at = hash & (slots.length - 1); ; at = (at + 1) & (slots.length - 1)) {
      const command = slots[at]
      if (command === undefined) return undefined
      if (!isNamed(command.word, buffer, start, end)) continue
      this.#last = command
      return command
    }
  }

  /** By name, in any case; a subcommand's is `container|name`. */
  named(name: string): Command<Session> | undefined {
    const lower = name.toLowerCase()
    for (const command of this.everyOne()) if (command.name === lower) return command
    return undefined
  }

  /** Commands, each before its subcommands. */
  *everyOne(): Generator<Command<Session>> {
    for (const command of this.#all) {
      yield command
      if (command.subcommands !== undefined) yield* command.subcommands.all
    }
  }

  #add(command: Command<Session>): void {
    const { word } = command
    let hash = word.length
    for (const byte of word) hash = (Math.imul(hash, 31) + (byte | 0x20)) | 0
    let at = hash & (this.#slots.length - 1)
    while (this.#slots[at] !== undefined) at = (at + 1) & (this.#slots.length - 1)
    this.#slots[at] = command
    this.#all.push(command)
  }
}

function isNamed(word: Uint8Array, buffer: Buffer, start: number, end: number): boolean {
  const length = end - start
  if (word.length !== length) return false
  for (let i = 0; i < length; i++) {
    const byte = buffer[start + i]
    const lower = byte >= 65 && byte <= 90 ? byte | 0x20 : byte
    if (word[i] !== lower) return false
  }
  return true
}

function subcommandsOf<Session>(
  name: string,
  engine: Record<string, EngineCommand>,
  session: Record<string, CommandSpec<Session>>,
): CommandTable<Session> | undefined {
  const pick = <T>(rows: Record<string, T>): Record<string, T> =>
    Object.fromEntries(
      Object.entries(rows)
        .filter(([key]) => key.startsWith(`${name} `))
        .map(([key, row]) => [`${name}|${key.slice(name.length + 1)}`, row]),
    )
  const engineRows = pick(engine)
  const sessionRows = pick(session)
  if (Object.keys(engineRows).length + Object.keys(sessionRows).length === 0) return undefined
  return new CommandTable(engineRows, sessionRows)
}

function makeCommand<Session>(
  name: string,
  spec: EngineCommand | CommandSpec<Session>,
  ofSession: boolean,
  subcommands: CommandTable<Session> | undefined,
): Command<Session> {
  const has = (flag: string): boolean => (spec.flags as readonly string[]).includes(flag)
  return {
    name,
    word: Buffer.from(name.slice(name.indexOf('|') + 1)),
    spec,
    runs: ofSession ? noHandler : (spec as EngineCommand).handler,
    serves: ofSession ? (spec as CommandSpec<Session>).handler : undefined,
    isWrite: has('write'),
    isRead: has('readonly'),
    denyOom: has('denyoom'),
    noAuth: has('no_auth'),
    noMulti: has('no_multi'),
    executesQueue: name === 'exec',
    publishes: has('pubsub') && has('fast'),
    runsCode: codeRunners.has(name),
    whileSubscribed: whileSubscribed.has(name),
    noScript: has('noscript'),
    whileBusy: has('allow_busy'),
    whileLoading: has('loading'),
    hasKeys: spec.keys.access.some(({ flags }) => !flags.includes('not_key')),
    briefArguments: spec.briefArguments ?? (!ofSession && /^O\((1|log\(N\))\)/.test(spec.complexity) ? briefArgumentsUsual : 0),
    skipsMonitor: has('skip_monitor') || has('admin'),
    skipsSlowlog: has('skip_slowlog'),
    needs: spec.needs ?? (spec.keys.access.length > 0 ? 'value' : 'none'),
    stages: ofSession ? undefined : (spec as EngineCommand).stages,
    moves: spec.moves === true,
    stats: new CommandStats(),
    subcommands,
  }
}
