/** Lists as dumps: a small one is one node of a quicklist, as redis-server keeps it; a large one is a row of elements. */
import { listType, packedForm, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { listQuicklist2Value, listValue, packedNode } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import { NoSink } from '../rdb/value-sink.ts'
import { visitElements } from '../types/list-leaf.ts'
import { writeElement } from '../types/listpack-element.ts'
import { stringElementBytes } from '../types/listpack-size.ts'
import type { BuiltValue } from './built-value.ts'
import { CollectionDraft } from './collection-draft.ts'
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
  readonly #draft: CollectionDraft
  /** Elements that are not in the tree yet: ranges. */
  #gathered: RecordBuffer | undefined
  #gatheredCount = 0
  #bytes = packedHeaderBytes

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    // No seed decides the order of a list.
    this.#draft = new CollectionDraft({ ...parts, seed: 0 })
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#draft.expected = count
  }

  override element({ bytes, start, end }: RdbElement): void {
    const { keyspace, form } = this.#parts
    const draft = this.#draft
    draft.count++
    if (draft.root === 0) {
      const used = this.#bytes
      const size = stringElementBytes(bytes, start, end)
      this.#bytes += size
      if (form !== 0 || this.#bytes <= keyspace.trees.leafBytesMax) {
        draft.open(used, size)
        writeElement(draft.piece, used, bytes, start, end)
        return
      }
      this.#plant()
    }
    this.#gather(bytes, start, end)
  }

  #gather(bytes: Buffer, start: number, end: number): void {
    this.#gathered ??= new RecordBuffer(Number.POSITIVE_INFINITY)
    this.#gathered.range(bytes, start, end)
    this.#gatheredCount++
    if (this.#gathered.end > gatheredBytesMax) this.#append()
  }

  override end(): void {
    this.#draft.end('list', 'elements')
    if (this.#draft.root !== 0) this.#append()
  }

  take(): BuiltValue {
    return this.#draft.take(listType, packedForm, this.#bytes)
  }

  release(): void {
    this.#draft.release()
  }

  /** Goes on as a tree. */
  #plant(): void {
    visitElements(this.#draft.plant(), 0, (bytes, start, end) => {
      this.#gather(bytes, start, end)
      return true
    })
  }

  #append(): void {
    const gathered = this.#gathered
    if (gathered === undefined || this.#gatheredCount === 0) return
    const reader = new RecordReader()
    reader.open(gathered.bytes, 0, gathered.end)
    this.#parts.mutator.types.lists.trees.append(this.#draft.root, reader, this.#gatheredCount, 0)
    gathered.clear()
    this.#gatheredCount = 0
  }
}
