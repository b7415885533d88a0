/**
 * Logging: the `Log` that parts of the server receive, and its real implementation on pino. On a terminal lines are for
 * people; into a file or a pipe they are JSON, one object a line. Lines are written synchronously, so that the last words before
 * a crash are not lost; nothing on the path of a request logs.
 */
import type { DestinationStream, Logger } from 'pino'
import { destination, pino } from 'pino'
import { PinoPretty } from 'pino-pretty'

/** What is known beside the text, for machines: `{ lsn, segment }`. An `error` field keeps its stack. */
export type LogFields = Readonly<Record<string, unknown>>

export interface Log {
  error(text: string, fields?: LogFields): void
  warn(text: string, fields?: LogFields): void
  info(text: string, fields?: LogFields): void
  debug(text: string, fields?: LogFields): void
  /** Redis's `loglevel`: `notice` shows info and above, `warning` shows warn and above, `verbose` and `debug` show all. */
  setLevel(level: LogLevel): void
  /** A log that adds `fields` to each line. */
  with(fields: LogFields): Log
}

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning'

export interface LogOptions {
  readonly level: LogLevel
  /** A file to append to; empty for standard output. */
  readonly file: string
  /** Whether standard output is a terminal. */
  readonly terminal: boolean
  /** Instead of a file or standard output. */
  readonly stream?: DestinationStream
}

const pinoLevels = { debug: 'trace', verbose: 'debug', notice: 'info', warning: 'warn' } as const

/** Throws when the file cannot be opened. */
export function createLog(options: LogOptions): Log {
  const raw = options.stream ?? destination({ dest: options.file === '' ? 1 : options.file, append: true, mkdir: true, sync: true })
  const readable = options.terminal && options.file === ''
  const pretty = { destination: raw, colorize: readable, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname', sync: true }
  const logger = pino(
    {
      level: pinoLevels[options.level],
      base: { pid: process.pid },
      serializers: { error: pino.stdSerializers.err },
      formatters: { log: withRoundDurations },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    readable ? PinoPretty(pretty) : raw,
  )
  return new PinoLog(logger)
}

/** Durations (`…Ms`, `…seconds`) with three significant digits: clocks give thirteen decimals, which tell nobody anything. */
function withRoundDurations(fields: Record<string, unknown>): Record<string, unknown> {
  const rounded = { ...fields }
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'number' || Number.isInteger(value) || !/(?:Ms|[sS]econds)$/.test(name)) continue
    rounded[name] = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
  }
  return rounded
}

class PinoLog implements Log {
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  error(text: string, fields: LogFields = {}): void {
    this.#logger.error(fields, text)
  }

  warn(text: string, fields: LogFields = {}): void {
    this.#logger.warn(fields, text)
  }

  info(text: string, fields: LogFields = {}): void {
    this.#logger.info(fields, text)
  }

  debug(text: string, fields: LogFields = {}): void {
    this.#logger.debug(fields, text)
  }

  setLevel(level: LogLevel): void {
    this.#logger.level = pinoLevels[level]
  }

  with(fields: LogFields): Log {
    return new PinoLog(this.#logger.child(fields))
  }
}

export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly text: string
  readonly fields: LogFields
}

/** A log that keeps its lines: for tests, and for tools that show them in their own way. */
export class MemoryLog implements Log {
  readonly lines: LogLine[]
  readonly #fields: LogFields

  constructor(lines: LogLine[] = [], fields: LogFields = {}) {
    this.lines = lines
    this.#fields = fields
  }

  error(text: string, fields: LogFields = {}): void {
    this.#keep('error', text, fields)
  }

  warn(text: string, fields: LogFields = {}): void {
    this.#keep('warn', text, fields)
  }

  info(text: string, fields: LogFields = {}): void {
    this.#keep('info', text, fields)
  }

  debug(text: string, fields: LogFields = {}): void {
    this.#keep('debug', text, fields)
  }

  /** Keeps all lines, whatever their level. */
  setLevel(): void {}

  with(fields: LogFields): Log {
    return new MemoryLog(this.lines, { ...this.#fields, ...fields })
  }

  #keep(level: LogLine['level'], text: string, fields: LogFields): void {
    this.lines.push({ level, text, fields: { ...this.#fields, ...fields } })
  }
}
