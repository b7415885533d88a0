import { describe, expect, it } from 'vitest'
import type { LocalLogOptions } from '../../wal/local-log.ts'
import { LocalLog } from '../../wal/local-log.ts'
import { FrameHeader, logSeed } from '../../wal/record.ts'
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../wal/segment.ts'
import type { LogBatch } from '../../wal/transaction-log.ts'
import { LogCorrupt, LogFailed } from '../../wal/transaction-log.ts'
import { appendText, committed, readAll } from '../contract/transaction-log.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'

const FIRST = '/log/000000000001.log'

function machine(seed = 1) {
  const random = new SeededRandom(seed)
  const disk = new SimulatedDisk(random)
  const clock = new ManualClock()
  let files = disk.mount()
  return {
    disk,
    clock,
    open: (options: Partial<LocalLogOptions> = {}) =>
      LocalLog.open({ files, clock, random, directory: '/log', syncPolicy: 'always', segmentBytes: 16 << 10, ...options }),
    crash: () => {
      files = disk.crash()
    },
  }
}

function count(disk: SimulatedDisk, operation: 'write' | 'sync'): number {
  return disk.counts.get(operation) ?? 0
}

/** Appends and commits records of `bytes` each, a group each. */
async function fill(log: LocalLog, records: number, bytes = 1000): Promise<void> {
  for (let i = 0; i < records; i += 1) await committed(log, appendText(log, `${log.appended + 1}`.padEnd(bytes, '.')))
}

async function refusal(opening: Promise<unknown>): Promise<LogCorrupt> {
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(LogCorrupt)
  return error as LogCorrupt
}

describe('a commit of the local log', () => {
  it('is one write and no sync under always, however many records', async () => {
    const { disk, open } = machine()
    const log = await open()
    const [writes, syncs] = [count(disk, 'write'), count(disk, 'sync')]
    for (let i = 0; i < 20; i += 1) appendText(log, `record ${i}`)
    await committed(log, 20)
    expect([count(disk, 'write') - writes, count(disk, 'sync') - syncs]).toEqual([1, 0])
    expect(log.synced).toBe(20)
  })

  it('is synced within a second under everysec, never under no', async () => {
    for (const syncPolicy of ['everysec', 'no'] as const) {
      const { disk, clock, open } = machine()
      const log = await open({ syncPolicy })
      await fill(log, 3)
      expect([log.committed, log.synced, count(disk, 'sync')]).toEqual([3, 0, 0])
      clock.advance(999)
      expect(count(disk, 'sync')).toBe(0)
      clock.advance(1)
      await fill(log, 1)
      expect([count(disk, 'sync'), log.synced]).toEqual(syncPolicy === 'everysec' ? [1, 3] : [0, 0])
      clock.advance(1000)
      await log.close()
      expect(clock.waiting).toBe(0)
    }
  })

  it('makes durable what was only written when the policy becomes always', async () => {
    const { disk, open } = machine()
    const log = await open({ syncPolicy: 'no', segmentBytes: 4 << 20 })
    await fill(log, 3)
    appendText(log, 'under way while the policy changes'.padEnd(1_100_000, '.'))
    log.flush()
    log.setSyncPolicy('always')
    await committed(log, 4)
    expect(log.synced).toBe(4)
    expect(count(disk, 'sync')).toBeGreaterThan(0)
    await fill(log, 1)
    expect(log.synced).toBe(5)
  })

  it('refuses a record that no frame can hold', async () => {
    const log = await machine().open()
    expect(() => log.append(Buffer.alloc(0), 0, 2 ** 31 + 1)).toThrow(RangeError)
    expect(log.appended).toBe(0)
  })
})

describe('a failure of the local log', () => {
  it('never retries a failed sync', async () => {
    const { disk, clock, open } = machine()
    const log = await open({ syncPolicy: 'everysec' })
    await fill(log, 1)
    const failed = new Promise<Error>((resolve) => {
      log.onFailed = resolve
    })
    disk.failNext('sync', 'EIO')
    clock.advance(1000)
    expect((await failed).message).toContain('EIO')
    expect(() => appendText(log, 'x')).toThrow(LogFailed)
    clock.advance(10_000)
    await expect(log.close()).rejects.toThrow(LogFailed)
    expect(count(disk, 'sync')).toBe(1)
  })

  it('commits nothing that stands behind a sync that failed in the background', async () => {
    const { disk, open, crash } = machine()
    const log = await open({ syncPolicy: 'no' })
    await fill(log, 2)
    let told = log.committed
    log.onCommitted = (now) => {
      told = now
    }
    const failed = new Promise<Error>((resolve) => {
      log.onFailed = resolve
    })
    disk.failNext('sync', 'EIO')
    log.setSyncPolicy('always')
    appendText(log, 'after what was lost')
    log.flush()
    expect((await failed).message).toContain('EIO')
    await expect(log.close()).rejects.toThrow(LogFailed)
    expect(told).toBe(2)
    crash()
    await (await open()).close()
  })

  it('goes on without a spare until a segment is needed and the disk is really full', async () => {
    const { disk, open } = machine()
    const log = await open()
    disk.limitFreeBytes(0)
    await fill(log, 8)
    expect(log.spareFailure).toMatchObject({ code: 'ENOSPC' })
    expect(log.stats().failed).toBe(false)
    const failure: Error = await fill(log, 10).then(
      () => new Error('did not fail'),
      (error: Error) => error,
    )
    expect(failure).toBeInstanceOf(LogFailed)
    expect(failure.message).toContain('ENOSPC')
    expect(log.committed).toBeGreaterThan(8)
    expect((await readAll(log, 0)).length).toBe(log.committed)
  })

  it('makes a small segment when there is no room for a full one', async () => {
    const { disk, open } = machine()
    const log = await open({ segmentBytes: 4 << 20 })
    disk.limitFreeBytes(3 << 20)
    await fill(log, 45, 100_000)
    const sizes = (await disk.list('/log')).map((name) => disk.contents(`/log/${name}`).length)
    expect(sizes).toEqual([4 << 20, 1 << 20])
    await log.close()
    expect((await open({ segmentBytes: 4 << 20 })).appended).toBe(45)
  })

  it('tries for a spare again after a trim', async () => {
    const { disk, open } = machine()
    const log = await open()
    await fill(log, 20)
    disk.limitFreeBytes(0)
    while (!log.spareFailure) await fill(log, 1)
    disk.limitFreeBytes(1 << 20)
    await log.trim(log.committed)
    expect(log.spareFailure).toBe(undefined)
    await fill(log, 40)
  })
})

describe('the segments of the local log', () => {
  it('follow one another, and are used again after a trim, whatever stale frames they hold', async () => {
    const { disk, open } = machine()
    const log = await open()
    await fill(log, 60)
    const before = log.stats()
    expect(before.segments).toBeGreaterThan(4)
    await log.trim(60)
    expect(log.stats().segments).toBe(1)
    const writes = count(disk, 'write')
    await fill(log, 40)
    // 40 groups, a header for each of the new segments, and no zeros but those of spares beyond the recycled ones.
    expect(count(disk, 'write') - writes).toBeLessThan(40 + 2 * log.stats().segments)
    const { first } = log
    await log.close()
    const again = await open()
    expect((await readAll(again, first - 1)).map(([lsn]) => lsn)).toEqual(Array.from({ length: 101 - first }, (_, index) => first + index))
  })

  it('stay as they were for a reader while they are trimmed', async () => {
    // Segments of several read-ahead pieces, so that most of the first is still unread when it goes.
    const { open } = machine()
    const log = await open({ segmentBytes: 8 << 20 })
    await fill(log, 100, 100_000)
    const reading = log.read(0)[Symbol.asyncIterator]()
    const { records }: LogBatch = (await reading.next()).value
    expect(records.at(-1)!.lsn).toBeLessThan(30)
    await log.trim(90)
    expect(log.first).toBeGreaterThan(60)
    await fill(log, 200, 100_000)
    expect(records.map((record) => Number(record.payload.toString().split('.')[0]))).toEqual(records.map((record) => record.lsn))
    let last = records.at(-1)!.lsn
    while (last < 300) {
      const next: LogBatch = (await reading.next()).value
      expect(next.records[0]!.lsn).toBe(last + 1)
      last = next.records.at(-1)!.lsn
    }
    expect(last).toBe(300)
    await reading.return?.(undefined)
  })

  it('tells a reader whose next segment has been trimmed', async () => {
    const { open } = machine()
    const log = await open()
    await fill(log, 60)
    const reading = log.read(0)[Symbol.asyncIterator]()
    await reading.next()
    await log.trim(60)
    await expect(
      (async () => {
        while (!(await reading.next()).done);
      })(),
    ).rejects.toThrow('has been trimmed')
  })

  it('tells a reader whose segment is trimmed before its file is open', async () => {
    const { disk, open } = machine()
    const log = await open()
    await fill(log, 60)
    disk.failNext('open', 'ENOENT')
    const first = log.read(0)[Symbol.asyncIterator]().next()
    const trimming = log.trim(60)
    await expect(first).rejects.toThrow('has been trimmed')
    await trimming
    const lost = log.read(log.first - 1)[Symbol.asyncIterator]()
    disk.lose(`/log/${(await disk.list('/log')).find((name) => name.endsWith('.log'))}`)
    await expect(lost.next()).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('give a record larger than a segment one of its own', async () => {
    const { disk, open } = machine()
    const log = await open()
    await fill(log, 2)
    await committed(log, appendText(log, 'L'.repeat(50_000)))
    await fill(log, 5)
    const sizes = (await disk.list('/log')).filter((name) => name.endsWith('.log')).map((name) => disk.contents(`/log/${name}`).length)
    expect(sizes).toEqual([16 << 10, 56 << 10, 16 << 10])
    await log.close()
    expect((await readAll(await open(), 0)).map(([, text]) => text.length)).toEqual([1000, 1000, 50_000, 1000, 1000, 1000, 1000, 1000])
  })

  it('survive a first record larger than a segment: the empty one is replaced, not trimmed with its successor', async () => {
    const { open } = machine()
    const log = await open()
    await committed(log, appendText(log, 'L'.repeat(50_000)))
    expect(log.stats().segments).toBe(1)
    await log.trim(1)
    await log.close()
    expect((await open()).appended).toBe(1)
  })

  it.each([0, 8, 24, 32])('keep room for the mark of a clean close: a flipped bit is refused with %i bytes left', async (left) => {
    const { disk, open } = machine()
    const log = await open()
    // A frame of one record: 32 bytes of header and 4 of length.
    await committed(log, appendText(log, 'x'.repeat((16 << 10) - SEGMENT_HEADER_BYTES - 36 - left)))
    await log.close()
    const again = await open()
    await again.close()
    const path = `/log/${(await disk.list('/log')).findLast((name) => name.endsWith('.log'))}`
    disk.damage(path, (bytes) => {
      bytes[SEGMENT_HEADER_BYTES + 40]! ^= 1
    })
    expect((await refusal(open())).message).toContain('damaged')
  })

  it('may begin at any LSN', async () => {
    const { open } = machine()
    const log = await open({ firstLsn: 1000 })
    expect([log.first, log.appended]).toEqual([1000, 999])
    await fill(log, 1)
    await log.close()
    expect((await open()).appended).toBe(1000)
  })
})

describe('opening the local log', () => {
  it('says how far it is', async () => {
    const { open } = machine()
    const log = await open()
    await fill(log, 60)
    await log.close()
    const progress: [number, number][] = []
    const again = await open({ onProgress: (done, total) => progress.push([done, total]) })
    const total = again.stats().segments * (16 << 10)
    expect(progress.at(-1)).toEqual([total, total])
    expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).sort((a, b) => a - b))
    expect(progress.length).toBeGreaterThan(10)
  })

  it('refuses a log with another id, and a mixture', async () => {
    const { disk, open } = machine()
    const log = await open()
    await fill(log, 20)
    await log.close()
    expect((await refusal(open({ logId: 5n }))).message).toContain('not to log 5')
    expect((await open({ logId: log.logId })).logId).toBe(log.logId)
    disk.damage(FIRST, (bytes) => encodeSegmentHeader({ logId: 5n, firstLsn: 1, segmentBytes: 16 << 10 }).copy(bytes))
    expect((await refusal(open())).message).toContain('belongs to log')
  })

  it('refuses a newer format and a damaged header, saying where', async () => {
    const { disk, open } = machine()
    await (await open()).close()
    const page = disk.contents(FIRST).subarray(0, SEGMENT_HEADER_BYTES)
    disk.damage(FIRST, (bytes) => encodeSegmentHeader({ logId: 5n, firstLsn: 1, segmentBytes: 16 << 10 }, 2).copy(bytes))
    expect(await refusal(open())).toMatchObject({ file: FIRST, offset: 8, message: expect.stringContaining('version 2') })
    disk.damage(FIRST, (bytes) => {
      page.copy(bytes)
      bytes[20]! ^= 1
    })
    expect(await refusal(open())).toMatchObject({ file: FIRST, offset: 0 })
  })

  it('refuses a log that ends before what is known to have been committed', async () => {
    const { open } = machine()
    const log = await open()
    await fill(log, 5)
    await log.close()
    expect((await refusal(open({ knownCommitted: 6 }))).message).toContain('ends with record 5, but record 6 had been committed')
    await open({ knownCommitted: 5 })
  })

  it('cuts a torn group whose later frames arrived, so that none of them is ever taken for a new record', async () => {
    const { disk, open, crash } = machine()
    const log = await open({ segmentBytes: 256 << 10 })
    await fill(log, 2)
    for (let i = 0; i < 3; i += 1) appendText(log, `torn ${i}`.padEnd(40_000))
    await committed(log, 5)
    crash()
    // The first of three frames of the last group did not arrive whole.
    const header = new FrameHeader()
    disk.damage(FIRST, (bytes) => {
      let at = SEGMENT_HEADER_BYTES
      while (header.decode(bytes, at, logSeed(log.logId)) && header.firstLsn < 3) at += header.frameBytes
      expect([header.firstLsn, header.records]).toEqual([3, 1])
      bytes.fill(0, at + 512, at + 1024)
    })
    const again = await open({ segmentBytes: 256 << 10 })
    expect(again.appended).toBe(2)
    // The new record ends exactly where the stale frame of record 4 begins.
    await committed(again, appendText(again, 'new'.padEnd(40_000)))
    crash()
    const last = await open({ segmentBytes: 256 << 10 })
    expect(last.appended).toBe(3)
    expect((await readAll(last, 2))[0]![1].trim()).toBe('new')
  })

  it('makes durable what a killed process had only written, before it counts as committed', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { open, crash } = machine(seed)
      const killed = await open({ syncPolicy: 'no' })
      await fill(killed, 8, 700)
      expect(killed.synced).toBe(0)
      // The process is gone, the machine is not: its page cache still shows what it wrote.
      const next = await open()
      expect([next.committed, next.synced]).toEqual([8, 8])
      crash()
      const last = await open()
      expect([seed, last.appended]).toEqual([seed, 8])
      expect((await readAll(last, 0)).map(([lsn]) => lsn)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    }
  })

  it('is not misled by a value that is a copy of the log itself', async () => {
    const { disk, open, crash } = machine()
    const log = await open()
    await fill(log, 8)
    const copy = disk.contents(FIRST)
    for (let shift = 0; shift < 8; shift += 1) appendText(log, '.'.repeat(shift) + copy.toString('latin1'))
    await committed(log, 16)
    crash()
    // The first byte of the first copy's record goes: what follows is full of intact frames of this very log.
    disk.damage('/log/000000000009.log', (bytes) => {
      bytes[SEGMENT_HEADER_BYTES + 40]! ^= 1
    })
    disk.lose('/log/00000000000a.log')
    for (const name of await disk.list('/log')) {
      const lsn = Number.parseInt(name, 16)
      if (name.endsWith('.log') && lsn > 9) disk.lose(`/log/${name}`)
    }
    const again = await open()
    expect(again.appended).toBe(8)
    await fill(again, 1)
    await again.close()
    expect((await open()).appended).toBe(9)
  })

  it('notices what rots after it was opened', async () => {
    const { disk, open } = machine()
    const log = await open()
    await fill(log, 30)
    disk.damage(FIRST, (bytes) => {
      bytes[SEGMENT_HEADER_BYTES + 100]! ^= 4
    })
    const error = await refusal(readAll(log, 0))
    expect(error).toMatchObject({ file: FIRST, offset: SEGMENT_HEADER_BYTES })
    expect(error.message).toContain('record 1 is damaged')
  })
})
