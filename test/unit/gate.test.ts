import { describe, expect, it } from 'vitest'
import type { Command } from '../../server/command-table.ts'
import type { GatedRequest } from '../../server/gate.ts'
import { Gate } from '../../server/gate.ts'
import { CommitWaiters } from '../../server/shard/commit-waiters.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

function fixture() {
  const clock = new ManualClock()
  const gate = new Gate(clock)
  const retried: string[] = []
  const request = (name: string, writes: boolean, wantsMemory: boolean): GatedRequest => ({
    command: { name } as Command,
    writes,
    wantsMemory,
    holdsMemory: false,
    publishes: false,
    retry: () => retried.push(name),
  })
  const get = (name: string): GatedRequest => request(name, false, false)
  const set = (name: string): GatedRequest => request(name, true, true)
  const del = (name: string): GatedRequest => request(name, true, false)
  return { clock, gate, retried, get, set, del }
}

describe('the gate', () => {
  it('holds back writers that need memory while it is short, in the order in which they came', () => {
    const { gate, retried, get, set, del } = fixture()
    let short = true
    gate.memoryShort = () => short
    expect([gate.admit(set('a')), gate.admit(get('b')), gate.admit(del('c'))]).toEqual(['awaitsMemory', undefined, undefined])
    expect(gate.admit(set('d'))).toBe('awaitsMemory')
    expect([gate.waiting, gate.throttled]).toEqual([2, 2])
    short = false
    gate.retry()
    expect([retried, gate.waiting, gate.admit(set('e'))]).toEqual([['a', 'd'], 0, undefined])
  })

  it('lets a writer pass that already has what was made for it: nothing else would give that back', () => {
    const { gate, set } = fixture()
    gate.memoryShort = () => true
    expect(gate.admit({ ...set('a'), holdsMemory: true })).toBeUndefined()
    gate.pause(100, 'write')
    expect(gate.admit({ ...set('a'), holdsMemory: true })).toBe('awaitsPause')
    gate.close()
  })

  it('pauses writers, or all, until the time has come', () => {
    const { clock, gate, retried, get, set } = fixture()
    gate.pause(100, 'write')
    expect([gate.admit(get('get')), gate.admit(set('set'))]).toEqual([undefined, 'awaitsPause'])
    gate.pause(50, 'all')
    expect([gate.paused, gate.pauseLeftMs, gate.admit(get('get'))]).toEqual(['all', 100, 'awaitsPause'])
    clock.advance(99)
    expect(retried).toEqual([])
    clock.advance(1)
    expect([retried, gate.paused, gate.admit(set('set'))]).toEqual([['set', 'get'], undefined, undefined])
  })

  it('forgets requests whose clients are gone', async () => {
    const { gate, retried, get } = fixture()
    gate.pause(100, 'all')
    const gone = get('gone')
    gate.admit(gone)
    gate.admit(get('there'))
    gate.forget(gone)
    gate.unpause()
    expect(retried).toEqual([])
    await Promise.resolve()
    expect(retried).toEqual(['there'])
    gate.close()
  })

  it('stalls every request for a while', () => {
    const { clock, gate, retried, get } = fixture()
    gate.stall(30)
    expect(gate.admit(get('a'))).toBe('stalled')
    clock.advance(30)
    expect([retried, gate.admit(get('b')), clock.waiting]).toEqual([['a'], undefined, 0])
  })
})

describe('waiters for the log', () => {
  it('go on when their LSN is committed, or fail with the log', async () => {
    const log = { committed: 3 }
    const waiters = new CommitWaiters(log)
    await waiters.wait(3)
    const order: number[] = []
    const waits = [5, 4, 9].map((lsn) => waiters.wait(lsn).then(() => order.push(lsn)))
    log.committed = 5
    waiters.committed(5)
    await Promise.all(waits.slice(0, 2))
    expect(order).toEqual([5, 4])
    waiters.failed(new Error('no disk'))
    await expect(waits[2]).rejects.toThrow('no disk')
    await expect(waiters.wait(9)).rejects.toThrow('no disk')
    await waiters.wait(5)
  })
})
