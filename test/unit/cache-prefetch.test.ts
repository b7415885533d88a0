/** Prefetching is a hint: whatever is prefetched, and whatever becomes of the ranges afterwards, keys are found as ever. */
import { describe, expect, it } from 'vitest'
import { treeForm } from '../../engine/keyspace/entries.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { PackedCursor } from '../../engine/types/packed-fields.ts'
import { PipelinedKeys, pipelinedRequestsMax } from '../../server/resp/pipelined-keys.ts'
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

  it('fetches for fields of large hashes, there or not, without a trace', () => {
    const keyspace = new Keyspace(chance(8), noObserver)
    const mutator = new Mutator(keyspace)
    mutator.recording = false
    const names = Array.from({ length: 3000 }, (_, i) => `f${i}`)
    const buffer = Buffer.from(`h${names.join('')}`)
    const ends = names.map((_, i) => 1 + names.slice(0, i + 1).join('').length)
    const starts = names.map((name, i) => ends[i]! - name.length)
    mutator.begin(1)
    const pairs = {
      count: names.length,
      buffer: () => buffer,
      fieldStart: (i: number) => starts[i]!,
      fieldEnd: (i: number) => ends[i]!,
      valueStart: () => 0,
      valueEnd: () => 1,
    }
    mutator.hashSet(0, buffer, 0, 1, pairs, treeForm, 5)
    const before = keyspace.memoryBytes
    const elementStarts = Int32Array.of(starts[0]!, starts[2999]!, 0, 0)
    const elementEnds = Int32Array.of(ends[0]!, ends[2999]!, 1, 0)
    const keys = { starts: new Int32Array(4), ends: new Int32Array(4).fill(1) }
    keyspace.cachePrefetch.fetch(keyspace.databases[0]!.index, buffer, keys.starts, keys.ends, 4, { elementStarts, elementEnds })
    keyspace.forgetLookUp()
    const entry = keyspace.find(0, buffer, 0, 1)
    const found = names.filter((_, i) =>
      mutator.hashes.trees.get(keyspace.entries.value(entry), buffer, starts[i]!, ends[i]!, new PackedCursor()),
    )
    expect(found).toEqual(names)
    expect(keyspace.memoryBytes).toBe(before)
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
    const script = (name: string, ...keys: string[]): string =>
      [name, 'text', String(keys.length), ...keys, 'argument'].reduce(
        (all, each) => `${all}$${each.length}\r\n${each}\r\n`,
        `*${keys.length + 4}\r\n`,
      )
    expect(shown(get('a') + script('EVAL', 'x', 'y') + script('fcall_ro', 'z') + script('EVALSHA') + get('b'))).toEqual([
      'a',
      'x',
      'y',
      'z',
      'b',
    ])
    expect(shown(script('EVALSHA', ...'abcdefghijkl') + get('m'))).toEqual(['a', 'b', 'c', 'd', 'm'])
    expect(shown(get('a') + script('EVAL', 'x', 'y').slice(0, -3))).toEqual(['a'])
    const buffer = Buffer.from(get('a') + set)
    keys.find(buffer, 0, buffer.length)
    const elements = [0, 1].map((i) => buffer.toString('latin1', keys.elementStarts[i], keys.elementEnds[i]))
    expect(elements).toEqual(['', 'value'])
    expect(shown(get('k').repeat(pipelinedRequestsMax + 9))).toHaveLength(pipelinedRequestsMax)
  })
})
