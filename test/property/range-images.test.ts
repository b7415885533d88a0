/** Long ranges of sorted sets and streams that are replied in slices, while both change and go cold: the same replies as without. */
import { describe, expect, it } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { streamCommands } from '../../engine/commands/stream.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testRuns } from '../chance.ts'
import { format } from '../commands/notation.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

const tables = { ...sortedSetCommands, ...streamCommands, ...keyCommands }
const requestsMax = testRuns(120)
type Words = readonly string[]

/** An engine whose values go cold and whose requests are staged, and one that does everything at once. */
class Pair {
  readonly cold = new ColdEngine(tables, 1)
  readonly plain = new ColdEngine(tables, 1)
  staged = 0
  slices = 0

  constructor() {
    for (const { engine } of [this.cold, this.plain]) {
      engine.keyspace.trees.leafBytesMax = 200
      Object.assign(engine.execution.limits, { zsetMaxListpackEntries: 4, streamNodeMaxEntries: 7 })
    }
    // It forgets nothing.
    this.plain.random.once = () => false
  }

  async both(words: Words): Promise<string> {
    const reply = format(await this.cold.ask(...words))
    expect(reply, words.join(' ')).toBe(format(await this.plain.ask(...words)))
    return reply
  }

  /** The first number that is replied. */
  async count(words: Words): Promise<number> {
    return Number(/:(\d+)/.exec(await this.both(words))?.[1])
  }

  /** Does the request, in slices if it is staged, with `between` between them. */
  async request(words: Words, slicedBytes: number, random: SeededRandom, between: () => Promise<void>): Promise<void> {
    const { cold, plain } = this
    cold.engine.execution.limits.slicedValueBytes = slicedBytes
    const staged = cold.session.stage(...words)
    if (staged !== undefined) await this.#advance(staged, random, between)
    const reply = staged === undefined ? await cold.ask(...words) : await cold.askStaged(staged, ...words)
    expect(format(reply), words.join(' ')).toBe(format(await plain.ask(...words)))
  }

  async #advance(staged: StagedWork, random: SeededRandom, between: () => Promise<void>): Promise<void> {
    this.staged++
    for (let goesOn = true; goesOn; ) {
      if (random.once(3)) await between()
      while ((await this.cold.fetchFor(staged)) > 0);
      goesOn = staged.step()
      this.slices++
    }
    if (random.once(3)) await between()
  }
}

/** `fill` brings to its size what changes have made small: it is called before each request. */
async function session(
  fill: (pair: Pair) => Promise<void>,
  request: (random: SeededRandom) => Words,
  change: (random: SeededRandom) => Words,
) {
  return runSession({ steps: requestsMax }, async (steps, tell) => {
    const pair = new Pair()
    for (const random of steps) {
      await fill(pair)
      pair.cold.random = random
      if (random.once(40)) for (const { session } of [pair.cold, pair.plain]) session.reply.protocol = session.reply.protocol === 2 ? 3 : 2
      if (random.once(2)) tell(`(${pair.cold.freeze(random.pick([0.3, 1]))} leaves and values become cold)`)
      const words = request(random)
      tell(words.join(' '))
      await pair.request(words, 1 + random.below(3000), random, async () => {
        const changed = change(random)
        tell(`  ${changed.join(' ')}`)
        await pair.both(changed)
      })
    }
    return pair
  })
}

describe('sorted sets', () => {
  const score = (random: SeededRandom): string => `${random.below(60)}`
  const member = (random: SeededRandom): string => `m${random.below(600)}`
  const rank = (random: SeededRandom): string => `${random.below(900) - 450}`
  const least = (random: SeededRandom): string => random.pick(['-inf', score(random), `(${score(random)}`])
  const greatest = (random: SeededRandom): string => random.pick(['+inf', score(random), `(${score(random)}`])
  const limit = (random: SeededRandom): Words => random.pick([[], [], ['LIMIT', `${random.below(40)}`, `${random.below(400) - 40}`]])
  const low = (random: SeededRandom): string => random.pick(['-', `[${member(random)}`, `(${member(random)}`])
  const high = (random: SeededRandom): string => random.pick(['+', `[${member(random)}`, `(${member(random)}`])
  const scores = (random: SeededRandom): Words => random.pick([[], ['WITHSCORES']])

  /** What is between two members is defined only where all have one score. */
  function requestByMember(random: SeededRandom): Words {
    return random.pick([
      ['ZRANGEBYLEX', 'z', low(random), high(random), ...limit(random)],
      ['ZREVRANGEBYLEX', 'z', high(random), low(random), ...limit(random)],
      ['ZRANGE', 'z', high(random), low(random), 'BYLEX', 'REV', ...limit(random)],
    ])
  }

  function request(random: SeededRandom): Words {
    return random.pick([
      ['ZRANGE', 'z', '0', '-1', ...scores(random)],
      ['ZRANGE', 'z', rank(random), rank(random), ...random.pick<Words>([[], ['REV']]), ...scores(random)],
      ['ZREVRANGE', 'z', rank(random), rank(random), ...scores(random)],
      ['ZRANGEBYSCORE', 'z', least(random), greatest(random), ...scores(random), ...limit(random)],
      ['ZREVRANGEBYSCORE', 'z', greatest(random), least(random), ...scores(random), ...limit(random)],
      ['ZRANGE', 'z', least(random), greatest(random), 'BYSCORE', ...limit(random)],
    ])
  }

  function change(random: SeededRandom): Words {
    const elements = Array.from({ length: 1 + random.below(8) }, () => [score(random), member(random)]).flat()
    const kind = random.below(200)
    if (kind === 0) return ['DEL', 'z']
    if (kind < 70) return ['ZREM', 'z', ...Array.from({ length: 1 + random.below(8) }, () => member(random))]
    if (kind < 74) return ['ZREMRANGEBYSCORE', 'z', score(random), score(random)]
    return ['ZADD', 'z', ...elements]
  }

  it('are shown as they are in the end, in any order and direction', async () => {
    const fill = async (pair: Pair): Promise<void> => {
      if ((await pair.count(['ZCARD', 'z'])) > 200) return
      for (let i = 0; i < 600; i++) await pair.both(['ZADD', 'z', `${(i * 7) % 60}`, `m${i}`])
    }
    const { staged, slices } = await session(fill, request, (random) => (random.once(3) ? ['ZADD', 'z', '1', 'm1'] : change(random)))
    expect(staged).toBeGreaterThan(requestsMax / 20)
    expect(slices).toBeGreaterThan(2 * staged)
  })

  it('of one score are shown by member', async () => {
    const fill = async (pair: Pair): Promise<void> => {
      if ((await pair.count(['ZCARD', 'z'])) > 200) return
      for (let i = 0; i < 600; i++) await pair.both(['ZADD', 'z', '5', `m${(i * 7) % 600}`])
    }
    const { staged } = await session(
      fill,
      (random) => (random.once(2) ? request(random) : requestByMember(random)),
      (random) =>
        random.pick([
          ['ZADD', 'z', '5', member(random), '5', member(random)],
          ['ZREM', 'z', member(random), member(random)],
        ]),
    )
    expect(staged).toBeGreaterThan(requestsMax / 20)
  })
})

describe('streams', () => {
  let newest = 0
  const id = (random: SeededRandom): string => `${random.below(newest + 5)}-${random.below(3)}`
  const from = (random: SeededRandom): string => random.pick(['-', id(random), `(${id(random)}`])
  const to = (random: SeededRandom): string => random.pick(['+', '+', id(random), `(${id(random)}`])
  const count = (random: SeededRandom): Words => random.pick([[], [], ['COUNT', `${random.below(300)}`]])

  function request(random: SeededRandom): Words {
    return random.pick([
      ['XRANGE', 's', from(random), to(random), ...count(random)],
      ['XREVRANGE', 's', to(random), from(random), ...count(random)],
      ['XREAD', ...count(random), 'STREAMS', 's', id(random)],
      ['XREAD', ...count(random), 'STREAMS', 's', 't', id(random), id(random)],
      ['XREAD', 'STREAMS', 't', 's', '$', '0'],
      ['XREAD', 'STREAMS', 's', 's', '0', id(random)],
    ])
  }

  function change(random: SeededRandom): Words {
    const key = random.pick(['s', 's', 't'])
    return random.pick([
      ['XADD', key, `${++newest}-1`, 'field', `value ${newest}`, ...random.pick<Words>([[], ['other', 'x'.repeat(random.below(90))]])],
      ['XDEL', key, id(random), id(random), `${random.below(newest)}-1`],
      ['XTRIM', key, 'MAXLEN', `${200 + random.below(400)}`],
      ['XADD', key, 'MAXLEN', '~', `${200 + random.below(300)}`, `${++newest}-1`, 'a', 'b'],
    ])
  }

  it('are shown as they are in the end', async () => {
    const fill = async (pair: Pair): Promise<void> => {
      if ((await pair.count(['XLEN', 's'])) > 0) return
      newest = 0
      for (; newest < 400; newest++) await pair.both(['XADD', 's', `${newest}-1`, 'field', `value ${newest}`])
      for (let i = 0; i < 200; i++) await pair.both(['XADD', 't', `${i * 2}-1`, 'field', `value ${i}`])
      await pair.both(['XGROUP', 'CREATE', 's', 'g', '0'])
      await pair.both(['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '100', 'STREAMS', 's', '>'])
    }
    const { staged, slices } = await session(fill, request, change)
    expect(staged).toBeGreaterThan(requestsMax / 20)
    expect(slices).toBeGreaterThan(2 * staged)
  })

  function pendingRequest(random: SeededRandom): Words {
    const consumer = random.pick<Words>([[], ['c'], ['d'], ['nobody']])
    const idle = random.pick<Words>([[], ['IDLE', random.pick(['1', '5'])]])
    return ['XPENDING', 's', random.pick(['g', 'g', 'g', 'h']), ...idle, from(random), to(random), `${random.below(500)}`, ...consumer]
  }

  function pendingChange(random: SeededRandom): Words {
    const ids = Array.from({ length: 1 + random.below(5) }, () => `${random.below(newest)}-1`)
    if (random.once(60)) return ['XGROUP', 'DESTROY', 's', 'g']
    return random.pick([
      ['XACK', 's', 'g', ...ids],
      ['XCLAIM', 's', 'g', random.pick(['c', 'd', 'e']), '0', ...ids],
      ['XREADGROUP', 'GROUP', 'g', random.pick(['c', 'd']), 'COUNT', '3', 'STREAMS', 's', '>'],
      ['XREADGROUP', 'GROUP', 'h', 'c', 'COUNT', '3', 'STREAMS', 's', '>'],
      ['XGROUP', 'DELCONSUMER', 's', 'g', random.pick(['d', 'e'])],
      ['XGROUP', 'CREATE', 's', 'g', '0'],
      ['XDEL', 's', ...ids],
    ])
  }

  it('have entries pending, which are told as they are in the end', async () => {
    const fill = async (pair: Pair): Promise<void> => {
      const length = await pair.count(['XLEN', 's'])
      if (length === 0) newest = 0
      for (let i = length < 300 ? length : 500; i < 500; i++, newest++) await pair.both(['XADD', 's', `${newest}-1`, 'field', 'value'])
      for (const group of ['g', 'h']) {
        await pair.both(['XGROUP', 'CREATE', 's', group, '0'])
        if ((await pair.count(['XPENDING', 's', group])) > 200) continue
        await pair.both(['XGROUP', 'SETID', 's', group, '0'])
        for (const consumer of ['c', 'd', 'c'])
          await pair.both(['XREADGROUP', 'GROUP', group, consumer, 'COUNT', '130', 'STREAMS', 's', '>'])
      }
      for (const { engine } of [pair.cold, pair.plain]) engine.advance(3)
    }
    const { staged } = await session(fill, pendingRequest, pendingChange)
    expect(staged).toBeGreaterThan(requestsMax / 20)
  })
})
