/**
 * Deletions that are still to be recorded in the catalog, as bytes: database, LSN and key, one after the other. They lie in parts, so that nothing is copied when
 * there are many, and that they can be recorded a part at a time, each of which takes a fraction of a millisecond.
 */
import { RecordBuffer } from '../engine/mutation/record-buffer.ts'
import { RecordReader } from '../engine/mutation/record-reader.ts'
import type { CatalogSink } from './no-catalog.ts'

const partBytes = 64 * 1024

export class Tombstones {
  /** Oldest first. */
  #parts: RecordBuffer[] = []
  #bytes = 0
  readonly #reader = new RecordReader()

  /** How many parts there are. */
  get parts(): number {
    return this.#parts.length
  }

  get bytes(): number {
    return this.#bytes
  }

  add(db: number, lsn: number, key: Buffer, start: number, end: number): void {
    let part = this.#parts[this.#parts.length - 1]
    if (part === undefined || part.end >= partBytes) {
      part = new RecordBuffer()
      this.#parts.push(part)
      this.#bytes += part.bytes.length
    }
    this.#bytes -= part.bytes.length
    part.byte(db)
    part.u48(lsn)
    part.range(key, start, end)
    this.#bytes += part.bytes.length
  }

  /** Takes over what another one holds. */
  take(from: Tombstones): void {
    this.#parts = this.#parts.concat(from.#parts)
    this.#bytes += from.#bytes
    from.#parts = []
    from.#bytes = 0
  }

  /** Records those of the oldest parts in the catalog, of all unless told. */
  drain(catalog: CatalogSink, parts = this.#parts.length): void {
    if (parts === 0) return
    for (const part of this.#parts.splice(0, parts)) {
      this.#bytes -= part.bytes.length
      const reader = this.#reader
      reader.open(part.bytes, 0, part.end)
      while (reader.at < reader.end) {
        const db = reader.byte()
        const lsn = reader.u48()
        reader.range()
        catalog.tombstone(db, lsn, reader.bytes, reader.start, reader.stop)
      }
    }
  }
}
