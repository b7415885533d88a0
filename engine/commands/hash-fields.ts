/**
 * Fields of hashes as commands meet them: named by arguments, found in any form of a hash, walked over. Nothing here
 * allocates; `found` and the sources are overwritten by the next use.
 *
 * Only leaves that the command's row asked for are resident: a walk needs all of them, a look-up the field's own.
 */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { deleteExpired, ExpiredFields, mayHoldExpired } from '../field-expiry.ts'
import type { FieldSource } from '../mutation/field-source.ts'
import { sharedBytesMin } from '../reply-writer.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { VisitPair } from '../types/packed-fields.ts'
import { fieldFingerprint, findField, PackedCursor, readPair, visitPairs } from '../types/packed-fields.ts'

/** Where the pair is that `findPair` found, in the buffer that it returned. */
export const found = new PackedCursor()

/** Fields, and with `step` 2 their values, among the arguments from `first` on. */
export class ArgumentFields implements FieldSource {
  count = 0
  #args!: Arguments
  #first = 0
  #step = 1

  /** The fields from argument `first` up to the last, or `count` of them. */
  from(args: Arguments, first: number, step: 1 | 2, count = Math.floor((args.count - first) / step)): this {
    this.#args = args
    this.#first = first
    this.#step = step
    this.count = count
    return this
  }

  buffer(): Buffer {
    return this.#args.buffer
  }

  fieldStart(index: number): number {
    return this.#args.starts[this.#first + index * this.#step]
  }

  fieldEnd(index: number): number {
    return this.#args.ends[this.#first + index * this.#step]
  }

  valueStart(index: number): number {
    return this.#args.starts[this.#first + index * this.#step + 1]
  }

  valueEnd(index: number): number {
    return this.#args.ends[this.#first + index * this.#step + 1]
  }
}

/** Single arguments as fields, none twice. */
export class PickedFields implements FieldSource {
  readonly #args: Arguments
  readonly #indexes: number[] = []
  readonly #names = new Set<string>()

  constructor(args: Arguments) {
    this.#args = args
  }

  get count(): number {
    return this.#indexes.length
  }

  /** Whether the field that is argument `index` was picked. */
  has(index: number): boolean {
    return this.#names.size > 0 && this.#names.has(this.#args.string(index, 'latin1'))
  }

  add(index: number): void {
    this.#indexes.push(index)
    this.#names.add(this.#args.string(index, 'latin1'))
  }

  buffer(): Buffer {
    return this.#args.buffer
  }

  fieldStart(index: number): number {
    return this.#args.starts[this.#indexes[index]]
  }

  fieldEnd(index: number): number {
    return this.#args.ends[this.#indexes[index]]
  }

  valueStart(): number {
    return 0
  }

  valueEnd(): number {
    return 0
  }
}

/** The buffer that holds the field which is argument `index`, `found` saying where; undefined without such a field. */
export function findPair(x: Execution, entry: number, index: number): Buffer | undefined {
  const { args } = x
  return findPairOf(x, entry, args.buffer, args.starts[index], args.ends[index])
}

/** As `findPair` for the field `field[start, end)`. */
export function findPairOf(x: Execution, entry: number, field: Buffer, start: number, end: number): Buffer | undefined {
  const bytes = findStored(x, entry, field, start, end)
  if (bytes === undefined || found.expireAt === 0 || found.expireAt >= x.now) return bytes
  // The last field stays: the caller goes on with the entry.
  const { entries } = x.keyspace
  if (x.deletesExpired && entries.length(entry) > 1) deleteExpired(x, entry, new ExpiredFields(x.now).add(field, start, end))
  return undefined
}

/**
 * Deletes those of some fields that have expired, before a command changes them: for it they are missing. Their leaves must be resident. Returns
 * the entry, 0 if the key has gone with the last field.
 */
export function withoutExpired(x: Execution, entry: number, fields: FieldSource): number {
  if (entry === 0 || !x.deletesExpired || !mayHoldExpired(x, entry)) return entry
  const { entries } = x.keyspace
  for (let i = 0; i < fields.count; i++) {
    const buffer = fields.buffer(i)
    const start = fields.fieldStart(i)
    const end = fields.fieldEnd(i)
    if (findPairOf(x, entry, buffer, start, end) !== undefined || entries.length(entry) > 1) continue
    if (findStored(x, entry, buffer, start, end) === undefined) continue
    deleteExpired(x, entry, new ExpiredFields(x.now).add(buffer, start, end))
    return 0
  }
  return entry
}

function findStored(x: Execution, entry: number, field: Buffer, start: number, end: number): Buffer | undefined {
  const { entries, values } = x.keyspace
  const value = entries.value(entry)
  if (entries.isTree(entry)) return x.hashTrees.get(value, field, start, end, found)
  const bytes = values.bytes(value)
  const at = findField(bytes, values.start(value), field, start, end, fieldFingerprint(field, start, end))
  if (at < 0) return undefined
  readPair(bytes, at, found)
  return bytes
}

/** A visit that passes over the pairs whose time has come. */
export function livePairs({ now }: Execution, visit: VisitPair): VisitPair {
  return (bytes, pair) => {
    if (pair.expireAt === 0 || pair.expireAt >= now) visit(bytes, pair)
  }
}

/** Walks over all pairs, expired ones included, all of them being resident. The visit must not change the hash. */
export function eachPair(x: Execution, entry: number, visit: VisitPair): void {
  const { entries, values } = x.keyspace
  const value = entries.value(entry)
  if (entries.isTree(entry)) {
    if (x.hashTrees.scan(value, 0, Number.MAX_SAFE_INTEGER, visit) !== 0) throw new Error('hash: a leaf to walk over is cold')
    return
  }
  visitPairs(values.bytes(value), values.start(value), new PackedCursor(), visit)
}

/** The entry of the key that is argument 1, if it holds a collection so large that it is worked on in slices; else 0. */
export function slicedTree(x: Execution): number {
  const { args, keyspace, limits } = x
  const { entries, trees } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || !entries.isTree(entry)) return 0
  const bytesMax = trees.roots.leaves(entries.value(entry)) * trees.leafBytesMax
  return bytesMax >= (limits.slicedValueBytes ?? slicedValueBytes) ? entry : 0
}

/** Replies with the value of the field that is argument `index`; `found` says where it is, if it is there. */
export function replyValue(x: Execution, entry: number, index: number): void {
  const bytes = entry === 0 ? undefined : findPair(x, entry, index)
  if (bytes === undefined) x.reply.nil()
  else if (found.valueEnd - found.valueStart >= sharedBytesMin && shareLeaf(x, entry, index)) {
    x.reply.bulkShared(bytes, found.valueStart, found.valueEnd)
  } else x.reply.bulk(bytes, found.valueStart, found.valueEnd)
}

/** Has the leaf that holds the field which is argument `index` stay as it is; false if it lies among others and cannot. */
function shareLeaf(x: Execution, entry: number, index: number): boolean {
  const { entries, values, arena } = x.keyspace
  const { args } = x
  if (!entries.isTree(entry)) return false
  const leaf = x.hashTrees.leafOf(entries.value(entry), args.buffer, args.starts[index], args.ends[index])
  if (!arena.isLarge(leaf)) return false
  values.share(leaf)
  return true
}
