/** Elements at random of large collections that are cold: what is read, and what is replied. */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { RandomSelection } from '../../engine/commands/random-selection.ts'
import { RepeatedWork } from '../../engine/commands/repeated-work.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { testRuns, testSeed } from '../chance.ts'
import type { AggregateReply, Reply, ScalarReply } from '../commands/resp-decoder.ts'
import { runSession } from '../sessions.ts'
import { ColdEngine } from './cold-engine.ts'

const tables = { ...hashCommands, ...setCommands, ...sortedSetCommands }
const commands = { SRANDMEMBER: 's', ZRANDMEMBER: 'z', HRANDFIELD: 'h' } as const
type Command = keyof typeof commands

function texts(reply: Reply): string[] {
  return (reply as AggregateReply).items.map((item) => (item as ScalarReply).text.toString())
}

/** Three collections of the same names. */
async function begin(count: number): Promise<ColdEngine> {
  const cold = new ColdEngine(tables, testSeed)
  const { execution, keyspace } = cold.engine
  keyspace.trees.leafBytesMax = 200
  Object.assign(execution.limits, { hashMaxListpackEntries: 4, zsetMaxListpackEntries: 4 })
  for (let i = 0; i < count; i++) {
    await cold.ask('SADD', 's', `e${i}`)
    await cold.ask('ZADD', 'z', `${i % 7}`, `e${i}`)
    await cold.ask('HSET', 'h', `e${i}`, 'v')
  }
  return cold
}

describe.each(Object.entries(commands) as [Command, string][])('%s of a large collection that is cold', (name, key) => {
  it.each(['1', '5', '-5'])('%s: reads the leaves of the elements that are drawn', async (count) => {
    const cold = await begin(600)
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      cold.random.once = () => false
      cold.freeze(1)
      const before = cold.tier.counts.coldReads
      const found = texts(await cold.ask(name, key, count))
      expect(found.length).toBe(Math.abs(Number(count)))
      expect(cold.tier.counts.coldReads - before).toBeLessThanOrEqual(found.length)
      if (Number(count) > 0) expect(new Set(found).size).toBe(found.length)
      for (const each of found) seen.add(each)
    }
    expect(seen.size).toBeGreaterThan(10)
  })

  it('many: in slices, of one moment', async () => {
    const changed = await runSession({ steps: testRuns(40) }, async (steps, tell) => {
      const cold = await begin(300)
      const names = new Set(Array.from({ length: 300 }, (_, i) => `e${i}`))
      let changes = 0
      for (const random of steps) {
        cold.random = random
        cold.engine.execution.limits.slicedValueBytes = 500 + random.below(2000)
        const count = random.pick([1, -1]) * (40 + random.below(400))
        const words = [name, key, `${count}`]
        if (random.once(2)) cold.freeze(random.pick([0.3, 1]))
        tell(words.join(' '))
        const work = cold.session.stage(...words)
        if (!(work instanceof RandomSelection)) throw new Error('nothing was staged')
        for (let goesOn = true; goesOn; ) {
          if (random.once(20)) {
            const gone = random.pick([...names])
            names.delete(gone)
            names.add(`n${changes}`)
            tell(`  ${gone} becomes n${changes}`)
            await cold.ask(key === 's' ? 'SREM' : key === 'z' ? 'ZREM' : 'HDEL', key, gone)
            await cold.ask(
              ...(key === 's' ? ['SADD', key] : key === 'z' ? ['ZADD', key, '3'] : ['HSET', key]),
              `n${changes}`,
              ...(key === 'h' ? ['v'] : []),
            )
            changes++
          }
          while ((await cold.fetchFor(work)) > 0);
          goesOn = work.step()
        }
        const found = texts(await cold.askStaged(work, ...words))
        expect(found.length).toBe(count < 0 ? -count : Math.min(count, 300))
        if (count > 0) expect(new Set(found).size).toBe(found.length)
        expect(found.filter((each) => !names.has(each))).toEqual([])
      }
      return changes
    })
    // A change about once in twenty slices, of which the longest selections have a hundred.
    expect(changed).toBeGreaterThan(0)
  })
})

describe.each(Object.entries(commands) as [Command, string][])('%s of a small collection', (name, key) => {
  const values = { SRANDMEMBER: [], ZRANDMEMBER: ['WITHSCORES'], HRANDFIELD: ['WITHVALUES'] } as const

  it('very often: in slices, of one moment', async () => {
    const sliced = await runSession({ steps: testRuns(20) }, async (steps, tell) => {
      const cold = await begin(4)
      const names = new Set(Array.from({ length: 4 }, (_, i) => `e${i}`))
      let changed = 0
      let several = 0
      for (const random of steps) {
        cold.random = random
        cold.engine.execution.limits.slicedValueBytes = 300 + random.below(1200)
        const options = random.pick([[], values[name]])
        const count = -(40 + random.below(400))
        const words = [name, key, `${count}`, ...options]
        if (random.once(2)) cold.freeze(1)
        tell(words.join(' '))
        const work = cold.session.stage(...words)
        if (!(work instanceof RepeatedWork)) throw new Error('nothing was staged')
        let steps = 0
        for (let goesOn = true; goesOn; steps++) {
          if (random.once(100)) {
            tell(`  n${changed} comes`)
            names.add(`n${changed}`)
            await cold.ask(
              ...(key === 's' ? ['SADD', key] : key === 'z' ? ['ZADD', key, '3'] : ['HSET', key]),
              `n${changed++}`,
              ...(key === 'h' ? ['v'] : []),
            )
          }
          while ((await cold.fetchFor(work)) > 0);
          goesOn = work.step()
        }
        if (steps > 1) several++
        const found = texts(await cold.askStaged(work, ...words))
        work.release()
        const stride = options.length > 0 ? 2 : 1
        expect(found.length).toBe(-count * stride)
        expect(found.filter((each, i) => i % stride === 0 && !names.has(each))).toEqual([])
        expect(new Set(found).size).toBeGreaterThan(2)
      }
      return several
    })
    // The smallest replies fit into a slice.
    expect(sliced).toBeGreaterThan(0)
  })
})

describe('HRANDFIELD of a large hash of which some fields expire', () => {
  it.each([290, -500])('%i: in slices, and shows none that has expired', async (count) => {
    const cold = await begin(300)
    cold.random.once = () => false
    const { execution } = cold.engine
    execution.limits.slicedValueBytes = 500
    for (let i = 0; i < 20; i++) await cold.ask('HPEXPIRE', 'h', '1000', 'FIELDS', '1', `e${i}`)
    cold.freeze(1)
    const words = ['HRANDFIELD', 'h', `${count}`, 'WITHVALUES']
    const all = await slicedFields(cold, words)
    expect(all.length).toBe(2 * Math.abs(count))
    const live = await slicedFields(cold, words, () => {
      cold.engine.advance(2000)
    })
    expect(live.length).toBe(count > 0 ? 2 * 280 : -2 * count)
    const expired = new Set(Array.from({ length: 20 }, (_, i) => `e${i}`))
    expect(live.filter((each) => expired.has(each))).toEqual([])
  })

  async function slicedFields(cold: ColdEngine, words: readonly string[], late: () => void = () => undefined): Promise<string[]> {
    const work = cold.session.stage(...words)
    if (!(work instanceof RepeatedWork)) throw new Error('nothing was staged')
    let steps = 0
    for (let goesOn = true; goesOn; steps++) {
      while ((await cold.fetchFor(work)) > 0);
      goesOn = work.step()
    }
    expect(steps).toBeGreaterThan(10)
    late()
    const found = texts(await cold.askStaged(work, ...words))
    work.release()
    return found
  }
})

describe('SPOP of a large set that is cold', () => {
  it.each([undefined, '7'])('%s: reads the leaves of the members that go, which are those that it returns', async (count) => {
    const cold = await begin(500)
    cold.random.once = () => false
    const names = new Set(Array.from({ length: 500 }, (_, i) => `e${i}`))
    while (names.size > 100) {
      cold.freeze(1)
      const before = cold.tier.counts.coldReads
      const reply = await cold.ask('SPOP', 's', ...(count === undefined ? [] : [count]))
      const gone = count === undefined ? [(reply as ScalarReply).text.toString()] : texts(reply)
      expect(cold.tier.counts.coldReads - before).toBeLessThanOrEqual(gone.length)
      for (const each of gone) expect(names.delete(each)).toBe(true)
    }
    expect(texts(await cold.ask('SMEMBERS', 's')).sort()).toEqual([...names].sort())
  })

  it('of all: in slices, and the set is gone', async () => {
    const cold = await begin(300)
    cold.engine.execution.limits.slicedValueBytes = 500
    cold.freeze(1)
    const work = cold.session.stage('SPOP', 's', '300') as RandomSelection
    let slices = 0
    for (let goesOn = true; goesOn; slices++) {
      while ((await cold.fetchFor(work)) > 0);
      goesOn = work.step()
    }
    expect(slices).toBeGreaterThan(1)
    const before = cold.tier.counts.coldReads
    const gone = texts(await cold.askStaged(work, 'SPOP', 's', '300'))
    expect([new Set(gone).size, cold.tier.counts.coldReads - before]).toEqual([300, 0])
    expect(texts(await cold.ask('SMEMBERS', 's'))).toEqual([])
  })
})
