/** Sorted sets as dumps: a small one is a listpack, as redis-server keeps it; any other is a row of members with scores in binary. */
import { formatDouble } from '../double.ts'
import { leafForm, packedForm, sortedSetType, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { zsetListpackValue, zsetValue } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import {
  findInPlaces,
  findPlace,
  placeBytes,
  placeSizeAt,
  readScore,
  visitBackwards,
  visitHashed,
  visitPlaces,
  writePlace,
  writeScore,
} from '../types/sorted-set-leaf.ts'
import type { SortedSetTrees } from '../types/sorted-set-tree.ts'
import { isInOrderOfScore } from '../types/sorted-set-tree.ts'
import type { BuiltValue } from './built-value.ts'
import type { BuilderParts, DumpedType, ValueBuilder } from './dumped-type.ts'

const listpack = new ListpackWriter()
const scoreText = Buffer.alloc(32)

export const dumpedSortedSet: DumpedType = {
  type: sortedSetType,
  kind: 'zset',
  head({ entries }, entry, out) {
    out.byte(zsetValue)
    out.length(entries.length(entry))
  },
  // The tree has each element twice. Those in order of the members' hashes are written.
  leaf({ values, trees }, ref, out) {
    if (isInOrderOfScore(trees, ref)) return
    visitHashed(values.bytes(ref), values.start(ref), (bytes, start, end, score) => writeElement(out, bytes, start, end, score))
  },
  packed(keyspace, entry, out) {
    const { entries, values } = keyspace
    if (entries.encoding(entry) === packedForm) {
      writeListpack(keyspace, entry, out)
      return
    }
    dumpedSortedSet.head(keyspace, entry, out)
    const value = entries.value(entry)
    const bytes = values.bytes(value)
    const start = values.start(value)
    visitBackwards(bytes, start, start + usedBytes(bytes, start), entries.length(entry), (from, memberStart, memberEnd, score) =>
      writeElement(out, from, memberStart, memberEnd, score),
    )
  },
  builder: (parts) => new SortedSetBuilder(parts),
}

function writeElement(out: RdbOutput, bytes: Buffer, start: number, end: number, score: number): void {
  out.string(bytes, start, end)
  out.double(score)
}

function writeListpack({ entries, values }: Keyspace, entry: number, out: RdbOutput): void {
  const value = entries.value(entry)
  listpack.clear()
  visitPlaces(values.bytes(value), values.start(value), (bytes, start, end, score) => {
    listpack.add(bytes, start, end)
    listpack.add(scoreText, 0, scoreText.write(formatDouble(score), 'latin1'))
  })
  listpack.finish()
  out.byte(zsetListpackValue)
  out.string(listpack.bytes, 0, listpack.end)
}

/** Elements in one piece as long as they may be, then in a tree, as `commands/sorted-set-change.ts` would have them. */
class SortedSetBuilder extends NoSink implements ValueBuilder {
  readonly #parts: BuilderParts
  /** Elements that are in no tree, in order of score. */
  #blob = Buffer.allocUnsafe(512)
  #root = 0
  #count = 0
  #expected = -1
  #bytes = packedHeaderBytes
  #longest = 0

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    writeEmpty(this.#blob, 0)
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#expected = count
  }

  override scored({ bytes, start, end }: RdbElement, score: number): void {
    this.#count++
    this.#bytes += placeBytes(end - start)
    this.#longest = Math.max(this.#longest, end - start)
    if (this.#root === 0 && this.#outgrows()) this.#plant()
    if (this.#root !== 0) {
      this.#addToTree(score, bytes, start, end)
      return
    }
    this.#addToBlob(score, bytes, start, end)
  }

  #addToBlob(score: number, bytes: Buffer, start: number, end: number): void {
    if (findInPlaces(this.#blob, 0, bytes, start, end) >= 0) refuseTwice()
    const place = ~findPlace(this.#blob, 0, score, bytes, start, end)
    const used = usedBytes(this.#blob, 0)
    const needed = used + placeBytes(end - start)
    if (needed > this.#blob.length) {
      const more = Buffer.allocUnsafe(Math.max(needed, this.#blob.length * 2))
      this.#blob.copy(more, 0, 0, used)
      this.#blob = more
    }
    if (place < used) this.#blob.copyWithin(place + needed - used, place, used)
    writePlace(this.#blob, place, score, bytes, start, end)
    setUsedBytes(this.#blob, 0, needed)
  }

  override end(): void {
    if (this.#count === 0) throw new RefusedValue('a sorted set without members')
    if (this.#expected >= 0 && this.#expected !== this.#count) {
      throw new RefusedValue('a sorted set with another number of members than it says')
    }
  }

  take(): BuiltValue {
    const { form, seed } = this.#parts
    const root = this.#root
    const encoding = root !== 0 ? treeForm : form !== 0 ? form : this.#isPacked() ? packedForm : leafForm
    this.#root = 0
    const fill = (entry: number, lsn: number): void => this.#fill(entry, encoding, lsn)
    return { type: sortedSetType, encoding, seed, length: this.#count, root, fill, bytes: this.#bytes }
  }

  release(): void {
    dropTree(this.#parts.keyspace, this.#root)
    this.#root = 0
  }

  #isPacked(): boolean {
    const { limits } = this.#parts
    return limits !== undefined && this.#count <= limits.zsetMaxListpackEntries && this.#longest <= limits.zsetMaxListpackValue
  }

  /** Whether the elements are too many for one piece. */
  #outgrows(): boolean {
    const { limits, keyspace } = this.#parts
    return limits !== undefined && !this.#isPacked() && this.#bytes > keyspace.trees.leafBytesMax
  }

  get #trees(): SortedSetTrees {
    return this.#parts.mutator.types.sortedSets.trees
  }

  #addToTree(score: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#trees.set(this.#root, score, bytes, start, end, 0)) refuseTwice()
  }

  /** Goes on as a tree. Its leaves have no LSN: nothing of them is older than the record that will show them. */
  #plant(): void {
    const { keyspace, seed } = this.#parts
    this.#root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0)
    this.#trees.begin(this.#root, 0)
    visitPlaces(this.#blob, 0, (bytes, start, end, score) => this.#addToTree(score, bytes, start, end))
    this.#blob = Buffer.alloc(0)
  }

  #fill(entry: number, form: number, lsn: number): void {
    if (form === packedForm) this.#plusZeros()
    const { keyspace } = this.#parts
    const { entries, values } = keyspace
    const used = usedBytes(this.#blob, 0)
    const slot = keyspace.makeValue(entry, used)
    this.#blob.copy(values.bytes(slot), values.start(slot), 0, used)
    entries.setTypeAndEncoding(entry, sortedSetType, form)
    entries.setLength(entry, this.#count)
    keyspace.valueChanged(entry, lsn)
  }

  /** Redis's small form has no zero with a sign. */
  #plusZeros(): void {
    const end = usedBytes(this.#blob, 0)
    for (let at = packedHeaderBytes; at < end; at += placeSizeAt(this.#blob, at)) {
      if (readScore(this.#blob, at) === 0) writeScore(this.#blob, at, 0)
    }
  }
}

function refuseTwice(): never {
  throw new RefusedValue('a member that is there twice')
}
