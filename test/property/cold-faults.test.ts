/**
 * Changes of many elements of collections whose leaves are tiny and cold. What a command asks for beforehand is enough, nearly always; where it is
 * not, or where nobody could ask, what is missing is read at once, and nothing shows it.
 */
import { describe, expect, it } from 'vitest'
import { Replay } from '../../engine/mutation/replay.ts'
import { engineTables } from '../../server/commands/tables.ts'
import type { TierCounts } from '../../storage/tier.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'
import { textsOf } from './hash-model.ts'
import { checkKeyspace } from './keyspace-check.ts'
import type { Family } from './large-requests.ts'
import { everything, families, largeRequest } from './large-requests.ts'

const leafBytes = [64, 100, 200]

function lowerThresholds({ keyspace, execution }: InProcessEngine, leafBytesMax: number): void {
  keyspace.trees.leafBytesMax = leafBytesMax
  const entries = { hashMaxListpackEntries: 8, zsetMaxListpackEntries: 8, setMaxIntsetEntries: 8, streamNodeMaxEntries: 10 }
  Object.assign(execution.limits, entries)
}

function coldEngine(leafBytesMax: number): ColdEngine {
  const cold = new ColdEngine(engineTables, testSeed)
  lowerThresholds(cold.engine, leafBytesMax)
  return cold
}

/** The same requests on an engine that has everything in memory, and on one that does as `ask` says; both hold the same in the end. Returns what was read. */
async function beside(
  steps: Iterable<SeededRandom>,
  tell: (line: string) => void,
  leafBytesMax: number,
  cold: ColdEngine,
  draw: (random: SeededRandom) => readonly string[][],
  ask: (parts: readonly string[]) => Reply | Promise<Reply>,
): Promise<TierCounts> {
  const plain = new InProcessEngine(engineTables, testSeed)
  lowerThresholds(plain, leafBytesMax)
  const session = plain.connect()
  for (const random of steps) {
    cold.random = random
    for (const parts of draw(random)) {
      tell(parts.join(' '))
      expect(await ask(parts), parts.join(' ')).toEqual(session.ask(...parts))
    }
    checkKeyspace(cold.engine.keyspace)
    cold.freeze(random.pick([0.3, 1]))
  }
  const counts = { ...cold.tier.counts }
  for (const parts of everything) expect(cold.askAtOnce(...parts), parts.join(' ')).toEqual(session.ask(...parts))
  return counts
}

describe.each(families)('requests of many elements: %s', (family: Family) => {
  it('ask for nearly all that they need', async () => {
    const { faults, coldReads } = await runSession({ steps: testRuns(150) }, async (steps, tell) => {
      const cold = coldEngine(100)
      cold.tier.handleFaults()
      const draw = (random: SeededRandom) => [largeRequest(random, family === 'key' ? random.pick(families) : family)]
      return beside(steps, tell, 100, cold, draw, (parts) => cold.ask(...parts))
    })
    expect(coldReads).toBeGreaterThan(0)
    // Only a sorted set's places may depend on what the same change has done before: then one in some thousand reads.
    expect(faults).toBeLessThanOrEqual(family === 'sorted set' || family === 'key' ? 3 + coldReads / 500 : 0)
  })
})

describe('a leaf that was not asked for', () => {
  const ties = Array.from({ length: 40 }, (_, i) => `m${10 + i}`)

  async function cold(): Promise<ColdEngine> {
    const engine = coldEngine(64)
    await engine.ask('ZADD', 'z', ...ties.flatMap((member) => ['0', member]))
    engine.freeze(1)
    engine.random.once = () => false
    return engine
  }

  it('is a failure where nobody handles faults', async () => {
    const engine = await cold()
    expect(() => engine.askAtOnce('ZADD', 'z', '1', 'm30')).toThrow('a leaf that is needed is cold')
  })

  it('is asked for where the element that told a place goes first', async () => {
    // Among equal scores, what was first in a leaf has told that the place of what comes next is there.
    for (const member of ties) {
      const engine = await cold()
      await engine.ask('ZADD', 'z', '1', member, '0', `${member}+`)
      const left = ties.map((each) => (each === member ? `${each}+` : each))
      expect(textsOf(await engine.ask('ZRANGE', 'z', '0', '-1'))).toEqual([...left, member])
    }
  })
})

describe('requests for which nothing was fetched', () => {
  it.each(leafBytes)('reply as in memory, with leaves of %i bytes: as in a transaction or a script', async (leafBytesMax) => {
    const { faults } = await runSession({ steps: testRuns(80) }, async (steps, tell) => {
      const cold = coldEngine(leafBytesMax)
      cold.tier.handleFaults()
      const draw = (random: SeededRandom) => Array.from({ length: 1 + random.below(5) }, () => largeRequest(random, random.pick(families)))
      return beside(steps, tell, leafBytesMax, cold, draw, (parts) => cold.askAtOnce(...parts))
    })
    expect(faults).toBeGreaterThan(50)
  })

  it('leave records that are replayed where nothing was fetched', async () => {
    const { faults } = await runSession({ steps: testRuns(150) }, async (steps, tell) => {
      const engine = new InProcessEngine(engineTables, testSeed)
      lowerThresholds(engine, 100)
      const session = engine.connect()
      const copy = coldEngine(100)
      copy.tier.handleFaults()
      copy.engine.mutator.recording = false
      const replay = new Replay(copy.engine.keyspace, copy.engine.mutator)
      const { mutator } = engine
      for (const random of steps) {
        copy.random = random
        const parts = largeRequest(random, random.pick(families))
        tell(parts.join(' '))
        session.ask(...parts)
        if (mutator.operations === 0) continue
        replay.apply(mutator.lsn, Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end)))
        copy.tier.settle()
        checkKeyspace(copy.engine.keyspace)
        copy.freeze(random.pick([0.3, 1]))
      }
      for (const parts of everything) expect(copy.askAtOnce(...parts), parts.join(' ')).toEqual(session.ask(...parts))
      return copy.tier.counts
    })
    expect(faults).toBeGreaterThan(20)
  })
})
