/**
 * SORT and searches for places in the cold engine, beside one that has everything in memory: the same requests, the same replies. Collections are
 * large enough to be trees, and values, leaves and weights go cold at random, so that a row that names too little fails.
 */
import { describe, expect, it } from 'vitest'
import { engineTables } from '../../server/commands/tables.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { formatInline } from '../commands/notation.ts'
import type { RunSession } from '../sessions.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

const leafBytesMax = 300
const stepsMax = testRuns(400)
const numbers = 60
const collections = ['list', 'set', 'zset'] as const

function number(random: SeededRandom): string {
  return `${random.below(numbers)}`
}

function some(random: SeededRandom, make: () => string[]): string[] {
  return Array.from({ length: 1 + random.below(random.pick([3, 40])) }, make).flat()
}

/** A change of what is sorted, or of what it is sorted by. */
function change(random: SeededRandom): string[] {
  switch (random.below(7)) {
    case 0:
      return ['RPUSH', 'list', ...some(random, () => [number(random)])]
    case 1:
      return ['SADD', 'set', ...some(random, () => [number(random)])]
    case 2:
      return ['ZADD', 'zset', ...some(random, () => [`${random.below(9)}`, number(random)])]
    case 3:
      return ['MSET', ...some(random, () => [`w_${number(random)}`, `${random.below(20)}`])]
    case 4:
      return ['HSET', 'h_1', ...some(random, () => [number(random), `${random.below(20)}`])]
    case 5:
      return ['HSET', `h_${number(random)}`, ...some(random, () => [random.pick(['f', 'g', number(random)]), `${random.below(20)}`])]
    default:
      return ['GEOADD', 'places', ...some(random, () => [`${random.below(20)}`, `${random.below(20)}`, number(random)])]
  }
}

function sorting(random: SeededRandom): string[] {
  const parts = ['SORT', random.pick(collections)]
  const pattern = (): string => random.pick(['w_*', 'h_*->f', 'h_1*->1', 'h_*->g', 'none_*', '#'])
  if (random.once(2)) parts.push('BY', random.once(4) ? 'nosort' : pattern())
  if (random.once(2)) parts.push('LIMIT', `${random.below(30)}`, `${random.below(10)}`)
  for (let gets = random.below(3); gets > 0; gets--) parts.push('GET', pattern())
  if (random.once(3)) parts.push('DESC')
  if (random.once(3)) parts.push('ALPHA')
  if (random.once(6)) parts.push('STORE', random.pick(['target', 'list']))
  return parts
}

function searching(random: SeededRandom): string[] {
  const from = random.once(2) ? ['FROMMEMBER', number(random)] : ['FROMLONLAT', number(random), number(random)]
  const by = random.once(2) ? ['BYRADIUS', `${random.below(900)}`, 'km'] : ['BYBOX', `${random.below(900)}`, `${random.below(900)}`, 'km']
  const rest = random.once(2) ? ['COUNT', `${1 + random.below(5)}`, ...(random.once(2) ? ['ANY'] : [])] : ['ASC']
  switch (random.below(5)) {
    case 0:
      return ['GEOSEARCHSTORE', 'found', 'places', ...from, ...by, ...rest]
    case 1:
      return ['GEORADIUSBYMEMBER', 'places', number(random), `${random.below(900)}`, 'km', ...rest]
    case 2:
      return ['GEODIST', 'places', number(random), number(random)]
    case 3:
      return [random.pick(['GEOPOS', 'GEOHASH']), 'places', number(random), number(random)]
    default:
      return ['GEOSEARCH', 'places', ...from, ...by, ...rest, 'WITHDIST']
  }
}

/** What a reply says, where the order of the members of a set, which the keyed hashes decide, does not matter. */
function said(reply: Parameters<typeof formatInline>[0], parts: readonly string[]): string {
  const text = formatInline(reply)
  return parts[1] === 'set' && parts.includes('nosort') ? `${text.length}` : text
}

describe('SORT and places in the cold', () => {
  it('say what they say when all is in memory', async () => {
    const run: RunSession<number> = async (steps, tell) => {
      const cold = new ColdEngine(engineTables, testSeed)
      const warm = new InProcessEngine(engineTables, testSeed)
      cold.engine.keyspace.trees.leafBytesMax = leafBytesMax
      warm.keyspace.trees.leafBytesMax = leafBytesMax
      const session = warm.connect()
      let frozen = 0
      for (const random of steps) {
        cold.random = random
        if (random.once(2)) frozen += cold.freeze(random.pick([0.3, 1]))
        const kind = random.below(3)
        const parts = kind === 0 ? change(random) : kind === 1 ? sorting(random) : searching(random)
        tell(parts.join(' '))
        expect(said(await cold.ask(...parts), parts)).toBe(said(session.ask(...parts), parts))
      }
      return frozen
    }
    expect(await runSession({ steps: stepsMax }, run)).toBeGreaterThan(stepsMax / 4)
  })
})
