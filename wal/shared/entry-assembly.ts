/** Makes records of entries that come in the order of their slots. What a former leader left unfinished is dropped when the next one claims. */
import type { LogRecord } from '../transaction-log.ts'
import type { PlacedEntry } from './log-entry.ts'
import { ENTRY_HEADER_BYTES, EntryDamaged, isSign, lastLsnOf, RECORD_LENGTH_BYTES } from './log-entry.ts'

export class EntryAssembly {
  /** LSN of the newest record that has come, or of the one before the first wanted. */
  lsn: number
  #parts: Buffer[] = []
  #partsLsn = 0

  constructor(after: number) {
    this.lsn = after
  }

  /** Adds the records that are complete with this entry to `into`. Throws `EntryDamaged` when it cannot follow what came before. */
  add(entry: PlacedEntry, into: LogRecord[]): void {
    const { slot } = entry
    const { kind, firstLsn } = entry.header
    if (kind === 'records') this.#addRecords(entry, into)
    else if (kind === 'part' || kind === 'lastPart') this.#addPart(entry, into)
    else if (kind === 'claim') this.#parts = []
    if (isSign(entry.header) && firstLsn > this.lsn + 1) throw gap(slot, this.lsn, firstLsn)
  }

  #addRecords({ header, bytes, slot }: PlacedEntry, into: LogRecord[]): void {
    if (header.firstLsn > this.lsn + 1) throw gap(slot, this.lsn, header.firstLsn)
    let at = ENTRY_HEADER_BYTES
    const last = lastLsnOf(header)
    for (let lsn = header.firstLsn; lsn <= last; lsn++) {
      const start = at + RECORD_LENGTH_BYTES
      const end = start + bytes.readUInt32LE(at)
      if (end > bytes.length) throw new EntryDamaged(`slot ${slot} ends within record ${lsn}`)
      if (lsn > this.lsn) into.push({ lsn, payload: bytes.subarray(start, end) })
      at = end
    }
    if (last > this.lsn) this.lsn = last
  }

  #addPart({ header, bytes, slot }: PlacedEntry, into: LogRecord[]): void {
    const { kind, firstLsn } = header
    if (firstLsn <= this.lsn) return
    if (firstLsn > this.lsn + 1) throw gap(slot, this.lsn, firstLsn)
    if (this.#partsLsn !== firstLsn) this.#parts = []
    this.#partsLsn = firstLsn
    this.#parts.push(bytes.subarray(ENTRY_HEADER_BYTES))
    if (kind === 'part') return
    into.push({ lsn: firstLsn, payload: this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts) })
    this.#parts = []
    this.lsn = firstLsn
  }
}

function gap(slot: number, lsn: number, found: number): EntryDamaged {
  return new EntryDamaged(`slot ${slot} goes on with record ${found}, but record ${lsn} came before`)
}
