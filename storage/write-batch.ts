/** What goes to the cold store together: values under their ids, and the entries and leaves whose values they are. */
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { FrozenTree } from '../engine/tree/frozen-tree.ts'
import { Separator } from '../engine/tree/separator.ts'
import type { ColdPut, ColdStore } from './cold-store.ts'
import type { ValueIds } from './pieced-values.ts'
import { writePieces } from './pieced-values.ts'
import type { ValueCodec } from './value-codec.ts'
import { LARGE_VALUE_BYTES } from './value-codec.ts'

/** An entry's value as of an LSN. */
interface WrittenValue {
  readonly entry: number
  readonly lsn: number
  readonly id: number
}

interface WrittenLeaf {
  readonly tree: FrozenTree
  readonly separator: Separator
  readonly lsn: number
  readonly id: number
}

/** A value that is written in pieces; its bytes lie where they stay as they are. */
interface PiecedValue {
  readonly id: number
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

export class WriteBatch {
  readonly values: WrittenValue[] = []
  readonly leaves: WrittenLeaf[] = []
  bytes = 0
  count = 0
  /** The log must have committed this before the batch is written. */
  lsn = 0
  readonly #keyspace: Keyspace
  readonly #codec: ValueCodec
  readonly #ids: ValueIds
  readonly #space: Buffer | undefined
  readonly #puts: ColdPut[] = []
  readonly #large: Promise<ColdPut>[] = []
  readonly #pieced: PiecedValue[] = []

  /** `space` is memory for encoded values that is this batch's until it is written; without it each value gets its own. */
  constructor(keyspace: Keyspace, codec: ValueCodec, ids: ValueIds, space: Buffer | undefined) {
    this.#keyspace = keyspace
    this.#codec = codec
    this.#ids = ids
    this.#space = space
  }

  /** Puts the value of an entry as of `lsn`, `length` bytes in the slot `value`. Returns its id. */
  addValue(entry: number, lsn: number, value: number, length: number): number {
    const id = this.#put(value, length)
    this.values.push({ entry, lsn, id })
    return id
  }

  /** Puts a leaf of a tree that is being written out. Returns its id. */
  addLeaf(tree: FrozenTree, separator: Separator, lsn: number, value: number, length: number): number {
    const id = this.#put(value, length)
    this.leaves.push({ tree, separator: new Separator().copy(separator), lsn, id })
    return id
  }

  /** Ids under which some bytes may be in the store although the batch could not be written. */
  get pieceIds(): number[] {
    return this.#pieced.flatMap(({ id, start, end }) => this.#ids.piecesOf(id, end - start))
  }

  /** Writes everything, not durably. Resolves to the bytes that were stored. */
  async write(store: ColdStore, pieceBytes: number): Promise<number> {
    const large = await Promise.all(this.#large)
    const heads: ColdPut[] = []
    let stored = 0
    for (const { id, bytes, start, end } of this.#pieced) {
      heads.push(await writePieces(store, this.#codec, id, bytes, start, end, pieceBytes))
      stored += end - start
    }
    const puts = large.length + heads.length === 0 ? this.#puts : [...this.#puts, ...large, ...heads]
    await store.write({ puts, deletes: [] })
    for (const put of puts) stored += put.bytes.length
    return stored
  }

  #put(value: number, length: number): number {
    const { values, arena } = this.#keyspace
    const id = this.#ids.take(length)
    const bytes = values.bytes(value)
    const start = values.start(value)
    const end = start + length
    if (this.#ids.isPieced(length)) {
      values.share(value)
      // A slot's memory may hold something else by the time its turn comes.
      if (arena.isLarge(value)) this.#pieced.push({ id, bytes, start, end })
      else this.#pieced.push({ id, bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: length })
    } else if (length > LARGE_VALUE_BYTES) {
      // The bytes are read while the server goes on: a change must make a copy.
      values.share(value)
      const encoding = this.#codec.encodeLarge(bytes, start, end).then((stored) => ({ id, bytes: stored }))
      // Whoever writes the batch learns of a failure, be it much later or never.
      encoding.catch(() => undefined)
      this.#large.push(encoding)
    } else {
      this.#puts.push({ id, bytes: this.#codec.encode(bytes, start, end, this.#space, this.bytes) })
    }
    this.bytes += length + 16
    this.count++
    return id
  }
}
