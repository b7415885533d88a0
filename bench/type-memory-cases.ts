/** What is loaded to see what it costs: many small collections of each type, many that are just too large for Redis's small form, one large one of each. */
import type { Requests } from './requests.ts'
import { respTemplate } from './requests.ts'

export interface MemoryCase {
  readonly name: string
  /** What a figure is divided by: a key of many, an element of one. */
  readonly per: 'key' | 'element'
  readonly units: number
  readonly requestsToSend: number
  readonly keys: number
  readonly requests: Requests
  /** Of Redis's memory. */
  readonly ratioMax: number
}

const key = 'key:############'
/** Elements that a request adds to one large collection. */
const elementsPerRequest = 100
const smallElements = 10

const times = <Part>(count: number, part: (i: number) => readonly Part[]): Part[] => Array.from({ length: count }, (_, i) => part(i)).flat()

function many(name: string, keys: number, parts: readonly string[], number: (n: number, i: number) => number, ratioMax = 1): MemoryCase {
  return { name, per: 'key', units: keys, requestsToSend: keys, keys, requests: respTemplate(parts, number), ratioMax }
}

/** Run 0 is the key's number; run `i` is a number of its own, of so many digits, the first one not 0. */
const keyThenNumbers =
  (digits: number) =>
  (n: number, i: number): number =>
    i === 0 ? n : 10 ** (digits - 1) + ((n * 31 + i * 7919) % (9 * 10 ** (digits - 1)))

export function smallCases(keys: number): MemoryCase[] {
  const letters = (i: number) => `m${i}:#######`
  return [
    many('hashes', keys, ['HSET', key, ...times(smallElements, (i) => [`field:${i}`, 'v########'])], keyThenNumbers(8)),
    many('hashes of integers', keys, ['HSET', key, ...times(smallElements, (i) => [`field:${i}`, '######'])], keyThenNumbers(6)),
    many('sets of integers', keys, ['SADD', key, ...times(smallElements, () => ['######'])], keyThenNumbers(6)),
    many('sets', keys, ['SADD', key, ...times(smallElements, (i) => [letters(i)])], keyThenNumbers(7)),
    many('sorted sets', keys, ['ZADD', key, ...times(smallElements, (i) => ['#####', letters(i)])], keyThenNumbers(5)),
    many('lists', keys, ['RPUSH', key, ...times(smallElements, (i) => [letters(i)])], keyThenNumbers(7)),
    many('lists of integers', keys, ['RPUSH', key, ...times(smallElements, () => ['#####'])], keyThenNumbers(5)),
  ]
}

/** Ten elements of which one has 65 bytes, or one element more than the small form may have; a list of 8 KiB needs a second node. */
export function middleCases(keys: number, keysOfMany: number): MemoryCase[] {
  const long = (i: number) => (i === 0 ? `${'long:'.padEnd(58, 'x')}#######` : `member:${i}:#######`)
  const value = (i: number) => (i === 0 ? `${'v'.padEnd(57, 'x')}########` : 'v########')
  return [
    many('hashes, a value of 65 bytes', keys, ['HSET', key, ...times(smallElements, (i) => [`field:${i}`, value(i)])], keyThenNumbers(8)),
    many('sets, a member of 65 bytes', keys, ['SADD', key, ...times(smallElements, (i) => [long(i)])], keyThenNumbers(7)),
    many('sorted sets, a member of 65 bytes', keys, ['ZADD', key, ...times(smallElements, (i) => ['#####', long(i)])], (n, i) =>
      i === 0 ? n : i % 2 === 1 ? keyThenNumbers(5)(n, i) : keyThenNumbers(7)(n, i),
    ),
    many('lists of 130 elements of 64 bytes', keys, ['RPUSH', key, ...times(130, () => ['%64'])], (n) => n),
    many('hashes of 513 fields', keysOfMany, ['HSET', key, ...times(513, (i) => [`field:${i}`, 'v########'])], keyThenNumbers(8)),
    many('sets of 513 integers', keysOfMany, ['SADD', key, ...times(513, () => ['########'])], keyThenNumbers(8)),
    many('sorted sets of 129 members', keysOfMany, ['ZADD', key, ...times(129, (i) => ['#####', `m${i}:#######`])], (n, i) =>
      i === 0 ? n : i % 2 === 1 ? keyThenNumbers(5)(n, i) : keyThenNumbers(7)(n, i),
    ),
  ]
}

/** A collection that its elements are added to in batches. `element` tells the parts of one. */
function one(
  name: string,
  elements: number,
  command: readonly string[],
  element: readonly string[],
  number: (element: number, i: number) => number,
): MemoryCase {
  const runs = element.join('').match(/#+/g)?.length ?? 0
  const requests = respTemplate([...command, ...times(elementsPerRequest, () => element)], (n, i) =>
    number(n * elementsPerRequest + Math.floor(i / runs), i % runs),
  )
  return {
    name,
    per: 'element',
    units: elements,
    requestsToSend: Math.ceil(elements / elementsPerRequest),
    keys: 1,
    requests,
    ratioMax: 1.3,
  }
}

const scattered = (n: number) => (n * 31 + 1_000_000_007) % 10 ** 8

/** `prefix` begins the name of the key. */
export function largeCases(elements: number, prefix = 'large'): MemoryCase[] {
  const member = ['member:#############']
  return [
    one('hash', elements, ['HSET', `${prefix}:hash`], ['field:##############', 'v########'], (n, i) => (i === 0 ? n : scattered(n))),
    one('set', elements, ['SADD', `${prefix}:set`], member, (n) => n),
    one('set of integers', elements, ['SADD', `${prefix}:integers`], ['########'], (n) => 10_000_000 + n),
    one('sorted set', elements, ['ZADD', `${prefix}:sorted`], ['########', ...member], (n, i) => (i === 0 ? scattered(n) : n)),
    one('list', elements, ['RPUSH', `${prefix}:list`], ['element:############'], (n) => n),
    one('list of integers', elements, ['RPUSH', `${prefix}:numbers`], ['#######'], (n) => 1_000_000 + (n % 8_000_000)),
    one('list of small integers', elements, ['RPUSH', `${prefix}:digits`], ['##'], (n) => 10 + (n % 90)),
    streamCase(elements, `${prefix}:stream`),
  ]
}

function streamCase(entries: number, name: string): MemoryCase {
  const parts = ['XADD', name, '*', 'sensor', '#####', 'value', 'v########']
  const requests = respTemplate(parts, (n, i) => (i === 0 ? 10_000 + (n % 90_000) : scattered(n)))
  return { name: 'stream', per: 'element', units: entries, requestsToSend: entries, keys: 1, requests, ratioMax: 1.3 }
}
