/** GEOSEARCH, GEORADIUS and their like: places within a circle or a box, returned or stored. Where many are looked at, that is staged (`geo-work.ts`). */
import type { EngineCommand, KeyAccess } from '../command.ts'
import { keyAt, keysEach } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import { genericEvent, sortedSetEvent } from '../messages.ts'
import { placeOf } from '../types/geo-hash.ts'
import { coordinates } from './geo-arguments.ts'
import { Found } from './geo-found.ts'
import { wantsAreas } from './geo-needs.ts'
import type { GeoCommand, GeoSearch } from './geo-options.ts'
import { readGeoSearch } from './geo-options.ts'
import { replyPlace } from './geo-replies.ts'
import type { FoundBeforehand } from './geo-work.ts'
import { stageSearch } from './geo-work.ts'
import { doAtOnce, RepeatedWork } from './repeated-work.ts'
import { ScoredList } from './scored-list.ts'
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
    stages: (x) => stageSearch(x, searching),
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
    stages: (x) => stageSearch(x, storing),
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
    stages: (x) => stageSearch(x, byPlace),
    handler: (x) => search(x, byPlace),
  },
  GEORADIUS_RO: {
    ...reads,
    arity: -6,
    since: '3.2.10',
    syntax: `key longitude latitude radius <M | KM | FT | MI> ${shown}`,
    summary: 'Returns the members around a place.',
    needs: wantsAreas(byPlaceToRead),
    stages: (x) => stageSearch(x, byPlaceToRead),
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
    stages: (x) => stageSearch(x, byMember),
    handler: (x) => search(x, byMember),
  },
  GEORADIUSBYMEMBER_RO: {
    ...reads,
    arity: -5,
    since: '3.2.10',
    syntax: `key member radius <M | KM | FT | MI> ${shown}`,
    summary: 'Returns the members around a member.',
    needs: wantsAreas(byMemberToRead),
    stages: (x) => stageSearch(x, byMemberToRead),
    handler: (x) => search(x, byMemberToRead),
  },
} as const satisfies Record<string, EngineCommand>

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
  const staged = x.staged instanceof RepeatedWork ? (x.staged.settle() as FoundBeforehand | undefined) : undefined
  if (staged !== undefined) {
    useFound(x, asked.target, staged)
    return
  }
  const found = new Found()
  const numbers = doAtOnce(found.selecting(x, () => entry, asked))
  if (asked.target === 0) replyWith(x, asked, found, numbers)
  else store(x, asked, found, numbers)
}

function replyWith({ reply }: Execution, asked: GeoSearch, found: Found, numbers: Uint32Array): void {
  reply.array(numbers.length)
  for (const number of numbers) replyPlace(reply, asked, found, number)
}

/** Uses what was done beforehand. */
function useFound(x: Execution, target: number, { count, parts, stored }: FoundBeforehand): void {
  if (stored === undefined) {
    x.reply.array(count)
    parts.each((part) => x.reply.rawShared(part))
  } else tellStored(x, target, count, stored.place(x, target))
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
  tellStored(x, index, kept.count, x.replace(index, kept.count > 0 ? store : undefined))
}

function tellStored(x: Execution, index: number, count: number, existed: boolean): void {
  if (count > 0) x.notify(sortedSetEvent, x.args.is(0, 'GEOSEARCHSTORE') ? 'geosearchstore' : 'georadiusstore', index)
  else if (existed) x.notify(genericEvent, 'del', index)
  x.reply.integer(count)
}
