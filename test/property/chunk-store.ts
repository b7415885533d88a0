/** What surrounds a large hash in the server, reduced to maps: cold store, catalog, log; and a model to compare with. */
import { Values } from '../../engine/keyspace/values.ts'
import { Arena } from '../../engine/memory/arena.ts'
import type { ChunkObserver } from '../../engine/types/chunk-table.ts'
import { ChunkedHash } from '../../engine/types/chunked-hash.ts'
import { firstHash, PackedCursor, usedBytes } from '../../engine/types/packed-fields.ts'

export interface Row {
  readonly valueId: number
  readonly lsn: number
  readonly count: number
  readonly bytes: number
}

interface WriteOut {
  readonly firstHash: number
  readonly lsn: number
  readonly valueId: number
}

interface Batch {
  readonly rows: Map<number, Row>
  readonly written: WriteOut[]
  readonly lsn: number
  /** What nobody needs once the batch lasts. */
  readonly stale: number[]
}

interface Mutation {
  readonly lsn: number
  readonly field: string
  readonly value: string | undefined
}

const ownerWord = 4711
export const seed = 0xc0ffee

export class ChunkStore implements ChunkObserver {
  values = new Values(new Arena())
  readonly model = new Map<string, string>()
  readonly bytesMax: number
  hash: ChunkedHash
  lsn = 0
  readonly resident = new Set<number>()
  readonly copies = new Map<number, Buffer>()
  catalog = new Map<number, Row>()
  readonly #cursor = new PackedCursor()
  #nextId = 1
  #stale: number[] = []
  readonly #log: Mutation[] = []
  #writing: WriteOut[] = []
  #batch: Batch | undefined
  /** LSNs of the last two batches. */
  #batchLsns = [0, 0]

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
    this.hash = new ChunkedHash(this.values, ownerWord, 1, seed, this, bytesMax)
  }

  created(ref: number): void {
    if (this.resident.has(ref)) throw new Error('created twice')
    if (this.values.owner(ref) !== ownerWord || !this.values.isChunk(ref)) throw new Error('not a chunk of this hash')
    this.resident.add(ref)
  }

  moved(from: number, to: number): void {
    if (!this.resident.delete(from) || this.resident.has(to)) throw new Error('moved from nowhere')
    this.resident.add(to)
  }

  released(ref: number): void {
    if (!this.resident.delete(ref)) throw new Error('released twice')
  }

  stale(valueId: number): void {
    if (valueId === 0 || this.#stale.includes(valueId) || !this.copies.has(valueId)) throw new Error(`stale twice or unknown: ${valueId}`)
    this.#stale.push(valueId)
  }

  admitFor(field: Buffer): void {
    this.admitId(this.hash.coldChunkFor(field, 0, field.length))
  }

  admitId(valueId: number): void {
    if (valueId === 0) return
    const bytes = this.copies.get(valueId)
    if (bytes === undefined) throw new Error(`copy ${valueId} is lost`)
    if (!this.hash.admit(firstHash(bytes, 0), valueId, bytes)) throw new Error(`copy ${valueId} was refused`)
  }

  set(name: string, value: string): boolean {
    this.#log.push({ lsn: ++this.lsn, field: name, value })
    this.model.set(name, value)
    return this.#apply(name, value, this.lsn)
  }

  delete(name: string): boolean {
    this.#log.push({ lsn: ++this.lsn, field: name, value: undefined })
    this.model.delete(name)
    return this.#apply(name, undefined, this.lsn)
  }

  get(name: string): string | undefined {
    const field = Buffer.from(name)
    this.admitFor(field)
    return this.hash.get(field, 0, field.length, this.#cursor)?.toString('latin1', this.#cursor.valueStart, this.#cursor.valueEnd)
  }

  /** Starts writing out every dirty chunk. */
  beginWriteOut(): void {
    this.hash.eachDirty((chunkHash, ref, lsn, _count, bytes) => {
      this.#writing.push({ firstHash: chunkHash, lsn, valueId: this.#copy(ref, bytes) })
      return true
    })
  }

  completeWriteOut(): void {
    for (const { firstHash: chunkHash, lsn, valueId } of this.#writing) {
      if (!this.hash.stored(chunkHash, lsn, valueId)) this.copies.delete(valueId)
    }
    this.#writing = []
  }

  evict(nth: number): void {
    const ref = [...this.resident][nth % Math.max(this.resident.size, 1)]
    if (ref !== undefined) this.hash.evict(ref)
  }

  /** Starts a batch as the table's contract has it: the state of the whole hash as of now, on its way to the disk. */
  beginCheckpoint(): void {
    if (this.#batch !== undefined) return
    const rows = new Map(this.catalog)
    const written: WriteOut[] = []
    this.hash.eachDirty((chunkHash, ref, lsn, count, bytes) => {
      const valueId = this.#copy(ref, bytes)
      rows.set(chunkHash, { valueId, lsn, count, bytes })
      written.push({ firstHash: chunkHash, lsn, valueId })
      return true
    })
    this.hash.eachCatalogDirty((chunkHash, valueId, lsn, count, bytes) => {
      if (valueId === 0) rows.delete(chunkHash)
      else rows.set(chunkHash, { valueId, lsn, count, bytes })
    })
    this.#batch = { rows, written, lsn: this.lsn, stale: this.#stale }
    this.#stale = []
  }

  completeCheckpoint(lasts: boolean): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    if (!lasts) {
      for (const { valueId } of batch.written) this.copies.delete(valueId)
      this.#stale.push(...batch.stale)
      return
    }
    this.catalog = batch.rows
    for (const id of batch.stale) this.copies.delete(id)
    for (const { firstHash: chunkHash, lsn, valueId } of batch.written) {
      if (!this.hash.stored(chunkHash, lsn, valueId, true)) this.#stale.push(valueId)
    }
    this.hash.clearCatalogDirty()
    this.#batchLsns = [this.#batchLsns[1], batch.lsn]
  }

  forgetLog(): void {
    this.#log.length = 0
  }

  /** All memory is lost; catalog, copies and log are not. The log is replayed from before the last batch, to try what is ahead of it. */
  restart(): void {
    this.values = new Values(new Arena())
    this.resident.clear()
    this.#writing = []
    this.#batch = undefined
    this.hash = new ChunkedHash(this.values, ownerWord, 1, seed, this, this.bytesMax)
    const kept = new Set<number>()
    for (const [chunkHash, row] of this.catalog) {
      this.hash.restoreChunk(chunkHash, row.valueId, row.lsn, row.count, row.bytes)
      kept.add(row.valueId)
    }
    for (const id of this.copies.keys()) if (!kept.has(id)) this.copies.delete(id)
    this.#stale = []
    for (const { lsn, field, value } of this.#log) {
      if (lsn <= this.#batchLsns[0]) continue
      const bytes = Buffer.from(field)
      if (this.hash.chunkLsnFor(bytes, 0, bytes.length) <= lsn) this.#apply(field, value, lsn)
    }
  }

  /** All fields in scan order, `count` at a time. */
  contents(count: number): Map<string, string> {
    const found = new Map<string, string>()
    let cursor = 0
    do {
      this.admitId(this.hash.coldChunkAt(cursor))
      cursor = this.hash.scan(cursor, count, (bytes, pair) => {
        const name = bytes.toString('latin1', pair.fieldStart, pair.fieldEnd)
        if (found.has(name)) throw new Error(`${name} was visited twice`)
        found.set(name, bytes.toString('latin1', pair.valueStart, pair.valueEnd))
      })
    } while (cursor !== 0)
    return found
  }

  /** What must hold at any time. */
  check(): void {
    if (this.hash.length !== this.model.size) throw new Error(`length ${this.hash.length}, model has ${this.model.size}`)
    if (this.hash.chunkCount - this.hash.coldChunks !== this.resident.size) throw new Error('the observer lost count of resident chunks')
    let dirty = 0
    this.hash.eachDirty((chunkHash, ref, _lsn, _count, bytes) => {
      dirty++
      if (!this.resident.has(ref) || firstHash(this.values.bytes(ref), this.values.start(ref)) !== chunkHash) throw new Error('wrong ref')
      if (usedBytes(this.values.bytes(ref), this.values.start(ref)) !== bytes) throw new Error('wrong size')
      if (this.values.id(ref) !== 0) throw new Error('a dirty chunk has an id')
      return true
    })
    for (const ref of this.resident) {
      const id = this.values.id(ref)
      const start = this.values.start(ref)
      const bytes = this.values.bytes(ref).subarray(start, start + usedBytes(this.values.bytes(ref), start))
      if (id !== 0 && this.copies.get(id)?.equals(bytes) !== true) throw new Error(`a clean chunk is not what copy ${id} is`)
    }
    for (const { valueId } of this.catalog.values()) if (!this.copies.has(valueId)) throw new Error(`the catalog wants copy ${valueId}`)
    if (dirty !== this.hash.dirtyChunks) throw new Error(`${dirty} chunks are dirty, not ${this.hash.dirtyChunks}`)
  }

  #apply(name: string, value: string | undefined, lsn: number): boolean {
    const field = Buffer.from(name)
    this.admitFor(field)
    if (value === undefined) return this.hash.delete(field, 0, field.length, lsn)
    const bytes = Buffer.from(value)
    return this.hash.set(field, 0, field.length, bytes, 0, bytes.length, lsn)
  }

  #copy(ref: number, bytes: number): number {
    const id = this.#nextId++
    const start = this.values.start(ref)
    this.copies.set(id, Buffer.from(this.values.bytes(ref).subarray(start, start + bytes)))
    return id
  }
}
