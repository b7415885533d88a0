/** DUMP and RESTORE in the simulation: dumps of values of all types, small and large, that are restored; of what keys hold the workload has a script. */
import { engineTables } from '../../server/commands/tables.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { Draw } from './draw.ts'
import { deliveriesOf, linesOf, valueOfDump } from './dumped-value.ts'
import { bulks, difference, nil, ok, slicedMsMax } from './model-replies.ts'
import type { Family } from './model-type.ts'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)

/** Requests that make the values which are dumped here. */
const makers: readonly (readonly string[])[][] = [
  [['SET', 'key', 'a string']],
  [['SET', 'key', 'x'.repeat(3000)]],
  ...[3, 60].flatMap((count) => [
    [['HSET', 'key', 'lasting', 'field', ...numbers(count).flatMap((i) => [`f${i}`, `value ${i}`])]],
    [['RPUSH', 'key', ...numbers(count)]],
    [['SADD', 'key', ...numbers(count)]],
    [['SADD', 'key', ...numbers(count).map((i) => `m${i}`)]],
    [['ZADD', 'key', ...numbers(count).flatMap((i) => [`${Number(i) % 7}`, `m${i}`])]],
    [
      ...numbers(count).map((i) => ['XADD', 'key', `1-${Number(i) + 1}`, 'f', `entry ${i}`]),
      ['XGROUP', 'CREATE', 'key', 'g', '0'],
      ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', `${count / 3}`, 'STREAMS', 'key', '>'],
      ['XCLAIM', 'key', 'g', 'bob', '0', '1-1', 'TIME', '1000', 'RETRYCOUNT', '3'],
      ['XDEL', 'key', '1-1'],
    ],
  ]),
]

const dumps = makers.map((requests) => {
  const engine = new InProcessEngine(engineTables)
  engine.execution.now = 1_699_999_000_000
  const session = engine.connect()
  for (const words of requests) session.ask(...words)
  const dump = session.ask('DUMP', 'key')
  if (!('text' in dump)) throw new Error('no dump')
  return dump.text.toString('latin1')
})

/** What a script returns that copies a key by its dump: the dump, and what RESTORE says. */
export const copyByDump = `local dump = redis.pcall('DUMP', ARGV[1])
if not dump then return {dump} end
return {dump, redis.pcall('RESTORE', ARGV[2], ARGV[3], dump, 'REPLACE')}`

export function expiry(draw: Draw): string {
  return draw.once(3) ? `${draw.pick([5, 100, 60_000])}` : '0'
}

export const dumpCommands: Family = {
  weight: 4,
  request: (draw) =>
    draw.once(3)
      ? ['DUMP', draw.anyKey()]
      : ['RESTORE', draw.anyKey(), expiry(draw), draw.pick(dumps), ...(draw.once(3) ? [] : ['REPLACE'])],
  handlers: {
    dump: (model, db, [key]) => {
      const item = model.get(db, key as string)
      if (item === undefined) return nil
      const { nowMs } = model
      const expected = linesOf(item, nowMs)
      const deliveredAt = deliveriesOf(item)
      return (raw) => {
        const [dump] = bulks(`*1\r\n${raw}`)
        if (dump === undefined || dump === '') return 'no dump'
        const found = valueOfDump(Buffer.from(dump, 'latin1'))
        if (found.kind !== item.kind) return `a ${found.kind} instead of a ${item.kind}`
        return difference(linesOf(found, nowMs), expected) ?? differentTimes(deliveriesOf(found), deliveredAt)
      }
    },
    restore: (model, db, [key, ttl, dump, replace]) => {
      if (model.get(db, key as string) !== undefined && replace === undefined) return '-BUSYKEY Target key name already exists.\r\n'
      const { kind, value } = valueOfDump(Buffer.from(dump as string, 'latin1'))
      model.put(db, key as string, kind, value as never, ttl === '0' ? 0 : model.nowMs + Number(ttl))
      return ok
    },
  },
}

/** What is wrong with times of delivery; entries may have been delivered in slices. */
function differentTimes(found: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>): string | undefined {
  for (const [entry, at] of expected) {
    const told = found.get(entry) ?? 0
    if (Math.abs(told - at) > slicedMsMax) return `${entry} delivered at ${told}, expected about ${at}`
  }
  return undefined
}
