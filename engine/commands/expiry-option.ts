/**
 * Times of expiry in arguments: the options EX, PX, EXAT, PXAT, KEEPTTL and PERSIST of SET and GETEX, and the plain
 * numbers of SETEX, EXPIRE and their like. Texts, order of the checks and overflow rules are Redis's.
 *
 * An expiry is kept in 48 bits of milliseconds, up to the year 10889; a later one that Redis would accept becomes that.
 */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { int64Max, int64Min } from '../integer.ts'
import { invalidExpireTime, notAnInteger } from './errors.ts'

/** Latest expiry that is kept, in ms since the epoch. */
const expireAtMax = 2 ** 48 - 1
/** An expiry could not be read; the error is written already. */
export const invalidExpiry = Number.NEGATIVE_INFINITY

export type Unit = 1 | 1000
export const milliseconds: Unit = 1
export const seconds: Unit = 1000

/** The numbers tell the options apart; EX to PXAT take an argument. */
const noOption = 0
const ex = 1
const px = 2
const exat = 3
const pxat = 4
const keepTtlOption = 5
const persistOption = 6

/** The expiry option of one request, of which there is at most one kind. Reused: `reset` first. */
export class ExpiryOption {
  #kind = noOption
  #index = 0

  reset(): void {
    this.#kind = noOption
  }

  /** Whether the request says when the key expires. */
  get isTime(): boolean {
    return this.#kind !== noOption && this.#kind <= pxat
  }

  get isKeepTtl(): boolean {
    return this.#kind === keepTtlOption
  }

  get isPersist(): boolean {
    return this.#kind === persistOption
  }

  /**
   * Takes the option at `index`, and its argument. `extra` is the command's option without an argument. Returns how many
   * arguments were taken: 0 when it is no such option, is not complete, or does not go with the one before.
   */
  take(args: Arguments, index: number, extra: 'KEEPTTL' | 'PERSIST'): number {
    const kind = kindOf(args, index, extra)
    if (kind === noOption || (this.#kind !== noOption && this.#kind !== kind)) return 0
    const length = kind <= pxat ? 2 : 1
    if (index + length > args.count) return 0
    this.#kind = kind
    this.#index = index + 1
    return length
  }

  /** The time in ms since the epoch, or `invalidExpiry`. Only if `isTime`. */
  expireAt(x: Execution, command: string): number {
    const kind = this.#kind
    return positiveExpireAt(x, this.#index, kind === ex || kind === exat ? seconds : milliseconds, kind <= px ? x.now : 0, command)
  }
}

function kindOf(args: Arguments, index: number, extra: 'KEEPTTL' | 'PERSIST'): number {
  if (args.is(index, 'EX')) return ex
  if (args.is(index, 'PX')) return px
  if (args.is(index, 'EXAT')) return exat
  if (args.is(index, 'PXAT')) return pxat
  if (!args.is(index, extra)) return noOption
  return extra === 'KEEPTTL' ? keepTtlOption : persistOption
}

/** Reads argument `index` as a time that has to be positive, counted from `base`. Returns ms since the epoch, or `invalidExpiry`. */
export function positiveExpireAt(x: Execution, index: number, unit: Unit, base: number, command: string): number {
  const time = x.args.integer(index)
  if (Number.isNaN(time)) return distantExpireAt(x, index, unit, base, command, true)
  if (time > 0) return Math.min(time * unit + base, expireAtMax)
  x.reply.error(invalidExpireTime(command))
  return invalidExpiry
}

/** As `positiveExpireAt` for the EXPIRE commands, which take any time: one of the past deletes the key. */
export function anyExpireAt(x: Execution, index: number, unit: Unit, base: number, command: string): number {
  const time = x.args.integer(index)
  if (Number.isNaN(time)) return distantExpireAt(x, index, unit, base, command, false)
  return Math.min(time * unit + base, expireAtMax)
}

/** Times beyond ±(2^53 − 1): here the limits of 64 bits count. */
function distantExpireAt(x: Execution, index: number, unit: Unit, base: number, command: string, positive: boolean): number {
  const time = x.args.bigInteger(index)
  if (time === undefined) {
    x.reply.error(notAnInteger)
    return invalidExpiry
  }
  const ms = time * BigInt(unit)
  if (ms + BigInt(base) > int64Max || ms < int64Min || (positive && ms <= 0n)) {
    x.reply.error(invalidExpireTime(command))
    return invalidExpiry
  }
  return Math.min(Number(ms) + base, expireAtMax)
}
