/**
 * Hashes as dumps: a small one is a listpack, as redis-server keeps it; any other is a row of fields and values. One whose fields may expire is a
 * row with their expiries, which Redis reads from 7.4 on.
 */
import { hashType, leafForm, packedForm, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { hashListpackValue, hashValue, hashWithExpiryValue } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { visitElements } from '../types/hash-leaf.ts'
import { earlier } from '../types/hash-type.ts'
import type { VisitPair } from '../types/packed-fields.ts'
import { appendField, fieldFingerprint, findField, PackedCursor, pairBytes, visitPairs } from '../types/packed-fields.ts'
import type { BuiltValue } from './built-value.ts'
import { CollectionDraft, refuseTwice } from './collection-draft.ts'
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
  readonly #draft: CollectionDraft
  #isLong = false
  #fieldsDue = 0

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    this.#draft = new CollectionDraft(parts)
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#draft.expected = count
  }

  override field(field: RdbElement, value: RdbElement, expireAt: number): void {
    if (expireAt > fieldExpireAtMax) throw new RefusedValue('a field of a hash that expires later than any can')
    const { limits } = this.#parts
    if (limits !== undefined) this.#isLong ||= field.length > limits.hashMaxListpackValue || value.length > limits.hashMaxListpackValue
    if (this.#draft.root === 0 && this.#outgrows(field, value, expireAt)) this.#plant()
    if (this.#draft.root !== 0) this.#setInTree(field, value, expireAt)
    else this.#append(field, value, expireAt)
    this.#draft.count++
    this.#fieldsDue = earlier(this.#fieldsDue, expireAt)
  }

  override end(): void {
    this.#draft.end('hash', 'fields')
  }

  take(): BuiltValue {
    const { form } = this.#parts
    const { count, used } = this.#draft
    const encoding = form !== 0 ? form : this.#isPacked(count) ? packedForm : leafForm
    return { ...this.#draft.take(hashType, encoding, used), fieldsDue: this.#fieldsDue }
  }

  release(): void {
    this.#draft.release()
  }

  #isPacked(count: number): boolean {
    const { limits } = this.#parts
    return limits === undefined || (!this.#isLong && count <= limits.hashMaxListpackEntries)
  }

  /** Whether the pair is too much for one piece. */
  #outgrows(field: RdbElement, value: RdbElement, expireAt: number): boolean {
    if (this.#isPacked(this.#draft.count + 1)) return false
    return this.#draft.used + pairBytes(field.length, value.length, expireAt) > this.#parts.keyspace.trees.leafBytesMax
  }

  #append(field: RdbElement, value: RdbElement, expireAt: number): void {
    const draft = this.#draft
    draft.reserve(pairBytes(field.length, value.length, expireAt))
    const fingerprint = fieldFingerprint(field.bytes, field.start, field.end)
    if (findField(draft.piece, 0, field.bytes, field.start, field.end, fingerprint) >= 0) refuseTwice('field')
    appendField(draft.piece, 0, fingerprint, field.bytes, field.start, field.end, value.bytes, value.start, value.end, expireAt)
  }

  #setInTree(field: RdbElement, value: RdbElement, expireAt: number): void {
    const { trees } = this.#parts.mutator.hashes
    // A tree takes field and value from a buffer each.
    const { root } = this.#draft
    if (!trees.set(root, field.bytes, field.start, field.end, value.bytes, value.start, value.end, 0, expireAt)) refuseTwice('field')
  }

  /** Goes on as a tree. */
  #plant(): void {
    const { trees } = this.#parts.mutator.hashes
    const piece = this.#draft.plant()
    const { root } = this.#draft
    visitPairs(piece, 0, new PackedCursor(), (bytes, found) => {
      trees.set(root, bytes, found.fieldStart, found.fieldEnd, bytes, found.valueStart, found.valueEnd, 0, found.expireAt)
    })
  }
}
