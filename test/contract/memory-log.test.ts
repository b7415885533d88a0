import { describe, expect, it } from 'vitest'
import { MemoryLog, MemoryLogDisk } from '../../wal/memory-log.ts'
import { chance } from '../chance.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { sharedLogSuite } from './shared-log.ts'
import { appendText, transactionLogSuite } from './transaction-log.ts'

transactionLogSuite('memory', async () => {
  const disk = new MemoryLogDisk()
  const random = chance(4)
  const clock = new ManualClock()
  return {
    open: async () => MemoryLog.lead(disk, { clock }),
    crash: async () => disk.crash(random),
    failNextGroup: (log) => (log as MemoryLog).failNext(new Error('told to')),
    stop: async () => undefined,
  }
})

sharedLogSuite('memory', async () => {
  const disk = new MemoryLogDisk()
  const clock = new ManualClock()
  return { open: async () => new MemoryLog(disk, { clock }), stop: async () => undefined }
})

describe('the memory log', () => {
  it('holds commits back until released', async () => {
    const log = MemoryLog.lead(new MemoryLogDisk(), { clock: new ManualClock() })
    log.holdCommits()
    appendText(log, 'x')
    log.flush()
    await Promise.resolve()
    await Promise.resolve()
    expect(log.committed).toBe(0)
    log.letCommit()
    expect(log.committed).toBe(1)
  })

  it('commits when its schedule says so, with the time that took', async () => {
    const clock = new ManualClock()
    const log = new MemoryLog(new MemoryLogDisk(), { clock, schedule: (work) => clock.after(5, work) })
    const claimed = log.claim(0, Buffer.alloc(0))
    clock.advance(5)
    await claimed
    appendText(log, 'x')
    log.flush()
    clock.advance(4)
    expect(log.committed).toBe(0)
    clock.advance(1)
    expect(log.committed).toBe(1)
    expect(log.stats().lastCommitMs).toBe(5)
  })

  it('is dead after a crash of its disk', () => {
    const disk = new MemoryLogDisk()
    const log = MemoryLog.lead(disk, { clock: new ManualClock() })
    disk.crash(new SeededRandom(1))
    expect(() => appendText(log, 'x')).toThrow('lost in a crash')
    expect(new MemoryLog(disk, { clock: new ManualClock() }).appended).toBe(0)
  })
})
