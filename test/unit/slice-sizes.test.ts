/** How much commands on large collections do in one turn, counted in members that are looked up and put somewhere. */
import { expect, it, vi } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortCommands } from '../../engine/commands/sort.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { formatInline } from '../commands/notation.ts'

const tables = { ...setCommands, ...sortedSetCommands, ...listCommands, ...keyCommands, ...sortCommands }
const members = 10_000
const atOnce = 1000
/** Members of a slice, each of which is looked up in one other source and once in the result, and put there. */
const sliceMax = 256 * 4
/** What is left for the command's own turn. */
const turnMax = 300
const recordBytesMax = 256 * 24

function filled(): InProcessSession {
  const session = new InProcessEngine(tables).connect()
  for (let from = 0; from < members; from += atOnce) {
    const numbers = Array.from({ length: atOnce }, (_, i) => from + i)
    session.ask('SADD', 'a', ...numbers.map((i) => `m${i}`))
    session.ask('SADD', 'b', ...numbers.map((i) => `m${i + members / 2}`))
    session.ask('ZADD', 'y', ...numbers.flatMap((i) => [i, `m${i}`]))
    session.ask('ZADD', 'z', ...numbers.flatMap((i) => [i, `m${i + members / 2}`]))
    session.ask('RPUSH', 'l', ...numbers.map((i) => (i * 7919) % members))
  }
  return session
}

/** Counts calls until the returned function is called, which tells how many there were since it was called last. */
function counted({ engine }: InProcessSession): () => number {
  const { sets, sortedSets } = engine.mutator.types
  const spies = [vi.spyOn(sets, 'has'), vi.spyOn(sets.trees, 'add'), vi.spyOn(sortedSets, 'score'), vi.spyOn(sortedSets.trees, 'set')]
  return () => {
    const calls = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
    for (const spy of spies) spy.mockClear()
    return calls
  }
}

it.each([
  ['SINTERSTORE d a b', members / 2],
  ['SUNIONSTORE d a b', (members / 2) * 3],
  ['SDIFFSTORE d a b', members / 2],
  ['SUNION a b', (members / 2) * 3],
  ['SINTERCARD 2 a b', members / 2],
  ['ZUNIONSTORE d 2 y z', (members / 2) * 3],
  ['ZINTERSTORE d 2 y a', members],
  ['ZUNION 2 y z', (members / 2) * 3],
  ['SORT l STORE d', members],
])('%s', (line, count) => {
  const session = filled()
  const { engine } = session
  const words = line.split(' ')
  const calls = counted(session)
  const staged = session.stage(...words) as StagedWork
  calls()
  let slices = 0
  const step = (): boolean => (staged.isRecorded === true ? engine.inRecord(() => staged.step()) : staged.step())
  for (let goesOn = true; goesOn; slices++) {
    goesOn = step()
    expect(calls()).toBeLessThanOrEqual(sliceMax)
    if (staged.isRecorded === true) expect(engine.mutator.record.end).toBeLessThanOrEqual(recordBytesMax)
    // Members come and go, and are in the result as they are in the end.
    if (slices % 10 === 0) session.ask('SREM', 'a', 'm4000')
    if (slices % 10 === 5) session.ask('SADD', 'a', 'm4000')
    calls()
  }
  session.ask('SADD', 'a', 'm4000')
  calls()
  const reply = session.askStaged(staged, ...words)
  expect(calls()).toBeLessThanOrEqual(turnMax)
  expect(engine.mutator.record.end).toBeLessThanOrEqual(500)
  expect('items' in reply ? reply.items.length : formatInline(reply)).toBe('items' in reply ? count : `:${count}`)
  expect(slices).toBeGreaterThan(members / 512)
  engine.inRecord(() => staged.release?.())
  vi.restoreAllMocks()
})

it('Small ones are done at once', () => {
  const session = new InProcessEngine(tables).connect()
  session.ask('SADD', 'a', ...Array.from({ length: 2000 }, (_, i) => i))
  for (const line of ['SINTER a a', 'SUNIONSTORE d a a', 'ZUNION 2 a a', 'SORT a', 'SINTERCARD 1 a']) {
    expect(session.stage(...line.split(' '))).toBeUndefined()
  }
})
