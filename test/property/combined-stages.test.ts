/**
 * Sets and sorted sets that are combined in slices while they change, are replaced, expire and go cold: in the end the reply, and what is stored, are
 * what they would have been in one turn.
 */
import { describe, expect, it } from 'vitest'
import { expireCommands } from '../../engine/commands/expire.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { format } from '../commands/notation.ts'
import type { AggregateReply, Reply } from '../commands/resp-decoder.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

const stepsMax = testRuns(6000)
/** The largest ones are trees, the others in one piece mostly. */
const sizes: Readonly<Record<string, number>> = { a: 400, b: 400, c: 60, d: 6 }
const keys = Object.keys(sizes)
const target = 'target'

interface Kind {
  readonly type: 'set' | 'sorted set'
  /** The command that replies, with its arguments; `true` for one that stores. */
  request(random: SeededRandom, name: string, sources: readonly string[]): { readonly asks: string[]; readonly stores?: string[] }
  /** Shows what the target holds as the reply would have it. */
  readonly whole: readonly string[]
}

function sorted(reply: Reply): string[] {
  return (reply as AggregateReply).items.map((item) => format(item)).sort()
}

/** One command after the other is staged, with changes before and between the slices. */
class Combining {
  /** Commands that were executed with what was staged, after changes. */
  used = 0
  slices = 0
  readonly #cold: ColdEngine
  readonly #kind: Kind
  readonly #tell: (line: string) => void
  #staged: StagedWork | undefined
  #asks: string[] = []
  #stores: string[] | undefined

  constructor(kind: Kind, tell: (line: string) => void) {
    this.#kind = kind
    this.#tell = tell
    this.#cold = new ColdEngine({ ...setCommands, ...sortedSetCommands, ...keyCommands, ...expireCommands }, testSeed)
    const { execution, keyspace } = this.#cold.engine
    Object.assign(execution.limits, { setMaxIntsetEntries: 8, zsetMaxListpackEntries: 6 })
    keyspace.trees.leafBytesMax = 200
  }

  async step(random: SeededRandom): Promise<void> {
    this.#cold.random = random
    if (this.#staged === undefined) {
      if (random.once(40)) await this.#begin(random)
      else await this.#change(random)
      return
    }
    if (random.once(4)) await this.#change(random)
    else await this.#advance(this.#staged)
    if (random.once(5)) this.#tell(`(${this.#cold.freeze(0.5)} leaves and values become cold)`)
  }

  async #begin(random: SeededRandom): Promise<void> {
    const sources = Array.from({ length: random.once(6) ? 20 : 1 + random.below(3) }, () => random.pick(keys))
    const name = random.pick(['UNION', 'INTER', 'DIFF'])
    const { asks, stores } = this.#kind.request(random, name, sources)
    this.#cold.engine.execution.limits.slicedValueBytes = 1 + random.below(3000)
    this.#asks = asks
    this.#stores = stores
    this.#staged = this.#cold.session.stage(...(stores ?? asks))
    this.#tell(`begin ${(stores ?? asks).join(' ')}${this.#staged === undefined ? ': at once' : ''}`)
    if (this.#staged === undefined) await this.#finish(undefined)
  }

  async #advance(staged: StagedWork): Promise<void> {
    this.slices++
    this.#tell('fetch and go on')
    if (await this.#cold.advance(staged)) return
    this.#staged = undefined
    await this.#finish(staged)
    this.#cold.engine.inRecord(() => staged.release?.())
    expect(this.#cold.engine.mutator.interest.active).toBe(0)
    expect(this.#cold.engine.keyspace.databases[16]?.index.size).toBe(0)
  }

  async #finish(staged: StagedWork | undefined): Promise<void> {
    const stores = this.#stores
    const ask = (...parts: readonly string[]): Promise<Reply> =>
      staged === undefined ? this.#cold.ask(...parts) : this.#cold.askStaged(staged, ...parts)
    const isOrdered = this.#kind.type === 'sorted set'
    const show = (reply: Reply): string => ('items' in reply && !isOrdered ? sorted(reply).join(' ') : format(reply))
    if (stores === undefined) {
      const plain = show(await this.#cold.ask(...this.#asks))
      expect(show(await ask(...this.#asks)), this.#asks.join(' ')).toBe(plain)
      return
    }
    const plain = await this.#cold.ask(...this.#asks)
    const count = 'items' in plain ? plain.items.length / (this.#asks.includes('WITHSCORES') ? 2 : 1) : -1
    expect(format(await ask(...stores)), stores.join(' ')).toBe(`:${count}`)
    const [name, ...rest] = this.#kind.whole as [string, ...string[]]
    expect(show(await this.#cold.ask(name, target, ...rest)), stores.join(' ')).toBe(show(plain))
  }

  async #change(random: SeededRandom): Promise<void> {
    const key = random.pick(keys)
    const member = (): string => {
      const number = random.below(sizes[key] as number)
      return random.once(3) ? `${number}` : `${'m'.repeat(number % 20)}${number}`
    }
    const isSet = this.#kind.type === 'set' || (key === 'c' && random.once(2))
    const kind = random.below(1000)
    let request = isSet ? ['SREM', key, member(), member()] : ['ZREM', key, member(), member()]
    if (kind < 3) request = ['DEL', key]
    else if (kind < 6) request = ['RENAME', key, random.pick(keys)]
    else if (kind < 9) request = ['COPY', key, random.pick(keys), 'REPLACE']
    else if (kind < 15) request = ['PEXPIRE', key, `${random.below(50)}`]
    else if (kind < 18) request = ['PERSIST', key]
    else if (kind < 700) {
      request = isSet
        ? ['SADD', key, member(), member(), member()]
        : ['ZADD', key, `${random.below(50)}`, member(), random.pick(['inf', '-inf', '1.5']), member()]
    }
    this.#cold.engine.advance(1)
    this.#tell(request.join(' '))
    await this.#cold.ask(...request)
  }
}

const kinds: readonly Kind[] = [
  {
    type: 'set',
    whole: ['SMEMBERS'],
    request: (random, name, sources) => {
      if (random.once(5)) {
        const limit = random.once(2) ? [] : ['LIMIT', `${random.below(100)}`]
        return { asks: ['SINTERCARD', `${sources.length}`, ...sources, ...limit] }
      }
      const asks = [`S${name}`, ...sources]
      return random.once(2) ? { asks } : { asks, stores: [`S${name}STORE`, target, ...sources] }
    },
  },
  {
    type: 'sorted set',
    whole: ['ZRANGE', '0', '-1', 'WITHSCORES'],
    request: (random, name, sources) => {
      const counted = [`${sources.length}`, ...sources]
      if (random.once(6)) {
        const limit = random.once(2) ? [] : ['LIMIT', `${random.below(100)}`]
        return { asks: ['ZINTERCARD', ...counted, ...limit] }
      }
      const weights = random.once(2) ? [] : ['WEIGHTS', ...sources.map(() => random.pick(['1', '-2', '0.1', 'inf']))]
      const aggregate = random.once(2) ? [] : ['AGGREGATE', random.pick(['SUM', 'MIN', 'MAX'])]
      const options = name === 'DIFF' ? [] : [...weights, ...aggregate]
      const asks = [`Z${name}`, ...counted, ...options, 'WITHSCORES']
      return random.once(2) ? { asks } : { asks, stores: [`Z${name}STORE`, target, ...counted, ...options] }
    },
  },
]

describe.each(kinds)('combinations in slices: $type', (kind) => {
  it('come to what they would in one turn', async () => {
    const slices = await runSession({ steps: stepsMax }, async (steps, tell) => {
      const combining = new Combining(kind, tell)
      for (const random of steps) await combining.step(random)
      return combining.slices
    })
    expect(slices).toBeGreaterThan(stepsMax / 10)
  })
})

describe('a union of more sorted sets than a member can be looked up in', () => {
  it.each(['SUM', 'MIN', 'MAX'])('is made source by source: %s', (aggregate) => {
    const engine = new InProcessEngine(sortedSetCommands, testSeed)
    const session = engine.connect()
    const names = Array.from({ length: 40 }, (_, i) => `z${i}`)
    for (const [i, name] of names.entries()) {
      for (let j = 0; j < 40 + i * 20; j++) session.ask('ZADD', name, `${(j * 7 + i) % 100}.1`, `m${(j * (i + 1)) % 2000}`)
    }
    const request = ['ZUNION', `${names.length + 1}`, ...names, 'z39', 'AGGREGATE', aggregate, 'WITHSCORES']
    const plain = format(session.ask(...request))
    const staged = session.stage(...request)
    if (staged === undefined) throw new Error('nothing was staged')
    let lookUps = 0
    const { sortedSets } = engine.mutator.types
    const score = sortedSets.score.bind(sortedSets)
    sortedSets.score = (...member) => {
      lookUps++
      return score(...member)
    }
    while (staged.step());
    expect(format(session.askStaged(staged, ...request))).toBe(plain)
    staged.release?.()
    expect(lookUps).toBe(0)
  })
})
