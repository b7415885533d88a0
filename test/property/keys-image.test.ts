/** KEYS of a large database in slices, while keys come, go, move and expire: what it shows in the end is what is there then. */
import { expect, it } from 'vitest'
import { expireCommands } from '../../engine/commands/expire.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { KeysImage } from '../../engine/commands/keys-image.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { scanCommands } from '../../engine/commands/scan.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { testRuns, testSeed } from '../chance.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { AggregateReply, ScalarReply } from '../commands/resp-decoder.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'

const tables = { ...stringCommands, ...listCommands, ...keyCommands, ...expireCommands, ...scanCommands }

function change(random: SeededRandom): string[] {
  const key = `k${random.below(1500)}`
  return random.pick([
    ['SET', key, 'v'],
    ['SET', key, 'v', 'PX', `${1 + random.below(60)}`],
    ['RPUSH', `l${random.below(100)}`, 'e'],
    ['LPOP', `l${random.below(100)}`],
    ['DEL', key, `k${random.below(1500)}`],
    ['PEXPIRE', key, `${random.below(60)}`],
    ['PERSIST', key],
    ['RENAME', key, `k${random.below(1500)}`],
  ])
}

function shown(session: InProcessSession, pattern: string): string[] {
  return (session.ask('KEYS', pattern) as AggregateReply).items.map((item) => (item as ScalarReply).text.toString()).sort()
}

it('shows each key that is there once, and no other', async () => {
  const renewed = await runSession({ steps: testRuns(60) }, async (steps, tell) => {
    const engine = new InProcessEngine(tables, testSeed)
    const session = engine.connect()
    engine.execution.limits.slicedValueBytes = 300
    const fill = (): void => {
      for (let i = 0; i < 1000; i++) session.ask('SET', `k${i}`, 'v')
    }
    fill()
    let slices = 0
    for (const random of steps) {
      const pattern = random.pick(['*', 'k1*', 'k?', '*7', 'none'])
      const work = session.stage('KEYS', pattern)
      if (!(work instanceof KeysImage)) throw new Error('nothing was staged')
      const changes = (): void => {
        for (let i = random.below(40); i > 0; i--) {
          const words = change(random)
          tell(words.join(' '))
          session.ask(...words)
        }
        if (random.once(3)) engine.advance(random.below(40))
        if (random.once(200)) {
          tell('FLUSHDB, and keys come again')
          engine.inRecord(() => engine.mutator.flush(0))
          fill()
        }
      }
      do {
        slices++
        if (random.once(8)) changes()
      } while (work.step())
      changes()
      const found = (session.askStaged(work, 'KEYS', pattern) as AggregateReply).items.map((item) => (item as ScalarReply).text.toString())
      work.release()
      expect(found.sort(), `KEYS ${pattern}`).toEqual(shown(session, pattern))
    }
    return slices
  })
  expect(renewed).toBeGreaterThan(testRuns(60) * 5)
})

it('looks in its own turn at few keys of many', () => {
  const engine = new InProcessEngine(tables, testSeed)
  const session = engine.connect()
  const count = 20_000
  for (let i = 0; i < count; i++) session.ask('SET', `k${i}`, 'v')
  const work = session.stage('KEYS', '*')
  if (!(work instanceof KeysImage)) throw new Error('nothing was staged')
  while (work.step());
  session.ask('DEL', 'k17')
  session.ask('SET', 'new', 'v')
  let looks = 0
  const { entries } = engine.keyspace
  const keyLength = entries.keyLength.bind(entries)
  entries.keyLength = (entry) => {
    looks++
    return keyLength(entry)
  }
  const reply = session.askStaged(work, 'KEYS', '*') as AggregateReply
  work.release()
  expect(reply.items.length).toBe(count)
  expect(looks).toBeLessThan(count / 4)
})
