/** A reply in parts of a collection that changes while it is made, told leaf by leaf. Random changes: `test/property/hash-image.test.ts`. */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { Separator } from '../../engine/tree/separator.ts'
import { testSeed } from '../chance.ts'
import { format } from '../commands/notation.ts'
import type { AggregateReply, ScalarReply } from '../commands/resp-decoder.ts'
import { ColdEngine } from '../property/cold-engine.ts'
import { leavesOf } from './leaves.ts'

class Story {
  readonly cold = new ColdEngine({ ...hashCommands, ...keyCommands }, testSeed)

  constructor() {
    const { execution, keyspace } = this.cold.engine
    // Each leaf is a part.
    Object.assign(execution.limits, { hashMaxListpackEntries: 4, slicedValueBytes: 1 })
    keyspace.trees.leafBytesMax = 200
  }

  async fill(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.cold.ask('HSET', 'h', `f${i}`, 'v'.repeat(20))
  }

  get root(): number {
    const { keyspace } = this.cold.engine
    keyspace.forgetLookUp()
    return keyspace.entries.value(keyspace.find(0, Buffer.from('h'), 0, 1))
  }

  /** Where the leaves begin. */
  get separators(): number[] {
    return leavesOf(this.cold.engine.keyspace.trees, this.root).map(({ separator }) => separator.words[0] as number)
  }

  /** Where the cold leaves begin that are asked for. */
  asked(staged: StagedWork): number[] {
    const asked: number[] = []
    staged.eachCold?.({
      value: () => expect.unreachable(),
      leaf: (_root, { words }) => asked.push(words[0] as number),
    })
    return asked
  }

  /** Names of the fields from a separator on. */
  fieldsFrom(separator: number): string[] {
    const { keyspace, execution } = this.cold.engine
    const names: string[] = []
    const { trees } = keyspace
    for (const { separator: each, ref } of leavesOf(trees, this.root)) {
      if (each.compare(new Separator().set(separator).words, 0) < 0) continue
      execution.hashTrees.visitLeaf(ref, (bytes, pair) => names.push(bytes.toString('latin1', pair.fieldStart, pair.fieldEnd)))
    }
    return names
  }

  /** Makes everything resident. */
  async warm(): Promise<void> {
    await this.cold.ask('HGETALL', 'h')
  }
}

describe('a reply of a large hash that is made in parts', () => {
  it('is whole although the tail leaf merges away while the reply waits at it', async () => {
    const story = new Story()
    const { cold } = story
    const { session, tier } = cold
    // Nothing but `freeze` makes anything cold.
    cold.random.once = () => false
    await story.fill(200)
    const staged = session.stage('HGETALL', 'h') as StagedWork
    cold.freeze(1)
    const tail = story.separators.at(-1) as number
    for (let asked = story.asked(staged); asked[0] !== tail; asked = story.asked(staged)) {
      expect(asked.length).toBeGreaterThan(0)
      await cold.fetchFor(staged)
      expect(staged.step()).toBe(true)
      cold.freeze(1)
    }
    const before = story.separators.length
    await story.warm()
    for (const name of story.fieldsFrom(tail)) {
      if (story.separators.length < before) break
      await cold.ask('HDEL', 'h', name)
    }
    expect([story.separators.length, story.separators.includes(tail)]).toEqual([before - 1, false])
    const merged = story.separators.at(-1) as number
    cold.freeze(1)
    expect(staged.step()).toBe(false)
    // What the leaf before has taken in was not rendered, so that one is shown anew.
    expect(story.asked(staged)).toEqual([merged])
    const reads = tier.counts.coldReads
    const reply = await cold.askStaged(staged, 'HGETALL', 'h')
    expect(tier.counts.coldReads - reads).toBe(1)
    await story.warm()
    expect((reply as AggregateReply).items.length).toBe(2 * story.fieldsFrom(0).length)
    expect(format(reply)).toBe(format(await cold.ask('HGETALL', 'h')))
  })

  it('is whole although what is left of the hash is gone when its turn comes', async () => {
    const story = new Story()
    const { cold } = story
    cold.random.once = () => false
    await story.fill(100)
    const staged = cold.session.stage('HKEYS', 'h') as StagedWork
    for (let i = 0; i < 5; i++) expect(staged.step()).toBe(true)
    await cold.ask('DEL', 'h')
    expect([staged.step(), staged.eachCold?.({ value: () => undefined, leaf: () => undefined })]).toEqual([false, false])
    await story.fill(7)
    // The key has another collection: nothing of the former is shown.
    const reply = (await cold.askStaged(staged, 'HKEYS', 'h')) as AggregateReply
    expect(reply.items.map((item) => (item as ScalarReply).text.toString()).sort()).toEqual(['f0', 'f1', 'f2', 'f3', 'f4', 'f5', 'f6'])
  })
})
