/**
 * The shared log of one node over a log engine that it reaches by a link with faults: what it asks for it asks again until it knows the
 * outcome, and followers know what news has reached them.
 */
import type { KnownLog } from '../../server/ports.ts'
import type { Members } from '../../wal/members.ts'
import type { Claimed, EntryBatch, EntryStore } from '../../wal/shared/entry-store.ts'
import type { LogEntry, PlacedEntry } from '../../wal/shared/log-entry.ts'
import { reaches } from '../../wal/shared/log-entry.ts'
import { SharedLog } from '../../wal/shared/shared-log.ts'
import { TailWaiters } from '../../wal/tail-waiters.ts'
import { LogFailed } from '../../wal/transaction-log.ts'
import type { ProcessClock } from './event-loop.ts'
import type { LogLink } from './log-link.ts'
import type { EngineEntry, LogEngine, Written } from './shared-log-engine.ts'

/** After so long without an answer a request is sent again. */
const retryMs = 40
/** A claim without an answer is given up: nobody knows whether it has happened. */
const claimTries = 4
/** What is told beside the log is asked for once. */
const memberMs = 500

/** Asks until the engine has answered what the newest entry is. */
export async function openSimulatedLog(
  engine: LogEngine,
  link: LogLink,
  clock: ProcessClock,
  { knownCommitted, patienceMs = Number.POSITIVE_INFINITY }: KnownLog,
): Promise<SharedLog> {
  const untilMs = clock.monotonicMs() + patienceMs
  const isGivenUp = (): boolean => clock.monotonicMs() > untilMs
  const { outcome: entries } = await new Asking(link, clock).until(() => engine.entries.length, isGivenUp)
  const { lastLsn = 0, leader, header } = engine.entries[entries - 1] ?? {}
  if (lastLsn < knownCommitted) throw new Error('the shared log has lost records')
  const end = { tailSlot: entries, tailLsn: lastLsn, endsWithin: header?.kind === 'part', leader }
  return new SharedLog(new SimulatedEntryStore(engine, link, clock, entries), clock, end)
}

/** What came of a request that may have been sent several times. */
interface Answer<T> {
  readonly outcome: T
  /** When the attempt set out that was answered, and the first one. */
  readonly setOutMs: number
  readonly firstMs: number
}

/** Requests that are sent again and again: one that was sent later may be answered before. */
class Asking {
  readonly #link: LogLink
  readonly #clock: ProcessClock

  constructor(link: LogLink, clock: ProcessClock) {
    this.#link = link
    this.#clock = clock
  }

  /** The first answer that settles it. Rejects when there is none before it is given up. */
  until<T>(work: () => T, isGivenUp: () => boolean, settles: (outcome: T) => boolean = () => true): Promise<Answer<T>> {
    const clock = this.#clock
    const firstMs = clock.monotonicMs()
    return new Promise((resolve, reject) => {
      let isSettled = false
      const ask = (): void => {
        if (isSettled) return
        if (isGivenUp()) {
          reject(new LogFailed('the log does not answer'))
          return
        }
        const setOutMs = clock.monotonicMs()
        this.#link.ask(clock, work, (outcome) => {
          if (!settles(outcome)) return
          isSettled = true
          resolve({ outcome, setOutMs, firstMs })
        })
        clock.after(retryMs, ask)
      }
      ask()
    })
  }

  once<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#link.ask(this.#clock, work, resolve)
      this.#clock.after(memberMs, () => reject(new Error('the log does not answer')))
    })
  }
}

class SimulatedEntryStore implements EntryStore {
  readonly logId = 1n
  readonly firstLsn = 1
  readonly members: Members
  readonly #engine: LogEngine
  readonly #link: LogLink
  readonly #clock: ProcessClock
  readonly #asking: Asking
  /** Entries that have become known here. */
  #known: number
  readonly #tail = new TailWaiters()
  #isTold = false
  readonly #forget: () => void
  #isClosed = false

  constructor(engine: LogEngine, link: LogLink, clock: ProcessClock, known: number) {
    this.#engine = engine
    this.#link = link
    this.#clock = clock
    this.#known = known
    const asking = new Asking(link, clock)
    this.#asking = asking
    this.members = {
      announce: (id, about) => asking.once(() => void engine.members.set(id, about)),
      withdraw: (id) => asking.once(() => void engine.members.delete(id)),
      all: () => asking.once(() => new Map(engine.members)),
    }
    const forgetHealing = link.whenHealed(() => this.#hearNews())
    const forgetEntries = engine.watch(() => this.#hearNews())
    this.#forget = () => {
      forgetHealing()
      forgetEntries()
    }
    this.#hearNews()
  }

  bytesUpTo(): number {
    return this.#engine.bytes
  }

  async put(slot: number, entry: LogEntry, isGivenUp: () => boolean, released?: Buffer): Promise<number | undefined> {
    const { epoch } = entry.header
    const write = (): Written => this.#engine.write(slot - 1, epoch, entry, released)
    const { outcome, setOutMs, firstMs } = await this.#asking.until(write, isGivenUp, (each) => each !== 'early')
    if (outcome === 'fenced') return undefined
    return outcome === 'written' ? setOutMs : firstMs
  }

  async claim(slot: number, _after: number, claim: Buffer): Promise<Claimed | undefined> {
    const nonce = ++this.#engine.nonces
    let tries = 0
    const isGivenUp = (): boolean => this.#isClosed || tries++ === claimTries
    const { outcome: epoch, firstMs } = await this.#asking.until(() => this.#engine.claim(slot - 1, claim, nonce), isGivenUp)
    return epoch === undefined ? undefined : { leader: { epoch, claim, released: undefined }, ledMs: firstMs }
  }

  async end(tailSlot: number): Promise<boolean> {
    const { outcome } = await this.#asking.until(
      () => this.#engine.end(tailSlot),
      () => this.#isClosed,
    )
    return outcome
  }

  async trim(): Promise<void> {
    // This log is never trimmed.
  }

  async slotOf(after: number): Promise<number> {
    return this.#engine.entries.findIndex(({ header }) => reaches(header, after)) + 1
  }

  async *read(slot: number, signal: AbortSignal): AsyncGenerator<EntryBatch> {
    for (let next = slot; !signal.aborted; ) {
      if (next > this.#known) {
        if (!(await this.#tail.more(signal))) return
        continue
      }
      const { header, bytes, leader } = this.#engine.entries[next - 1] as EngineEntry
      const entry: PlacedEntry = { slot: next, header, bytes }
      next++
      yield { entries: [entry], leader }
    }
  }

  close(): void {
    this.#isClosed = true
    this.#forget()
    this.#tail.end()
  }

  /** News come in order, one after the other; those that were lost come when the link is healed. */
  #hearNews(): void {
    if (this.#isTold || this.#isClosed) return
    const { length } = this.#engine.entries
    this.#isTold = true
    this.#link.tell(
      this.#clock,
      () => {
        this.#isTold = false
        this.#hear(length)
        if (this.#engine.entries.length > length) this.#hearNews()
      },
      () => {
        this.#isTold = false
      },
    )
  }

  #hear(known: number): void {
    if (known <= this.#known || this.#isClosed) return
    this.#known = known
    this.#tail.wake()
  }
}
