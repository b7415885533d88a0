import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { HashModel } from '../property/hash-model.ts'
import { runSession, shrink } from '../sessions.ts'

/** The message of the error that a session ends with. */
async function failureOf(session: Promise<unknown>): Promise<string> {
  return session.then(
    () => 'passed',
    (failure: Error) => failure.message,
  )
}

describe('shrinking', () => {
  it.each([
    [[3], 1],
    [[3, 500], 2],
    [[0, 1, 2, 999], 4],
    [[], 0],
  ])('leaves what is needed to fail: %j', async (needed, length) => {
    const items = Array.from({ length: 1000 }, (_, i) => i)
    const kept = await shrink(items, async (some) => (needed.every((each) => some.includes(each)) ? some : undefined))
    expect(kept).toEqual(needed)
    expect(kept).toHaveLength(length)
  })

  it('goes on from the items that it took to fail', async () => {
    let asked = 0
    const kept = await shrink([1, 2, 3, 4, 5, 6, 7, 8], async (some) => {
      asked += some.length
      const at = some.indexOf(2)
      return at < 0 ? undefined : some.slice(0, at + 1)
    })
    expect(kept).toEqual([2])
    expect(asked).toBeLessThan(20)
  })

  it('ends when it is told to', async () => {
    let left = 3
    const kept = await shrink(
      Array.from({ length: 64 }, (_, i) => i),
      async (some) => (some.includes(0) ? some : undefined),
      () => left-- > 0,
    )
    expect(kept).toHaveLength(16)
  })
})

describe('a session', () => {
  it('draws the same in a step whatever other steps do', async () => {
    const draws: number[][] = [[], []]
    for (const [i, list] of draws.entries()) {
      await runSession({ steps: 50 }, async (steps) => {
        for (const random of steps) {
          list.push(random.nextUint32())
          for (let more = 0; more < i; more++) random.nextUint32()
        }
      })
    }
    expect(draws[1]).toEqual(draws[0])
    expect(new Set(draws[0]).size).toBe(50)
  })

  it('shrinks to a handful of requests when HLEN is wrong for a copy', async () => {
    const message = await failureOf(
      runSession({ steps: 2000, shrinkMs: Number.POSITIVE_INFINITY }, async (steps, tell) => {
        const session = new InProcessEngine({ ...hashCommands, ...keyCommands }).connect()
        const copied = new Set<string>()
        const model = new HashModel(async (...parts): Promise<Reply> => {
          tell(parts.join(' '))
          const reply = session.ask(...parts)
          if (parts[0] === 'COPY' && 'text' in reply && reply.text.toString() === '1') copied.add(parts[2] as string)
          return parts[0] === 'HLEN' && copied.has(parts[1] as string) ? ({ ...reply, text: Buffer.from('77') } as Reply) : reply
        })
        for (const random of steps) await model.step(random)
      }),
    )
    expect(message).toContain('HLEN')
    const [, steps] = /shortest session found that fails has (\d+) of 2000 steps/.exec(message) ?? []
    expect(Number(steps)).toBeLessThanOrEqual(3)
    expect(message.match(/^ {2}(HSET|HMSET|HSETNX|HINCRBY|HINCRBYFLOAT|COPY|HLEN) /gm)?.map((line) => line.trim())).toHaveLength(3)
  })
})
