/** How full the leaves of large collections are, and what stands empty in them, in bytes of the arena. */
import { beforeEach, describe, expect, it } from 'vitest'
import { listCommands } from '../../engine/commands/list.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { Arena, valueKind } from '../../engine/memory/arena.ts'
import { scoreRange } from '../../engine/types/score-separator.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { LeafState } from './leaves.ts'
import { leavesOf } from './leaves.ts'

let session: InProcessSession
beforeEach(() => {
  session = new InProcessEngine({ ...listCommands, ...sortedSetCommands }, 1).connect()
  session.ask('RPUSH', 'other', 'x')
})

const liveBytes = (): number => session.engine.keyspace.arena.liveBytes

function leaves(key: string): LeafState[] {
  const { keyspace } = session.engine
  keyspace.forgetLookUp()
  return leavesOf(keyspace.trees, keyspace.entries.value(keyspace.find(0, Buffer.from(key), 0, key.length)))
}

function capacities(key: string): number[] {
  const { arena, entries } = session.engine.keyspace
  const entry = session.engine.keyspace.find(0, Buffer.from(key), 0, key.length)
  return entries.isTree(entry) ? leaves(key).map(({ ref }) => arena.capacity(ref)) : [arena.capacity(entries.value(entry))]
}

const elements = (count: number, length: number): string[] => Array.from({ length: count }, (_, i) => `e${i}`.padEnd(length, 'x'))

/** Bytes of an element of 64 to 4095 characters. */
const elementBytes = (length: number): number => length + (length < 126 ? 3 : 4)

describe('the leaves of a list', () => {
  it('take what a list that was pushed at once holds, and little more', () => {
    const before = liveBytes()
    session.ask('RPUSH', 'l', ...elements(130, 64))
    expect(capacities('l')).toEqual([4096, 4096, 736])
    // Entry, index, root and node included.
    expect(liveBytes() - before).toBeLessThan(130 * elementBytes(64) + 510)
  })

  it.each(['RPUSH', 'LPUSH'])('have a quarter of one to spare where %s lets a short list grow', (command) => {
    const spared = elements(200, 64).map((element, i) => {
      session.ask(command, 'l', element)
      return capacities('l').reduce((sum, bytes) => sum + bytes - 20, 0) - (i + 1) * elementBytes(64)
    })
    // What no element fits into in three full leaves, a quarter of the other one, and what is added to a slot of that size.
    expect(Math.max(...spared.slice(62))).toBeLessThan(3 * elementBytes(64) + 1024 + 512)
  })

  it('are made whole at once where a long list grows', () => {
    for (const element of elements(2000, 64)) session.ask('RPUSH', 'l', element)
    while (leaves('l').at(-1)?.count !== 1) session.ask('RPUSH', 'l', 'x'.repeat(64))
    expect(capacities('l').at(-1)).toBe(4096)
  })

  it('give back what no element fits into any more when another one follows', () => {
    for (const element of elements(40, 1100)) session.ask('RPUSH', 'l', element)
    const sizes = capacities('l')
    expect(sizes.length).toBe(14)
    expect(new Set(sizes.slice(0, -1))).toEqual(new Set([Arena.roundedSize(3 * elementBytes(1100) + 20)]))
    expect(sizes[0]).toBeLessThan(4096)
  })

  it('hold one long element each without room for more of it', () => {
    for (const element of elements(3, 50_000)) session.ask('RPUSH', 'l', element)
    expect(capacities('l')).toEqual([50_032, 50_032, 50_032])
  })
})

describe('the leaves of a sorted set', () => {
  it('are left full in order of score where members come in that order', () => {
    for (let i = 0; i < 2000; i++) session.ask('ZADD', 'z', i, `member:${i}`)
    const inOrder = leaves('z').filter(({ separator }) => separator.words[0] >= scoreRange)
    expect(inOrder.slice(1, -1).map(({ count }) => count)).toEqual(Array.from({ length: inOrder.length - 2 }, () => 32))
  })
})

describe('the arena', () => {
  it('counts of a run only the slots that were used', () => {
    const arena = new Arena()
    arena.allocate(16, valueKind)
    const before = arena.activeBytes
    const refs = Array.from({ length: 10 }, () => arena.allocate(1000, valueKind))
    const slot = Arena.roundedSize(1000)
    expect(arena.activeBytes - before).toBe(10 * slot)
    for (const ref of refs.slice(1)) arena.release(ref)
    expect(arena.activeBytes - before).toBe(10 * slot)
    arena.release(refs[0])
    expect(arena.activeBytes).toBe(before)
  })
})
