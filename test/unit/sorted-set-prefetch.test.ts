/** Prefetching for sorted sets leaves no trace, whatever requests name, and whether their leaves are in memory or not. */
import { expect, it } from 'vitest'
import type { EngineCommand } from '../../engine/command.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { PipelinedKeys } from '../../server/resp/pipelined-keys.ts'
import { ColdEngine } from '../property/cold-engine.ts'

const requests = [
  ['ZADD', 'z', '5', 'm700'],
  ['ZADD', 'z', '-1.5', 'm701'],
  ['ZADD', 'z', 'NX', '7', 'm702'],
  ['ZADD', 'z', '9', 'none'],
  ['ZINCRBY', 'z', '3', 'm1'],
  ['ZSCORE', 'z', 'm2'],
  ['ZRANK', 'z', 'm3'],
  ['ZREM', 'z', 'm4'],
  ['ZRANGEBYSCORE', 'z', '10', '20'],
  ['ZRANGE', 'z', '0', '-1'],
  ['ZPOPMIN', 'z'],
  ['ZPOPMIN', 'z'],
  ['ZPOPMAX', 'z'],
  ['ZSCORE', 'other', 'm2'],
  ['ZCARD', 'z'],
  ['UNKNOWN', 'z', 'm2'],
]

it('shows the same afterwards, hot and cold', async () => {
  const cold = new ColdEngine(sortedSetCommands, 3)
  const all = Array.from({ length: 900 }, (_, i) => [String(i % 250), `m${i}`]).flat()
  await cold.ask('ZADD', 'z', ...all)
  const { keyspace } = cold.engine
  const shown = await cold.ask('ZRANGE', 'z', '0', '-1', 'WITHSCORES')
  const buffer = Buffer.from(
    requests.map((parts) => `*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`).join(''),
  )
  const keys = new PipelinedKeys()
  keys.find(buffer, 0, buffer.length)
  expect(keys.count).toBe(requests.length)
  const rows: Readonly<Record<string, EngineCommand>> = sortedSetCommands
  keys.commands = { useOf: (bytes, start, end) => rows[bytes.toString('latin1', start, end)]?.uses ?? { element: 2 } }
  const prefetch = (): void => {
    keyspace.forgetLookUp()
    keyspace.cachePrefetch.fetch(keyspace.databases[0]!.index, buffer, keys.starts, keys.ends, keys.count, keys)
    keyspace.cachePrefetch.end()
    keyspace.forgetLookUp()
  }
  const before = keyspace.memoryBytes
  prefetch()
  expect(keyspace.memoryBytes).toBe(before)
  expect(await cold.ask('ZRANGE', 'z', '0', '-1', 'WITHSCORES')).toEqual(shown)
  for (const share of [0.5, 1]) {
    cold.freeze(share)
    const entry = keyspace.find(0, Buffer.from('z'), 0, 1)
    expect(keyspace.trees.roots.coldLeaves(keyspace.entries.value(entry))).toBeGreaterThan(0)
    prefetch()
    expect(await cold.ask('ZRANGE', 'z', '0', '-1', 'WITHSCORES')).toEqual(shown)
  }
})
