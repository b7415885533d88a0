/** The log in etcd against a real member: what every log must do, and what a shared one must. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { realClock } from '../../server/real-clock.ts'
import type { EtcdEndpoint } from '../../wal/etcd/etcd-endpoint.ts'
import { EtcdEndpoint as Endpoint } from '../../wal/etcd/etcd-endpoint.ts'
import { EtcdEndpoints } from '../../wal/etcd/etcd-endpoints.ts'
import { openEtcdLog } from '../../wal/etcd/etcd-log.ts'
import type { EtcdMethod } from '../../wal/etcd/etcd-method.ts'
import type { EtcdOutcome } from '../../wal/etcd/etcd-outcome.ts'
import { txn } from '../../wal/etcd/kv-methods.ts'
import type { LogPlace } from '../../wal/etcd/made-log.ts'
import { createEtcdLog, etcdLogExists, LogExists } from '../../wal/etcd/made-log.ts'
import type { SharedLog } from '../../wal/shared/shared-log.ts'
import { Fenced, LogTrimmed, TailMoved } from '../../wal/transaction-log.ts'
import { chance } from '../chance.ts'
import type { EtcdCluster } from '../integration/etcd-cluster.ts'
import { startEtcd } from '../integration/etcd-cluster.ts'
import { describeWith, etcdServer } from '../needs.ts'
import { sharedLogSuite } from './shared-log.ts'
import { appendText, committed, readAll, transactionLogSuite } from './transaction-log.ts'

/** Less than the pause between two attempts. */
const oneAttemptMs = 40
/** A busy machine may take its time. */
const deadlineMs = 20_000

let cluster: EtcdCluster
let logs = 0
/** Each process has chance of its own. */
let opens = 0

/** Endpoints that can be made to refuse, or not to answer so many transactions. */
class RefusingEndpoints extends EtcdEndpoints {
  refuses = false
  unanswered = 0
  /** So many transactions are refused by their token, after the endpoint has tried another one. */
  badTokens = 0
  /** What the next call waits for. */
  held: Promise<void> | undefined
  /** Waited for by each call, before it is made. */
  before: (method: unknown) => Promise<void> = () => Promise.resolve()
  /** Sends a transaction again that it has sent before: the network has kept a second one for so long. */
  late: (() => Promise<unknown>)[] = []
  /** When the last transaction was sent that reached etcd. */
  sentMs = 0

  override async call<Request, Reply>(method: EtcdMethod<Request, Reply>, request: Request, ms?: number): Promise<EtcdOutcome<Reply>> {
    await this.before(method)
    const { held } = this
    this.held = undefined
    if (held !== undefined) return held.then(() => this.call(method, request, ms))
    if ((method as unknown) === txn && this.unanswered > 0) {
      this.unanswered--
      return Promise.resolve({ kind: 'ambiguous', code: 4, message: 'told to' })
    }
    if ((method as unknown) === txn && this.badTokens > 0) {
      this.badTokens--
      return Promise.resolve({ kind: 'refused', why: 'badToken', code: 16, message: 'etcdserver: invalid auth token' })
    }
    if ((method as unknown) === txn) {
      this.sentMs = realClock.monotonicMs()
      this.late.push(() => super.call(method, request, ms))
    }
    if (!this.refuses || (method as unknown) !== txn) return super.call(method, request, ms)
    return Promise.resolve({ kind: 'refused', why: 'denied', code: 7, message: 'told to' })
  }
}

function endpoints(): RefusingEndpoints {
  const all: EtcdEndpoint[] = cluster.addresses.map((address) => new Endpoint({ address, clock: realClock, deadlineMs }))
  return new RefusingEndpoints(all)
}

async function openAt(prefix: string): Promise<{ readonly log: SharedLog; readonly endpoints: RefusingEndpoints }> {
  const used = endpoints()
  return { log: await openEtcdLog({ endpoints: used, clock: realClock, random: chance(100 + opens++), prefix }), endpoints: used }
}

describeWith([etcdServer], 'the log in etcd', () => {
  beforeAll(async () => {
    cluster = await startEtcd()
  })

  afterAll(() => cluster?.stop())

  transactionLogSuite('etcd', async () => {
    const prefix = `/moraine-test/${++logs}`
    const opened = new Map<unknown, RefusingEndpoints>()
    return {
      open: async () => {
        const { log, endpoints: used } = await openAt(prefix)
        opened.set(log, used)
        await log.claim(log.committed, Buffer.from('test'))
        return log
      },
      crash: async (log) => (log as SharedLog).abandon(),
      failNextGroup: (log) => {
        const used = opened.get(log)
        if (used !== undefined) used.refuses = true
      },
      stop: async () => undefined,
    }
  })

  sharedLogSuite('etcd', async () => {
    const prefix = `/moraine-test/${++logs}`
    return { open: async () => (await openAt(prefix)).log, stop: async () => undefined }
  })

  it('refuses a claim that was decided on before another one was heard of', async () => {
    const prefix = `/moraine-test/${++logs}`
    const former = await openAt(prefix)
    await former.log.claim(0, Buffer.from('former'))
    const committed = new Promise((resolve) => {
      former.log.onCommitted = resolve
    })
    former.log.append(Buffer.from('record'), 0, 6)
    former.log.flush()
    await committed
    const first = await openAt(prefix)
    const late = await openAt(prefix)
    const reading = late.log.read(0)[Symbol.asyncIterator]()
    // What is there, and who leads; what comes then is told by a watch.
    await reading.next()
    await reading.next()
    let heard = reading.next()
    let release = (): void => undefined
    late.endpoints.held = new Promise((resolve) => {
      release = resolve
    })
    const claimed = late.log.claim(1, Buffer.from('late')).catch((failure: Error) => failure)
    await first.log.claim(1, Buffer.from('first'))
    // It hears of the first one's claim while its own is under way.
    while ((await heard).value?.leader?.epoch !== 2) heard = reading.next()
    release()
    expect(await claimed).toBeInstanceOf(TailMoved)
    await reading.return?.(undefined)
    former.log.abandon()
    await Promise.all([first.log.close(), late.log.close()])
  })

  it('is opened and read as it is whenever it is trimmed meanwhile', async () => {
    const prefix = `/moraine-test/${++logs}`
    const { log } = await openAt(prefix)
    await log.claim(0, Buffer.from('leader'))
    let upTo = 0
    let callsUntilTrim = 0
    const open = async (): Promise<SharedLog> => {
      const used = endpoints()
      used.before = async () => {
        if (--callsUntilTrim === 0) await log.trim(upTo)
      }
      const random = chance(100 + opens++)
      return openEtcdLog({ endpoints: used, clock: realClock, random, prefix, knownCommitted: log.committed })
    }
    for (let calls = 2; calls <= 8; calls++) {
      for (let i = 0; i < 80; i++) await committed(log, appendText(log, 'x'))
      upTo = log.committed - 43
      callsUntilTrim = calls
      const reader = await open()
      expect(reader.committed).toBe(log.committed)
      upTo = log.committed - 3
      callsUntilTrim = calls
      for await (const { records } of reader.read(upTo)) {
        if (records.length === 0) continue
        expect(records[0]?.lsn).toBe(upTo + 1)
        break
      }
      await reader.close()
    }
    await log.close()
  })

  it('takes nothing that arrives when its slot has been trimmed', async () => {
    const prefix = `/moraine-test/${++logs}`
    const { log, endpoints: used } = await openAt(prefix)
    await log.claim(0, Buffer.from('leader'))
    for (let i = 0; i < 60; i++) await committed(log, appendText(log, 'x'))
    const puts = used.late.slice(1, 30)
    await log.trim(55)
    expect(log.first).toBeGreaterThan(30)
    for (const put of puts) await put()
    await committed(log, appendText(log, 'goes on'))
    const { log: next } = await openAt(prefix)
    expect([next.committed, next.first]).toEqual([61, log.first])
    await log.close()
    await next.close()
  })

  it('is not claimed by a claim that arrives when its slot has been trimmed', async () => {
    const prefix = `/moraine-test/${++logs}`
    const { log } = await openAt(prefix)
    await log.claim(0, Buffer.from('leader'))
    await committed(log, appendText(log, 'x'))
    const other = await openAt(prefix)
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    other.endpoints.before = (method) => (method === txn ? released : Promise.resolve())
    const claimed = other.log.claim(1, Buffer.from('other')).catch((failure: Error) => failure)
    for (let i = 0; i < 60; i++) await committed(log, appendText(log, 'x'))
    await log.trim(55)
    release()
    expect(await claimed).toBeInstanceOf(TailMoved)
    await committed(log, appendText(log, 'goes on'))
    await log.close()
    await other.log.close()
  })

  it('goes on when tokens are refused several times, because users change, and fails when they always are', async () => {
    const { log, endpoints: used } = await openAt(`/moraine-test/${++logs}`)
    used.badTokens = 2
    await log.claim(0, Buffer.from('test'))
    used.badTokens = 3
    await committed(log, appendText(log, 'x'))
    used.badTokens = Number.POSITIVE_INFINITY
    await expect(committed(log, appendText(log, 'y'))).rejects.toThrow('invalid auth token')
    await log.close().catch(() => undefined)
  })

  it('counts the lease from the attempt that succeeded, however long etcd had no leader before', async () => {
    const { log, endpoints: used } = await openAt(`/moraine-test/${++logs}`)
    used.unanswered = 3
    await log.claim(0, Buffer.from('test'))
    expect(log.renewedMs).toBeGreaterThan(used.sentMs - oneAttemptMs)
    used.unanswered = 3
    const committed = new Promise((resolve) => {
      log.onCommitted = resolve
    })
    log.append(Buffer.from('record'), 0, 6)
    log.flush()
    await committed
    expect(log.renewedMs).toBeGreaterThan(used.sentMs - oneAttemptMs)
    await log.close()
  })

  describe('a log in etcd that goes on where another one has ended', () => {
    const place = (prefix: string): LogPlace => ({ endpoints: endpoints(), clock: realClock, prefix })

    it('begins behind its last record, is made anew until somebody claims it, and is gone when it is ended', async () => {
      const prefix = `/moraine-test/${++logs}`
      expect(await etcdLogExists(place(prefix))).toBe(false)
      await createEtcdLog(place(prefix), 5n, 40)
      await createEtcdLog(place(prefix), 5n, 41)
      await createEtcdLog(place(prefix), 5n, 41)
      await expect(createEtcdLog(place(prefix), 6n, 41)).rejects.toThrow(LogExists)
      const { log } = await openAt(prefix)
      expect([log.logId, log.first, log.appended]).toEqual([5n, 42, 41])
      await log.claim(41, Buffer.from('test'))
      await expect(createEtcdLog(place(prefix), 5n, 41)).rejects.toThrow(LogExists)
      await committed(log, appendText(log, 'goes on'))
      const { log: next } = await openAt(prefix)
      await expect(readAll(next, 40)).rejects.toThrow(LogTrimmed)
      expect(await readAll(next, 41)).toEqual([[42, 'goes on']])
      await next.claim(42, Buffer.from('next'))
      await expect(log.end()).rejects.toThrow(Fenced)
      await next.end()
      expect(await etcdLogExists(place(prefix))).toBe(false)
      await next.close()
      await log.close().catch(() => undefined)
    })
  })
})
