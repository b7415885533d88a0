/** Random sessions on streams, replayed from their records, each applied once or twice: the copies hold the same. */
import { expect, it } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { streamCommands } from '../../engine/commands/stream.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { formatInline } from '../commands/notation.ts'
import { runSession } from '../sessions.ts'
import { beginStreamRequests, streamKeys, streamRequest } from './random-stream-requests.ts'

const tables = { ...stringCommands, ...keyCommands, ...streamCommands }
const steps = testRuns(1500)

function lowered(seed: number): InProcessEngine {
  const engine = new InProcessEngine(tables, seed)
  engine.execution.limits.streamNodeMaxEntries = 5
  engine.execution.limits.streamNodeMaxBytes = 300
  engine.keyspace.trees.leafBytesMax = 300
  return engine
}

it('streams are replayed from records, applied once or twice', async () => {
  const records = await runSession({ steps }, async (randoms, tell) => {
    beginStreamRequests()
    const engine = lowered(testSeed)
    const session = engine.connect()
    const copies = [1, 2].map((times) => {
      const copy = lowered(testSeed + times)
      copy.mutator.recording = false
      return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
    })
    let count = 0
    for (const random of randoms) {
      const parts = streamRequest(random)
      tell(parts.join(' '))
      session.ask(...parts)
      if (engine.mutator.operations === 0) continue
      count++
      const payload = Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end))
      for (const each of copies) for (let i = 0; i < each.times; i++) each.replay.apply(engine.mutator.lsn, payload)
    }
    for (const { copy } of copies) {
      copy.mutator.recording = true
      const reader = copy.connect()
      for (const key of streamKeys) {
        for (const question of [
          ['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'],
          ['XREVRANGE', key, '+', '-'],
          ['XINFO', 'STREAM', key],
        ]) {
          // When a consumer was seen last, and nothing else came of it, is told by no record.
          const [own, other] = [session, reader].map((each) => formatInline(each.ask(...question)).replace(/"seen-time" :\d+/g, ''))
          expect(other, question.join(' ')).toBe(own)
        }
      }
    }
    return count
  })
  expect(records).toBeGreaterThan(steps / 20)
})
