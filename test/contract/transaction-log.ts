/** What every transaction log must do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import { LogFailed, LogTrimmed } from '../../wal/transaction-log.ts'

export interface LogUnderTest {
  /** Opens the log, new the first time. */
  open(): Promise<TransactionLog>
  /** Ends the log as a power cut would; the next `open` sees what survived. */
  crash(log: TransactionLog): Promise<void>
  /** Makes the next group fail. */
  failNextGroup(log: TransactionLog): void
  stop(): Promise<void>
}

export function appendText(log: TransactionLog, text: string): number {
  const bytes = Buffer.from(text, 'latin1')
  return log.append(bytes, 0, bytes.length)
}

/** Resolves when `lsn` is committed, rejects when the log fails. Takes the log's callbacks. */
export function committed(log: TransactionLog, lsn: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (log.committed >= lsn) return resolve()
    if (log.stats().failed) return reject(new Error('the log had failed before'))
    log.onCommitted = (now) => {
      if (now >= lsn) resolve()
    }
    log.onFailed = reject
    log.flush()
  })
}

/** Every record above `after` that is committed now, as text by LSN. */
export async function readAll(log: TransactionLog, after: number): Promise<[number, string][]> {
  const records: [number, string][] = []
  const { committed } = log
  if (after >= committed) return records
  for await (const batch of log.read(after)) {
    for (const record of batch.records) records.push([record.lsn, record.payload.toString('latin1')])
    if (after + records.length >= committed) break
  }
  return records
}

export function transactionLogSuite(name: string, make: () => Promise<LogUnderTest>): void {
  describe(`transaction log: ${name}`, () => {
    let under: LogUnderTest
    let log: TransactionLog

    beforeEach(async () => {
      under = await make()
      log = await under.open()
    })

    afterEach(async () => {
      await log.close().catch(() => undefined)
      await under.stop()
    })

    it('begins empty', async () => {
      expect([log.appended, log.committed, log.first, log.pendingBytes]).toEqual([0, 0, 1, 0])
      expect(await readAll(log, 0)).toEqual([])
      expect(log.stats()).toMatchObject({ records: 0, groups: 0, failed: false })
    })

    it('numbers records from 1 without gaps, and commits nothing before flush', async () => {
      expect(['a', 'b', 'c'].map((text) => appendText(log, text))).toEqual([1, 2, 3])
      expect(log.appended).toBe(3)
      expect(log.committed).toBe(0)
      expect(log.pendingBytes).toBeGreaterThanOrEqual(3)
      expect(await readAll(log, 0)).toEqual([])
      await committed(log, 3)
      expect(log.committed).toBe(3)
      expect(log.pendingBytes).toBe(0)
    })

    it('takes the given range of the payload, by copy', async () => {
      const bytes = Buffer.from('__payload__')
      log.append(bytes, 2, 9)
      bytes.fill('!')
      log.append(bytes, 0, 0)
      await committed(log, 2)
      expect(await readAll(log, 0)).toEqual([
        [1, 'payload'],
        [2, ''],
      ])
    })

    it('puts what a record refers to in its places', async () => {
      const payload = Buffer.from('__<><>__')
      const references = [
        { at: 3, bytes: Buffer.from('first') },
        { at: 5, bytes: Buffer.from('second') },
        { at: 6, bytes: Buffer.alloc(100_000, 'x') },
      ]
      appendText(log, 'before')
      log.append(payload, 2, 6, references)
      references.length = 0
      payload.fill('!')
      appendText(log, 'after')
      expect(log.pendingBytes).toBeGreaterThanOrEqual(100_015)
      log.append(Buffer.alloc(0), 0, 0, [{ at: 0, bytes: Buffer.from('all of it') }])
      await committed(log, 4)
      expect(log.pendingBytes).toBe(0)
      const expected = [
        [1, 'before'],
        [2, `<first><second>${'x'.repeat(100_000)}`],
        [3, 'after'],
        [4, 'all of it'],
      ]
      expect(await readAll(log, 0)).toEqual(expected)
      await log.close()
      log = await under.open()
      expect(await readAll(log, 0)).toEqual(expected)
    })

    it('tells of commits outside append and flush, in rising order, up to the last', async () => {
      const told: number[] = []
      const done = new Promise<void>((resolve) => {
        log.onCommitted = (now) => {
          expect(log.committed).toBe(now)
          told.push(now)
          if (now === 50) resolve()
        }
      })
      for (let round = 0; round < 5; round += 1) {
        for (let i = 0; i < 10; i += 1) appendText(log, `record ${round} ${i}`)
        log.flush()
        expect(told).toEqual([])
      }
      await done
      expect(told).toEqual([...new Set(told)].sort((a, b) => a - b))
    })

    it('forms the next group while one is under way, and commits it without another flush', async () => {
      const done = new Promise<void>((resolve) => {
        log.onCommitted = (now) => {
          if (now === 3) resolve()
        }
      })
      appendText(log, 'one')
      log.flush()
      appendText(log, 'two')
      appendText(log, 'three')
      await done
      expect(log.stats().groups).toBe(2)
      expect(log.stats().lastGroupRecords).toBe(2)
    })

    it('commits what is appended from within onCommitted', async () => {
      const done = new Promise<void>((resolve) => {
        log.onCommitted = (now) => {
          if (now === 3) resolve()
          else appendText(log, `after ${now}`)
          log.flush()
        }
      })
      appendText(log, 'first')
      log.flush()
      await done
      expect(await readAll(log, 0)).toEqual([
        [1, 'first'],
        [2, 'after 1'],
        [3, 'after 2'],
      ])
    })

    it('reads from any place', async () => {
      for (let lsn = 1; lsn <= 300; lsn += 1) appendText(log, `record ${lsn}`.padEnd(lsn, '.'))
      await committed(log, 300)
      for (const after of [0, 1, 150, 298, 299]) {
        const records = await readAll(log, after)
        expect(records).toHaveLength(300 - after)
        expect(records[0]).toEqual([after + 1, `record ${after + 1}`.padEnd(after + 1, '.')])
      }
      expect(await readAll(log, 300)).toEqual([])
      expect(await readAll(log, 400)).toEqual([])
    })

    it('reads only what is committed', async () => {
      appendText(log, 'in')
      await committed(log, 1)
      appendText(log, 'not yet')
      const records = await readAll(log, 0)
      // A sign of the leader that is under way may take the second one along.
      expect(records.length).toBeLessThanOrEqual(log.committed)
      expect(records[0]).toEqual([1, 'in'])
    })

    it('keeps every committed record over a close and over a crash, and goes on numbering', async () => {
      for (let lsn = 1; lsn <= 20; lsn += 1) appendText(log, `record ${lsn}`)
      await committed(log, 20)
      await under.crash(log)
      log = await under.open()
      expect([log.appended, log.committed, log.first]).toEqual([20, 20, 1])
      expect(appendText(log, 'next')).toBe(21)
      log.flush()
      await log.close()
      log = await under.open()
      const records = await readAll(log, 0)
      expect(records.map(([lsn]) => lsn)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1))
      expect(records.at(-1)).toEqual([21, 'next'])
    })

    it('commits on close what was appended, and takes no more', async () => {
      appendText(log, 'last words')
      await log.close()
      expect(() => appendText(log, 'too late')).toThrow(LogFailed)
      log = await under.open()
      expect(await readAll(log, 0)).toEqual([[1, 'last words']])
    })

    it('loses only a suffix of what was not committed', async () => {
      for (let lsn = 1; lsn <= 5; lsn += 1) appendText(log, `kept ${lsn}`)
      await committed(log, 5)
      for (let lsn = 6; lsn <= 9; lsn += 1) appendText(log, `open ${lsn}`)
      log.flush()
      await under.crash(log)
      log = await under.open()
      const records = await readAll(log, 0)
      expect(records.length).toBeGreaterThanOrEqual(5)
      expect(records).toEqual(records.map((_, index) => [index + 1, `${index < 5 ? 'kept' : 'open'} ${index + 1}`]))
      expect(appendText(log, 'goes on')).toBe(records.length + 1)
    })

    it('trims at most what it was told to, for good, and says so to readers', async () => {
      for (let lsn = 1; lsn <= 200; lsn += 1) {
        appendText(log, `${lsn}`.padEnd(200, '.'))
        if (lsn % 10 === 0) await committed(log, lsn)
      }
      await log.trim(100)
      const { first } = log
      expect(first).toBeGreaterThan(1)
      expect(first).toBeLessThanOrEqual(101)
      await expect(readAll(log, 0)).rejects.toThrow(LogTrimmed)
      expect((await readAll(log, first - 1)).map(([lsn]) => lsn)).toEqual(Array.from({ length: 201 - first }, (_, index) => first + index))
      await log.trim(50)
      expect(log.first).toBe(first)
      await log.close()
      log = await under.open()
      expect(log.first).toBe(first)
      expect(log.appended).toBe(200)
    })

    it('goes on numbering when everything was trimmed', async () => {
      for (let lsn = 1; lsn <= 40; lsn += 1) appendText(log, `${lsn}`.padEnd(500, '.'))
      await committed(log, 40)
      await log.trim(40)
      expect(log.first).toBeLessThanOrEqual(41)
      await log.close()
      log = await under.open()
      expect(log.appended).toBe(40)
      expect(log.first).toBeLessThanOrEqual(41)
      expect(appendText(log, 'x')).toBe(41)
      await committed(log, 41)
      expect(await readAll(log, 40)).toEqual([[41, 'x']])
    })

    it('fails once and for all', async () => {
      appendText(log, 'good')
      await committed(log, 1)
      const failures: Error[] = []
      let later = 0
      const failed = new Promise<void>((resolve) => {
        log.onFailed = (failure) => {
          failures.push(failure)
          resolve()
        }
        log.onCommitted = () => {
          later += 1
        }
      })
      under.failNextGroup(log)
      appendText(log, 'bad')
      log.flush()
      await failed
      expect(failures[0]).toBeInstanceOf(LogFailed)
      expect(() => appendText(log, 'refused')).toThrow(LogFailed)
      log.flush()
      expect(log.committed).toBe(1)
      expect(log.stats().failed).toBe(true)
      expect(await readAll(log, 0)).toEqual([[1, 'good']])
      await expect(log.close()).rejects.toThrow(LogFailed)
      expect(failures).toHaveLength(1)
      expect(later).toBe(0)
    })

    it('counts', async () => {
      appendText(log, 'a'.repeat(1000))
      appendText(log, 'b'.repeat(1000))
      await committed(log, 2)
      const stats = log.stats()
      expect(stats).toMatchObject({ groups: 1, records: 2, lastGroupRecords: 2, failed: false })
      expect(stats.writtenBytes).toBeGreaterThanOrEqual(2000)
      expect(stats.bytes).toBeGreaterThanOrEqual(2000)
      expect(stats.segments).toBeGreaterThanOrEqual(1)
    })

    it('takes a record of several megabytes', async () => {
      const large = Buffer.alloc(3_000_001, 'L')
      appendText(log, 'before')
      log.append(large, 0, large.length)
      appendText(log, 'after')
      await committed(log, 3)
      await log.close()
      log = await under.open()
      const records = await readAll(log, 0)
      expect(records.map(([lsn, text]) => [lsn, text.length])).toEqual([
        [1, 6],
        [2, large.length],
        [3, 5],
      ])
      expect(records[1]![1] === large.toString('latin1')).toBe(true)
    })
  })
}
