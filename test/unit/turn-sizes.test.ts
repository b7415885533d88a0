/** How little commands that change very much have left for their own turn when it was made in slices: leaves that are changed, and parts of replies that are written. */
import { afterEach, expect, it, vi } from 'vitest'
import { listCommands } from '../../engine/commands/list.ts'
import { streamCommands } from '../../engine/commands/stream.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { formatInline } from '../commands/notation.ts'

const tables = { ...listCommands, ...streamCommands, ...stringCommands }
const entries = 3000
const delivered = 2000
const atOnce = 1000
/** Leaves with names and positions of groups and consumers. */
const changedMax = 8
/** Of a leaf that is only partly in a range. */
const bulksMax = 500

function filled(): InProcessSession {
  const session = new InProcessEngine(tables).connect()
  session.engine.execution.limits.slicedValueBytes = 8 * 1024
  for (let i = 1; i <= entries; i++) session.ask('XADD', 'x', `${i}-1`, 'f', `v${i}`)
  session.run('XGROUP CREATE x g 0')
  session.run(`XREADGROUP GROUP g alice COUNT ${delivered} STREAMS x >`)
  for (let i = 0; i < entries; i += atOnce) session.ask('RPUSH', 'l', ...Array.from({ length: atOnce }, (_, j) => `element ${i + j}`))
  return session
}

const ids = Array.from({ length: 1200 }, (_, i) => `${i + 400}-1`)
const elements = Array.from({ length: 4000 }, (_, i) => `new ${i}`)
const long = 'x'.repeat(300_000)

afterEach(() => {
  vi.restoreAllMocks()
})

it.each<[string, string[], string]>([
  ['XREADGROUP of new entries', ['XREADGROUP', 'GROUP', 'g', 'bob', 'STREAMS', 'x', '>'], 'XPENDING x g'],
  ['XREADGROUP of pending entries', ['XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 'x', '0'], 'XPENDING x g 1500-1 + 1'],
  ['XACK', ['XACK', 'x', 'g', ...ids], 'XPENDING x g'],
  ['XACK in no order', ['XACK', 'x', 'g', ...ids.map((_, i) => ids[(i * 7919) % ids.length] as string)], 'XPENDING x g'],
  ['XCLAIM', ['XCLAIM', 'x', 'g', 'bob', '0', ...ids], 'XPENDING x g'],
  ['XAUTOCLAIM', ['XAUTOCLAIM', 'x', 'g', 'bob', '0', '-', 'COUNT', '1200'], 'XPENDING x g'],
  ['XGROUP DELCONSUMER', ['XGROUP', 'DELCONSUMER', 'x', 'g', 'alice'], 'XPENDING x g'],
  ['RPUSH', ['RPUSH', 'l', ...elements], 'LRANGE l 2998 3001'],
  ['LPUSH', ['LPUSH', 'l', ...elements], 'LRANGE l 3998 4001'],
  ['RPUSH to a new key', ['RPUSH', 'new', ...elements], 'LRANGE new 0 1'],
  ['RPUSH of a long element', ['RPUSH', 'l', 'a', long, 'b'], 'LINDEX l -1'],
  ['LPUSH of a long element', ['LPUSH', 'l', 'a', long, 'b'], 'LINDEX l 2'],
  ['LPOP', ['LPOP', 'l', '2500'], 'LRANGE l 0 1'],
  ['RPOP', ['RPOP', 'l', '2500'], 'LRANGE l -2 -1'],
  ['MSET', ['MSET', 'k', long, 'j', long], 'GETRANGE j 299998 300001'],
])('%s', (_name, words, shows) => {
  const plain = filled()
  plain.engine.execution.limits.slicedValueBytes = Number.POSITIVE_INFINITY
  const expected = formatInline(plain.ask(...words))
  const session = filled()
  const staged = session.stage(...words)
  if (staged === undefined) throw new Error('nothing was staged')
  let steps = 1
  while (staged.step()) steps++
  expect(steps).toBeGreaterThan(2)
  const { trees, arena } = session.engine.keyspace
  const changed = vi.spyOn(trees, 'changed')
  const large = vi.spyOn(arena, 'allocate')
  const bulks = vi.spyOn(ReplyWriter.prototype, 'bulk')
  const reply = session.askStaged(staged, ...words)
  expect(changed.mock.calls.length).toBeLessThanOrEqual(changedMax)
  expect(bulks.mock.calls.length).toBeLessThanOrEqual(bulksMax)
  expect(Math.max(0, ...large.mock.calls.map(([size]) => size))).toBeLessThan(100_000)
  changed.mockRestore()
  expect(formatInline(reply)).toBe(expected)
  expect(session.run(shows)).toBe(plain.run(shows))
  staged.release?.()
})
