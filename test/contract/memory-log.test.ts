import { describe, expect, it } from 'vitest'
import type { MemoryLog } from '../../wal/memory-log.ts'
import { leadMemoryLog, openMemoryLog } from '../../wal/memory-log.ts'
import { MemoryLogDisk } from '../../wal/memory-log-disk.ts'
import { chance } from '../chance.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { sharedLogSuite } from './shared-log.ts'
import { appendText, readAll, transactionLogSuite } from './transaction-log.ts'

transactionLogSuite('memory', async () => {
  const disk = new MemoryLogDisk()
  const random = chance(4)
  const clock = new ManualClock()
  return {
    open: async () => leadMemoryLog(disk, { clock }),
    crash: async () => disk.crash(random),
    failNextGroup: (log) => (log as MemoryLog).store.failNext(new Error('told to')),
    stop: async () => undefined,
  }
})

sharedLogSuite('memory', async () => {
  const disk = new MemoryLogDisk()
  const clock = new ManualClock()
  return { open: async () => openMemoryLog(disk, { clock }), stop: async () => undefined }
})

/** All microtasks. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('the memory log', () => {
  it('holds commits back until released', async () => {
    const log = leadMemoryLog(new MemoryLogDisk(), { clock: new ManualClock() })
    log.store.holdCommits()
    appendText(log, 'x')
    log.flush()
    await turn()
    expect(log.committed).toBe(0)
    log.store.letCommit()
    await turn()
    expect(log.committed).toBe(1)
  })

  it('commits when its schedule says so, with the time that took', async () => {
    const clock = new ManualClock()
    const log = openMemoryLog(new MemoryLogDisk(), { clock, schedule: (work) => clock.after(5, work) })
    const claimed = log.claim(0, Buffer.alloc(0))
    clock.advance(5)
    await claimed
    appendText(log, 'x')
    log.flush()
    clock.advance(4)
    await turn()
    expect(log.committed).toBe(0)
    clock.advance(1)
    await turn()
    expect(log.committed).toBe(1)
    expect(log.stats().lastCommitMs).toBe(5)
  })

  it('sends a few entries in a turn, and the others in the turns that follow', async () => {
    const arrivals: (() => void)[] = []
    const log = leadMemoryLog(new MemoryLogDisk(), { clock: new ManualClock(), schedule: (work) => arrivals.push(work) })
    for (let i = 0; i < 10; i++) appendText(log, 'x'.repeat(60_000))
    for (let i = 0; i < 3; i++) log.flush()
    expect(arrivals).toHaveLength(4)
    await turn()
    // The last one may become fuller.
    expect(arrivals).toHaveLength(9)
    for (const expected of [9, 10]) {
      for (const arrive of arrivals.splice(0)) arrive()
      await turn()
      expect(log.committed).toBe(expected)
    }
  })

  it('keeps at a crash some prefix of the records that were on their way, and hears of none', async () => {
    const random = chance(5)
    const kept = new Set<number>()
    for (let round = 0; round < 40; round++) {
      const disk = new MemoryLogDisk()
      const log = leadMemoryLog(disk, { clock: new ManualClock() })
      for (const text of ['a', 'b', 'c', 'd']) {
        appendText(log, text)
        if (text !== 'a') log.flush()
      }
      expect(disk.records.map(String)).toEqual(['a', 'b', 'c', 'd'])
      disk.crash(random)
      await turn()
      expect(log.committed).toBe(0)
      const next = leadMemoryLog(disk, { clock: new ManualClock() })
      expect(await readAll(next, 0)).toEqual(['a', 'b', 'c', 'd'].slice(0, next.committed).map((text, i) => [i + 1, text]))
      kept.add(next.committed)
    }
    expect([...kept].sort()).toEqual([0, 1, 2, 3, 4])
  })

  it('has what a former leader had sent behind a gap removed by a claim', async () => {
    const disk = new MemoryLogDisk()
    const arrivals: (() => void)[] = []
    const log = leadMemoryLog(disk, { clock: new ManualClock(), schedule: (work) => arrivals.push(work) })
    for (const text of ['lost on its way', 'behind a gap']) {
      appendText(log, text)
      log.flush()
    }
    const [first, second] = arrivals as [() => void, () => void]
    second()
    expect(disk.committed).toBe(0)
    const next = leadMemoryLog(disk, { clock: new ManualClock() })
    first()
    appendText(next, 'of the next')
    next.flush()
    await turn()
    expect(await readAll(next, 0)).toEqual([[1, 'of the next']])
  })
})
