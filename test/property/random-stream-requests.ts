/** Random requests on streams: few keys, ids close together, groups and consumers by a few names; and what of replies is bound to a clock. */
import type { SeededRandom } from '../simulation/seeded-random.ts'

export const streamKeys = ['s', 't', 'u'] as const

const groups = ['g', 'h', '']
const consumers = ['alice', 'bob', 'carol', '']
const oddIds = [
  '-',
  '+',
  '0',
  '0-0',
  '1-*',
  '3',
  '18446744073709551615-18446744073709551615',
  '18446744073709551615',
  '9223372036854775807-3',
  'x',
  '5-x',
  '01-02',
  '(3',
  '-1',
]

/** A request as words. */
export function streamRequest(random: SeededRandom): string[] {
  const key = random.pick([...streamKeys, 's', 's', 't'])
  const kind = random.below(100)
  if (kind < 34) return add(random, key)
  if (kind < 40) return ['XDEL', key, ...several(random, 4, () => id(random))]
  if (kind < 44) return ['XTRIM', key, ...trim(random)]
  if (kind < 50) return range(random, key)
  if (kind < 52) return ['XLEN', key]
  if (kind < 55)
    return ['XREAD', ...count(random), 'STREAMS', key, random.pick(streamKeys), id(random), random.pick(['$', '0', id(random)])]
  if (kind < 61) return group(random, key)
  if (kind < 74) return readGroup(random, key)
  if (kind < 79) return ['XACK', key, random.pick(groups), ...several(random, 5, () => id(random))]
  if (kind < 83) return pending(random, key)
  if (kind < 88) return claim(random, key)
  if (kind < 91) return autoClaim(random, key)
  if (kind < 96) return info(random, key)
  if (kind < 98) return setId(random, key)
  if (kind < 99)
    return random.pick([
      ['DEL', key],
      ['RENAME', key, random.pick(streamKeys)],
      ['COPY', key, random.pick(streamKeys), 'REPLACE'],
      ['SET', key, 'x'],
    ])
  return random.pick([
    ['TYPE', key],
    ['OBJECT', 'ENCODING', key],
  ])
}

function several<T>(random: SeededRandom, max: number, make: () => T): T[] {
  return Array.from({ length: 1 + random.below(max) }, make)
}

function id(random: SeededRandom): string {
  if (random.once(25)) return random.pick(oddIds)
  return `${random.below(60)}-${random.below(4)}`
}

function count(random: SeededRandom): string[] {
  return random.once(2) ? ['COUNT', String(random.below(8) - 1)] : []
}

/** Ids mostly grow: they are those of 60 ms, so that an old one is refused now and then. */
let clock = 0

/** A session begins. */
export function beginStreamRequests(): void {
  clock = 0
}

function add(random: SeededRandom, key: string): string[] {
  if (random.once(6)) clock = Math.min(clock + random.below(3), 70)
  const given = random.once(30) ? id(random) : random.once(2) ? `${clock}-*` : `${clock}-${random.below(5)}`
  const options = random.once(8) ? trim(random) : []
  const makes = random.once(15) ? ['NOMKSTREAM'] : []
  const fields = random.once(3)
    ? several(random, 3, () => [word(random), word(random)]).flat()
    : ['field', word(random), 'other', word(random)]
  return ['XADD', key, ...makes, ...options, given, ...fields]
}

function word(random: SeededRandom): string {
  return random.pick(['', 'a', '12', '-5000', '123456789012', 'v'.repeat(random.below(90)), '9223372036854775807', '007', 'field'])
}

function trim(random: SeededRandom): string[] {
  const how = random.pick([[], ['='], ['~'], ['~']])
  const threshold = random.once(2) ? ['MAXLEN', ...how, String(random.below(25))] : ['MINID', ...how, id(random)]
  return random.once(5) ? [...threshold, 'LIMIT', String(random.below(20))] : threshold
}

function range(random: SeededRandom, key: string): string[] {
  const bounds = [random.once(3) ? '-' : bound(random), random.once(3) ? '+' : bound(random)] as const
  return random.once(2)
    ? ['XRANGE', key, bounds[0], bounds[1], ...count(random)]
    : ['XREVRANGE', key, bounds[1], bounds[0], ...count(random)]
}

function bound(random: SeededRandom): string {
  return `${random.once(4) ? '(' : ''}${random.once(4) ? String(random.below(60)) : id(random)}`
}

function group(random: SeededRandom, key: string): string[] {
  const name = random.pick(groups)
  const start = random.pick(['$', '0', '0', id(random)])
  const read = random.once(4) ? ['ENTRIESREAD', String(random.below(30) - 2)] : []
  return random.pick([
    ['XGROUP', 'CREATE', key, name, start, ...(random.once(2) ? ['MKSTREAM'] : []), ...read],
    ['XGROUP', 'CREATE', key, name, start, 'MKSTREAM'],
    ['XGROUP', 'SETID', key, name, start, ...read],
    ['XGROUP', 'CREATECONSUMER', key, name, random.pick(consumers)],
    ['XGROUP', 'DELCONSUMER', key, name, random.pick(consumers)],
    ...(random.once(4) ? [['XGROUP', 'DESTROY', key, name]] : []),
  ])
}

function readGroup(random: SeededRandom, key: string): string[] {
  const noAck = random.once(6) ? ['NOACK'] : []
  const from = random.once(4) ? id(random) : '>'
  const also = random.once(5) ? [random.pick(streamKeys)] : []
  const start = ['XREADGROUP', 'GROUP', random.pick(groups), random.pick(consumers), ...count(random), ...noAck, 'STREAMS']
  return [...start, key, ...also, from, ...also.map(() => '>')]
}

function pending(random: SeededRandom, key: string): string[] {
  const start = ['XPENDING', key, random.pick(groups)]
  if (random.once(3)) return start
  const idle = random.once(4) ? ['IDLE', random.pick(['0', '100000'])] : []
  const consumer = random.once(2) ? [random.pick(consumers)] : []
  return [
    ...start,
    ...idle,
    random.once(2) ? '-' : bound(random),
    random.once(2) ? '+' : bound(random),
    String(random.below(10)),
    ...consumer,
  ]
}

function claim(random: SeededRandom, key: string): string[] {
  const options = random.pick([
    [],
    ['JUSTID'],
    ['FORCE'],
    ['RETRYCOUNT', '7'],
    ['FORCE', 'JUSTID', 'LASTID', id(random)],
    ['TIME', '1000'],
    ['IDLE', 'x'],
    ['NO'],
  ])
  const idle = random.pick(['0', '0', '0', '100000', 'x'])
  return ['XCLAIM', key, random.pick(groups), random.pick(consumers), idle, ...several(random, 5, () => id(random)), ...options]
}

function autoClaim(random: SeededRandom, key: string): string[] {
  const options = random.pick([[], ['COUNT', String(random.below(5))], ['JUSTID'], ['COUNT', '3', 'JUSTID']])
  return [
    'XAUTOCLAIM',
    key,
    random.pick(groups),
    random.pick(consumers),
    random.pick(['0', '0', '100000']),
    random.once(2) ? '-' : bound(random),
    ...options,
  ]
}

function info(random: SeededRandom, key: string): string[] {
  return random.pick([
    ['XINFO', 'STREAM', key],
    ['XINFO', 'STREAM', key, 'FULL', ...(random.once(2) ? ['COUNT', String(random.below(5))] : [])],
    ['XINFO', 'GROUPS', key],
    ['XINFO', 'CONSUMERS', key, random.pick(groups)],
  ])
}

function setId(random: SeededRandom, key: string): string[] {
  const options = random.pick([[], ['ENTRIESADDED', String(random.below(80))], ['ENTRIESADDED', '70', 'MAXDELETEDID', id(random)]])
  return ['XSETID', key, random.once(2) ? `${random.below(90)}-0` : id(random), ...options]
}

/** A reply in one line, without what a clock says. */
export function timeless(parts: readonly string[], reply: string): string {
  const [name, second] = parts
  if (name === 'XPENDING' && parts.length > 3) return reply.replace(/(\["\d+-\d+" "[^"]*" ):\d+/g, '$1:idle')
  if (name === 'XINFO' && second === 'CONSUMERS') return reply.replace(/"idle" :\d+/g, '"idle" :idle')
  if (name === 'XINFO') return reply.replace(/:1\d{12}\b/g, ':time').replace(/:1000\b/g, ':time')
  return reply
}
