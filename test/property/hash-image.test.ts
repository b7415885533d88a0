/** A hash that changes and goes cold while its replies are prepared: in the end they are what they would have been without. */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { chance, testRuns, testSeed } from '../chance.ts'
import { format } from '../commands/notation.ts'
import { ColdEngine } from './cold-engine.ts'

const roundsMax = testRuns(150)

describe('replies of large hashes in slices', () => {
  it.each(['HGETALL', 'HKEYS', 'HVALS'])('%s', async (name) => {
    const cold = new ColdEngine({ ...hashCommands, ...keyCommands }, testSeed)
    const { engine, session } = cold
    engine.execution.limits.hashMaxListpackEntries = 4
    engine.execution.limits.hashMaxListpackValue = 300
    engine.execution.limits.hashChunkBytesMax = 200
    const random = chance()
    const below = (n: number): number => random.nextUint32() % n
    const change = async (): Promise<void> => {
      const field = `f${below(400)}`
      const value = 'v'.repeat(below(4) === 0 ? below(1000) : below(60))
      const kind = below(40)
      if (kind === 0) await cold.ask('DEL', 'h')
      else if (kind < 18) await cold.ask('HDEL', 'h', field, `f${below(400)}`, `f${below(400)}`)
      else await cold.ask('HSET', 'h', field, value)
    }
    let partsKept = 0
    for (let round = 0; round < roundsMax; round++) {
      for (let i = below(200); i > 0; i--) await change()
      engine.execution.limits.slicedValueBytes = 1 + below(6000)
      const preparation = session.prepare(name, 'h')
      if (preparation === undefined) continue
      const changes = below(3) === 0 ? 0 : below(6)
      let more = true
      while (more) {
        await cold.fetchFor(preparation)
        more = preparation.step()
        for (let i = below(2) * changes; i > 0; i--) await change()
        if (below(4) === 0) cold.freeze(0.5)
      }
      const asked = await cold.fetchFor(preparation)
      const ours = format(await cold.askPrepared(preparation, name, 'h'))
      expect(ours, `round ${round}`).toBe(format(await cold.ask(name, 'h')))
      if (asked === 0 && preparation.memoryBytes > 0) partsKept++
    }
    expect(partsKept).toBeGreaterThan(0)
  })
})
