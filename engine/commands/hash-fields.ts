/**
 * Fields of hashes as commands meet them: named by arguments, found in either form of a hash, walked over. Nothing here
 * allocates; `found` and the sources are overwritten by the next use.
 *
 * Only chunks that the command's row asked for are resident: a walk needs all of them, a look-up the field's own.
 */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { chunkedHash } from '../keyspace/entries.ts'
import type { FieldSource } from '../mutation/field-source.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { ChunkedHash } from '../types/chunked-hash.ts'
import { chunkBytesMax } from '../types/chunked-hash.ts'
import type { VisitPair } from '../types/field-hashes.ts'
import { visitAll } from '../types/field-hashes.ts'
import { fieldFingerprint, findField, PackedCursor, readPair } from '../types/packed-fields.ts'

/** Where the pair is that `findPair` found, in the buffer that it returned. */
export const found = new PackedCursor()
const visited = new PackedCursor()

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

/** The buffer that holds the field which is argument `index`, `found` saying where; undefined without such a field. */
export function findPair(x: Execution, entry: number, index: number): Buffer | undefined {
  const { args } = x
  const { entries, values } = x.keyspace
  const start = args.starts[index]
  const end = args.ends[index]
  if (entries.encoding(entry) === chunkedHash) return largeHash(x, entry).get(args.buffer, start, end, found)
  const value = entries.value(entry)
  const bytes = values.bytes(value)
  const at = findField(bytes, values.start(value), args.buffer, start, end, fieldFingerprint(args.buffer, start, end))
  if (at < 0) return undefined
  readPair(bytes, at, found)
  return bytes
}

/** Walks over all pairs, all of them being resident. The visit must not change the hash. */
export function eachPair(x: Execution, entry: number, visit: VisitPair): void {
  const { entries, values } = x.keyspace
  if (entries.encoding(entry) === chunkedHash) {
    if (largeHash(x, entry).scan(0, Number.MAX_SAFE_INTEGER, visit) !== 0) throw new Error('hash: a chunk to walk over is not resident')
    return
  }
  const value = entries.value(entry)
  visitAll(values.bytes(value), values.start(value), visited, visit)
}

/** The structure of a hash that is chunked. */
export function largeHash(x: Execution, entry: number): ChunkedHash {
  const hash = x.keyspace.collections[x.keyspace.entries.value(entry)]
  if (hash === undefined) throw new Error('hash: a large one without its collection')
  return hash
}

/** The entry of the key that is argument 1, if it holds a hash so large that it is worked on in slices; else 0. */
export function slicedHash(x: Execution): number {
  const { args, keyspace, limits } = x
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || keyspace.entries.encoding(entry) !== chunkedHash) return 0
  const bytesMax = largeHash(x, entry).chunkCount * (limits.hashChunkBytesMax ?? chunkBytesMax)
  return bytesMax >= (limits.slicedValueBytes ?? slicedValueBytes) ? entry : 0
}
