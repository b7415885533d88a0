/** What is asked of a whole large stream, in slices: XREADGROUP without COUNT, XACK of many ids, XINFO STREAM FULL COUNT 0. */
import { beforeEach, describe, expect, it } from 'vitest'
import { GroupRead } from '../../engine/commands/delivery-work.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { RepeatedWork } from '../../engine/commands/repeated-work.ts'
import { streamCommands } from '../../engine/commands/stream.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testSeed } from '../chance.ts'
import { formatInline } from '../commands/notation.ts'
import { ColdEngine } from '../property/cold-engine.ts'

const entryCount = 600

async function begin(): Promise<ColdEngine> {
  const cold = new ColdEngine({ ...keyCommands, ...streamCommands }, testSeed)
  cold.random.once = () => false
  cold.engine.keyspace.trees.leafBytesMax = 256
  Object.assign(cold.engine.execution.limits, { slicedValueBytes: 512, streamNodeMaxEntries: 7 })
  for (let i = 1; i <= entryCount; i++) await cold.ask('XADD', 's', `${i}-1`, 'f', `v${i}`)
  await cold.ask('XGROUP', 'CREATE', 's', 'g', '0')
  return cold
}

async function steps(cold: ColdEngine, staged: StagedWork | undefined, between: (step: number) => Promise<void> = async () => undefined) {
  if (staged === undefined) throw new Error('nothing was staged')
  let count = 1
  while (await cold.advance(staged)) await between(count++)
  return count
}

let cold: ColdEngine
let plain: ColdEngine
beforeEach(async () => {
  cold = await begin()
  plain = await begin()
})

describe('XREADGROUP of all that a group has not read', () => {
  const words = ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>']
  const show = async (engine: ColdEngine): Promise<string[]> => [
    formatInline(await engine.ask('XPENDING', 's', 'g', '-', '+', '10000')),
    formatInline(await engine.ask('XINFO', 'STREAM', 's', 'FULL', 'COUNT', '0')),
  ]

  it('renders the entries in slices, of which others may read some meanwhile', async () => {
    cold.freeze(1)
    const staged = cold.session.stage(...words)
    expect(staged).toBeInstanceOf(GroupRead)
    const other = ['XREADGROUP', 'GROUP', 'g', 'other', 'COUNT', '40', 'STREAMS', 's', '>']
    const made = await steps(cold, staged, async (step) => {
      if (step !== 5) return
      await cold.ask(...other)
      await plain.ask(...other)
      for (const engine of [cold, plain]) await engine.ask('XADD', 's', '1000-1', 'f', 'new')
    })
    expect(made).toBeGreaterThan(10)
    const reply = formatInline(await cold.askStaged(staged as StagedWork, ...words))
    expect(reply).toBe(formatInline(await plain.ask(...words)))
    expect(await show(cold)).toEqual(await show(plain))
  })

  it.each([
    ['of nobody', []],
    ['of another consumer', ['XREADGROUP', 'GROUP', 'g', 'other', 'COUNT', '100', 'STREAMS', 's', '>']],
  ])('makes them pending as one by one, also those that are pending: %s', async (_, before) => {
    const replayed = await begin()
    for (const engine of [cold, plain, replayed]) {
      if (before.length > 0) await engine.ask(...before)
      await engine.ask('XGROUP', 'SETID', 's', 'g', '50-1')
    }
    await cold.ask(...words)
    const { mutator } = cold.engine
    const record = Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end))
    new Replay(replayed.engine.keyspace, replayed.engine.mutator).apply(mutator.lsn, record)
    for (let i = 50; i < entryCount; i++) await plain.ask('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '1', 'STREAMS', 's', '>')
    const expected = await show(plain)
    expect(await show(cold)).toEqual(expected)
    expect(await show(replayed)).toEqual(expected)
    for (const id of ['51-1', '300-1', `${entryCount}-1`]) expect(formatInline(await cold.ask('XACK', 's', 'g', id))).toBe(':1')
  })
})

describe('a change of what is pending, in slices', () => {
  const words = ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>']
  const keyAt = 5

  it('finds its group and its consumer wherever the request has moved to', async () => {
    for (const engine of [cold, plain]) await engine.ask(...words.slice(0, 4), 'COUNT', '5', ...words.slice(4))
    const staged = cold.session.stage(...words) as GroupRead
    const { args } = cold.engine.execution
    await steps(cold, staged, async () => {
      const { buffer } = args
      const by = 8
      args.move(Buffer.concat([Buffer.alloc(by), buffer]), by)
      buffer.fill('?')
    })
    expect(staged.changeAt(keyAt)).toBeDefined()
    expect(formatInline(await cold.askStaged(staged, ...words))).toBe(formatInline(await plain.ask(...words)))
    const full = ['XINFO', 'STREAM', 's', 'FULL', 'COUNT', '0']
    expect(formatInline(await cold.ask(...full))).toBe(formatInline(await plain.ask(...full)))
  })

  it('is given up when the key gets another stream with such a group', async () => {
    const staged = cold.session.stage(...words) as GroupRead
    await steps(cold, staged, async (step) => {
      if (step !== 3) return
      for (const engine of [cold, plain]) {
        await engine.ask('DEL', 's')
        await engine.ask('XADD', 's', '7-7', 'f', 'of another stream')
        await engine.ask('XGROUP', 'CREATE', 's', 'g', '0')
      }
    })
    expect(staged.changeAt(keyAt)).toBeUndefined()
    expect(formatInline(await cold.askStaged(staged, ...words))).toBe(formatInline(await plain.ask(...words)))
    staged.release()
  })

  it.each([1, 2, 3, 5])('ends with the stream, which is told after step %d when to expire', async (last) => {
    await cold.ask(...words)
    const acknowledges = ['XACK', 's', 'g', ...Array.from({ length: 500 }, (_, i) => `${i + 1}-1`)]
    const staged = cold.session.stage(...acknowledges)
    await steps(cold, staged, async (step) => {
      if (step !== last) return
      await cold.ask('PEXPIRE', 's', '5')
      cold.engine.advance(6)
    })
    expect(formatInline(await cold.askStaged(staged as StagedWork, ...acknowledges))).toBe(':0')
    staged?.release?.()
  })
})

it('XREADGROUP wants where entries are pending that are delivered again, behind many that are gone', async () => {
  const more = ['XREADGROUP', 'GROUP', 'g', 'other', 'COUNT', '300', 'STREAMS', 's', '>']
  for (const engine of [cold, plain]) {
    await engine.ask(...more)
    await engine.ask('XDEL', 's', ...Array.from({ length: 250 }, (_, i) => `${i + 1}-1`))
    await engine.ask('XGROUP', 'SETID', 's', 'g', '0')
  }
  cold.engine.execution.limits.slicedValueBytes = 2 ** 30
  cold.freeze(1)
  const words = ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '3', 'STREAMS', 's', '>']
  expect(formatInline(await cold.ask(...words))).toBe(formatInline(await plain.ask(...words)))
})

describe('XINFO STREAM FULL of a large stream', () => {
  const words = ['XINFO', 'STREAM', 's', 'FULL', 'COUNT', '0']

  it('is made in slices, and anew after a change', async () => {
    for (const engine of [cold, plain]) {
      for (const consumer of ['a', 'b']) await engine.ask('XREADGROUP', 'GROUP', 'g', consumer, 'COUNT', '200', 'STREAMS', 's', '>')
    }
    cold.freeze(1)
    const staged = cold.session.stage(...words)
    expect(staged).toBeInstanceOf(RepeatedWork)
    const made = await steps(cold, staged, async (step) => {
      if (step !== 60) return
      for (const engine of [cold, plain]) await engine.ask('XACK', 's', 'g', '7-1')
    })
    expect(made).toBeGreaterThan(100)
    const before = cold.tier.counts.coldReads
    expect(formatInline(await cold.askStaged(staged as StagedWork, ...words))).toBe(formatInline(await plain.ask(...words)))
    expect(cold.tier.counts.coldReads).toBe(before)
    staged?.release?.()
  })
})

describe('XPENDING of a consumer', () => {
  it('shows what the one has who is called so in the end, when the former one was deleted meanwhile', async () => {
    const words = ['XPENDING', 's', 'g', '-', '+', '400', 'd']
    const read = (consumer: string, count: number) => ['XREADGROUP', 'GROUP', 'g', consumer, 'COUNT', `${count}`, 'STREAMS', 's', '>']
    for (const engine of [cold, plain]) for (const consumer of ['c', 'd']) await engine.ask(...read(consumer, 200))
    cold.freeze(1)
    const staged = cold.session.stage(...words)
    await steps(cold, staged, async (step) => {
      if (step !== 3) return
      for (const engine of [cold, plain]) {
        await engine.ask('XGROUP', 'DELCONSUMER', 's', 'g', 'd')
        await engine.ask(...read('d', 50))
      }
      cold.freeze(1)
    })
    const expected = formatInline(await plain.ask(...words))
    expect(expected.match(/"d"/g)).toHaveLength(50)
    expect(formatInline(await cold.askStaged(staged as StagedWork, ...words))).toBe(expected)
  })
})

describe('XPENDING of a whole group', () => {
  it.each(['XACK', 'DELCONSUMER', 'XDEL and XCLAIM'])(
    'asks for the leaves of the first and the last entry, when %s has emptied others',
    async (way) => {
      const consumers = Array.from({ length: 20 }, (_, i) => `c${i}`)
      const ask = async (...words: string[]): Promise<void> => {
        for (const engine of [cold, plain]) await engine.ask(...words)
      }
      for (const name of consumers) await ask('XREADGROUP', 'GROUP', 'g', name, 'COUNT', '20', 'STREAMS', 's', '>')
      for (const [i, name] of [...consumers.entries()].reverse()) {
        const ids = Array.from({ length: 20 }, (_, j) => `${i * 20 + j + 1}-1`)
        if (way === 'DELCONSUMER') await ask('XGROUP', 'DELCONSUMER', 's', 'g', name)
        else if (way === 'XACK') await ask('XACK', 's', 'g', ...ids)
        else {
          await ask('XDEL', 's', ...ids)
          await ask('XCLAIM', 's', 'g', 'other', '0', ...ids)
        }
        cold.freeze(1)
        expect(formatInline(await cold.ask('XPENDING', 's', 'g'))).toBe(formatInline(await plain.ask('XPENDING', 's', 'g')))
      }
    },
  )
})
