/** Keys of all types, some 500 bytes each, and what is read of, and added to, one of them; all by the key's number. */

import type { Requests } from './requests.ts'
import { respTemplate } from './requests.ts'

export interface MixedType {
  readonly name: string
  /** Makes the key of that number. */
  readonly make: Requests
  readonly read: Requests
  /** Adds one to `added`. */
  readonly write: Requests
  /** Asks how much was added: the reply is `made` and that. */
  readonly added: (key: number) => readonly string[]
  readonly made: number
  /** Asks for something that `make` has written, and what it is. */
  readonly content: (key: number) => { readonly request: readonly string[]; readonly value: string }
}

const elements = 10
const digits = 12
const padded = (key: number) => `${key}`.padStart(digits, '0')
const hashes = '#'.repeat(digits)
const ten = (element: (i: number) => readonly string[]) => Array.from({ length: elements }, (_, i) => element(i)).flat()
const filler = 'some text that many of the elements have'
/** Every element shows the key's number, so that one that is mixed up is noticed. */
const element = (i: number, number: string) => `${i}:${number}:${filler}`.slice(0, 40)

function mixedType(
  name: string,
  made: number,
  make: readonly string[],
  read: readonly string[],
  write: readonly string[],
  added: readonly string[],
  content: readonly string[],
  valueFor: (number: string) => string,
): MixedType {
  const forKey = (parts: readonly string[], key: number) => parts.map((part) => part.replaceAll(hashes, padded(key)))
  return {
    name,
    made,
    make: respTemplate(make),
    read: respTemplate(read),
    write: respTemplate(write),
    added: (key) => forKey(added, key),
    content: (key) => ({ request: forKey(content, key), value: valueFor(padded(key)) }),
  }
}

const string = `string:${hashes}`
const hash = `hash:${hashes}`
const list = `list:${hashes}`
const set = `set:${hashes}`
const sorted = `zset:${hashes}`
const text = (number: string) => `${number}:`.repeat(31)

/** A read answers with one value; what is added shows in one number, also to a request that is sent but once. */
export const mixedTypes: readonly MixedType[] = [
  mixedType(
    'string',
    text(padded(0)).length,
    ['SET', string, text(hashes)],
    ['GET', string],
    ['APPEND', string, 'x'],
    ['STRLEN', string],
    ['GETRANGE', string, '0', '402'],
    text,
  ),
  mixedType(
    'hash',
    0,
    ['HSET', hash, ...ten((i) => [`f${i}`, element(i, hashes)]), 'added', '0'],
    ['HGET', hash, 'f7'],
    ['HINCRBY', hash, 'added', '1'],
    ['HGET', hash, 'added'],
    ['HGET', hash, 'f9'],
    (number) => element(9, number),
  ),
  mixedType(
    'list',
    elements,
    ['RPUSH', list, ...ten((i) => [element(i, hashes)])],
    ['LINDEX', list, '5'],
    ['RPUSH', list, 'x'],
    ['LLEN', list],
    ['LINDEX', list, '9'],
    (number) => element(9, number),
  ),
  mixedType(
    'set',
    elements,
    ['SADD', set, ...ten((i) => [element(i, hashes)])],
    ['SISMEMBER', set, element(5, hashes)],
    ['EVAL', "return redis.call('SADD', KEYS[1], 'added:' .. redis.call('SCARD', KEYS[1]))", '1', set],
    ['SCARD', set],
    ['SISMEMBER', set, element(9, hashes)],
    () => '1',
  ),
  mixedType(
    'sorted set',
    0,
    ['ZADD', sorted, ...ten((i) => [`${i}.5`, element(i, hashes)]), '0', 'added'],
    ['ZSCORE', sorted, element(5, hashes)],
    ['ZINCRBY', sorted, '1', 'added'],
    ['ZSCORE', sorted, 'added'],
    ['ZSCORE', sorted, element(9, hashes)],
    () => '9.5',
  ),
  mixedType(
    'stream',
    1,
    ['XADD', `stream:${hashes}`, '1-1', ...ten((i) => [`f${i}`, element(i, hashes)])],
    ['XRANGE', `stream:${hashes}`, '-', '+', 'COUNT', '1'],
    ['XADD', `stream:${hashes}`, '*', 'added', 'x'],
    ['XLEN', `stream:${hashes}`],
    ['XRANGE', `stream:${hashes}`, '1-1', '1-1'],
    (number) => ['1-1', ...ten((i) => [`f${i}`, element(i, number)])].join('\n'),
  ),
]
