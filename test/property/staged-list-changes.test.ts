/** Pushes and pops of many elements of lists, and of long ones, that are made in slices, with changes and cold leaves in between: all is as without. */
import { describe, expect, it } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { StagedPush } from '../../engine/commands/staged-push.ts'
import { ImageSet } from '../../engine/tree/image-set.ts'
import { testRuns } from '../chance.ts'
import type { InProcessEngine } from '../commands/in-process.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import type { Words } from './staged-beside-plain.ts'
import { StagedBesidePlain } from './staged-beside-plain.ts'

const tables = { ...listCommands, ...keyCommands }
const keys = ['l', 'm']

function element(random: SeededRandom): string {
  return random.pick([`e${random.below(50)}`, `${random.below(100_000)}`, 'x'.repeat(random.below(90))])
}

function elements(random: SeededRandom, max: number): string[] {
  const some = Array.from({ length: 1 + random.below(max) }, () => element(random))
  // Longer than a leaf, copied piece by piece.
  for (let i = random.pick([0, 0, 1, 3]); i > 0; i--)
    some[random.below(some.length)] = random.pick(['y', '7']).repeat(4090 + random.below(5000))
  return some
}

function long(random: SeededRandom): Words {
  const key = random.pick(keys)
  const count = `${1 + random.below(300)}`
  return random.pick([
    [random.pick(['RPUSH', 'LPUSH', 'RPUSHX', 'LPUSHX']), key, ...elements(random, 150)],
    [random.pick(['RPUSH', 'LPUSH', 'RPUSHX', 'LPUSHX']), key, ...elements(random, 150)],
    [random.pick(['LPOP', 'RPOP']), key, count],
    ['LMPOP', '3', 'none', ...keys, random.pick(['LEFT', 'RIGHT']), 'COUNT', count],
  ])
}

function change(random: SeededRandom): Words {
  const key = random.pick(keys)
  return random.pick([
    ['RPUSH', key, element(random)],
    ['LPUSH', key, element(random)],
    ['LPOP', key],
    ['RPOP', key, '7'],
    ['LSET', key, '0', element(random)],
    ['DEL', key],
    ['RENAME', 'l', 'm'],
  ])
}

function lowerThresholds({ keyspace, execution }: InProcessEngine): void {
  keyspace.trees.leafBytesMax = 200
  execution.limits.slicedValueBytes = 2000
}

describe('changes of many elements of lists, in slices', () => {
  it('come to what the command does by itself, whatever changes meanwhile', async () => {
    const used = await runSession({ steps: testRuns(100) }, async (steps, tell) => {
      const changing = new StagedBesidePlain(tables, lowerThresholds, tell)
      for (const random of steps) {
        changing.cold.random = random
        await changing.change(
          long(random),
          random,
          () => change(random),
          (staged) => staged instanceof StagedPush || staged instanceof ImageSet,
        )
        await changing.check(keys.map((key) => ['LRANGE', key, '0', '-1']))
      }
      return changing.used
    })
    expect(used, 'changes that were staged').toBeGreaterThan(testRuns(100) / 25)
  })
})
