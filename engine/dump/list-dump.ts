/** Lists as dumps: a small one is one node of a quicklist, as redis-server keeps it; a large one is a row of elements. */
import { listType, packedForm, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { listQuicklist2Value, listValue, packedNode } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { elementBytes, visitElements } from '../types/list-leaf.ts'
import { atTail, pushEdit } from '../types/list-type.ts'
import type { BuiltValue } from './built-value.ts'
import type { BuilderParts, DumpedType, ValueBuilder } from './dumped-type.ts'

const listpack = new ListpackWriter()
/** Elements of a tree are gathered up to so many bytes before they are put in. */
const gatheredBytesMax = 4096

export const dumpedList: DumpedType = {
  type: listType,
  kind: 'list',
  head({ entries }, entry, out) {
    out.byte(listValue)
    out.length(entries.length(entry))
  },
  leaf({ values }, ref, out) {
    visitElements(values.bytes(ref), values.start(ref), (bytes, start, end) => {
      out.string(bytes, start, end)
      return true
    })
  },
  packed({ entries, values }, entry, out) {
    const value = entries.value(entry)
    listpack.clear()
    visitElements(values.bytes(value), values.start(value), (bytes, start, end) => {
      listpack.add(bytes, start, end)
      return true
    })
    listpack.finish()
    out.byte(listQuicklist2Value)
    out.length(1)
    out.length(packedNode)
    out.string(listpack.bytes, 0, listpack.end)
  },
  builder: (parts) => new ListBuilder(parts),
}

/** Elements in one piece up to a leaf's size, then in a tree, as `commands/list-edits.ts` would have them. */
class ListBuilder extends NoSink implements ValueBuilder {
  readonly #parts: BuilderParts
  /** Elements that are in no tree yet: ranges. */
  readonly #gathered = new RecordBuffer(Number.POSITIVE_INFINITY)
  #gatheredCount = 0
  #root = 0
  #count = 0
  #expected = -1
  #bytes = packedHeaderBytes

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#expected = count
  }

  override element({ bytes, start, end }: RdbElement): void {
    const { keyspace, form } = this.#parts
    this.#count++
    this.#bytes += elementBytes(end - start)
    if (this.#root === 0 && form === 0 && this.#bytes > keyspace.trees.leafBytesMax) this.#plant()
    this.#gathered.range(bytes, start, end)
    this.#gatheredCount++
    if (this.#root !== 0 && this.#gathered.end > gatheredBytesMax) this.#append()
  }

  override end(): void {
    if (this.#count === 0) throw new RefusedValue('a list without elements')
    if (this.#expected >= 0 && this.#expected !== this.#count) throw new RefusedValue('a list with another number of elements than it says')
    if (this.#root !== 0) this.#append()
  }

  take(): BuiltValue {
    const root = this.#root
    this.#root = 0
    const fill = (entry: number, lsn: number): void => this.#fill(entry, lsn)
    return { type: listType, encoding: root !== 0 ? treeForm : packedForm, seed: 0, length: this.#count, root, fill, bytes: this.#bytes }
  }

  release(): void {
    dropTree(this.#parts.keyspace, this.#root)
    this.#root = 0
  }

  /** Goes on as a tree. Its leaves have no LSN: nothing of them is older than the record that will show them. */
  #plant(): void {
    const { keyspace } = this.#parts
    this.#root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, 0, packedHeaderBytes, 0)
    if (this.#gatheredCount > 0) this.#append()
  }

  #append(): void {
    const reader = new RecordReader()
    reader.open(this.#gathered.bytes, 0, this.#gathered.end)
    this.#parts.mutator.types.lists.trees.append(this.#root, reader, this.#gatheredCount, 0)
    this.#gathered.clear()
    this.#gatheredCount = 0
  }

  #fill(entry: number, lsn: number): void {
    const payload = new RecordBuffer(Number.POSITIVE_INFINITY)
    payload.byte(atTail)
    payload.varint(this.#count)
    payload.raw(this.#gathered.bytes, 0, this.#gathered.end)
    const reader = new RecordReader()
    reader.open(payload.bytes, 0, payload.end)
    this.#parts.mutator.types.edit(listType, pushEdit).apply(entry, reader, lsn)
  }
}
