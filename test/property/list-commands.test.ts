/**
 * List commands beside a model of arrays, with leaves so small that they are cut, emptied and joined all the time: all in memory, with
 * values and leaves going cold at random, and replayed from records.
 */
import { describe, expect, it } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { RunSession } from '../sessions.ts'
import { runSession } from '../sessions.ts'
import { ColdEngine } from './cold-engine.ts'
import { checkKeyspace } from './keyspace-check.ts'
import { ListModel } from './list-model.ts'

const tables = { ...listCommands, ...keyCommands }
const stepsMax = testRuns(3000)
const leafBytesMax = 600

/** Leaves of all lists that are trees. */
function leavesOf({ keyspace }: InProcessEngine): number {
  let leaves = 0
  keyspace.databases[0].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
    if (keyspace.entries.isTree(entry)) leaves += keyspace.trees.roots.leaves(keyspace.entries.value(entry))
  })
  return leaves
}

const replayed: RunSession<number> = async (steps, tell) => {
  const engine = new InProcessEngine(tables)
  engine.keyspace.trees.leafBytesMax = leafBytesMax
  const session = engine.connect()
  const copies = [1, 2].map((times) => {
    const copy = new InProcessEngine(tables, testSeed + times)
    copy.keyspace.trees.leafBytesMax = leafBytesMax
    copy.mutator.recording = false
    return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
  })
  let records = 0
  const model = new ListModel(async (...parts) => {
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
    const same = new ListModel(async (...parts) => reader.ask(...parts))
    for (const [key, list] of model.lists) same.lists.set(key, list)
    await same.check()
    checkKeyspace(copy.keyspace)
  }
  return records
}

describe('list commands beside a model', () => {
  it('in memory', async () => {
    const leavesMax = await runSession({ steps: stepsMax }, async (steps, tell) => {
      const engine = new InProcessEngine(tables)
      engine.keyspace.trees.leafBytesMax = leafBytesMax
      const session = engine.connect()
      const model = new ListModel(async (...parts) => {
        tell(parts.join(' '))
        return session.ask(...parts)
      })
      let leaves = 0
      for (const random of steps) {
        await model.step(random)
        leaves = Math.max(leaves, leavesOf(engine))
        if (random.once(50)) checkKeyspace(engine.keyspace)
      }
      await model.check()
      return leaves
    })
    expect(leavesMax, 'leaves have been cut').toBeGreaterThan(10)
  })

  it('with values and leaves that go cold: a command needs no more than its row says', async () => {
    const { frozen, cooledAgain } = await runSession({ steps: stepsMax }, async (steps, tell) => {
      const cold = new ColdEngine(tables, testSeed)
      cold.engine.keyspace.trees.leafBytesMax = leafBytesMax
      const model = new ListModel((...parts) => {
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
