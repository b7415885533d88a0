/** Groups that go to the page cache on the event loop's own thread. */
import { describe, expect, it } from 'vitest'
import { LocalLog } from '../../wal/local-log.ts'
import { appendText, committed, readAll } from '../contract/transaction-log.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'

describe('a small group under everysec', () => {
  /** A log whose first record is committed, so that its segment is open for writing. */
  async function opened(syncPolicy: 'always' | 'everysec' | 'no' = 'everysec') {
    const random = new SeededRandom(1)
    const disk = new SimulatedDisk(random)
    const clock = new ManualClock()
    const log = await LocalLog.open({ files: disk.mount(), clock, random, directory: '/log', syncPolicy, segmentBytes: 4 << 20 })
    await committed(log, appendText(log, 'first'))
    return { disk, clock, log }
  }

  function committedByFlush(log: LocalLog, bytes = 10): boolean {
    const lsn = appendText(log, 'x'.repeat(bytes))
    log.flush()
    return log.committed === lsn
  }

  it('is committed when flush returns, in one write, and synced within a second', async () => {
    const { disk, clock, log } = await opened()
    const told: number[] = []
    log.onCommitted = (now) => told.push(now)
    const writes = disk.counts.get('write') ?? 0
    expect([committedByFlush(log), committedByFlush(log)]).toEqual([true, true])
    expect([told, (disk.counts.get('write') ?? 0) - writes, log.synced]).toEqual([[2, 3], 2, 0])
    clock.advance(1000)
    await log.sync()
    expect(log.synced).toBe(3)
    expect((await readAll(log, 0)).map(([lsn]) => lsn)).toEqual([1, 2, 3])
  })

  it('is never written so under always', async () => {
    const { log } = await opened('always')
    expect(committedByFlush(log)).toBe(false)
    await committed(log, 2)
  })

  it('is left to another thread when it is large, or while a sync is under way', async () => {
    const { log } = await opened()
    expect(committedByFlush(log, 1_000_000)).toBe(true)
    expect(committedByFlush(log, 1_100_000)).toBe(false)
    await committed(log, 3)
    const syncing = log.sync()
    expect(committedByFlush(log)).toBe(false)
    await committed(log, 4)
    await syncing
    expect(log.synced).toBe(3)
    expect(committedByFlush(log)).toBe(true)
  })

  describe('after a slow write', () => {
    /** Writes slowly, which takes 3 ms, and expects that groups are left to another thread for `restMs`, and no longer. */
    async function restsAfterSlowWrite({ disk, clock, log }: Awaited<ReturnType<typeof opened>>, restMs: number) {
      disk.beforeWriteNow = () => clock.advance(3)
      expect(committedByFlush(log)).toBe(true)
      disk.beforeWriteNow = undefined
      clock.advance(restMs - 1)
      expect(committedByFlush(log)).toBe(false)
      await committed(log, log.appended)
      clock.advance(1)
    }

    it('is left to another thread for ten times as long as that took, for longer after each that follows', async () => {
      const machine = await opened('no')
      for (const restMs of [30, 60, 120, 240, 300, 300]) await restsAfterSlowWrite(machine, restMs)
      expect(committedByFlush(machine.log)).toBe(true)
    })

    it('is so again for ten times as long when many have been quick', async () => {
      const machine = await opened('no')
      for (const restMs of [30, 60]) await restsAfterSlowWrite(machine, restMs)
      for (let i = 0; i < 63; i++) expect(committedByFlush(machine.log)).toBe(true)
      await restsAfterSlowWrite(machine, 120)
      for (let i = 0; i < 64; i++) expect(committedByFlush(machine.log)).toBe(true)
      await restsAfterSlowWrite(machine, 30)
    })
  })

  it('fails the log from within flush', async () => {
    const { disk, log } = await opened()
    const failures: Error[] = []
    log.onFailed = (failure) => failures.push(failure)
    disk.failNext('write', 'ENOSPC')
    expect(committedByFlush(log)).toBe(false)
    expect(failures.map(({ message }) => message)).toEqual([expect.stringContaining('ENOSPC')])
    expect([log.committed, log.stats().failed]).toEqual([1, true])
  })

  it('goes on in the next segment', async () => {
    const { disk, log } = await opened()
    for (let i = 0; i < 300; i += 1) {
      appendText(log, `${log.appended + 1}`.padEnd(40_000, '.'))
      log.flush()
      await committed(log, log.appended)
    }
    expect((await disk.list('/log')).length).toBeGreaterThan(2)
    expect((await readAll(log, 0)).map(([lsn]) => lsn)).toEqual(Array.from({ length: 301 }, (_, i) => i + 1))
    await log.close()
  })
})
