/** Glob matching against an obvious model (every split tried) and, where it is installed, against redis-server itself. */
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { globMatches } from '../../engine/glob.ts'
import { testRuns } from '../chance.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'

const runs = testRuns(1000)

function matches(pattern: string, text: string, nocase = false): boolean {
  // Surrounded by other bytes, so that reading outside the ranges is noticed.
  const p = Buffer.from(`*[${pattern}]*`, 'latin1')
  const t = Buffer.from(`ab${text}ab`, 'latin1')
  return globMatches(p, 2, p.length - 2, t, 2, t.length - 2, nocase)
}

/** The model: patterns without classes and escapes, every possibility tried. */
function modelMatches(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  if (pattern[0] === '*') {
    for (let taken = 0; taken <= text.length; taken++) if (modelMatches(pattern.slice(1), text.slice(taken))) return true
    return false
  }
  return text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && modelMatches(pattern.slice(1), text.slice(1))
}

const word = (letters: string, maxLength: number) => fc.string({ unit: fc.constantFrom(...letters), maxLength })

describe('glob', () => {
  it.each([
    ['h?llo', 'hello', true],
    ['h*llo', 'heeeello', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[a-b]llo', 'hbllo', true],
    ['h[b-a]llo', 'hbllo', true],
    ['h\\?llo', 'hello', false],
    ['h\\?llo', 'h?llo', true],
    ['a[b', 'ab', true],
    ['a[^', 'ab', true],
    ['a[', 'a[', false],
    ['a\\', 'a\\', true],
    ['[]]', ']', false],
    ['[\\]]', ']', true],
    ['*', '', false],
    ['', '', true],
    ['*foo*', 'barfoobar', true],
  ])('%s against %s: %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected)
  })

  it('ignores case when told', () => {
    expect(matches('MAX[M-N]em*', 'maxMEMORY', true)).toBe(true)
    expect(matches('MAX*', 'maxmemory')).toBe(false)
  })

  it('matches bytes, not characters', () => {
    expect(matches('\xff?\x00', '\xff\xe9\x00')).toBe(true)
  })

  it('agrees with the model', () => {
    fc.assert(
      fc.property(
        word('ab*?', 8),
        word('abc', 8).filter((text) => text !== ''),
        (pattern, text) => {
          expect(matches(pattern, text)).toBe(modelMatches(pattern, text))
        },
      ),
      { numRuns: runs },
    )
  })

  it('takes no exponential time', () => {
    const pattern = Buffer.from(`${'a*'.repeat(200)}b`)
    const text = Buffer.from('a'.repeat(20_000))
    expect(globMatches(pattern, 0, pattern.length, text, 0, text.length)).toBe(false)
  })
})

describeWith([redisServer], 'glob beside redis-server', () => {
  let redis: ServerProcess
  let client: Redis
  beforeAll(async () => {
    redis = await startRedis()
    client = new Redis({ port: redis.port, protocol: 2 })
  })
  afterAll(async () => {
    client?.disconnect()
    await redis?.stop()
  })

  it('agrees on KEYS', async () => {
    await fc.assert(
      fc.asyncProperty(word('ab-[]^\\*?', 9), fc.array(word('ab-[]^\\', 4), { minLength: 1, maxLength: 20 }), async (pattern, texts) => {
        fc.pre(pattern !== '*')
        await client.flushall()
        await client.mset(...texts.flatMap((text) => [text, 'x']))
        const expected = new Set(await client.keys(pattern))
        for (const text of texts) expect([pattern, text, matches(pattern, text)]).toEqual([pattern, text, expected.has(text)])
      }),
      { numRuns: runs },
    )
  })
})
