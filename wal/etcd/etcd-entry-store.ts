/**
 * The entries of a shared log in an etcd cluster (`docs/formats/etcd-log.md`, `docs/decisions/0020-etcd-log.md`): a key for each slot.
 * A put is a transaction: the slot is empty and the epoch is mine, then put. So a slot never changes, no leader of an earlier
 * epoch can write any more once another has claimed, and a put of which the outcome is unknown is sent again, the same bytes to the
 * same slot, until it is known. An attempt may arrive when its slot has been filled and trimmed, which looks empty: so every transaction
 * wants a slot before its own to be there, one that is trimmed sooner, and not while its own is empty.
 */
import type { Random } from '../../engine/random.ts'
import type { Clock } from '../../storage/clock.ts'
import type { Members } from '../members.ts'
import { SLOTS_IN_FLIGHT_MAX } from '../shared/entries-in-flight.ts'
import type { Claimed, EntryBatch, EntryStore } from '../shared/entry-store.ts'
import type { LogEntry, PlacedEntry } from '../shared/log-entry.ts'
import { signEntry } from '../shared/log-entry.ts'
import { LogTrimmed } from '../transaction-log.ts'
import { readEntryHeader, sealEntry } from './entry-header.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import { EtcdGivenUp } from './etcd-calls.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import { EtcdMembers } from './etcd-members.ts'
import type { Compare, KeyValue, Operation, OperationReply, TxnReply, TxnRequest } from './kv-methods.ts'
import { prefixEnd, range, txn } from './kv-methods.ts'
import type { EpochValue, LogKeys } from './log-keys.ts'
import { decodeEpoch, encodeEpoch } from './log-keys.ts'
import type { LogSlots } from './log-slots.ts'
import { SLOTS_PER_DELETE } from './log-slots.ts'
import { SlotReader } from './slot-reader.ts'
import { SpaceRelief } from './space-relief.ts'

const CLAIM_MS_MAX = 3000

export interface EtcdPlace {
  readonly endpoints: EtcdEndpoints
  readonly clock: Clock
  readonly random: Random
}

/** What came of a transaction that was sent until there was an answer. */
interface Attempted {
  readonly reply: TxnReply
  /** When the attempt set out that succeeded; or the first one. */
  readonly ledMs: number
}

export class EtcdEntryStore implements EntryStore {
  readonly logId: bigint
  readonly members: Members
  readonly #calls: EtcdCalls
  readonly #clock: Clock
  readonly #random: Random
  readonly #keys: LogKeys
  readonly #slots: LogSlots
  /** Of the claim that was made here last. */
  #claimed: EpochValue | undefined
  /** The revision of the epoch's key since then: the fence of all that is put. */
  #epochRevision = 0
  /** Where that claim lies. */
  #claimedSlot = 0
  #isClosed = false

  constructor({ endpoints, clock, random }: EtcdPlace, calls: EtcdCalls, keys: LogKeys, slots: LogSlots) {
    this.#calls = calls
    this.#clock = clock
    this.#random = random
    this.#keys = keys
    this.#slots = slots
    this.logId = slots.logId
    this.members = new EtcdMembers(calls, keys, () => this.#isClosed)
    const relief = new SpaceRelief(endpoints, clock, keys.id)
    calls.onNoSpace = () => relief.begin()
  }

  get firstLsn(): number {
    return this.#slots.firstLsn
  }

  bytesUpTo(slot: number): number {
    return this.#slots.bytesUpTo(slot)
  }

  async put(slot: number, entry: LogEntry, isGivenUp: () => boolean, released?: Buffer): Promise<number | undefined> {
    sealEntry(entry, this.logId, slot)
    const key = this.#keys.slot(slot)
    const success: Operation[] = [{ kind: 'put', key, value: entry.bytes, room: entry.room }]
    if (released !== undefined) {
      success.push({ kind: 'put', key: this.#keys.epoch, value: encodeEpoch({ ...(this.#claimed as EpochValue), released }) })
    }
    const request: TxnRequest = {
      compares: [
        { key, target: 'createRevision', is: 'equal', revision: 0 },
        { key: this.#keys.epoch, target: 'modRevision', is: 'equal', revision: this.#epochRevision },
        this.#isThere(Math.max(this.#claimedSlot, slot - SLOTS_IN_FLIGHT_MAX)),
      ],
      success,
      failure: [{ kind: 'range', key }],
    }
    const { reply, ledMs } = await this.#attempt(request, isGivenUp)
    // An earlier attempt may have put it there.
    if (!reply.succeeded && pairOf(reply.replies[0])?.value.equals(entry.bytes) !== true) return undefined
    this.#slots.written(entry.bytes.length)
    return ledMs
  }

  async claim(slot: number, after: number, claim: Buffer): Promise<Claimed | undefined> {
    const keys = this.#keys
    const untilMs = this.#clock.monotonicMs() + CLAIM_MS_MAX
    const isGivenUp = (): boolean => this.#isClosed || this.#clock.monotonicMs() > untilMs
    const { pairs } = await this.#calls.settled(range, { key: keys.epoch }, isGivenUp)
    const former = pairs[0] === undefined ? undefined : decodeEpoch(pairs[0].value)
    const nonce = (BigInt(this.#random.nextUint32()) << 32n) | BigInt(this.#random.nextUint32())
    const value: EpochValue = { epoch: (former?.epoch ?? 0) + 1, nonce, claim, released: undefined }
    const entry = signEntry('claim', value.epoch, after + 1)
    sealEntry(entry, this.logId, slot)
    const key = keys.slot(slot)
    const request: TxnRequest = {
      compares: [
        { key: keys.epoch, target: 'modRevision', is: 'equal', revision: pairs[0]?.modRevision ?? 0 },
        { key, target: 'createRevision', is: 'equal', revision: 0 },
        ...(slot > 1 ? [this.#isThere(slot - 1)] : []),
      ],
      success: [
        // What a former leader has sent behind a gap.
        { kind: 'deleteRange', key: keys.slot(slot + 1), end: prefixEnd(keys.slots) },
        { kind: 'put', key, value: entry.bytes },
        { kind: 'put', key: keys.epoch, value: encodeEpoch(value) },
      ],
      failure: [{ kind: 'range', key: keys.epoch }],
    }
    const { reply, ledMs } = await this.#attempt(request, isGivenUp)
    const found = reply.succeeded ? undefined : pairOf(reply.replies[0])
    // The first of several attempts may have succeeded without our hearing of it.
    const isMine = reply.succeeded || (found !== undefined && decodeEpoch(found.value).nonce === nonce)
    if (!isMine) return undefined
    this.#claimed = value
    this.#claimedSlot = slot
    this.#epochRevision = found?.modRevision ?? reply.revision
    return { leader: value, ledMs }
  }

  #isThere(slot: number): Compare {
    return { key: this.#keys.slot(slot), target: 'createRevision', is: 'greater', revision: 0 }
  }

  /** Most slots go a thousand at a time. */
  async end(tailSlot: number): Promise<boolean> {
    const { log, id, members } = this.#keys
    for (let slot = this.#slots.firstSlot; slot < tailSlot; slot += SLOTS_PER_DELETE) {
      const some = { key: this.#keys.slot(slot), end: this.#keys.slot(Math.min(slot + SLOTS_PER_DELETE, tailSlot)) }
      const { succeeded } = await this.#asLeader([{ kind: 'deleteRange', ...some }], [])
      if (!succeeded) return false
    }
    const all: Operation[] = [log, members].map((prefix) => ({ kind: 'deleteRange', key: prefix, end: prefixEnd(prefix) }))
    const { succeeded, replies } = await this.#asLeader([...all, { kind: 'deleteRange', key: id }], [{ kind: 'range', key: id }])
    // An earlier attempt may have removed it.
    return succeeded || pairOf(replies[0]) === undefined
  }

  #asLeader(success: Operation[], failure: Operation[]): Promise<TxnReply> {
    const isMine = { key: this.#keys.epoch, target: 'modRevision', is: 'equal', revision: this.#epochRevision } as const
    return this.#calls.settled(txn, { compares: [isMine], success, failure }, () => this.#isClosed)
  }

  async trim(upTo: number, tailSlot: number): Promise<void> {
    await this.#slots.trim(upTo, tailSlot, this.#clock.monotonicMs(), () => this.#isClosed)
  }

  slotOf(after: number): Promise<number> {
    return this.#slots.of(after)
  }

  async *read(slot: number, signal: AbortSignal): AsyncGenerator<EntryBatch> {
    try {
      const reader = new SlotReader(this.#calls, this.#keys, this.#clock, slot, signal)
      for await (const { entries, epoch } of reader.batches()) {
        const placed = entries.map(({ slot: at, bytes }): PlacedEntry => {
          this.#slots.written(bytes.length)
          return { slot: at, header: readEntryHeader(bytes, this.logId, at), bytes }
        })
        yield { entries: placed, leader: epoch }
      }
    } catch (failure) {
      if (failure instanceof EtcdGivenUp && signal.aborted) return
      // Where the log begins now.
      if (failure instanceof LogTrimmed) await this.#slots.refresh()
      throw failure
    }
  }

  close(): void {
    this.#isClosed = true
    this.#calls.close()
  }

  async #attempt(request: TxnRequest, isGivenUp: () => boolean): Promise<Attempted> {
    let firstMs: number | undefined
    let latestMs = 0
    const reply = await this.#calls.settled(txn, request, isGivenUp, () => {
      latestMs = this.#clock.monotonicMs()
      firstMs ??= latestMs
    })
    // However long etcd was without a leader before.
    return { reply, ledMs: reply.succeeded ? latestMs : (firstMs ?? latestMs) }
  }
}

function pairOf(reply: OperationReply | undefined): KeyValue | undefined {
  return reply?.kind === 'range' ? reply.pairs[0] : undefined
}
