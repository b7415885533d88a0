/** Long ranges and searches of lists that are prepared in slices, with changes in between: the same replies as without. */
import { describe, expect, it, vi } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { ListRemoval } from '../../engine/commands/list-removal.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import { TreeImage } from '../../engine/tree/tree-image.ts'
import { testRuns } from '../chance.ts'
import { formatInline } from '../commands/notation.ts'
import type { AggregateReply, Reply, ScalarReply } from '../commands/resp-decoder.ts'
import { ColdEngine } from '../property/cold-engine.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'

const tables = { ...listCommands, ...keyCommands }

function request(random: SeededRandom): string[] {
  const element = random.pick(['often', 'e7', 'none'])
  const index = (): string => `${random.below(700) - 350}`
  return random.pick([
    ['LRANGE', 'l', '0', '-1'],
    ['LRANGE', 'l', index(), index()],
    ['LPOS', 'l', element, 'RANK', random.pick(['1', '-1', '3', '-2'])],
    ['LPOS', 'l', element, 'COUNT', random.pick(['0', '2']), 'MAXLEN', random.pick(['0', '100', '70000'])],
    ['LPOS', 'l', element, 'RANK', random.pick(['1', '-1', '3', '-2']), 'COUNT', random.pick(['0', '0', '7', '2000'])],
    ['LPOS', 'l', 'often', 'RANK', random.pick(['1', '-1']), 'COUNT', '0', 'MAXLEN', `${random.below(400)}`],
    ['LREM', 'l', random.pick(['0', '1', '-2']), element],
    ['LINSERT', 'l', random.pick(['BEFORE', 'AFTER']), element, 'often'],
  ])
}

function change(random: SeededRandom): string[] {
  const elements = Array.from({ length: 1 + random.below(30) }, () => random.pick(['often', `e${random.below(20)}`, 'x'.repeat(40)]))
  return random.pick([
    ['RPUSH', 'l', ...elements],
    ['LPUSH', 'l', ...elements],
    ['LPOP', 'l', `${random.below(20)}`],
    ['RPOP', 'l', `${random.below(20)}`],
    ['LSET', 'l', `${random.below(100)}`, 'often'],
    ['LTRIM', 'l', `${random.below(3)}`, `${200 + random.below(300)}`],
  ])
}

async function begin(seed: number): Promise<ColdEngine> {
  const cold = new ColdEngine(tables, seed)
  cold.engine.keyspace.trees.leafBytesMax = 128
  cold.engine.execution.limits.slicedValueBytes = 512
  for (let i = 0; i < 300; i++) await cold.ask('RPUSH', 'l', i % 10 === 0 ? 'often' : `e${i}`)
  return cold
}

describe('staged work on lists', () => {
  it('comes to what the command does by itself, whatever changes meanwhile', async () => {
    const used = await runSession({ steps: testRuns(150) }, async (steps, tell) => {
      const [cold, plain] = [await begin(1), await begin(1)]
      let images = 0
      for (const random of steps) {
        cold.random = random
        const words = request(random)
        const staged = cold.session.stage(...words)
        if (random.once(2)) cold.freeze(random.pick([0.3, 1]))
        if (staged !== undefined) {
          if (staged instanceof TreeImage || staged instanceof ListRemoval) images++
          for (let goesOn = true; goesOn; ) {
            if (random.once(6)) {
              const changed = change(random)
              tell(changed.join(' '))
              await cold.ask(...changed)
              await plain.ask(...changed)
            }
            await cold.fetchFor(staged)
            goesOn = staged.step()
          }
        }
        tell(words.join(' '))
        const reply = staged === undefined ? await cold.ask(...words) : await cold.askStaged(staged, ...words)
        if (staged instanceof ListRemoval) staged.release()
        expect(formatInline(reply), words.join(' ')).toBe(formatInline(await plain.ask(...words)))
      }
      expect(formatInline(await cold.ask('LRANGE', 'l', '0', '-1'))).toBe(formatInline(await plain.ask('LRANGE', 'l', '0', '-1')))
      return images
    })
    expect(used, 'requests that were staged').toBeGreaterThan(testRuns(150) / 25)
  })

  it.each([
    ['0', 30],
    ['20', 20],
    ['-20', 20],
  ])('is one small record where LREM %s takes many out, and replayed to the same', async (count, removed) => {
    const [cold, plain, replayed] = [await begin(2), await begin(2), await begin(2)]
    for (const each of [cold, plain, replayed]) {
      // Further from both ends than is looked at without slices.
      for (let i = 0; i < 5000; i += 100) {
        const others = Array.from({ length: 100 }, (_, j) => `e${i + j}`)
        await each.ask('RPUSH', 'l', ...others)
        await each.ask('LPUSH', 'l', ...others)
      }
    }
    const staged = cold.session.stage('LREM', 'l', count, 'often')
    if (!(staged instanceof ListRemoval)) throw new Error('nothing was staged')
    let steps = 1
    while (staged.step()) steps++
    expect(steps).toBeGreaterThan(10)
    expect(formatInline(await cold.askStaged(staged, 'LREM', 'l', count, 'often'))).toBe(`:${removed}`)
    const { mutator } = cold.engine
    const record = Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end))
    expect(record.length).toBeLessThan(30)
    new Replay(replayed.engine.keyspace, replayed.engine.mutator).apply(mutator.lsn, record)
    await plain.ask('LREM', 'l', count, 'often')
    const expected = formatInline(await plain.ask('LRANGE', 'l', '0', '-1'))
    for (const each of [cold, replayed]) expect(formatInline(await each.ask('LRANGE', 'l', '0', '-1'))).toBe(expected)
  })

  it.each(['1', '-1'])('LPOS from %s shows many ranks as they were rendered, and anew where they have moved', async (from) => {
    const cold = await begin(3)
    const words = ['LPOS', 'l', 'often', 'RANK', from, 'COUNT', '0']
    for (let i = 0; i < 5000; i += 100)
      await cold.ask('RPUSH', 'l', ...Array.from({ length: 100 }, (_, j) => (j % 2 === 0 ? 'often' : 'x')))
    const staged = cold.session.stage(...words)
    if (!(staged instanceof TreeImage)) throw new Error('nothing was staged')
    while (staged.step());
    const written = await integersIn(cold, staged, words)
    expect(written.integers).toBe(0)
    await cold.ask('LPUSH', 'l', 'x')
    const moved = await integersIn(cold, staged, words)
    expect(moved.integers).toBeGreaterThanOrEqual(2530)
    const ranks = (reply: Reply): number[] => (reply as AggregateReply).items.map((item) => Number((item as ScalarReply).text))
    expect(ranks(moved.reply)).toEqual(ranks(written.reply).map((rank) => rank + 1))
  })
})

/** The reply of a staged request, and how many integers were written for it one by one. */
async function integersIn(cold: ColdEngine, staged: TreeImage, words: readonly string[]): Promise<{ reply: Reply; integers: number }> {
  const spy = vi.spyOn(ReplyWriter.prototype, 'integer')
  const reply = await cold.askStaged(staged, ...words)
  const integers = spy.mock.calls.length
  spy.mockRestore()
  return { reply, integers }
}
