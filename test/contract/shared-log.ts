/** What every transaction log that several processes share must do, beside what every log must. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checksumFrom, HistoryChecksum } from '../../wal/running-checksum.ts'
import type { LogBatch, TransactionLog } from '../../wal/transaction-log.ts'
import { Fenced, LogFailed, TailMoved } from '../../wal/transaction-log.ts'
import { appendText, committed, readAll } from './transaction-log.ts'

export interface SharedLogUnderTest {
  /** Opens the log as one more process does; it reads, and has not claimed. */
  open(): Promise<TransactionLog>
  stop(): Promise<void>
}

const claimOf = (text: string): Buffer => Buffer.from(text)

export function sharedLogSuite(name: string, make: () => Promise<SharedLogUnderTest>): void {
  describe(`shared transaction log: ${name}`, () => {
    let under: SharedLogUnderTest
    const opened: TransactionLog[] = []

    async function open(): Promise<TransactionLog> {
      const log = await under.open()
      opened.push(log)
      return log
    }

    /** Opens the log and claims it. */
    async function lead(text = 'leader'): Promise<TransactionLog> {
      const log = await open()
      await leadershipOf(log).claim(log.committed, claimOf(text))
      return log
    }

    beforeEach(async () => {
      under = await make()
    })

    afterEach(async () => {
      for (const log of opened.splice(0)) await log.close().catch(() => undefined)
      await under.stop()
    })

    it('takes no record from who has not claimed it', async () => {
      const log = await open()
      expect(leadershipOf(log).epoch).toBe(0)
      expect(() => appendText(log, 'x')).toThrow(LogFailed)
    })

    it('goes to one of several claimants', async () => {
      const logs = [await open(), await open(), await open()]
      const outcomes = await Promise.allSettled(logs.map((log, i) => leadershipOf(log).claim(0, claimOf(`claimant ${i}`))))
      const won = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []))
      // Two would both answer, until the first one hears of the second.
      expect(won).toHaveLength(1)
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(TailMoved)
      const leader = logs[won[0]!]!
      appendText(leader, 'mine')
      await committed(leader, 1)
      expect(await readAll(await open(), 0)).toEqual([[1, 'mine']])
    })

    it('is refused to who has not read all of it', async () => {
      const behind = await open()
      const leader = await lead()
      await commits(leader, 'unread')
      await expect(leadershipOf(behind).claim(0, claimOf('behind'))).rejects.toThrow(TailMoved)
      await expect(leadershipOf(behind).claim(5, claimOf('ahead'))).rejects.toThrow(TailMoved)
      await commits(leader, 'still mine')
      expect((await nextBatch(behind, 0)).records.map(({ lsn }) => lsn)[0]).toBe(1)
    })

    it('is refused to who has not heard that the leader lives', async () => {
      const leader = await lead()
      await commits(leader, 'read')
      const deaf = await open()
      const listening = until(await open(), 0, ({ records }) => records.length === 0)
      const renewing = setInterval(() => leadershipOf(leader).renew(), 5)
      await listening
      clearInterval(renewing)
      await expect(leadershipOf(deaf).claim(1, claimOf('deaf'))).rejects.toThrow(TailMoved)
    })

    it('is refused to who has read for somebody else alone that the leader lives', async () => {
      const leader = await lead()
      await commits(leader, 'read')
      const next = await open()
      leadershipOf(leader).renew()
      // Nothing but the sign of life tells one.
      for await (const { checksum } of next.read(0, undefined, 'copy')) if (checksum !== undefined) break
      await expect(leadershipOf(next).claim(1, claimOf('next'))).rejects.toThrow(TailMoved)
      leadershipOf(leader).abandon()
      await claimsAtLast(next, 1, 'next')
      await commits(next, 'of the next')
    })

    it('goes to who has read what its leader said between the opening and the reading', async () => {
      const leader = await lead()
      await commits(leader, 'read')
      const next = await open()
      const listening = until(await open(), 1, ({ records }) => records.length === 0)
      const renewing = setInterval(() => leadershipOf(leader).renew(), 5)
      await listening
      clearInterval(renewing)
      leadershipOf(leader).abandon()
      await claimsAtLast(next, 1, 'next')
      await commits(next, 'of the next')
    })

    it('fences who led before: what it appends is never committed', async () => {
      const former = await lead('former')
      await commits(former, 'kept')
      const next = await open()
      await until(next, 0, (batch) => batch.records.some(({ lsn }) => lsn === 1))
      await leadershipOf(next).claim(1, claimOf('next'))
      expect(leadershipOf(next).epoch).toBeGreaterThan(leadershipOf(former).epoch)
      const outcome = commits(former, 'lost')
      await expect(outcome).rejects.toThrow(Fenced)
      expect(former.committed).toBe(1)
      expect(() => appendText(former, 'too late')).toThrow(Fenced)
      await commits(next, 'of the next')
      expect(await readAll(await open(), 0)).toEqual([
        [1, 'kept'],
        [2, 'of the next'],
      ])
    })

    it('fences an idle leader when it renews', async () => {
      const former = await lead()
      const next = await open()
      const fenced = new Promise((resolve) => {
        former.onFailed = resolve
      })
      await leadershipOf(next).claim(0, claimOf('next'))
      leadershipOf(former).renew()
      expect(await fenced).toBeInstanceOf(Fenced)
    })

    it('either has what was on its way when another one claimed, and that one knows, or never will', async () => {
      for (let round = 0; round < 5; round++) {
        const former = await lead()
        const before = former.committed
        const next = await open()
        appendText(former, `on its way ${round}`)
        let failed: Error | undefined
        former.onFailed = (failure) => {
          failed = failure
        }
        former.flush()
        const won = await leadershipOf(next)
          .claim(before, claimOf('next'))
          .then(
            () => true,
            (failure: Error) => {
              expect(failure).toBeInstanceOf(TailMoved)
              return false
            },
          )
        if (won) {
          await commits(next, `of the next ${round}`)
          leadershipOf(former).renew()
          await eventually(() => failed !== undefined)
          expect(former.committed).toBe(before)
        } else {
          await eventually(() => former.committed === before + 1)
          expect(failed).toBeUndefined()
        }
        const last = (await readAll(await open(), before)).map(([, text]) => text)
        expect(last).toEqual([won ? `of the next ${round}` : `on its way ${round}`])
        for (const log of opened.splice(0)) await log.close().catch(() => undefined)
      }
    })

    it('is read while it grows, in order and whole, from any place', async () => {
      const leader = await lead()
      const followers = [await open(), await open()]
      const total = 400
      const reading = followers.map(async (log, i) => {
        const after = i * 50
        const lsns: number[] = []
        await until(log, after, (batch) => {
          for (const { lsn, payload } of batch.records) {
            expect(payload.toString()).toBe(textOf(lsn))
            lsns.push(lsn)
          }
          return lsns.at(-1) === total
        })
        expect(lsns).toEqual(Array.from({ length: total - after }, (_, k) => after + 1 + k))
      })
      for (let lsn = 1; lsn <= total; ) {
        for (let i = 0; i < 37 && lsn <= total; i++, lsn++) appendText(leader, textOf(lsn))
        await committed(leader, leader.appended)
      }
      await Promise.all(reading)
    })

    it('shows followers nothing that is not committed, and large records whole', async () => {
      const leader = await lead()
      const follower = await open()
      const large = Buffer.alloc(700_000, 'L')
      appendText(leader, 'small')
      leader.append(large, 0, large.length)
      appendText(leader, 'small again')
      expect(follower.committed).toBe(0)
      await committed(leader, 3)
      const lengths: number[] = []
      await until(follower, 0, (batch) => {
        lengths.push(...batch.records.map(({ payload }) => payload.length))
        return lengths.length === 3
      })
      expect(lengths).toEqual([5, 700_000, 11])
    })

    it('gives a large record whole to who opens the log while its parts come', async () => {
      const leader = await lead()
      await commits(leader, 'small')
      const large = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251))
      leader.append(large, 0, large.length)
      const written = committed(leader, 2)
      const followers: TransactionLog[] = []
      while (leader.committed < 2 && followers.length < 20) {
        followers.push(await open())
        await Promise.resolve()
      }
      await written
      for (const follower of followers) {
        const { committed: after } = follower
        if (after === 2) continue
        const { records } = await nextBatch(follower, after)
        expect(records.at(-1)?.payload.equals(large)).toBe(true)
      }
    })

    it('tells readers that the leader lives, and who it is', async () => {
      const follower = await open()
      const first = until(follower, 0, ({ leader }) => leader?.claim.toString() === 'first')
      const leader = await lead('first')
      await first
      const sign = until(
        follower,
        0,
        ({ records, leader: { epoch } = { epoch: 0 } }) => records.length === 0 && epoch === leadershipOf(leader).epoch,
      )
      const renewing = setInterval(() => leadershipOf(leader).renew(), 20)
      await sign
      clearInterval(renewing)
      const second = until(follower, 0, (batch) => batch.leader?.claim.toString() === 'second')
      const next = await lead('second')
      await second
      expect(leadershipOf(follower).leader?.epoch).toBe(leadershipOf(next).epoch)
    })

    it('lasts for a lease from when the newest entry set out', async () => {
      const leader = await lead()
      const { renewedMs } = leadershipOf(leader)
      expect(renewedMs).toBeGreaterThan(Number.NEGATIVE_INFINITY)
      await later()
      await commits(leader, 'x')
      const afterCommit = leadershipOf(leader).renewedMs
      expect(afterCommit).toBeGreaterThanOrEqual(renewedMs)
      await later()
      leadershipOf(leader).renew()
      await eventually(() => leadershipOf(leader).renewedMs >= afterCommit)
    })

    it('is given up after everything that was appended, in favour of somebody', async () => {
      const leader = await lead('first')
      const follower = await open()
      appendText(leader, 'last words')
      const told = until(await open(), 0, (batch) => batch.leader?.released?.toString() === 'successor')
      await leadershipOf(leader).release(Buffer.from('successor'))
      expect(() => appendText(leader, 'too late')).toThrow(LogFailed)
      await told
      expect(leader.committed).toBe(1)
      await claimsAtLast(follower, 1, 'second')
      expect(leadershipOf(follower).leader?.released).toBeUndefined()
      await commits(follower, 'goes on')
      expect(await readAll(await open(), 0)).toEqual([
        [1, 'last words'],
        [2, 'goes on'],
      ])
    })

    it('tells readers the running checksum of what was appended, large records and many at once too', async () => {
      const leader = await lead('first')
      const follower = await open()
      const checksum = new HistoryChecksum(0, checksumFrom(0))
      const meets = (lsn: number): Promise<void> =>
        until(follower, checksum.lsn, (batch) => {
          for (const { payload } of batch.records) checksum.add(payload)
          if (batch.checksum !== undefined) checksum.hear(batch.checksum)
          return checksum.comparedLsn === lsn
        })
      for (let lsn = 1; lsn <= 300; lsn++) appendText(leader, textOf(lsn))
      const noted = leadershipOf(leader).noteChecksum()
      const large = Buffer.alloc(300_000, 'L')
      leader.append(Buffer.from('<>'), 0, 2, [{ at: 1, bytes: large }])
      appendText(leader, '')
      await committed(leader, 302)
      leadershipOf(leader).renew()
      await meets(302)
      expect(noted()).toMatchObject({ since: 0, lsn: 300 })
      // Whoever leads next goes on with it.
      const { now } = checksum
      await leadershipOf(leader).release(Buffer.alloc(0))
      const next = await open()
      await leadershipOf(next).claim(302, claimOf('second'), now)
      appendText(next, 'more')
      await committed(next, 303)
      leadershipOf(next).renew()
      const again = new HistoryChecksum(0, checksumFrom(0))
      await until(await open(), 0, (batch) => {
        for (const { payload } of batch.records) again.add(payload)
        if (batch.checksum !== undefined) again.hear(batch.checksum)
        return again.comparedLsn === 303
      })
      expect(again.now).toMatchObject({ since: 0, lsn: 303 })
    })

    it('is removed by who leads it, and by nobody else', async () => {
      const former = await lead('former')
      await commits(former, 'kept')
      await commits(former, 'kept too')
      const next = await lead('next')
      await expect(leadershipOf(former).end()).rejects.toThrow(Fenced)
      await commits(next, 'of the next')
      expect((await readAll(await open(), 0)).map(([lsn]) => lsn)).toEqual([1, 2, 3])
      await leadershipOf(next).end()
    })

    it('ends a reading that is given up', async () => {
      const log = await open()
      const given = new AbortController()
      const ended = (async () => {
        for await (const _ of log.read(0, given.signal)) {
        }
      })()
      given.abort()
      await ended
    })

    it('ends readings when it is closed', async () => {
      const log = await open()
      const ended = (async () => {
        for await (const _ of log.read(0)) {
        }
      })()
      await log.close()
      await ended
    })
  })
}

function textOf(lsn: number): string {
  return `record ${lsn} `.padEnd(20 + ((lsn * 7919) % 900), '.')
}

function leadershipOf(log: TransactionLog): NonNullable<TransactionLog['leadership']> {
  if (log.leadership === undefined) throw new Error('the log is not shared')
  return log.leadership
}

async function commits(log: TransactionLog, text: string): Promise<void> {
  await committed(log, appendText(log, text))
}

/** Reads on until `enough`. */
async function until(log: TransactionLog, after: number, enough: (batch: LogBatch) => boolean): Promise<void> {
  for await (const batch of log.read(after)) if (enough(batch)) return
  throw new Error('the reading ended before')
}

/** Reads on until it has read everything, and its claim is accepted. */
async function claimsAtLast(log: TransactionLog, after: number, claim: string): Promise<void> {
  const enough = new AbortController()
  const reading = (async () => {
    for await (const _ of log.read(after, enough.signal)) {
    }
  })()
  for (let isWon = false; !isWon; await later()) {
    isWon = await leadershipOf(log)
      .claim(after, claimOf(claim))
      .then(
        () => true,
        (failure) => {
          if (!(failure instanceof TailMoved)) throw failure
          return false
        },
      )
  }
  enough.abort()
  await reading
}

/** The next one that has records. */
async function nextBatch(log: TransactionLog, after: number): Promise<LogBatch> {
  let found: LogBatch | undefined
  await until(log, after, (batch) => {
    found = batch
    return batch.records.length > 0
  })
  return found as LogBatch
}

function later(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await later()
}
