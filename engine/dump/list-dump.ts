/** Lists as dumps: a small one is one node of a quicklist, as redis-server keeps it; a large one is a row of elements. */
import { listType, packedForm, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { listQuicklist2Value, listValue, packedNode } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { visitElements } from '../types/list-leaf.ts'
import { writeElement } from '../types/listpack-element.ts'
import { stringElementBytes } from '../types/listpack-size.ts'
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
    const bytes = values.bytes(value)
    const start = values.start(value)
    listpack.clear()
    listpack.addEncoded(bytes, start + packedHeaderBytes, start + usedBytes(bytes, start), entries.length(entry))
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
  /** The elements as long as there is no tree. */
  #blob = Buffer.allocUnsafe(512)
  /** Elements that are not in the tree yet: ranges. */
  #gathered: RecordBuffer | undefined
  #gatheredCount = 0
  #root = 0
  #count = 0
  #expected = -1
  #bytes = packedHeaderBytes

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    writeEmpty(this.#blob, 0)
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#expected = count
  }

  override element({ bytes, start, end }: RdbElement): void {
    const { keyspace, form } = this.#parts
    this.#count++
    if (this.#root === 0) {
      const used = this.#bytes
      this.#bytes += stringElementBytes(bytes, start, end)
      if (form !== 0 || this.#bytes <= keyspace.trees.leafBytesMax) {
        this.#room(this.#bytes, used)
        setUsedBytes(this.#blob, 0, writeElement(this.#blob, used, bytes, start, end))
        return
      }
      this.#plant()
    }
    this.#gather(bytes, start, end)
  }

  #room(needed: number, used: number): void {
    if (needed <= this.#blob.length) return
    const more = Buffer.allocUnsafe(Math.max(needed, this.#blob.length * 2))
    this.#blob.copy(more, 0, 0, used)
    this.#blob = more
  }

  #gather(bytes: Buffer, start: number, end: number): void {
    this.#gathered ??= new RecordBuffer(Number.POSITIVE_INFINITY)
    this.#gathered.range(bytes, start, end)
    this.#gatheredCount++
    if (this.#gathered.end > gatheredBytesMax) this.#append()
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
    visitElements(this.#blob, 0, (bytes, start, end) => {
      this.#gather(bytes, start, end)
      return true
    })
    this.#blob = Buffer.alloc(0)
  }

  #append(): void {
    const gathered = this.#gathered
    if (gathered === undefined || this.#gatheredCount === 0) return
    const reader = new RecordReader()
    reader.open(gathered.bytes, 0, gathered.end)
    this.#parts.mutator.types.lists.trees.append(this.#root, reader, this.#gatheredCount, 0)
    gathered.clear()
    this.#gatheredCount = 0
  }

  #fill(entry: number, lsn: number): void {
    const { keyspace } = this.#parts
    const { entries, values } = keyspace
    const used = usedBytes(this.#blob, 0)
    const slot = keyspace.makeValue(entry, used)
    this.#blob.copy(values.bytes(slot), values.start(slot), 0, used)
    entries.setTypeAndEncoding(entry, listType, packedForm)
    entries.setLength(entry, this.#count)
    keyspace.valueChanged(entry, lsn)
  }
}
