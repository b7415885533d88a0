/**
 * Hashes as dumps: a small one is a listpack, as redis-server keeps it; any other is a row of fields and values. One whose fields may expire is a
 * row with their expiries, which Redis reads from 7.4 on.
 */
import { hashType, leafForm, packedForm, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { hashListpackValue, hashValue, hashWithExpiryValue } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { visitElements } from '../types/hash-leaf.ts'
import { earlier } from '../types/hash-type.ts'
import type { VisitPair } from '../types/packed-fields.ts'
import { appendField, fieldFingerprint, findField, PackedCursor, pairBytes, visitPairs } from '../types/packed-fields.ts'
import type { BuiltValue } from './built-value.ts'
import type { BuilderParts, DumpedType, ValueBuilder } from './dumped-type.ts'

/** The latest time at which Redis lets a field expire, in ms since the epoch. */
const fieldExpireAtMax = 2 ** 46 - 1
const pair = new PackedCursor()
const listpack = new ListpackWriter()

export const dumpedHash: DumpedType = {
  type: hashType,
  kind: 'hash',
  head({ entries }, entry, out) {
    out.byte(hashValue)
    out.length(entries.length(entry))
  },
  leaf({ values }, ref, out) {
    visitElements(values.bytes(ref), values.start(ref), pair, (bytes, found) => {
      out.string(bytes, found.fieldStart, found.fieldEnd)
      out.string(bytes, found.valueStart, found.valueEnd)
    })
  },
  packed(keyspace, entry, out) {
    if (keyspace.entries.encoding(entry) === packedForm) writeListpack(keyspace, entry, out)
    else {
      dumpedHash.head(keyspace, entry, out)
      eachPair(keyspace, entry, (bytes, start, end) => out.string(bytes, start, end))
    }
  },
  builder: (parts) => new HashBuilder(parts),
}

export const dumpedExpiringHash: DumpedType = {
  ...dumpedHash,
  head({ entries }, entry, out) {
    out.byte(hashWithExpiryValue)
    // Expiries are counted from here.
    out.u64(0n)
    out.length(entries.length(entry))
  },
  leaf({ values }, ref, out) {
    visitElements(values.bytes(ref), values.start(ref), pair, expiringWriter(out))
  },
  packed(keyspace, entry, out) {
    const { entries, values } = keyspace
    dumpedExpiringHash.head(keyspace, entry, out)
    const value = entries.value(entry)
    visitPairs(values.bytes(value), values.start(value), pair, expiringWriter(out))
  },
}

/** 0 stands for never, so that a time is one more than it is. */
function expiringWriter(out: RdbOutput): VisitPair {
  return (bytes, { fieldStart, fieldEnd, valueStart, valueEnd, expireAt }) => {
    out.length(expireAt === 0 ? 0 : expireAt + 1)
    out.string(bytes, fieldStart, fieldEnd)
    out.string(bytes, valueStart, valueEnd)
  }
}

function writeListpack(keyspace: Keyspace, entry: number, out: RdbOutput): void {
  listpack.clear()
  eachPair(keyspace, entry, (bytes, start, end) => listpack.add(bytes, start, end))
  listpack.finish()
  out.byte(hashListpackValue)
  out.string(listpack.bytes, 0, listpack.end)
}

function eachPair({ entries, values }: Keyspace, entry: number, write: (bytes: Buffer, start: number, end: number) => void): void {
  const value = entries.value(entry)
  visitPairs(values.bytes(value), values.start(value), pair, (bytes, found) => {
    write(bytes, found.fieldStart, found.fieldEnd)
    write(bytes, found.valueStart, found.valueEnd)
  })
}

/** Fields in one piece as long as they may be, then in a tree, as `commands/hash-set.ts` would have them. */
class HashBuilder extends NoSink implements ValueBuilder {
  readonly #parts: BuilderParts
  #bytes = Buffer.allocUnsafe(256)
  #root = 0
  #count = 0
  /** Told of, or -1. */
  #expected = -1
  #isLong = false
  #fieldsDue = 0

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    writeEmpty(this.#bytes, 0)
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#expected = count
  }

  override field(field: RdbElement, value: RdbElement, expireAt: number): void {
    if (expireAt > fieldExpireAtMax) throw new RefusedValue('a field of a hash that expires later than any can')
    const limits = this.#parts.limits
    if (limits !== undefined) this.#isLong ||= field.length > limits.hashMaxListpackValue || value.length > limits.hashMaxListpackValue
    if (this.#root === 0 && this.#outgrows(field, value, expireAt)) this.#plant()
    if (this.#root !== 0) this.#setInTree(field, value, expireAt)
    else this.#append(field, value, expireAt)
    this.#count++
    this.#fieldsDue = earlier(this.#fieldsDue, expireAt)
  }

  override end(): void {
    if (this.#count === 0) throw new RefusedValue('a hash without fields')
    if (this.#expected >= 0 && this.#expected !== this.#count) throw new RefusedValue('a hash with another number of fields than it says')
  }

  take(): BuiltValue {
    const { form, seed } = this.#parts
    const encoding = this.#root !== 0 ? treeForm : form !== 0 ? form : this.#isPacked(this.#count) ? packedForm : leafForm
    const root = this.#root
    this.#root = 0
    const fill = (entry: number, lsn: number): void => this.#fill(entry, encoding, lsn)
    return { type: hashType, encoding, seed, length: this.#count, root, fill, bytes: usedBytes(this.#bytes, 0), fieldsDue: this.#fieldsDue }
  }

  #fill(entry: number, encoding: number, lsn: number): void {
    const { keyspace } = this.#parts
    const { entries, values } = keyspace
    const used = usedBytes(this.#bytes, 0)
    const slot = keyspace.makeValue(entry, used)
    this.#bytes.copy(values.bytes(slot), values.start(slot), 0, used)
    entries.setTypeAndEncoding(entry, hashType, encoding)
    entries.setLength(entry, this.#count)
    keyspace.valueChanged(entry, lsn)
  }

  release(): void {
    dropTree(this.#parts.keyspace, this.#root)
    this.#root = 0
  }

  #isPacked(count: number): boolean {
    const { limits } = this.#parts
    return limits === undefined || (!this.#isLong && count <= limits.hashMaxListpackEntries)
  }

  /** Whether the pair is too much for one piece. */
  #outgrows(field: RdbElement, value: RdbElement, expireAt: number): boolean {
    if (this.#isPacked(this.#count + 1)) return false
    return usedBytes(this.#bytes, 0) + pairBytes(field.length, value.length, expireAt) > this.#parts.keyspace.trees.leafBytesMax
  }

  #append(field: RdbElement, value: RdbElement, expireAt: number): void {
    const used = usedBytes(this.#bytes, 0)
    const needed = used + pairBytes(field.length, value.length, expireAt)
    if (needed > this.#bytes.length) {
      const more = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(more, 0, 0, used)
      this.#bytes = more
    }
    const fingerprint = fieldFingerprint(field.bytes, field.start, field.end)
    if (findField(this.#bytes, 0, field.bytes, field.start, field.end, fingerprint) >= 0) refuseTwice()
    appendField(this.#bytes, 0, fingerprint, field.bytes, field.start, field.end, value.bytes, value.start, value.end, expireAt)
  }

  #setInTree(field: RdbElement, value: RdbElement, expireAt: number): void {
    const { trees } = this.#parts.mutator.hashes
    // A tree takes field and value from a buffer each.
    if (!trees.set(this.#root, field.bytes, field.start, field.end, value.bytes, value.start, value.end, 0, expireAt)) refuseTwice()
  }

  /** Goes on as a tree. Its leaves have no LSN: nothing of them is older than the record that will show them. */
  #plant(): void {
    const { keyspace, mutator, seed } = this.#parts
    const root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0)
    this.#root = root
    visitPairs(this.#bytes, 0, new PackedCursor(), (bytes, found) => {
      mutator.hashes.trees.set(root, bytes, found.fieldStart, found.fieldEnd, bytes, found.valueStart, found.valueEnd, 0, found.expireAt)
    })
    setUsedBytes(this.#bytes, 0, packedHeaderBytes)
  }
}

function refuseTwice(): never {
  throw new RefusedValue('a field that is there twice')
}
