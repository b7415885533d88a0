/** The mathematics of places beside redis-server's GEO commands: random places and shapes, the same to the last digit and in the same order. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Place, SearchShape } from '../../engine/types/geo-hash.ts'
import {
  distanceMeters,
  distanceWithin,
  geohashText,
  geoScore,
  latitudeMax,
  longitudeMax,
  placeOf,
  scoreRanges,
} from '../../engine/types/geo-hash.ts'
import { chance, testRuns } from '../chance.ts'
import { encodeRequest } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'

const placesMax = testRuns(2000)
const searchesMax = testRuns(400)
const units: readonly (readonly [name: string, meters: number])[] = [
  ['m', 1],
  ['km', 1000],
  ['ft', 0.3048],
  ['mi', 1609.34],
]

interface Member {
  readonly name: string
  readonly score: number
}

/** Anywhere, in a small region, or at a limit. */
function randomPlace(random: SeededRandom): Place {
  const share = (): number => (random.below(2 ** 26) * 2 ** 26 + random.below(2 ** 26)) / 2 ** 52
  const limits = [-latitudeMax, latitudeMax, 0, 66, -80.5]
  if (random.once(20)) return { longitude: random.pick([-longitudeMax, longitudeMax, 0, 90]), latitude: random.pick(limits) }
  if (random.once(3)) return { longitude: 13 + share(), latitude: 52 + share() }
  return { longitude: (share() * 2 - 1) * longitudeMax, latitude: (share() * 2 - 1) * latitudeMax }
}

function randomShape(random: SeededRandom, center: Place, unitMeters: number): SearchShape {
  const length = (): number =>
    Number((random.pick([0, 1, 50, 2000, 200_000, 3_000_000, 30_000_000]) * (0.1 + random.below(1000) / 500)) / unitMeters)
  return random.once(2) ? { ...center, unitMeters, radius: length() } : { ...center, unitMeters, width: length(), height: length() }
}

const plain = (reply: Reply): unknown => ('items' in reply ? reply.items.map(plain) : 'text' in reply ? reply.text.toString() : undefined)

/** Redis's, in meters. */
const earthRadius = 6372797.560856

/**
 * How far two calculations of a distance in meters may be apart: the sine and its inverse of the C library and of V8 differ in their last bits
 * now and then. Of places that lie opposite each other on the earth the inverse of the sine makes much of a little: its slope is one divided by
 * the cosine of half the angle between them.
 */
function errorMeters(meters: number): number {
  const slope = 1 / Math.max(Math.cos(meters / (2 * earthRadius)), Math.sqrt(Number.EPSILON))
  return 16 * Number.EPSILON * earthRadius * slope
}

/** Whether a distance in a unit is the one that Redis has told, whose last of four decimals may be one more or less where both are about in the middle. */
function isSame(distance: number, theirs: unknown, unitMeters = 1): boolean {
  return Math.abs(distance - Number(theirs)) < 0.5001e-4 + errorMeters(distance * unitMeters) / unitMeters
}

function trimmed(number: number): string {
  return number.toFixed(17).replace(/\.?0+$/, '')
}

describeWith([redisServer], "places beside redis-server's", () => {
  let server: ServerProcess
  let redis: SocketTarget
  const members: Member[] = []
  const places: Place[] = []

  async function ask(...parts: readonly (string | number)[]): Promise<unknown> {
    await redis.send('a', encodeRequest(parts.map((part) => Buffer.from(String(part)))))
    const received = await redis.receive('a')
    if (received === 'closed') throw new Error('redis-server closed the connection')
    return plain(received.reply)
  }

  beforeAll(async () => {
    server = await startRedis()
    redis = new SocketTarget('redis', server.port)
    const random = chance()
    for (let i = 0; i < placesMax; i++) {
      const place = randomPlace(random)
      places.push(place)
      members.push({ name: `m${i}`, score: geoScore(place.longitude, place.latitude) })
      await ask('GEOADD', 'g', place.longitude, place.latitude, `m${i}`)
    }
  })
  afterAll(async () => {
    await redis?.close()
    await server?.stop()
  })

  it('have the same scores, positions and texts', async () => {
    const names = members.map(({ name }) => name)
    const decoded = members.map(({ score }) => placeOf(score, { longitude: 0, latitude: 0 }))
    expect(members.map(({ score }) => String(score))).toEqual(await ask('ZMSCORE', 'g', ...names))
    expect(decoded.map(({ longitude, latitude }) => [trimmed(longitude), trimmed(latitude)])).toEqual(await ask('GEOPOS', 'g', ...names))
    expect(decoded.map(geohashText)).toEqual(await ask('GEOHASH', 'g', ...names))
  })

  it('are as far apart', async () => {
    const random = chance(1)
    const [a, b] = [0, 0].map(() => ({ longitude: 0, latitude: 0 })) as [Place, Place]
    for (let i = 0; i < searchesMax; i++) {
      const [from, to] = [random.pick(members), random.pick(members)]
      placeOf(from.score, a)
      placeOf(to.score, b)
      const meters = distanceMeters(a.longitude, a.latitude, b.longitude, b.latitude)
      expect(isSame(meters, await ask('GEODIST', 'g', from.name, to.name)), `${from.name} ${to.name}`).toBe(true)
    }
  })

  it('are found in shapes, in the same order', async () => {
    const random = chance(2)
    const sorted = [...members].sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1))
    let count = 0
    for (let i = 0; i < searchesMax; i++) {
      const [unit, unitMeters] = random.pick(units)
      const shape = randomShape(random, random.once(3) ? random.pick(places) : randomPlace(random), unitMeters)
      const found: [string, number][] = []
      const at = { longitude: 0, latitude: 0 }
      for (const { min, end } of scoreRanges(shape)) {
        for (const { name, score } of sorted) {
          if (score < min || score >= end) continue
          const meters = distanceWithin(shape, placeOf(score, at))
          if (meters >= 0) found.push([name, meters / unitMeters])
        }
      }
      const by = shape.radius === undefined ? ['BYBOX', shape.width as number, shape.height as number] : ['BYRADIUS', shape.radius]
      const request = ['GEOSEARCH', 'g', 'FROMLONLAT', shape.longitude, shape.latitude, ...by, unit, 'WITHDIST']
      const theirs = (await ask(...request)) as [string, string][]
      const text = request.join(' ')
      expect(
        found.map(([name]) => name),
        text,
      ).toEqual(theirs.map(([name]) => name))
      expect(
        found.filter(([, distance], j) => !isSame(distance, theirs[j][1], unitMeters)),
        text,
      ).toEqual([])
      count += found.length
    }
    expect(count).toBeGreaterThan(searchesMax)
  })
})
