/**
 * Hash commands beside a model of maps, with thresholds so low that hashes are converted all the time and with values so
 * long that leaves split and join: all in memory, with values and leaves going cold at random, and replayed from records.
 */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { RunSession } from '../sessions.ts'
import { runSession } from '../sessions.ts'
import { ColdEngine } from './cold-engine.ts'
import { HashModel } from './hash-model.ts'

const tables = { ...hashCommands, ...keyCommands }
const stepsMax = testRuns(3000)

function lowerThresholds(engine: InProcessEngine): void {
  engine.execution.limits.hashMaxListpackEntries = 12
  engine.execution.limits.hashMaxListpackValue = 250
}

/** Leaves of all hashes that are trees. */
function leavesOf({ keyspace }: InProcessEngine): number {
  let leaves = 0
  keyspace.databases[0].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
    if (keyspace.entries.isTree(entry)) leaves += keyspace.trees.roots.leaves(keyspace.entries.value(entry))
  })
  return leaves
}

const replayed: RunSession<number> = async (steps, tell) => {
  const engine = new InProcessEngine(tables)
  lowerThresholds(engine)
  const session = engine.connect()
  const copies = [1, 2].map((times) => {
    const copy = new InProcessEngine(tables, testSeed + times)
    lowerThresholds(copy)
    copy.mutator.recording = false
    return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
  })
  let records = 0
  const model = new HashModel(async (...parts) => {
    tell(parts.join(' '))
    const reply = session.ask(...parts)
    if (engine.mutator.operations > 0) {
      records++
      const payload = Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end))
      for (const each of copies) for (let i = 0; i < each.times; i++) each.replay.apply(engine.mutator.lsn, payload)
    }
    return reply
  })
  for (const random of steps) await model.step(random)
  for (const { copy } of copies) {
    copy.mutator.recording = true
    const reader = copy.connect()
    const same = new HashModel(async (...parts) => reader.ask(...parts))
    for (const [key, fields] of model.hashes) same.hashes.set(key, fields)
    await same.check()
    for (const key of model.hashes.keys()) {
      const bytes = Buffer.from(key)
      const encodings = [engine, copy].map(({ keyspace }) => keyspace.entries.encoding(keyspace.find(0, bytes, 0, bytes.length)))
      expect(encodings[1], key).toBe(encodings[0])
    }
  }
  return records
}

describe('hash commands beside a model', () => {
  it('in memory', async () => {
    const chunksMax = await runSession({ steps: stepsMax }, async (steps, tell) => {
      const engine = new InProcessEngine(tables)
      lowerThresholds(engine)
      const session = engine.connect()
      const model = new HashModel(async (...parts) => {
        tell(parts.join(' '))
        return session.ask(...parts)
      })
      let leaves = 0
      for (const random of steps) {
        await model.step(random)
        leaves = Math.max(leaves, leavesOf(engine))
      }
      await model.check()
      return leaves
    })
    expect(chunksMax, 'leaves have been cut').toBeGreaterThan(10)
  })

  it('with values and leaves that go cold: a command needs no more than its row says', async () => {
    const { frozen, cooledAgain } = await runSession({ steps: stepsMax }, async (steps, tell) => {
      const cold = new ColdEngine(tables, testSeed)
      lowerThresholds(cold.engine)
      const model = new HashModel((...parts) => {
        tell(parts.join(' '))
        return cold.ask(...parts)
      })
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
    expect(records).toBeGreaterThan(stepsMax / 4)
  })
})
