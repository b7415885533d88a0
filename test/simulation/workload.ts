/** What clients of the simulation send: requests on all types, transactions, scripts and functions of several of them, and requests that wait. */
import { Draw, databases } from './draw.ts'
import { copyByDump, expiry } from './model-dumps.ts'
import type { SeededRandom } from './seeded-random.ts'
import { families, types } from './types.ts'

/** Executes the commands that its arguments give, each behind the number of its words, and returns what they answer. */
const body = `local replies, at = {}, 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  replies[#replies + 1] = redis.pcall(unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
return replies`
const script = body
/** A library with the same as a function. */
export const library = `#!lua name=simulated
redis.register_function('commands', function(KEYS, ARGV)
${body}
end)`

const weights = families.flatMap((family) => Array.from({ length: family.weight }, () => family))
const waiting = families.flatMap((family) => (family.waits === undefined ? [] : [family.waits]))

export class Workload {
  readonly draw: Draw

  constructor(random: SeededRandom) {
    this.draw = new Draw(
      random,
      types.flatMap(({ keys, isApart = false }) => (isApart ? [] : keys)),
    )
  }

  /** What a client sends next: one request, or a transaction. */
  next(): string[][] {
    const { draw } = this
    if (draw.once(40)) return [['SELECT', `${draw.below(databases)}`]]
    if (draw.once(60)) return [draw.pick([['DBSIZE'], ['KEYS', '*']])]
    if (draw.once(12)) return [draw.pick(waiting)(draw)]
    if (draw.once(40)) return [['EVAL', copyByDump, '0', draw.anyKey(), draw.anyKey(), expiry(draw)]]
    if (draw.once(12)) return [this.#script(this.#several())]
    if (draw.once(8)) return this.#transaction(this.#several())
    const [first, ...rest] = this.#requests() as [string[], ...string[][]]
    if (rest.length === 0) return [first]
    return draw.once(2) ? [this.#script([first, ...rest])] : this.#transaction([first, ...rest])
  }

  #several(): string[][] {
    return Array.from({ length: 1 + this.draw.below(5) }, () => this.#requests()).flat()
  }

  #requests(): string[][] {
    const { draw } = this
    const { request, together } = draw.pick(weights)
    return together !== undefined && draw.once(4) ? together(draw) : [request(draw)]
  }

  /** A transaction of these and perhaps a request that may wait elsewhere, or a script. */
  #transaction(requests: string[][]): string[][] {
    const { draw } = this
    const watched = draw.once(4) ? [['WATCH', draw.anyKey()]] : []
    const more = draw.once(4) ? [draw.once(2) ? draw.pick(waiting)(draw) : this.#script(this.#several())] : []
    return [...watched, ['MULTI'], ...requests, ...more, [draw.once(12) ? 'DISCARD' : 'EXEC']]
  }

  /** A script, or a function, that executes these; it declares all keys, some or none. */
  #script(requests: readonly string[][]): string[] {
    const { draw } = this
    const declared = draw.pick([[], requests.map(([, key]) => key ?? ''), [draw.anyKey()]])
    const start = draw.once(3) ? ['FCALL', 'commands'] : ['EVAL', script]
    return [...start, `${declared.length}`, ...declared, ...requests.flatMap((words) => [`${words.length}`, ...words])]
  }
}
