/** Sorted sets as dumps: a small one is a listpack, as redis-server keeps it; any other is a row of members with scores in binary. */
import { formatDouble } from '../double.ts'
import { leafForm, packedForm, sortedSetType, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { zsetListpackValue, zsetValue } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { placeBytes, visitBackwards, visitHashed, visitPlaces } from '../types/sorted-set-leaf.ts'
import type { SortedSetTrees } from '../types/sorted-set-tree.ts'
import { isInOrderOfScore } from '../types/sorted-set-tree.ts'
import { readPayloadScore, setEdit, writePayloadElement } from '../types/sorted-set-type.ts'
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
  /** Elements that are in no tree, as an edit has them. */
  readonly #elements = new RecordBuffer(Number.POSITIVE_INFINITY)
  readonly #seen = new Set<string>()
  #root = 0
  #count = 0
  #expected = -1
  #bytes = packedHeaderBytes
  #longest = 0

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
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
    const text = bytes.toString('latin1', start, end)
    if (this.#seen.has(text)) refuseTwice()
    this.#seen.add(text)
    writePayloadElement(this.#elements, score, bytes, start, end)
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
    const reader = new RecordReader()
    reader.open(this.#elements.bytes, 0, this.#elements.end)
    while (reader.at < reader.end) {
      const score = readPayloadScore(reader)
      reader.range()
      this.#addToTree(score, reader.bytes, reader.start, reader.stop)
    }
    this.#elements.clear()
    this.#seen.clear()
  }

  #fill(entry: number, form: number, lsn: number): void {
    const { mutator } = this.#parts
    const payload = new RecordBuffer(Number.POSITIVE_INFINITY)
    payload.byte(form)
    payload.varint(this.#count)
    payload.raw(this.#elements.bytes, 0, this.#elements.end)
    const reader = new RecordReader()
    reader.open(payload.bytes, 0, payload.end)
    mutator.types.edit(sortedSetType, setEdit).apply(entry, reader, lsn)
  }
}

function refuseTwice(): never {
  throw new RefusedValue('a member that is there twice')
}
