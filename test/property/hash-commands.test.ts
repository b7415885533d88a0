/**
 * Hash commands beside a model of maps, with thresholds so low that hashes are converted all the time and with values so
 * long that chunks split and join: all in memory, with values and chunks going cold at random, and replayed from records.
 */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { chance, testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { ColdEngine } from './cold-engine.ts'
import { HashModel } from './hash-model.ts'

const tables = { ...hashCommands, ...keyCommands }
const stepsMax = testRuns(3000)

function lowerThresholds(engine: InProcessEngine): void {
  engine.execution.limits.hashMaxListpackEntries = 12
  engine.execution.limits.hashMaxListpackValue = 250
}

function chunksOf(engine: InProcessEngine): number {
  return engine.keyspace.collections.reduce((sum, hash) => sum + (hash?.chunkCount ?? 0), 0)
}

describe('hash commands beside a model', () => {
  it('in memory', async () => {
    const engine = new InProcessEngine(tables, testSeed)
    lowerThresholds(engine)
    const session = engine.connect()
    const model = new HashModel(chance(), async (...parts) => session.ask(...parts))
    const chunks: number[] = []
    for (let i = 0; i < stepsMax; i++) {
      await model.step()
      chunks.push(chunksOf(engine))
    }
    await model.check()
    expect(Math.max(...chunks), 'chunks have split').toBeGreaterThan(10)
  })

  it('with values and chunks that go cold: a command needs no more than its row says', async () => {
    const cold = new ColdEngine(tables, testSeed)
    lowerThresholds(cold.engine)
    const random = chance()
    const model = new HashModel(random, (...parts) => cold.ask(...parts))
    let frozen = 0
    for (let i = 0; i < stepsMax; i++) {
      await model.step()
      if (random.nextUint32() % 3 === 0) frozen += cold.freeze([0.2, 0.8, 1][random.nextUint32() % 3] as number)
    }
    expect(frozen, 'chunks and values that were made cold').toBeGreaterThan(stepsMax / 10)
    await model.check()
  })

  it('replayed from records, applied once or twice', async () => {
    const engine = new InProcessEngine(tables, testSeed)
    lowerThresholds(engine)
    const session = engine.connect()
    const copies = [1, 2].map((times) => {
      const copy = new InProcessEngine(tables, testSeed + times)
      lowerThresholds(copy)
      copy.mutator.recording = false
      return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
    })
    let records = 0
    const model = new HashModel(chance(), async (...parts) => {
      const reply = session.ask(...parts)
      if (engine.mutator.operations > 0) {
        records++
        const payload = Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end))
        for (const each of copies) for (let i = 0; i < each.times; i++) each.replay.apply(engine.mutator.lsn, payload)
      }
      return reply
    })
    for (let i = 0; i < stepsMax; i++) await model.step()
    expect(records).toBeGreaterThan(stepsMax / 4)
    for (const { copy } of copies) {
      copy.mutator.recording = true
      const reader = copy.connect()
      const same = new HashModel(chance(), async (...parts) => reader.ask(...parts))
      for (const [key, fields] of model.hashes) same.hashes.set(key, fields)
      await same.check()
      for (const key of model.hashes.keys()) {
        const bytes = Buffer.from(key)
        const encodings = [engine, copy].map(({ keyspace }) => keyspace.entries.encoding(keyspace.find(0, bytes, 0, bytes.length)))
        expect(encodings[1], key).toBe(encodings[0])
      }
    }
    expect(engine.keyspace.collections.some((hash) => hash !== undefined)).toBe(true)
  })
})
