/** GEOSEARCH, GEORADIUS and their like: places within a circle or a box, returned or stored. */
import type { EngineCommand, KeyAccess } from '../command.ts'
import { keyAt, keysEach } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import { genericEvent, sortedSetEvent } from '../messages.ts'
import type { Place } from '../types/geo-hash.ts'
import { distanceWithin, placeOf, scoreRanges } from '../types/geo-hash.ts'
import { coordinates } from './geo-arguments.ts'
import { wantsAreas } from './geo-needs.ts'
import type { GeoCommand, GeoSearch } from './geo-options.ts'
import { readGeoSearch } from './geo-options.ts'
import { replyCoordinates, replyDistance } from './geo-replies.ts'
import { ScoredList } from './scored-list.ts'
import { orderPart } from './sort-order.ts'
import { storeElements } from './sorted-set-change.ts'

const source: KeyAccess = { first: 1, last: 0, step: 1, flags: ['RO', 'access'] }
const about = {
  flags: ['readonly'],
  categories: ['geo'],
  group: 'geo',
  complexity: 'O(N+log(M)) where N is the number of places in the areas that are searched and M that of all',
} as const
const reads = { ...about, keys: keyAt(1, 'RO', 'access') } as const
const stores = { ...about, flags: ['write', 'denyoom', 'movablekeys'] } as const

const byPlace: GeoCommand = { source: 1, from: 'coordinates', stores: 'by option' }
const byPlaceToRead: GeoCommand = { ...byPlace, stores: 'never' }
const byMember: GeoCommand = { source: 1, from: 'member', stores: 'by option' }
const byMemberToRead: GeoCommand = { ...byMember, stores: 'never' }
const searching: GeoCommand = { source: 1, from: 'options', stores: 'never' }
const storing: GeoCommand = { source: 2, from: 'options', stores: 'always' }

const shown = '[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]'
const target = '[STORE key] [STOREDIST key]'
const area =
  '<FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>>'

/** The source, and the targets behind the words that name them. */
function targetsFrom(searchFrom: number): EngineCommand['keys'] {
  const behind = (keyword: string): KeyAccess => ({ first: 0, last: 0, step: 1, keyword, searchFrom, flags: ['OW', 'update'] })
  return { first: 1, last: 1, step: 1, access: [source, behind('STORE'), behind('STOREDIST')] }
}

export const geoSearchCommands = {
  GEOSEARCH: {
    ...reads,
    arity: -7,
    since: '6.2.0',
    syntax: `key ${area} [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`,
    summary: 'Returns the members in a circle or a box.',
    needs: wantsAreas(searching),
    handler: (x) => search(x, searching),
  },
  GEOSEARCHSTORE: {
    ...stores,
    flags: ['write', 'denyoom'],
    arity: -8,
    keys: keysEach({ first: 1, last: 0, step: 1, flags: ['OW', 'update'] }, { ...source, first: 2 }),
    since: '6.2.0',
    syntax: `destination source ${area} [ASC | DESC] [COUNT count [ANY]] [STOREDIST]`,
    summary: 'Stores the members in a circle or a box.',
    needs: wantsAreas(storing),
    handler: (x) => search(x, storing),
  },
  GEORADIUS: {
    ...stores,
    arity: -6,
    keys: targetsFrom(6),
    since: '3.2.0',
    syntax: `key longitude latitude radius <M | KM | FT | MI> ${shown} ${target}`,
    summary: 'Returns or stores the members around a place.',
    needs: wantsAreas(byPlace),
    handler: (x) => search(x, byPlace),
  },
  GEORADIUS_RO: {
    ...reads,
    arity: -6,
    since: '3.2.10',
    syntax: `key longitude latitude radius <M | KM | FT | MI> ${shown}`,
    summary: 'Returns the members around a place.',
    needs: wantsAreas(byPlaceToRead),
    handler: (x) => search(x, byPlaceToRead),
  },
  GEORADIUSBYMEMBER: {
    ...stores,
    arity: -5,
    keys: targetsFrom(5),
    since: '3.2.0',
    syntax: `key member radius <M | KM | FT | MI> ${shown} ${target}`,
    summary: 'Returns or stores the members around a member.',
    needs: wantsAreas(byMember),
    handler: (x) => search(x, byMember),
  },
  GEORADIUSBYMEMBER_RO: {
    ...reads,
    arity: -5,
    since: '3.2.10',
    syntax: `key member radius <M | KM | FT | MI> ${shown}`,
    summary: 'Returns the members around a member.',
    needs: wantsAreas(byMemberToRead),
    handler: (x) => search(x, byMemberToRead),
  },
} as const satisfies Record<string, EngineCommand>

/** Elements that are looked at before the search finds out that it has enough. */
const lookedAtOnce = 64

/** Places that were found, in the order in which they were, and how far away they are. */
class Found {
  readonly elements = new ScoredList()
  readonly distances: number[] = []
  readonly #place: Place = { longitude: 0, latitude: 0 }

  get count(): number {
    return this.distances.length
  }

  /** Searches everywhere, or up to `max` places. */
  search(x: Execution, entry: number, { shape }: GeoSearch, max: number): void {
    const { sortedSets } = x.mutator.types
    for (const { min, end } of scoreRanges(shape)) {
      const last = sortedSets.rankOfScore(entry, end, false)
      for (let rank = sortedSets.rankOfScore(entry, min, false); rank < last && this.count < max; rank += lookedAtOnce) {
        sortedSets.visit(entry, rank, Math.min(lookedAtOnce, last - rank), false, (bytes, start, stop, score) => {
          const distance = this.count < max ? distanceWithin(shape, placeOf(score, this.#place)) : -1
          if (distance < 0) return
          this.elements.add(bytes, start, stop, score)
          this.distances.push(distance)
        })
      }
    }
  }

  /** Their numbers; the first `count` are in order. */
  ordered(order: GeoSearch['order'], count: number): Uint32Array {
    const numbers = Uint32Array.from({ length: this.count }, (_, i) => i)
    if (order === 'none') return numbers
    const { distances } = this
    const sign = order === 'ascending' ? 1 : -1
    const compare = (a: number, b: number): number => sign * (distances[a] - distances[b])
    if (count < numbers.length) orderPart(numbers, 0, count, compare)
    else numbers.sort(compare)
    return numbers
  }
}

function search(x: Execution, command: GeoCommand): void {
  const { args, reply } = x
  const entry = x.readType(command.source, sortedSetType)
  if (entry === wrongType) return
  const asked = readGeoSearch(args, command, entry !== 0, (index) => {
    const score = x.mutator.types.sortedSets.score(entry, args.buffer, args.starts[index], args.ends[index])
    if (!Number.isNaN(score)) placeOf(score, coordinates)
    return !Number.isNaN(score)
  })
  if (typeof asked === 'string') {
    reply.error(asked)
    return
  }
  const found = new Found()
  const { any } = asked
  const countMax = asked.count === 0 ? Number.POSITIVE_INFINITY : asked.count
  if (entry !== 0) found.search(x, entry, asked, any ? countMax : Number.POSITIVE_INFINITY)
  const count = Math.min(found.count, countMax)
  const order = asked.count !== 0 && asked.order === 'none' && !any ? 'ascending' : asked.order
  const numbers = found.ordered(order, count).subarray(0, count)
  if (asked.target === 0) replyWith(x, asked, found, numbers)
  else store(x, asked, found, numbers)
}

function replyWith(x: Execution, search: GeoSearch, { elements, distances }: Found, numbers: Uint32Array): void {
  const { reply } = x
  const { members } = elements
  const { withDistance, withHash, withCoordinates, shape } = search
  const extras = Number(withDistance) + Number(withHash) + Number(withCoordinates)
  const place: Place = { longitude: 0, latitude: 0 }
  reply.array(numbers.length)
  for (const number of numbers) {
    if (extras > 0) reply.array(extras + 1)
    reply.bulk(members.buffer, members.start(number), members.end(number))
    const score = elements.score(number)
    if (withDistance) replyDistance(reply, (distances[number] as number) / shape.unitMeters)
    if (withHash) reply.integer(Math.trunc(score))
    if (withCoordinates) replyCoordinates(reply, placeOf(score, place))
  }
}

function store(
  x: Execution,
  { target: index, storesDistance, shape }: GeoSearch,
  { elements, distances }: Found,
  numbers: Uint32Array,
): void {
  const { args } = x
  const { members } = elements
  const kept = new ScoredList()
  for (const number of numbers) {
    const score = storesDistance ? (distances[number] as number) / shape.unitMeters : elements.score(number)
    kept.add(members.buffer, members.start(number), members.end(number), score)
  }
  const store = (): void => storeElements(x, args.buffer, args.starts[index], args.ends[index], kept, kept.sorted())
  const existed = x.replace(index, kept.count > 0 ? store : undefined)
  if (kept.count > 0) {
    x.notify(sortedSetEvent, args.is(0, 'GEOSEARCHSTORE') ? 'geosearchstore' : 'georadiusstore', index)
  } else if (existed) x.notify(genericEvent, 'del', index)
  x.reply.integer(kept.count)
}
