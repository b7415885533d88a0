/**
 * Reads slots in order and without a gap: first those that are there, of one revision, then what a watch from the next
 * revision on tells. All events of a revision are applied before anything comes out, for a claim removes what a former leader
 * had sent behind a gap, and puts its own entry into it, in one revision.
 *
 * A watch that has ended, or is silent although there is more, is replaced by another one, at another member, after a new look at
 * what is there.
 */
import type { Clock, Timer } from '../../storage/clock.ts'
import { LogTrimmed } from '../transaction-log.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import type { EtcdWatch, WatchEvent, WatchHandlers } from './etcd-watch.ts'
import type { KeyValue } from './kv-methods.ts'
import { prefixEnd, prefixRange, range } from './kv-methods.ts'
import type { EpochValue, LogKeys } from './log-keys.ts'
import { decodeEpoch } from './log-keys.ts'
import { RangePages } from './range-pages.ts'

const pageLimit = 64
/** A watch that has told nothing for so long is looked after. */
const silentMs = 1000
/** What waits for the consumer before the member has to. */
const queuedEventsMax = 256

export interface SlotBatch {
  /** Consecutive. */
  readonly entries: readonly { readonly slot: number; readonly bytes: Buffer }[]
  /** Set when it has changed. */
  readonly epoch: EpochValue | undefined
}

export class SlotReader {
  /** The next slot to come out. */
  next: number
  readonly #calls: EtcdCalls
  readonly #keys: LogKeys
  readonly #clock: Clock
  readonly #signal: AbortSignal
  /** Slots that are there and have not come out, some of them behind a gap. */
  readonly #there = new Map<number, Buffer>()
  #epoch: EpochValue | undefined

  constructor(calls: EtcdCalls, keys: LogKeys, clock: Clock, from: number, signal: AbortSignal) {
    this.#calls = calls
    this.#keys = keys
    this.#clock = clock
    this.next = from
    this.#signal = signal
  }

  /** Ends when the signal aborts. Throws `LogTrimmed`, with slots for LSNs, when the next slot is gone. */
  async *batches(): AsyncGenerator<SlotBatch> {
    while (!this.#signal.aborted) {
      this.#there.clear()
      const revision = yield* this.#present()
      if (revision !== undefined) yield* this.#watched(revision + 1)
    }
  }

  /** What is there now. Returns the revision that it was of; undefined when it has to be begun anew. */
  async *#present(): AsyncGenerator<SlotBatch, number | undefined> {
    const { endpoints } = this.#calls
    const pages = new RangePages({ key: this.#keys.slot(this.next), end: prefixEnd(this.#keys.slots), limit: pageLimit })
    while (!pages.isDone) {
      const outcome = await pages.next((request) => endpoints.call(range, request))
      if (this.#signal.aborted) return undefined
      if (outcome.kind !== 'answered') {
        if (outcome.kind === 'refused' && outcome.why === 'compacted') return undefined
        if (endpoints.failures % endpoints.all.length === 0) await this.#calls.pause(50)
        continue
      }
      for (const pair of outcome.reply) this.#put(pair)
      if (!this.#there.has(this.next) && this.#there.size > 0) await this.#requireNotTrimmed()
      const batch = this.#take(undefined)
      if (batch !== undefined) yield batch
    }
    const epoch = await this.#readEpoch()
    if (epoch !== undefined) yield { entries: [], epoch }
    return pages.revision
  }

  async *#watched(revision: number): AsyncGenerator<SlotBatch> {
    const queue = new EventQueue(this.#clock, this.#signal)
    const { endpoints } = this.#calls
    const endpoint = endpoints.current
    const watch = endpoint.watch({ key: this.#keys.log, end: prefixEnd(this.#keys.log), startRevision: revision }, queue.handlers())
    queue.watch = watch
    try {
      for (;;) {
        const events = await queue.take()
        if (events === 'ended' || this.#signal.aborted) {
          if (!this.#signal.aborted && queue.isFailure) {
            endpoints.failed(endpoint)
            await this.#calls.pause(20)
          }
          return
        }
        if (events === 'silent') {
          if (await this.#isBehind()) return
          continue
        }
        const batch = this.#take(this.#apply(events))
        if (batch !== undefined) yield batch
      }
    } finally {
      watch.close()
    }
  }

  /** Whether there is a slot that the watch has not told, or its member does not answer. */
  async #isBehind(): Promise<boolean> {
    const outcome = await this.#calls.endpoints.call(range, { key: this.#keys.slot(this.next), keysOnly: true })
    return outcome.kind !== 'answered' || outcome.reply.pairs.length > 0
  }

  async #readEpoch(): Promise<EpochValue | undefined> {
    const reply = await this.#calls.settled(range, { key: this.#keys.epoch }, () => this.#signal.aborted).catch(() => undefined)
    const pair = reply?.pairs[0]
    return pair === undefined ? undefined : decodeEpoch(pair.value)
  }

  /** A gap before the next slot is one that a writer has left, or the log begins behind it. */
  async #requireNotTrimmed(): Promise<void> {
    const request = { ...prefixRange(this.#keys.slots), limit: 1, keysOnly: true }
    const { pairs } = await this.#calls.settled(range, request, () => this.#signal.aborted)
    const first = pairs[0] === undefined ? undefined : this.#keys.slotOf(pairs[0].key)
    if (first !== undefined && first > this.next) throw new LogTrimmed(this.next, first)
  }

  #apply(events: readonly WatchEvent[]): EpochValue | undefined {
    let epoch: EpochValue | undefined
    for (const { kind, pair } of events) {
      if (pair.key.equals(this.#keys.epoch)) {
        if (kind === 'put') epoch = decodeEpoch(pair.value)
        continue
      }
      if (kind === 'put') this.#put(pair)
      else {
        const slot = this.#keys.slotOf(pair.key)
        if (slot !== undefined) this.#there.delete(slot)
      }
    }
    return epoch
  }

  #put({ key, value }: KeyValue): void {
    const slot = this.#keys.slotOf(key)
    if (slot !== undefined && slot >= this.next) this.#there.set(slot, value)
  }

  /** What can come out now; undefined when nothing can. */
  #take(epoch: EpochValue | undefined): SlotBatch | undefined {
    const entries: { slot: number; bytes: Buffer }[] = []
    for (let bytes = this.#there.get(this.next); bytes !== undefined; bytes = this.#there.get(this.next)) {
      this.#there.delete(this.next)
      entries.push({ slot: this.next, bytes })
      this.next++
    }
    if (epoch !== undefined) this.#epoch = epoch
    return entries.length === 0 && epoch === undefined ? undefined : { entries, epoch: this.#epoch }
  }
}

/** Events as they come, until they are taken; also the end of the watch, and its silence. */
class EventQueue {
  watch: EtcdWatch | undefined
  isFailure = false
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #events: WatchEvent[] = []
  #isOver = false
  #wake: () => void = () => undefined

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
  }

  handlers(): WatchHandlers {
    return {
      onStart: () => undefined,
      onProgress: () => undefined,
      onEvents: (events) => {
        for (const event of events) this.#events.push(event)
        if (this.#events.length > queuedEventsMax) this.watch?.pause()
        this.#wake()
      },
      onEnd: ({ kind }) => {
        this.isFailure = kind !== 'compacted'
        this.#isOver = true
        this.#wake()
      },
    }
  }

  async take(): Promise<WatchEvent[] | 'ended' | 'silent'> {
    if (this.#events.length === 0 && !this.#isOver && !this.#signal.aborted) {
      const isSilent = await this.#wait()
      if (isSilent) return 'silent'
    }
    if (this.#signal.aborted) return 'ended'
    if (this.#events.length === 0) return 'ended'
    const events = this.#events
    this.#events = []
    this.watch?.resume()
    return events
  }

  #wait(): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: Timer | undefined
      const end = (isSilent: boolean): void => {
        timer?.cancel()
        this.#signal.removeEventListener('abort', aborted)
        this.#wake = () => undefined
        resolve(isSilent)
      }
      const aborted = (): void => end(false)
      timer = this.#clock.after(silentMs, () => end(true))
      this.#signal.addEventListener('abort', aborted)
      this.#wake = () => end(false)
    })
  }
}
