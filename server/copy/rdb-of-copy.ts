/**
 * The RDB of a copied shard, piece by piece, at the pace of whoever takes them: all keys, or functions alone. Memory holds what is read at a time,
 * about a megabyte or one string, and the keys of the copy; of a large collection it holds some leaves, and of a stream what its groups have pending.
 *
 * Keys come in the order in which their values were written, so that these are read as they lie.
 */
import { wantRow } from '../../engine/cold-wants.ts'
import { partBytesMax, writeValue } from '../../engine/dump/dump-work.ts'
import type { DumpedType, RankRange } from '../../engine/dump/dumped-type.ts'
import { dumpedType } from '../../engine/dump/dumped-types.ts'
import { TreeTail } from '../../engine/dump/tree-tail.ts'
import { metFlag, stringType } from '../../engine/keyspace/entries.ts'
import { ownDatabase } from '../../engine/keyspace/keyspace.ts'
import { Crc64 } from '../../engine/rdb/crc64.ts'
import { stringValue } from '../../engine/rdb/rdb-format.ts'
import { RdbWriter } from '../../engine/rdb/rdb-writer.ts'
import { sliceBytesMax } from '../../engine/staged-work.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import type { Clock } from '../../storage/clock.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import { readOwnValues } from '../shard/own-values.ts'
import { redisVersion } from '../version.ts'
import type { CopiedShard } from './copied-shard.ts'

/** Pieces are about so large, and at most `sliceBytesMax`. */
const rdbPieceBytes = 64 * 1024
/** Keys and bytes of strings that are read at a time. */
const keysAtOnce = 256
const bytesAtOnce = 1024 * 1024
const leavesAtOnce = 64
/** Strings from here on are not compressed, nor copied. */
const largeStringBytes = 1024 * 1024
/** Leaves that cannot go are met so often before it is left at that. */
const hotMet = 64
/** The pause is asked for after so many keys, and after each string of so many bytes: compressing takes its time. */
const keysPerLook = 8
const longStringBytes = 16 * 1024

export interface RdbContents {
  readonly keys: boolean
  readonly functions: boolean
}

interface Batch {
  readonly entries: readonly number[]
  /** Of each entry what the set has read of it, or -1. */
  readonly read: readonly number[]
  readonly set: ColdSet
}

export class RdbOfCopy {
  readonly #copied: CopiedShard
  readonly #clock: Clock
  readonly #contents: RdbContents
  readonly #writer = new RdbWriter()
  /** Whether an entry that was met bears the mark: each walk leaves it to the next the other way round. */
  readonly #marks: boolean
  #db = -1
  /** How far the walk has come: in the list of entries, then in the indexes of the databases. */
  #listed = 0
  #scanned = 0
  #cursor = 0
  readonly #found: number[] = []

  /** Of a copy that is filled. */
  constructor(copied: CopiedShard, clock: Clock, contents: RdbContents, compresses: boolean) {
    this.#copied = copied
    this.#clock = clock
    this.#contents = contents
    this.#marks = copied.walks % 2 === 0
    this.#writer.compresses = compresses
  }

  /** Once. Every time the same bytes, for the same copy. Rejects when a value cannot be read, and with `CopyAbandoned`. */
  async *pieces(): AsyncGenerator<Buffer> {
    const writer = this.#writer
    const { keyspace, tier } = this.#copied
    writer.begin([
      ['redis-ver', redisVersion],
      ['redis-bits', '64'],
      ['ctime', `${Math.floor(this.#copied.wallMs / 1000)}`],
    ])
    if (this.#contents.functions) for (const code of await readOwnValues({ keyspace, tier }, this.#clock)) writer.library(code)
    if (this.#contents.keys) yield* this.#keys()
    writer.end()
    yield* this.#take()
    yield writer.footer()
  }

  async *#keys(): AsyncGenerator<Buffer> {
    const { tier } = this.#copied
    const { out } = this.#writer
    let next = this.#nextBatch()
    for (;;) {
      const batch = await next
      if (batch.entries.length === 0) {
        this.#copied.walks++
        return
      }
      // It is read while this one is written; if it fails, that is found out when it is awaited.
      next = this.#nextBatch()
      next.catch(() => undefined)
      this.#admit(batch)
      for (const [i, entry] of batch.entries.entries()) {
        const read = batch.read[i]!
        if (!this.#write(entry, read < 0 ? undefined : batch.set.values[read]))
          yield* this.#large(entry, read < 0 ? undefined : batch.set.values[read])
        if (out.end >= rdbPieceBytes) yield* this.#take()
        const pause = i % keysPerLook === 0 || this.#isLong(entry) ? this.#copied.pause() : undefined
        if (pause !== undefined) await pause
      }
      tier.settle()
    }
  }

  /** Reads what the next keys have cold; without keys at the end. */
  async #nextBatch(): Promise<Batch> {
    const { keyspace, tier } = this.#copied
    const { entries, trees } = keyspace
    const batch = { entries: [] as number[], read: [] as number[], set: new ColdSet(trees) }
    let bytes = 0
    while (batch.entries.length < keysAtOnce && bytes < bytesAtOnce) {
      const entry = this.#nextEntry()
      if (entry === 0) break
      batch.entries.push(entry)
      const isRead = !entries.isTree(entry) && !entries.isResident(entry)
      batch.read.push(isRead ? batch.set.items.length : -1)
      if (!isRead) continue
      batch.set.value(entry, entries.valueId(entry))
      bytes += entries.length(entry)
    }
    await tier.fetch(batch.set)
    return batch
  }

  /** The next entry that was not met yet; 0 at the end. */
  #nextEntry(): number {
    const { keyspace, entries: listed } = this.#copied
    const { entries } = keyspace
    while (this.#listed < listed.length) {
      const entry = listed.at(this.#listed++)
      if (entries.isLive(entry) && !keyspace.isDetached(entry) && this.#meets(entry)) return entry
    }
    // What has become of others since the checkpoint: those that came, and those that got room for an expiry.
    for (;;) {
      while (this.#found.length > 0) {
        const entry = this.#found.pop()!
        if (this.#meets(entry)) return entry
      }
      if (this.#scanned >= ownDatabase) return 0
      const { index } = keyspace.databases[this.#scanned]!
      this.#cursor = index.scan(this.#cursor, keysAtOnce, (entry) => this.#found.push(entry))
      if (this.#cursor === 0) this.#scanned++
    }
  }

  #meets(entry: number): boolean {
    const { entries } = this.#copied.keyspace
    if (entries.flag(entry, metFlag) === this.#marks || entries.db(entry) === ownDatabase) return false
    if (this.#marks) entries.setFlag(entry, metFlag)
    else entries.clearFlag(entry, metFlag)
    return true
  }

  /** Makes collections in one piece that were read resident, until `settle`. */
  #admit({ entries: read, read: places, set }: Batch): void {
    const { keyspace, tier } = this.#copied
    const blobs = new ColdSet(keyspace.trees)
    for (const [i, entry] of read.entries()) {
      const place = places[i]!
      if (place < 0 || keyspace.entries.type(entry) === stringType) continue
      blobs.value(entry, set.items[place]!.id)
      blobs.values.push(set.values[place])
    }
    tier.admit(blobs)
  }

  #isLong(entry: number): boolean {
    const { entries } = this.#copied.keyspace
    return entries.type(entry) === stringType && entries.length(entry) >= longStringBytes
  }

  #enters(entry: number): void {
    const { keyspace } = this.#copied
    const db = keyspace.entries.db(entry)
    if (db === this.#db) return
    this.#db = db
    const { index, expiring } = keyspace.databases[db]!
    this.#writer.database(keyspace.numberOf(db), index.size, expiring.keys)
  }

  /** Writes a key; false, and nothing done, if its value is one that is written in pieces. `read`: a string that was cold. */
  #write(entry: number, read: Buffer | undefined): boolean {
    const { keyspace } = this.#copied
    const { entries, values, arena } = keyspace
    const isString = entries.type(entry) === stringType
    if (isString ? entries.length(entry) >= largeStringBytes : entries.isTree(entry)) return false
    this.#enters(entry)
    const key = arena.bytes(entry)
    const start = entries.keyStart(entry)
    const end = start + entries.keyLength(entry)
    const expireAt = entries.expireAt(entry)
    if (!isString) this.#writer.keyWith(key, start, end, expireAt, (out) => writeValue(keyspace, entry, out))
    else if (read !== undefined) this.#writer.string(key, start, end, expireAt, read, 0, read.length)
    else {
      const value = entries.value(entry)
      const from = values.start(value)
      this.#writer.string(key, start, end, expireAt, values.bytes(value), from, from + entries.length(entry))
    }
    return true
  }

  async *#large(entry: number, read: Buffer | undefined): AsyncGenerator<Buffer> {
    const { entries, values, arena } = this.#copied.keyspace
    this.#enters(entry)
    if (entries.isTree(entry)) {
      yield* this.#tree(entry)
      return
    }
    const start = entries.keyStart(entry)
    this.#writer.key(stringValue, arena.bytes(entry), start, start + entries.keyLength(entry), entries.expireAt(entry))
    this.#writer.out.length(entries.length(entry))
    yield* this.#take()
    if (read !== undefined) {
      yield* this.#counted(read)
      return
    }
    const value = entries.value(entry)
    const from = values.start(value)
    yield* this.#counted(values.bytes(value).subarray(from, from + entries.length(entry)))
  }

  /** A collection, leaf after leaf, then what stands behind its elements. */
  async *#tree(entry: number): AsyncGenerator<Buffer> {
    const { keyspace } = this.#copied
    const { entries, arena, trees } = keyspace
    const row = dumpedType(keyspace, entry)
    const first = new LeafRow()
    trees.shape.first(entries.value(entry), first)
    // A stream's first leaf tells what is at its head.
    await this.#fetchFrom(entry, first)
    const start = entries.keyStart(entry)
    this.#writer.keyWith(arena.bytes(entry), start, start + entries.keyLength(entry), entries.expireAt(entry), (out) =>
      row.head(keyspace, entry, out),
    )
    const range = row.elements?.(keyspace, entry)
    if (range === undefined || range.first < range.end) yield* this.#elements(entry, row, range)
    if (row.tail !== undefined) yield* this.#tail(entry, row)
    this.#cool()
  }

  async *#elements(entry: number, row: DumpedType, range: RankRange | undefined): AsyncGenerator<Buffer> {
    const { entries, trees } = this.#copied.keyspace
    const { shape, nodes } = trees
    const { out } = this.#writer
    const root = entries.value(entry)
    const at = new LeafRow()
    if (range === undefined) shape.first(root, at)
    else shape.locateRank(root, range.first, at)
    let left = range === undefined ? Number.POSITIVE_INFINITY : range.end - range.first
    for (let goesOn = true; goesOn && left > 0; ) {
      await this.#fetchFrom(entry, at)
      for (let i = 0; i < leavesAtOnce && goesOn && left > 0; i++) {
        const count = nodes.count(at.node, at.row)
        // A leaf without elements may be of another kind.
        if (count > 0) this.#leaf(row, trees.used(at))
        left -= count
        goesOn = shape.next(at)
        if (out.end >= rdbPieceBytes || out.hasPieces) yield* this.#take()
        const pause = this.#copied.pause()
        if (pause !== undefined) await pause
      }
      this.#cool()
    }
  }

  /** A large element is a piece of its own, and not copied. */
  #leaf(row: DumpedType, ref: number): void {
    const { keyspace } = this.#copied
    const { arena, values } = keyspace
    const { out } = this.#writer
    out.refersTo = arena.isLarge(ref) ? values.bytes(ref) : undefined
    row.leaf(keyspace, ref, out)
    out.refersTo = undefined
  }

  async *#tail(entry: number, row: DumpedType): AsyncGenerator<Buffer> {
    const { keyspace } = this.#copied
    const tail = new TreeTail(keyspace, entry, row, partBytesMax, sliceBytesMax)
    const fetch = (): Promise<void> => {
      const cold = new ColdSet(keyspace.trees)
      tail.eachCold(cold)
      return this.#fetch(cold)
    }
    for (let goesOn = true; goesOn; ) {
      await fetch()
      goesOn = tail.step()
      const pause = this.#copied.pause()
      if (pause !== undefined) await pause
    }
    await fetch()
    const { out } = this.#writer
    const pieces: Buffer[] = []
    tail.write(entry, out, (run) => {
      pieces.push(...out.takePieces())
      run.addTo(pieces, new Crc64())
    })
    for (const piece of pieces) yield* this.#counted(piece)
    yield* this.#take()
  }

  /** Fetches what is cold of the next leaves. */
  #fetchFrom(entry: number, from: LeafRow): Promise<void> {
    const { entries, trees } = this.#copied.keyspace
    const root = entries.value(entry)
    const cold = new ColdSet(trees)
    const at = new LeafRow().set(from.node, from.row)
    for (let i = 0; i < leavesAtOnce; i++) {
      if (trees.ref(at) === 0) wantRow(trees, root, at, cold)
      if (!trees.shape.next(at)) break
    }
    return this.#fetch(cold)
  }

  async #fetch(cold: ColdSet): Promise<void> {
    const { tier } = this.#copied
    await tier.fetch(cold)
    tier.admit(cold)
  }

  /** Lets leaves go that were read. Those that came with the log stay. */
  #cool(): void {
    const { tier } = this.#copied
    for (let hot = 0; hot < hotMet; ) {
      const gained = tier.demoteOne()
      if (gained < 0) return
      if (gained === 0) hot++
    }
  }

  async *#take(): AsyncGenerator<Buffer> {
    for (const piece of this.#writer.out.takePieces()) yield* this.#counted(piece)
  }

  async *#counted(piece: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < piece.length; at += sliceBytesMax) {
      const end = Math.min(piece.length, at + sliceBytesMax)
      this.#writer.count(piece, at, end)
      yield at === 0 && end === piece.length ? piece : piece.subarray(at, end)
      const pause = this.#copied.pause()
      if (pause !== undefined) await pause
    }
  }
}
