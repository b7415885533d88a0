/**
 * Deliveries, claims and acknowledgements of very many entries that are made in slices, with changes and cold leaves in between: the replies, what is pending, and what the
 * records come to are as without.
 */
import { describe, expect, it } from 'vitest'
import { GroupRead } from '../../engine/commands/delivery-work.ts'
import { RepeatedWork } from '../../engine/commands/repeated-work.ts'
import { streamCommands } from '../../engine/commands/stream.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testRuns } from '../chance.ts'
import type { InProcessEngine } from '../commands/in-process.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import type { Words } from './staged-beside-plain.ts'
import { StagedBesidePlain } from './staged-beside-plain.ts'

const keys = ['s', 't']
const groups = ['g', 'h']
const consumers = ['alice', 'bob', 'carol']
/** Changes of so many ids are staged. */
const longChange = 12

/** Draws requests on two streams, whose newest entries have the number that it keeps. */
class Requests {
  #last = 0

  entry(key: string): Words {
    return ['XADD', key, `${++this.#last}-1`, 'field', `value ${this.#last}`]
  }

  #ids(random: SeededRandom, max: number): string[] {
    const from = Math.max(1, this.#last - random.below(250))
    const count = 1 + random.below(max)
    const step = random.pick([1, 1, 2, 5])
    const ids = Array.from({ length: count }, (_, i) => `${from + i * step}-${random.once(30) ? 2 : 1}`)
    if (random.once(4)) return ids.map(() => `${Math.max(1, this.#last - random.below(200))}-1`)
    return random.once(6) ? ids.reverse() : ids
  }

  #after(random: SeededRandom): string {
    return `${Math.max(0, this.#last - random.below(300))}-0`
  }

  long(random: SeededRandom): Words {
    const key = random.pick(keys)
    const group = random.pick(groups)
    const consumer = random.pick(consumers)
    const count = random.once(2) ? ['COUNT', `${10 + random.below(150)}`] : []
    const read = ['XREADGROUP', 'GROUP', group, consumer, ...count, ...(random.once(6) ? ['NOACK'] : []), 'STREAMS']
    const idle = random.pick(['0', '0', '3000', '-1'])
    const options = random.pick([
      [],
      [],
      ['FORCE'],
      ['FORCE', 'JUSTID'],
      ['IDLE', '2000'],
      ['RETRYCOUNT', '7', 'LASTID', this.#after(random)],
      ['TIME', '77', 'JUSTID'],
    ])
    return random.pick([
      [...read, key, '>'],
      [...read, ...keys, '>', random.pick(['>', this.#after(random)])],
      [...read, key, random.pick(['0', this.#after(random)])],
      ['XACK', key, group, ...this.#ids(random, 200), ...(random.once(20) ? ['none'] : [])],
      ['XCLAIM', key, group, consumer, idle, ...this.#ids(random, 150), ...options],
      ['XAUTOCLAIM', key, group, consumer, idle, random.pick(['-', this.#after(random)]), 'COUNT', `${12 + random.below(150)}`],
      ['XAUTOCLAIM', key, group, consumer, idle, '-', 'COUNT', `${12 + random.below(20)}`, 'JUSTID'],
      ['XGROUP', 'DELCONSUMER', key, group, consumer],
    ])
  }

  change(random: SeededRandom): Words {
    const key = random.pick(keys)
    const group = random.pick(groups)
    const consumer = random.pick(consumers)
    return random.pick([
      this.entry(key),
      this.entry(key),
      ['XACK', key, group, ...this.#ids(random, 3)],
      ['XDEL', key, ...this.#ids(random, 8)],
      ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', '3', 'STREAMS', key, '>'],
      ['XCLAIM', key, group, consumer, '0', ...this.#ids(random, 3)],
      ['XGROUP', 'SETID', key, group, this.#after(random)],
      ['XGROUP', 'CREATECONSUMER', key, group, consumer],
    ])
  }

  *refill(random: SeededRandom): Generator<Words> {
    for (const key of keys) for (let i = 20 + random.below(60); i > 0; i--) yield this.entry(key)
    if (random.once(8)) yield ['XTRIM', random.pick(keys), 'MAXLEN', '150']
  }
}

const whole: readonly Words[] = keys.flatMap((key) => [
  ['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'],
  ...groups.map((group) => ['XPENDING', key, group, '-', '+', '10000']),
])

function lowerThresholds({ keyspace, execution }: InProcessEngine): void {
  keyspace.trees.leafBytesMax = 200
  Object.assign(execution.limits, { slicedValueBytes: longChange * 512, streamNodeMaxEntries: 7 })
}

function isMade(staged: StagedWork): boolean {
  return staged instanceof RepeatedWork ? staged.result !== undefined : staged instanceof GroupRead
}

describe('changes of what very many entries have pending, in slices', () => {
  it('come to what the command does by itself, whatever changes meanwhile', async () => {
    const used = await runSession({ steps: testRuns(70) }, async (steps, tell) => {
      const changing = new StagedBesidePlain(streamCommands, lowerThresholds, tell)
      const requests = new Requests()
      for (const key of keys) {
        await changing.ask(requests.entry(key))
        for (const group of groups) await changing.ask(['XGROUP', 'CREATE', key, group, '0'])
      }
      let number = 0
      for (const random of steps) {
        changing.cold.random = random
        changing.pass(random.below(2000))
        if (number++ % 4 === 0) for (const words of requests.refill(random)) await changing.ask(words)
        await changing.change(requests.long(random), random, () => requests.change(random), isMade)
        await changing.check(whole)
      }
      return changing.used
    })
    expect(used, 'changes that were made beforehand').toBeGreaterThan(testRuns(70) / 35)
  })
})
