/** Sets as dumps: integers in one piece are an intset, as redis-server keeps them; any other is a row of members. */
import { isInt64 } from '../integer.ts'
import { integersForm, leafForm, setType, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import { setIntsetValue, setValue } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { fieldHash } from '../types/hash-leaf.ts'
import { integerCount, integerPosition, integerWidth } from '../types/integer-set.ts'
import { findMember, memberBytes, visitMembers, writeMember } from '../types/set-leaf.ts'
import { addEdit, eachMember } from '../types/set-type.ts'
import type { BuiltValue } from './built-value.ts'
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
  /** Members that are in no tree, in the order of their hashes, as in a leaf. */
  #blob = Buffer.allocUnsafe(256)
  #root = 0
  #count = 0
  #expected = -1
  #bytes = packedHeaderBytes
  #areIntegers = true

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    writeEmpty(this.#blob, 0)
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#expected = count
  }

  override element(member: RdbElement): void {
    const { bytes, start, end } = member
    this.#count++
    this.#areIntegers &&= isInt64(bytes, start, end)
    this.#bytes += memberBytes(end - start)
    if (this.#root === 0 && this.#outgrows()) this.#plant()
    if (this.#root !== 0) {
      this.#addToTree(bytes, start, end)
      return
    }
    this.#addToBlob(bytes, start, end)
  }

  #addToBlob(bytes: Buffer, start: number, end: number): void {
    const hash = fieldHash(bytes, start, end, 0)
    const found = findMember(this.#blob, 0, hash, bytes, start, end)
    if (found >= 0) refuseTwice()
    const used = usedBytes(this.#blob, 0)
    const needed = used + memberBytes(end - start)
    if (needed > this.#blob.length) {
      const more = Buffer.allocUnsafe(Math.max(needed, this.#blob.length * 2))
      this.#blob.copy(more, 0, 0, used)
      this.#blob = more
    }
    this.#blob.copyWithin(~found + needed - used, ~found, used)
    writeMember(this.#blob, ~found, hash, bytes, start, end)
    setUsedBytes(this.#blob, 0, needed)
  }

  override end(): void {
    if (this.#count === 0) throw new RefusedValue('a set without members')
    if (this.#expected >= 0 && this.#expected !== this.#count) throw new RefusedValue('a set with another number of members than it says')
  }

  take(): BuiltValue {
    const { form, seed } = this.#parts
    const root = this.#root
    const encoding = root !== 0 ? treeForm : form !== 0 ? form : this.#areFewIntegers() ? integersForm : leafForm
    this.#root = 0
    const fill = (entry: number, lsn: number): void => this.#fill(entry, encoding, lsn)
    return { type: setType, encoding, seed, length: this.#count, root, fill, bytes: this.#bytes }
  }

  release(): void {
    dropTree(this.#parts.keyspace, this.#root)
    this.#root = 0
  }

  #areFewIntegers(): boolean {
    const { limits } = this.#parts
    return limits !== undefined && this.#areIntegers && this.#count <= limits.setMaxIntsetEntries
  }

  /** Whether the members are too many for one piece. */
  #outgrows(): boolean {
    const { limits, keyspace } = this.#parts
    return limits !== undefined && !this.#areFewIntegers() && this.#bytes > keyspace.trees.leafBytesMax
  }

  #addToTree(bytes: Buffer, start: number, end: number): void {
    if (!this.#parts.mutator.types.sets.trees.add(this.#root, bytes, start, end, 0)) refuseTwice()
  }

  /** Goes on as a tree. Its leaves have no LSN: nothing of them is older than the record that will show them. */
  #plant(): void {
    const { keyspace, seed } = this.#parts
    this.#root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0)
    visitMembers(this.#blob, 0, (bytes, start, end) => this.#addToTree(bytes, start, end))
    this.#blob = Buffer.alloc(0)
  }

  #fill(entry: number, form: number, lsn: number): void {
    if (form === integersForm) this.#fillIntegers(entry, form, lsn)
    else if (form === leafForm) this.#fillBlob(entry, lsn)
  }

  #fillBlob(entry: number, lsn: number): void {
    const { keyspace } = this.#parts
    const { entries, values } = keyspace
    const used = usedBytes(this.#blob, 0)
    const slot = keyspace.makeValue(entry, used)
    this.#blob.copy(values.bytes(slot), values.start(slot), 0, used)
    entries.setTypeAndEncoding(entry, setType, leafForm)
    entries.setLength(entry, this.#count)
    keyspace.valueChanged(entry, lsn)
  }

  #fillIntegers(entry: number, form: number, lsn: number): void {
    const payload = new RecordBuffer(Number.POSITIVE_INFINITY, 1024)
    payload.byte(form)
    payload.varint(this.#count)
    visitMembers(this.#blob, 0, (bytes, start, end) => payload.range(bytes, start, end))
    const reader = new RecordReader()
    reader.open(payload.bytes, 0, payload.end)
    this.#parts.mutator.types.edit(setType, addEdit).apply(entry, reader, lsn)
  }
}

function refuseTwice(): never {
  throw new RefusedValue('a member that is there twice')
}
