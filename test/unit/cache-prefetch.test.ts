/** Prefetching is a hint: whatever is prefetched, and whatever becomes of the ranges afterwards, keys are found as ever. */
import { describe, expect, it } from 'vitest'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { PipelinedKeys, pipelinedKeysMax } from '../../server/resp/pipelined-keys.ts'
import { chance } from '../chance.ts'

function keyspaceWith(...keys: string[]): Keyspace {
  const random = chance(7)
  const keyspace = new Keyspace(random, noObserver)
  const mutator = new Mutator(keyspace)
  for (const [i, key] of keys.entries()) {
    keyspace.forgetLookUp()
    mutator.begin(i + 1)
    mutator.putString(0, Buffer.from(key), 0, key.length, Buffer.from('v'), 0, 1, 0)
  }
  return keyspace
}

describe('the cache prefetch', () => {
  it('survives ranges that are written over, and ends when it is told', () => {
    const keyspace = keyspaceWith('aa', 'bb', 'cc')
    const buffer = Buffer.from('aabbcc')
    const starts = Int32Array.of(0, 2)
    const ends = Int32Array.of(2, 4)
    const { index } = keyspace.databases[0]!
    keyspace.cachePrefetch.fetch(index, buffer, starts, ends, 2)
    starts.set([4, 0])
    ends.set([6, 2])
    for (const [start, end] of [
      [4, 6],
      [0, 2],
      [2, 4],
    ] as const) {
      keyspace.forgetLookUp()
      expect(keyspace.find(0, buffer, start, end)).not.toBe(0)
    }
    keyspace.cachePrefetch.fetch(index, buffer, Int32Array.of(0), Int32Array.of(2), 1)
    keyspace.cachePrefetch.end()
    buffer.write('xx')
    keyspace.forgetLookUp()
    expect(keyspace.find(0, buffer, 0, 2)).toBe(0)
  })

  it('sees the keys of requests that have arrived whole, and stops at anything else', () => {
    const keys = new PipelinedKeys()
    const shown = (text: string): string[] => {
      const buffer = Buffer.from(text)
      keys.find(buffer, 0, buffer.length)
      return Array.from({ length: keys.count }, (_, i) => buffer.toString('latin1', keys.starts[i], keys.ends[i]))
    }
    const get = (key: string): string => `*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`
    const set = '*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n'
    expect(shown(get('a') + set + get('bcd'))).toEqual(['a', 'key', 'bcd'])
    expect(shown(`${get('a')}PING\r\n${get('b')}`)).toEqual(['a'])
    expect(shown(`${get('a')}*1\r\n$4\r\nPING\r\n`)).toEqual(['a'])
    expect(shown(get('a') + get('cut off').slice(0, -3))).toEqual(['a'])
    expect(shown('*2\r\n$x\r\n')).toEqual([])
    expect(shown(get('k').repeat(pipelinedKeysMax + 9))).toHaveLength(pipelinedKeysMax)
  })
})
