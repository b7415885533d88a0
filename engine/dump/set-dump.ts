/** Sets as dumps: integers in one piece are an intset, as redis-server keeps them; any other is a row of members. */
import { isInt64 } from '../integer.ts'
import { integersForm, leafForm, setType, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import { setIntsetValue, setValue } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { NoSink } from '../rdb/value-sink.ts'
import { fieldHash } from '../types/hash-leaf.ts'
import { integerCount, integerPosition, integerWidth } from '../types/integer-set.ts'
import { findMember, memberBytes, visitMembers, writeMember } from '../types/set-leaf.ts'
import { addEdit, eachMember } from '../types/set-type.ts'
import type { BuiltValue } from './built-value.ts'
import { CollectionDraft, refuseTwice } from './collection-draft.ts'
import type { BuilderParts, DumpedType, ValueBuilder } from './dumped-type.ts'

export const dumpedSet: DumpedType = {
  type: setType,
  kind: 'set',
  head({ entries }, entry, out) {
    out.byte(setValue)
    out.length(entries.length(entry))
  },
  leaf({ values }, ref, out) {
    visitMembers(values.bytes(ref), values.start(ref), (bytes, start, end) => out.string(bytes, start, end))
  },
  packed(keyspace, entry, out) {
    const { entries, values } = keyspace
    const value = entries.value(entry)
    const form = entries.encoding(entry)
    if (form === integersForm) {
      writeIntset(values.bytes(value), values.start(value), out)
      return
    }
    dumpedSet.head(keyspace, entry, out)
    eachMember(form, values.bytes(value), values.start(value), (bytes, start, end) => out.string(bytes, start, end))
  },
  builder: (parts) => new SetBuilder(parts),
}

function writeIntset(bytes: Buffer, start: number, out: RdbOutput): void {
  const width = integerWidth(bytes, start)
  const count = integerCount(bytes, start)
  const intset = Buffer.allocUnsafe(8 + count * width)
  intset.writeUInt32LE(width, 0)
  intset.writeUInt32LE(count, 4)
  const from = integerPosition(bytes, start, 0)
  bytes.copy(intset, 8, from, from + count * width)
  out.byte(setIntsetValue)
  out.string(intset, 0, intset.length)
}

/** Members in one piece as long as they may be, then in a tree, as `commands/set-change.ts` would have them. */
class SetBuilder extends NoSink implements ValueBuilder {
  readonly #parts: BuilderParts
  /** In its piece the members are in the order of their hashes, as in a leaf. */
  readonly #draft: CollectionDraft
  #bytes = packedHeaderBytes
  #areIntegers = true

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    this.#draft = new CollectionDraft(parts)
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#draft.expected = count
  }

  override element(member: RdbElement): void {
    const { bytes, start, end } = member
    this.#draft.count++
    this.#areIntegers &&= isInt64(bytes, start, end)
    this.#bytes += memberBytes(end - start)
    if (this.#draft.root === 0 && this.#outgrows()) this.#plant()
    if (this.#draft.root !== 0) this.#addToTree(bytes, start, end)
    else this.#addToPiece(bytes, start, end)
  }

  #addToPiece(bytes: Buffer, start: number, end: number): void {
    const draft = this.#draft
    const hash = fieldHash(bytes, start, end, 0)
    const found = findMember(draft.piece, 0, hash, bytes, start, end)
    if (found >= 0) refuseTwice('member')
    draft.open(~found, memberBytes(end - start))
    writeMember(draft.piece, ~found, hash, bytes, start, end)
  }

  override end(): void {
    this.#draft.end('set', 'members')
  }

  take(): BuiltValue {
    const { form } = this.#parts
    const encoding = form !== 0 ? form : this.#areFewIntegers() ? integersForm : leafForm
    const built = this.#draft.take(setType, encoding, this.#bytes)
    return built.encoding === integersForm ? { ...built, fill: (entry, lsn) => this.#fillIntegers(entry, lsn) } : built
  }

  release(): void {
    this.#draft.release()
  }

  #areFewIntegers(): boolean {
    const { limits } = this.#parts
    return limits !== undefined && this.#areIntegers && this.#draft.count <= limits.setMaxIntsetEntries
  }

  /** Whether the members are too many for one piece. */
  #outgrows(): boolean {
    const { limits, keyspace } = this.#parts
    return limits !== undefined && !this.#areFewIntegers() && this.#bytes > keyspace.trees.leafBytesMax
  }

  #addToTree(bytes: Buffer, start: number, end: number): void {
    if (!this.#parts.mutator.types.sets.trees.add(this.#draft.root, bytes, start, end, 0)) refuseTwice('member')
  }

  /** Goes on as a tree. */
  #plant(): void {
    visitMembers(this.#draft.plant(), 0, (bytes, start, end) => this.#addToTree(bytes, start, end))
  }

  #fillIntegers(entry: number, lsn: number): void {
    const payload = new RecordBuffer(Number.POSITIVE_INFINITY, 1024)
    payload.byte(integersForm)
    payload.varint(this.#draft.count)
    visitMembers(this.#draft.piece, 0, (bytes, start, end) => payload.range(bytes, start, end))
    const reader = new RecordReader()
    reader.open(payload.bytes, 0, payload.end)
    this.#parts.mutator.types.edit(setType, addEdit).apply(entry, reader, lsn)
  }
}
