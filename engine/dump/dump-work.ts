/**
 * DUMP of a value: RDB of it and a footer with a checksum. A large one is staged, in slices (docs/decisions/0009): a tree
 * is rendered part by part, of a string the checksum is computed. What has changed when the command runs is done anew there.
 */

import { stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { StringHandle } from '../keyspace/value-handle.ts'
import { Crc64 } from '../rdb/crc64.ts'
import { stringValue } from '../rdb/rdb-format.ts'
import { RdbOutput } from '../rdb/rdb-output.ts'
import { sliceBytesMax, slicedValueBytes } from '../staged-work.ts'
import { isTreeOf } from '../tree/tree-size.ts'
import { footerAfter } from './dump-footer.ts'
import type { Dump, DumpWork } from './dump-pieces.ts'
import { dumpOf } from './dump-pieces.ts'
import { dumpedType } from './dumped-types.ts'
import { TreeDump, writeElements } from './tree-dump.ts'

/** Bytes of leaves in one part: most of their strings are compressed. */
export const partBytesMax = 16 * 1024

/** The work on an entry whose value is large; undefined for others. */
export function dumpWork(keyspace: Keyspace, entry: number, largeBytes = slicedValueBytes): DumpWork | undefined {
  const { entries, trees } = keyspace
  if (entries.isTree(entry)) {
    if (!isTreeOf(trees, entries.value(entry), largeBytes)) return undefined
    return new TreeDump(keyspace, entry, Math.min(partBytesMax, largeBytes), Math.min(sliceBytesMax, largeBytes))
  }
  if (entries.type(entry) !== stringType || !entries.isResident(entry) || entries.length(entry) < largeBytes) return undefined
  return new StringDump(keyspace, entry, Math.min(sliceBytesMax, largeBytes))
}

const scratch = new RdbOutput()
const crc = new Crc64()

/** Writes the dump of a value that is in memory, in one go; it is in `bytes[0, end)` of what is returned until the next call. */
export function writeDump(keyspace: Keyspace, entry: number): RdbOutput {
  const out = scratch
  out.end = 0
  writeValue(keyspace, entry, out)
  crc.reset()
  crc.update(out.bytes, 0, out.end)
  const footer = footerAfter(crc)
  out.raw(footer, 0, footer.length)
  return out
}

/** Writes RDB's type number and the value of an entry, which is in memory. */
export function writeValue(keyspace: Keyspace, entry: number, out: RdbOutput): void {
  const { entries, values } = keyspace
  const value = entries.value(entry)
  if (entries.type(entry) === stringType) {
    const start = values.start(value)
    out.byte(stringValue)
    out.string(values.bytes(value), start, start + entries.length(entry))
    return
  }
  const row = dumpedType(keyspace, entry)
  if (!entries.isTree(entry)) {
    row.packed(keyspace, entry, out)
    return
  }
  row.head(keyspace, entry, out)
  writeElements(row, keyspace, entry, out)
  row.tail?.(keyspace, entry, out, () => false)
}

/** A string as it is, whose checksum is computed slice by slice. */
class StringDump implements DumpWork {
  readonly memoryBytes = 0
  readonly #keyspace: Keyspace
  readonly #string: StringHandle
  readonly #sliceBytes: number
  readonly #head: Buffer
  readonly #crc = new Crc64()
  #done = 0

  constructor(keyspace: Keyspace, entry: number, sliceBytes: number) {
    this.#keyspace = keyspace
    this.#string = new StringHandle(keyspace, entry)
    this.#sliceBytes = sliceBytes
    const out = new RdbOutput()
    out.byte(stringValue)
    out.length(this.#string.length)
    this.#head = out.take()
    this.#crc.update(this.#head, 0, this.#head.length)
  }

  step(): boolean {
    const entry = this.#string.find()
    if (entry === 0) return false
    const { entries, values } = this.#keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    const end = Math.min(this.#done + this.#sliceBytes, this.#string.length)
    this.#crc.update(values.bytes(value), start + this.#done, start + end)
    this.#done = end
    return end < this.#string.length
  }

  take(entry: number): Dump | undefined {
    if (this.#done < this.#string.length || this.#string.find() !== entry) return undefined
    const { entries, values, arena } = this.#keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    const bytes = values.bytes(value).subarray(start, start + this.#string.length)
    const isLasting = arena.isLarge(value)
    if (isLasting) values.share(value)
    return dumpOf([this.#head, isLasting ? bytes : Buffer.from(bytes)], this.#crc)
  }
}
