/**
 * What LevelDB may hold in memory only: the writes that can still be in its write buffers, told apart from those that must
 * have become tables. The cold store brings them across when a failure forces it to open LevelDB again
 * (docs/decisions/0012-reopening-the-cold-store.md).
 *
 * LevelDB fills one buffer while another becomes a table. A buffer takes writes until it has passed its size, and a second
 * one is begun only when the table of the one before is durable. So the buffers hold a suffix of all writes, and all but
 * the last write of each fit its size. Hence the bound: a write is in a table if the writes after it are together larger
 * than two buffers and the largest two writes. Bytes of values are a lower bound of what they take in a buffer, so at
 * worst a few writes too many are kept in mind.
 */
import type { ColdBatch } from './cold-store.ts'

interface Mark {
  readonly lowestId: number
  readonly bytes: number
}

/** Deletions that are remembered; what is forgotten beyond them costs disk space, until the next start at most. */
const deletesMax = 1_000_000
const idBytes = 8

export class RecentWrites {
  readonly #bufferBytes: number
  /** Oldest first. */
  readonly #marks: Mark[] = []
  /** Where the oldest mark is: taking them off the front one by one would copy the rest each time. */
  #first = 0
  #bytes = 0
  #largest = 0
  /** Deletions since the last sync. */
  #deletes: number[] = []

  constructor(bufferBytes: number) {
    this.#bufferBytes = bufferBytes
  }

  /** Every value that may be in memory only has this id or a higher one; undefined when there is none. */
  get lowestId(): number | undefined {
    let lowest: number | undefined
    for (let i = this.#first; i < this.#marks.length; i++) lowest = Math.min(lowest ?? Number.POSITIVE_INFINITY, this.#marks[i]!.lowestId)
    return lowest
  }

  get deletes(): readonly number[] {
    return this.#deletes
  }

  get memoryBytes(): number {
    return this.#deletes.length * idBytes
  }

  /** A batch is about to be written; whether it succeeds does not matter. */
  add({ puts, deletes }: ColdBatch): void {
    for (const id of deletes) if (this.#deletes.length < deletesMax) this.#deletes.push(id)
    if (puts.length === 0) return
    let bytes = 0
    let lowestId = Number.POSITIVE_INFINITY
    for (const put of puts) {
      bytes += put.bytes.length + idBytes
      if (put.id < lowestId) lowestId = put.id
    }
    this.#marks.push({ lowestId, bytes })
    this.#bytes += bytes
    if (bytes > this.#largest) this.#largest = bytes
    this.#forget()
  }

  /** Deletions up to the first `count` are durable. */
  deletesSynced(count: number): void {
    this.#deletes = this.#deletes.slice(count)
  }

  #forget(): void {
    const kept = 2 * (this.#bufferBytes + this.#largest)
    while (this.#bytes - this.#marks[this.#first]!.bytes > kept) this.#bytes -= this.#marks[this.#first++]!.bytes
    if (this.#first < 1024 || this.#first * 2 < this.#marks.length) return
    this.#marks.splice(0, this.#first)
    this.#first = 0
  }
}
