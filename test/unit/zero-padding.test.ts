/** What SETRANGE and SETBIT leave between a string's end and what they write reads as zeros, whatever the memory held before. */
import { describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { testRuns } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'

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

/** A random request on the string `k`, and what it makes of it. */
function change(random: SeededRandom, model: Buffer): { request: (string | number | Buffer)[]; result: Buffer } {
  const mark = 1 + random.below(255)
  const at = random.once(3) ? random.below(200_000) : Math.min(model.length + random.below(9_000), 200_000)
  const part = Buffer.alloc(1 + random.below(random.once(4) ? 60_000 : 300), mark)
  const grown = (length: number): Buffer => Buffer.concat([model, Buffer.alloc(Math.max(0, length - model.length))])
  switch (random.below(5)) {
    case 0: {
      const result = Buffer.alloc(Math.floor((model.length * (50 + random.below(50))) / 100), mark)
      return { request: ['SET', 'k', result], result }
    }
    case 1:
      return { request: ['APPEND', 'k', part], result: Buffer.concat([model, part]) }
    case 2: {
      const result = grown(at + 1)
      result[at]! |= 1
      return { request: ['SETBIT', 'k', at * 8 + 7, 1], result }
    }
    default: {
      const result = grown(at + part.length)
      part.copy(result, at)
      return { request: ['SETRANGE', 'k', at, part], result }
    }
  }
}

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

  it('after any changes, as a plain buffer shows', async () => {
    for (let stream = 1; stream <= testRuns(20); stream++) {
      await runSession({ steps: 40, stream }, async (steps, tell) => {
        const { engine, ask, bytes, slot } = begin()
        let model: Buffer = Buffer.alloc(0)
        ask('SET', 'k', '')
        for (const random of steps) {
          const { request, result } = change(random, model)
          tell(request.map((part) => (part instanceof Buffer ? `(${part.length} × ${part[0]})` : part)).join(' '))
          ask(...request)
          model = result
          if (random.once(4) && slot() !== 0) engine.keyspace.values.share(slot())
          expect(bytes().equals(model)).toBe(true)
        }
      })
    }
  })
})
