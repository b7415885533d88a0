/** Places in sorted sets: GEOADD, GEODIST, GEOHASH, GEOPOS. Searching is in `geo-search.ts`. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { Place } from '../types/geo-hash.ts'
import { distanceMeters, geohashText, placeOf } from '../types/geo-hash.ts'
import { syntaxError } from './errors.ts'
import { addingRequest, unitMeters, unknownUnit } from './geo-arguments.ts'
import { wantsPlacedMembers, wantsTwoScores } from './geo-needs.ts'
import { replyCoordinates, replyDistance } from './geo-replies.ts'
import { geoSearchCommands } from './geo-search.ts'
import { zadd } from './sorted-set-add.ts'
import { wantsScores } from './sorted-set-needs.ts'

const about = {
  flags: ['readonly'],
  keys: keyAt(1, 'RO', 'access'),
  categories: ['geo'],
  group: 'geo',
  since: '3.2.0',
} as const

export const geoCommands = {
  GEOADD: {
    ...about,
    arity: -5,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'RW', 'update'),
    complexity: 'O(log(N)) for each member, where N is the number of elements',
    syntax: 'key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]',
    summary: 'Adds members with places, or gives them others.',
    needs: wantsPlacedMembers,
    handler: geoadd,
  },
  GEODIST: {
    ...about,
    arity: -4,
    complexity: 'O(1)',
    syntax: 'key member1 member2 [M | KM | FT | MI]',
    summary: 'Returns the distance between two members.',
    needs: wantsTwoScores,
    handler: geodist,
  },
  GEOHASH: {
    ...about,
    arity: -2,
    complexity: 'O(1) for each member',
    syntax: 'key [member [member ...]]',
    summary: 'Returns the places of members as geohashes.',
    needs: wantsScores,
    handler: geohash,
  },
  GEOPOS: {
    ...about,
    arity: -2,
    complexity: 'O(1) for each member',
    syntax: 'key [member [member ...]]',
    summary: 'Returns the longitudes and latitudes of members.',
    needs: wantsScores,
    handler: geopos,
  },
  ...geoSearchCommands,
} as const satisfies Record<string, EngineCommand>

function geoadd(x: Execution): void {
  const { args } = x
  const request = addingRequest(args)
  if (typeof request === 'string') {
    x.reply.error(request)
    return
  }
  x.args = request
  zadd(x, false)
  x.args = args
}

/** The place of the member that is argument `index`; undefined if it has none. */
function placeAt(x: Execution, entry: number, index: number, into: Place): Place | undefined {
  const { args } = x
  const score = entry === 0 ? Number.NaN : x.mutator.types.sortedSets.score(entry, args.buffer, args.starts[index], args.ends[index])
  return Number.isNaN(score) ? undefined : placeOf(score, into)
}

const first: Place = { longitude: 0, latitude: 0 }
const second: Place = { longitude: 0, latitude: 0 }

function geodist(x: Execution): void {
  const { args, reply } = x
  const meters = args.count === 5 ? unitMeters(args, 4) : 1
  if (args.count > 5 || meters === 0) {
    reply.error(args.count > 5 ? syntaxError : unknownUnit)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  const from = placeAt(x, entry, 2, first)
  const to = placeAt(x, entry, 3, second)
  if (from === undefined || to === undefined) reply.nil()
  else replyDistance(reply, distanceMeters(from.longitude, from.latitude, to.longitude, to.latitude) / meters)
}

function geohash(x: Execution): void {
  const { args, reply } = x
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const place = placeAt(x, entry, i, first)
    if (place === undefined) reply.nil()
    else reply.text(geohashText(place))
  }
}

function geopos(x: Execution): void {
  const { args, reply } = x
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const place = placeAt(x, entry, i, first)
    if (place === undefined) reply.nilArray()
    else replyCoordinates(reply, place)
  }
}
