/**
 * Commands of one type beside an obvious model of it, with thresholds so low that values change their form all the time: all in memory, with values and
 * leaves going cold at random, and replayed from records, applied once or twice.
 */
import { describe, expect, it } from 'vitest'
import { Replay } from '../../engine/mutation/replay.ts'
import { testRuns, testSeed } from '../chance.ts'
import type { CommandTables } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import type { RunSession } from '../sessions.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'
import { checkKeyspace } from './keyspace-check.ts'

export type Ask = (...parts: readonly string[]) => Promise<Reply>

export interface TypeModel {
  /** Sends one random request, or a few that belong together, and compares. */
  step(random: SeededRandom): Promise<void>
  /** Everything, compared in full. */
  check(): Promise<void>
  /** The same model for another engine that is to hold the same. */
  asking(ask: Ask): TypeModel
  /** Keys that there may be. */
  readonly keys: readonly string[]
}

export interface ModelRuns {
  readonly tables: CommandTables
  readonly lowerThresholds: (engine: InProcessEngine) => void
  /** `advance` lets so many milliseconds pass. */
  readonly model: (ask: Ask, advance: (ms: number) => void) => TypeModel
}

const stepsMax = testRuns(3000)

export function describeModel(name: string, { tables, lowerThresholds, model: modelFor }: ModelRuns): void {
  const engineOf = (seed = testSeed): InProcessEngine => {
    const engine = new InProcessEngine(tables, seed)
    lowerThresholds(engine)
    return engine
  }

  const replayed: RunSession<number> = async (steps, tell) => {
    const engine = engineOf()
    const session = engine.connect()
    const copies = [1, 2].map((times) => {
      const copy = engineOf(testSeed + times)
      copy.mutator.recording = false
      return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
    })
    let records = 0
    const advanceAll = (ms: number): void => {
      for (const each of [engine, ...copies.map(({ copy }) => copy)]) each.advance(ms)
    }
    const model = modelFor(async (...parts) => {
      tell(parts.join(' '))
      const reply = session.ask(...parts)
      if (engine.mutator.operations > 0) {
        records++
        const payload = Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end))
        for (const each of copies) for (let i = 0; i < each.times; i++) each.replay.apply(engine.mutator.lsn, payload)
      }
      return reply
    }, advanceAll)
    for (const random of steps) await model.step(random)
    for (const { copy } of copies) {
      copy.mutator.recording = true
      const reader = copy.connect()
      await model.asking(async (...parts) => reader.ask(...parts)).check()
      checkKeyspace(copy.keyspace)
      for (const key of model.keys) {
        const bytes = Buffer.from(key)
        const [own, other] = [engine, copy].map(({ keyspace }) => {
          keyspace.forgetLookUp()
          const entry = keyspace.find(0, bytes, 0, bytes.length)
          return entry === 0 ? 0 : keyspace.entries.encoding(entry)
        })
        expect(other, key).toBe(own)
      }
    }
    return records
  }

  describe(name, () => {
    it('in memory', async () => {
      const leavesMax = await runSession({ steps: stepsMax }, async (steps, tell) => {
        const engine = engineOf()
        const session = engine.connect()
        const model = modelFor(async (...parts) => {
          tell(parts.join(' '))
          return session.ask(...parts)
        }, engine.advance.bind(engine))
        let leaves = 0
        for (const random of steps) {
          await model.step(random)
          leaves = Math.max(leaves, leavesOf(engine))
          if (random.once(50)) checkKeyspace(engine.keyspace)
        }
        await model.check()
        return leaves
      })
      expect(leavesMax, 'leaves have been cut').toBeGreaterThan(4)
    })

    it('with values and leaves that go cold: a command needs no more than its row says', async () => {
      const { frozen, cooledAgain } = await runSession({ steps: stepsMax }, async (steps, tell) => {
        const cold = new ColdEngine(tables, testSeed)
        lowerThresholds(cold.engine)
        const model = modelFor((...parts) => {
          tell(parts.join(' '))
          return cold.ask(...parts)
        }, cold.engine.advance.bind(cold.engine))
        let all = 0
        for (const random of steps) {
          cold.random = random
          await model.step(random)
          if (!random.once(3)) continue
          const count = cold.freeze(random.pick([0.2, 0.8, 1]))
          tell(`(${count} leaves and values become cold)`)
          all += count
        }
        await model.check()
        return { frozen: all, cooledAgain: cold.cooledAgain }
      })
      expect(frozen, 'leaves and values that were made cold').toBeGreaterThan(stepsMax / 10)
      expect(cooledAgain, 'clean ones that became cold again').toBeGreaterThan(stepsMax / 10)
    })

    it('replayed from records, applied once or twice', async () => {
      const records = await runSession({ steps: stepsMax }, replayed)
      expect(records).toBeGreaterThan(stepsMax / 5)
    })
  })
}

/** Leaves of all collections that are trees. */
function leavesOf({ keyspace }: InProcessEngine): number {
  let leaves = 0
  keyspace.databases[0].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
    if (keyspace.entries.isTree(entry)) leaves += keyspace.trees.roots.leaves(keyspace.entries.value(entry))
  })
  return leaves
}
