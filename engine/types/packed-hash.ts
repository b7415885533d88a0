/**
 * Small hashes: one blob of packed fields in one value record, in order of insertion as Redis's listpack hashes are.
 *
 * A value moves when it outgrows its slot, so whatever changes one returns the ref to use from now on. A blob that a
 * reply still refers to is never changed in place. How many fields there are is the entry's business, not the blob's.
 */
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import type { PackedCursor } from './packed-fields.ts'
import { appendField, fieldFingerprint, findField, readPair, removeField, replaceValue, setBytesNeeded } from './packed-fields.ts'

/** From here on a slot has a buffer of its own, which is not rounded up: slack keeps growth by small steps linear. */
const slackFromBytes = 32 * 1024

export class PackedHashes {
  readonly values: Values
  /** Whether the last `set` added a field. */
  added = false
  /** Whether the last `delete` found its field. */
  removed = false

  constructor(values: Values) {
    this.values = values
  }

  /** A hash without fields, with room for a small one. */
  createEmpty(owner: number): number {
    const ref = this.values.create(owner, packedHeaderBytes, false)
    writeEmpty(this.values.bytes(ref), this.values.start(ref))
    return ref
  }

  /** Whether the field is there; `out` then says where, in `values.bytes(ref)`. */
  get(ref: number, field: Uint8Array, fieldStart: number, fieldEnd: number, out: PackedCursor): boolean {
    const bytes = this.values.bytes(ref)
    const fingerprint = fieldFingerprint(field, fieldStart, fieldEnd)
    const at = findField(bytes, this.values.start(ref), field, fieldStart, fieldEnd, fingerprint)
    if (at < 0) return false
    readPair(bytes, at, out)
    return true
  }

  /**
   * Sets a field, and when it expires (0: never), behind the others if it is new; `added` then tells. The value's bytes may not be this hash's
   * own. Returns the ref.
   */
  set(
    ref: number,
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAt = 0,
  ): number {
    const values = this.values
    const start = values.start(ref)
    const fingerprint = fieldFingerprint(field, fieldStart, fieldEnd)
    const at = findField(values.bytes(ref), start, field, fieldStart, fieldEnd, fingerprint)
    const needed = setBytesNeeded(values.bytes(ref), start, at, fieldEnd - fieldStart, valueEnd - valueStart, expireAt)
    const to = packedWithRoom(values, ref, needed)
    const toBytes = values.bytes(to)
    const toStart = values.start(to)
    this.added = at < 0
    if (at < 0) appendField(toBytes, toStart, fingerprint, field, fieldStart, fieldEnd, value, valueStart, valueEnd, expireAt)
    else replaceValue(toBytes, toStart, at - start + toStart, value, valueStart, valueEnd, expireAt)
    return packedTrimmed(values, to)
  }

  /** Deletes a field; `removed` then tells whether it was there. Returns the ref; an empty hash is for the caller to drop. */
  delete(ref: number, field: Uint8Array, fieldStart: number, fieldEnd: number): number {
    const values = this.values
    const start = values.start(ref)
    const fingerprint = fieldFingerprint(field, fieldStart, fieldEnd)
    const at = findField(values.bytes(ref), start, field, fieldStart, fieldEnd, fingerprint)
    this.removed = at >= 0
    if (at < 0) return ref
    const to = packedWithRoom(values, ref, 0)
    const toStart = values.start(to)
    removeField(values.bytes(to), toStart, at - start + toStart)
    return packedTrimmed(values, to)
  }

  /** Bytes of the blob, header included. */
  byteSize(ref: number): number {
    return usedBytes(this.values.bytes(ref), this.values.start(ref))
  }
}

/** The blob with room for `needed` bytes in all, free to be changed in place. Returns the ref, the same if nothing moved. */
export function packedWithRoom(values: Values, ref: number, needed: number): number {
  const fits = needed <= values.room(ref)
  if (fits && !values.isShared(ref)) return ref
  const used = usedBytes(values.bytes(ref), values.start(ref))
  const size = fits ? Math.max(needed, used) : needed
  return values.relocate(ref, !fits && size > slackFromBytes ? size + (size >>> 3) : size, used)
}

/** The blob in a smaller slot if more than half of its own stands empty. Returns the ref, the same if nothing moved. */
export function packedTrimmed(values: Values, ref: number): number {
  const used = usedBytes(values.bytes(ref), values.start(ref))
  return used * 2 < values.room(ref) && values.room(ref) > 64 ? values.relocate(ref, used, used) : ref
}
