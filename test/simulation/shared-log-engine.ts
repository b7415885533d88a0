/**
 * What nodes share: a log engine that loses nothing, such as a cluster of etcd with a quorum, seen from outside. It has entries with dense
 * numbers. Each is written by a leader, in its epoch and at the place that the leader names, so whoever asks again because it has heard no
 * answer writes nothing twice; or it is a claim, by who has read every entry before it. The head of the log goes when a leader trims it: nobody
 * reads it any more, but the engine remembers it, for those who judge a run.
 *
 * The faults between it and the nodes are those of `log-link.ts`.
 */
import type { Leader } from '../../wal/leadership.ts'
import { EntryAssembly } from '../../wal/shared/entry-assembly.ts'
import type { LogEntry } from '../../wal/shared/log-entry.ts'
import { signEntry } from '../../wal/shared/log-entry.ts'
import type { LogRecord } from '../../wal/transaction-log.ts'

export interface EngineEntry extends LogEntry {
  readonly leader: Leader
  /** The records that are complete with the entry; none in a claim, a sign of life, or when the lease is given up. */
  readonly records: readonly LogRecord[]
  /** LSN of the last record up to here. */
  readonly lastLsn: number
  /** Tells a claim from others of the same process. */
  readonly nonce: number
}

/** `there`: it was written before, as was asked for then. */
export type Written = 'written' | 'there' | 'fenced' | 'early'

export class LogEngine {
  readonly entries: EngineEntry[] = []
  /** What processes tell of themselves. */
  readonly members = new Map<string, Buffer>()
  /** Of all entries. */
  bytes = 0
  /** Claims that have set out. */
  nonces = 0
  /** LSN of the oldest record that can be read. */
  first = 1
  /** Set by the owner. Called before the records up to one are trimmed. */
  onTrim: (upTo: number) => void = () => undefined
  readonly #assembly = new EntryAssembly(0)
  readonly #watching = new Set<(entry: EngineEntry) => void>()

  get leader(): Leader | undefined {
    return this.entries.at(-1)?.leader
  }

  get lastLsn(): number {
    return this.entries.at(-1)?.lastLsn ?? 0
  }

  /** Calls `listener` after each entry. Returns how to end that. */
  watch(listener: (entry: EngineEntry) => void): () => void {
    this.#watching.add(listener)
    return () => this.#watching.delete(listener)
  }

  /** Writes the leader's next entry, if `place` entries are before it. */
  write(place: number, epoch: number, entry: LogEntry, released?: Buffer): Written {
    const { leader } = this
    // Of one epoch one process writes, and each place once: what is there is what is asked for.
    if (this.entries[place]?.leader.epoch === epoch) return 'there'
    if (leader === undefined || leader.epoch !== epoch) return 'fenced'
    if (this.entries.length < place) return 'early'
    this.#add(entry, released === undefined ? leader : { ...leader, released }, 0)
    return 'written'
  }

  /** Makes a process the leader if it has read all entries. Returns its epoch; undefined when others have come before it. */
  claim(read: number, claim: Buffer, nonce: number): number | undefined {
    const asked = this.entries[read]
    if (asked?.nonce === nonce) return asked.leader.epoch
    if (this.entries.length !== read) return undefined
    const epoch = (this.leader?.epoch ?? 0) + 1
    this.#add(signEntry('claim', epoch, this.lastLsn + 1), { epoch, claim, released: undefined }, nonce)
    return epoch
  }

  /** Removes a log that ends with so many entries. Returns whether it is gone. */
  end(entries: number): boolean {
    if (this.entries.length > 0 && this.entries.length !== entries) return false
    this.entries.length = 0
    this.members.clear()
    return true
  }

  /** Trims the entries that have no record above `upTo`. Returns which record is the first one now. */
  trim(upTo: number): number {
    const first = this.#entryOf(upTo + 1)?.records[0]?.lsn ?? Math.min(upTo, this.lastLsn) + 1
    if (first > this.first) {
      this.onTrim(first - 1)
      this.first = first
    }
    return this.first
  }

  /** The epoch in which a record was written; 0 when it is not there. */
  epochOf(lsn: number): number {
    return this.#entryOf(lsn)?.leader.epoch ?? 0
  }

  #entryOf(lsn: number): EngineEntry | undefined {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.entries[middle] as EngineEntry).lastLsn < lsn) low = middle + 1
      else high = middle
    }
    return this.entries[low]
  }

  #add({ header, bytes }: LogEntry, leader: Leader, nonce: number): void {
    const records: LogRecord[] = []
    this.#assembly.add({ slot: this.entries.length + 1, header, bytes }, records)
    const entry: EngineEntry = { header, bytes, leader, records, lastLsn: this.#assembly.lsn, nonce }
    this.entries.push(entry)
    this.bytes += bytes.length
    for (const listener of this.#watching) listener(entry)
  }
}
