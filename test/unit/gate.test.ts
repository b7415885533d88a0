import { describe, expect, it } from 'vitest'
import type { Command } from '../../server/command-table.ts'
import { Gate } from '../../server/gate.ts'
import type { Session } from '../../server/session.ts'
import { CommitWaiters } from '../../server/shard/commit-waiters.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

const get = { name: 'get', isWrite: false, denyOom: false } as Command
const set = { name: 'set', isWrite: true, denyOom: true } as Command
const del = { name: 'del', isWrite: true, denyOom: false } as Command
const exec = { name: 'exec', isWrite: false, denyOom: false } as Command

function fixture() {
  const clock = new ManualClock()
  const gate = new Gate(clock)
  const retried: string[] = []
  const session = (name: string, queued: Command[] = []): Session =>
    ({
      retry: () => retried.push(name),
      needsMemory: (command: Command) => command.denyOom,
      transaction: { queued: queued.map((command) => ({ command })) },
    }) as unknown as Session
  return { clock, gate, retried, session }
}

describe('the gate', () => {
  it('holds back writers that need memory while it is short, in the order in which they came', () => {
    const { gate, retried, session } = fixture()
    let short = true
    gate.memoryShort = () => short
    expect([gate.holdsBack(session('a'), set), gate.holdsBack(session('b'), get), gate.holdsBack(session('c'), del)]).toEqual([
      true,
      false,
      false,
    ])
    expect(gate.holdsBack(session('d'), set)).toBe(true)
    expect([gate.waiting, gate.throttled]).toEqual([2, 2])
    short = false
    gate.retry()
    expect([retried, gate.waiting, gate.holdsBack(session('e'), set)]).toEqual([['a', 'd'], 0, false])
  })

  it('pauses writers, or all, until the time has come', () => {
    const { clock, gate, retried, session } = fixture()
    gate.pause(100, 'write')
    expect([gate.holdsBack(session('get'), get), gate.holdsBack(session('set'), set)]).toEqual([false, true])
    expect(gate.holdsBack(session('reads', [get]), exec)).toBe(false)
    expect(gate.holdsBack(session('writes', [get, set]), exec)).toBe(true)
    gate.pause(50, 'all')
    expect([gate.paused, gate.pauseLeftMs, gate.holdsBack(session('get'), get)]).toEqual(['all', 100, true])
    clock.advance(99)
    expect(retried).toEqual([])
    clock.advance(1)
    expect([retried, gate.paused, gate.holdsBack(session('set'), set)]).toEqual([['set', 'writes', 'get'], undefined, false])
  })

  it('forgets sessions that are gone', () => {
    const { gate, retried, session } = fixture()
    gate.pause(100, 'all')
    const gone = session('gone')
    gate.holdsBack(gone, get)
    gate.holdsBack(session('there'), get)
    gate.forget(gone)
    gate.unpause()
    expect(retried).toEqual(['there'])
    gate.close()
  })

  it('stalls every request for a while', () => {
    const { clock, gate, retried, session } = fixture()
    gate.stall(30)
    expect(gate.holdsBack(session('a'), get)).toBe(true)
    clock.advance(30)
    expect([retried, gate.holdsBack(session('b'), get), clock.waiting]).toEqual([['a'], false, 0])
  })
})

describe('waiters for the log', () => {
  it('go on when their LSN is committed, or fail with the log', async () => {
    const waiters = new CommitWaiters(3)
    await waiters.wait(3)
    const order: number[] = []
    const waits = [5, 4, 9].map((lsn) => waiters.wait(lsn).then(() => order.push(lsn)))
    waiters.committed(5)
    await Promise.all(waits.slice(0, 2))
    expect(order).toEqual([5, 4])
    waiters.failed(new Error('no disk'))
    await expect(waits[2]).rejects.toThrow('no disk')
    await expect(waiters.wait(9)).rejects.toThrow('no disk')
    await waiters.wait(5)
  })
})
