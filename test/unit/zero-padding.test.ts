/** What SETRANGE and SETBIT leave between a string's end and what they write reads as zeros, whatever the memory held before. */
import { describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { chance, testRuns } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'

function begin() {
  const engine = new InProcessEngine({ ...stringCommands, ...bitmapCommands })
  const session = engine.connect()
  const { entries, values } = engine.keyspace
  // So that strings may be changed in place.
  engine.keyspace.committed(Number.MAX_SAFE_INTEGER)
  const key = Buffer.from('k')
  const entry = (): number => engine.keyspace.find(0, key, 0, 1)
  return {
    engine,
    ask: (...parts: (string | number | Buffer)[]) => session.ask(...parts),
    slot: (): number => entries.value(entry()),
    bytes: (): Buffer => {
      const start = values.start(entries.value(entry()))
      return Buffer.from(values.bytes(entries.value(entry())).subarray(start, start + entries.length(entry())))
    },
  }
}

const filled = (length: number): Buffer => Buffer.alloc(length, 0xff)

describe('padding with zeros', () => {
  it.each([100, 5_000, 40_000, 300_000])('in a block that is made for it, behind %i bytes', (length) => {
    const { ask, bytes } = begin()
    ask('SET', 'k', filled(length))
    ask('SETRANGE', 'k', 900_000, 'x')
    expect(bytes().equals(Buffer.concat([filled(length), Buffer.alloc(900_000 - length), Buffer.from('x')]))).toBe(true)
  })

  it('in the same block, after the string has shrunk there', () => {
    const { engine, ask, bytes, slot } = begin()
    ask('SET', 'k', filled(400_000))
    const before = slot()
    ask('SET', 'k', Buffer.alloc(360_000, 0x11))
    ask('SETBIT', 'k', 399_000 * 8 + 7, 1)
    expect(slot()).toBe(before)
    expect(engine.keyspace.arena.isLarge(before)).toBe(true)
    expect(bytes().equals(Buffer.concat([Buffer.alloc(360_000, 0x11), Buffer.alloc(39_000), Buffer.from([1])]))).toBe(true)
  })

  it('in the room that an earlier growth has left', () => {
    const { ask, bytes, slot } = begin()
    ask('SETRANGE', 'k', 400_000, 'x')
    const before = slot()
    ask('APPEND', 'k', filled(20_000))
    ask('SETRANGE', 'k', 430_000, 'y')
    expect(slot()).toBe(before)
    const expected = Buffer.concat([Buffer.alloc(400_000), Buffer.from('x'), filled(20_000), Buffer.alloc(9_999), Buffer.from('y')])
    expect(bytes().equals(expected)).toBe(true)
  })

  it('in a block that is made because others refer to the one before, which had shrunk', () => {
    const { engine, ask, bytes, slot } = begin()
    ask('SET', 'k', filled(400_000))
    ask('SET', 'k', Buffer.alloc(360_000, 0x11))
    const before = slot()
    engine.keyspace.values.share(before)
    ask('SETRANGE', 'k', 390_000, 'x')
    expect(slot()).not.toBe(before)
    expect(bytes().equals(Buffer.concat([Buffer.alloc(360_000, 0x11), Buffer.alloc(30_000), Buffer.from('x')]))).toBe(true)
  })

  it('after any changes, as a plain buffer shows', () => {
    for (let seed = 1; seed <= testRuns(20); seed++) {
      const random = chance(seed)
      const below = (limit: number): number => random.nextUint32() % limit
      const { engine, ask, bytes, slot } = begin()
      let model: Buffer = Buffer.alloc(0)
      ask('SET', 'k', '')
      for (let step = 0; step < 40; step++) {
        const mark = 1 + below(255)
        const at = below(3) === 0 ? below(200_000) : Math.min(model.length + below(9_000), 200_000)
        const part = Buffer.alloc(1 + below(below(4) === 0 ? 60_000 : 300), mark)
        const what = below(5)
        if (what === 0) {
          model = Buffer.alloc(Math.floor((model.length * (50 + below(50))) / 100), mark)
          ask('SET', 'k', model)
        } else if (what === 1) {
          model = Buffer.concat([model, part])
          ask('APPEND', 'k', part)
        } else if (what === 2) {
          const grown = Buffer.concat([model, Buffer.alloc(Math.max(0, at + 1 - model.length))])
          grown[at]! |= 1
          model = grown
          ask('SETBIT', 'k', at * 8 + 7, 1)
        } else {
          const grown = Buffer.concat([model, Buffer.alloc(Math.max(0, at + part.length - model.length))])
          part.copy(grown, at)
          model = grown
          ask('SETRANGE', 'k', at, part)
        }
        if (below(4) === 0 && slot() !== 0) engine.keyspace.values.share(slot())
        expect(bytes().equals(model), `seed ${seed}, step ${step}`).toBe(true)
      }
    }
  })
})
