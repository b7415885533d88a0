/** Arguments of commands on places: coordinates, lengths, units. Each reader returns the text of an error for what it does not understand. */
import { Arguments } from '../arguments.ts'
import { geoScore, latitudeMax, longitudeMax } from '../types/geo-hash.ts'
import { notAFloat, syntaxError } from './errors.ts'
import { scoreArgument } from './score-argument.ts'

const units: readonly (readonly [name: string, meters: number])[] = [
  ['M', 1],
  ['KM', 1000],
  ['FT', 0.3048],
  ['MI', 1609.34],
]

/** The coordinates that `readCoordinates` has read. */
export const coordinates = { longitude: 0, latitude: 0 }
/** JavaScript writes larger numbers with an exponent. */
const plainEnd = 1e21

/** How many meters a unit has, 0 for what is none. */
export function unitMeters(args: Arguments, index: number): number {
  return units.find(([name]) => args.is(index, name))?.[1] ?? 0
}

export const unknownUnit = 'ERR unsupported unit provided. please use M, KM, FT, MI'

/** Reads arguments `index` and `index + 1` to `coordinates`. */
export function readCoordinates(args: Arguments, index: number): string | undefined {
  const longitude = scoreArgument(args, index)
  const latitude = scoreArgument(args, index + 1)
  if (Number.isNaN(longitude) || Number.isNaN(latitude)) return notAFloat
  if (Math.abs(longitude) > longitudeMax || Math.abs(latitude) > latitudeMax) {
    return `ERR invalid longitude,latitude pair ${sixDecimals(longitude)},${sixDecimals(latitude)}`
  }
  coordinates.longitude = longitude
  coordinates.latitude = latitude
  return undefined
}

function sixDecimals(n: number): string {
  if (!Number.isFinite(n)) return n > 0 ? 'inf' : '-inf'
  return Math.abs(n) < plainEnd ? `${Object.is(n, -0) ? '-' : ''}${n.toFixed(6)}` : `${BigInt(n)}.000000`
}

/** GEOADD's request as the one of ZADD that it comes to, or the text of an error. */
export function addingRequest(args: Arguments): Arguments | string {
  let first = 2
  let hasNx = false
  let hasXx = false
  for (; first < args.count; first++) {
    if (args.is(first, 'NX')) hasNx = true
    else if (args.is(first, 'XX')) hasXx = true
    else if (!args.is(first, 'CH')) break
  }
  if ((args.count - first) % 3 !== 0 || (hasNx && hasXx)) return syntaxError
  const parts: (string | Buffer)[] = ['ZADD']
  for (let i = 1; i < first; i++) parts.push(args.bytes(i))
  for (let i = first; i < args.count; i += 3) {
    const error = readCoordinates(args, i)
    if (error !== undefined) return error
    parts.push(String(geoScore(coordinates.longitude, coordinates.latitude)), args.bytes(i + 2))
  }
  return Arguments.of(...parts)
}
