/** Sorted sets as dumps: a small one is a listpack, as redis-server keeps it; any other is a row of members with scores in binary. */
import { formatDouble } from '../double.ts'
import { leafForm, packedForm, sortedSetType, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { zsetListpackValue, zsetValue } from '../rdb/rdb-format.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { NoSink } from '../rdb/value-sink.ts'
import {
  findInPlaces,
  findPlace,
  placeBytes,
  placeSizeAt,
  readScore,
  visitBackwards,
  visitHashed,
  visitPlaces,
  writePlace,
  writeScore,
} from '../types/sorted-set-leaf.ts'
import type { SortedSetTrees } from '../types/sorted-set-tree.ts'
import { isInOrderOfScore } from '../types/sorted-set-tree.ts'
import type { BuiltValue } from './built-value.ts'
import { CollectionDraft, refuseTwice } from './collection-draft.ts'
import type { BuilderParts, DumpedType, ValueBuilder } from './dumped-type.ts'

const listpack = new ListpackWriter()
const scoreText = Buffer.alloc(32)
/** Redis writes whole scores up to here as integers. */
const integerScoreMax = 2 ** 62

export const dumpedSortedSet: DumpedType = {
  type: sortedSetType,
  kind: 'zset',
  head({ entries }, entry, out) {
    out.byte(zsetValue)
    out.length(entries.length(entry))
  },
  // The tree has each element twice. Those in order of the members' hashes are written.
  leaf({ values, trees }, ref, out) {
    if (isInOrderOfScore(trees, ref)) return
    visitHashed(values.bytes(ref), values.start(ref), (bytes, start, end, score) => writeElement(out, bytes, start, end, score))
  },
  packed(keyspace, entry, out) {
    const { entries, values } = keyspace
    if (entries.encoding(entry) === packedForm) {
      writeListpack(keyspace, entry, out)
      return
    }
    dumpedSortedSet.head(keyspace, entry, out)
    const value = entries.value(entry)
    const bytes = values.bytes(value)
    const start = values.start(value)
    visitBackwards(bytes, start, start + usedBytes(bytes, start), entries.length(entry), (from, memberStart, memberEnd, score) =>
      writeElement(out, from, memberStart, memberEnd, score),
    )
  },
  builder: (parts) => new SortedSetBuilder(parts),
}

function writeElement(out: RdbOutput, bytes: Buffer, start: number, end: number, score: number): void {
  out.string(bytes, start, end)
  out.double(score)
}

function writeListpack({ entries, values }: Keyspace, entry: number, out: RdbOutput): void {
  const value = entries.value(entry)
  listpack.clear()
  visitPlaces(values.bytes(value), values.start(value), (bytes, start, end, score) => {
    listpack.add(bytes, start, end)
    if (Math.abs(score) <= integerScoreMax && Number.isInteger(score)) listpack.addBigInteger(BigInt(score))
    else listpack.add(scoreText, 0, scoreText.write(formatDouble(score), 'latin1'))
  })
  listpack.finish()
  out.byte(zsetListpackValue)
  out.string(listpack.bytes, 0, listpack.end)
}

/** Elements in one piece as long as they may be, then in a tree, as `commands/sorted-set-change.ts` would have them. */
class SortedSetBuilder extends NoSink implements ValueBuilder {
  readonly #parts: BuilderParts
  /** In its piece the elements are in order of score. */
  readonly #draft: CollectionDraft
  #bytes = packedHeaderBytes
  #longest = 0

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
    this.#draft = new CollectionDraft(parts)
    if (parts.form === treeForm) this.#plant()
  }

  override begin(_kind: string, count: number): void {
    this.#draft.expected = count
  }

  override scored({ bytes, start, end }: RdbElement, score: number): void {
    this.#draft.count++
    this.#bytes += placeBytes(end - start)
    this.#longest = Math.max(this.#longest, end - start)
    if (this.#draft.root === 0 && this.#outgrows()) this.#plant()
    if (this.#draft.root !== 0) this.#addToTree(score, bytes, start, end)
    else this.#addToPiece(score, bytes, start, end)
  }

  #addToPiece(score: number, bytes: Buffer, start: number, end: number): void {
    const draft = this.#draft
    if (findInPlaces(draft.piece, 0, bytes, start, end) >= 0) refuseTwice('member')
    const place = ~findPlace(draft.piece, 0, score, bytes, start, end)
    draft.open(place, placeBytes(end - start))
    writePlace(draft.piece, place, score, bytes, start, end)
  }

  override end(): void {
    this.#draft.end('sorted set', 'members')
  }

  take(): BuiltValue {
    const { form } = this.#parts
    const encoding = form !== 0 ? form : this.#isPacked() ? packedForm : leafForm
    if (encoding === packedForm) this.#plusZeros()
    return this.#draft.take(sortedSetType, encoding, this.#bytes)
  }

  release(): void {
    this.#draft.release()
  }

  #isPacked(): boolean {
    const { limits } = this.#parts
    return limits !== undefined && this.#draft.count <= limits.zsetMaxListpackEntries && this.#longest <= limits.zsetMaxListpackValue
  }

  /** Whether the elements are too many for one piece. */
  #outgrows(): boolean {
    const { limits, keyspace } = this.#parts
    return limits !== undefined && !this.#isPacked() && this.#bytes > keyspace.trees.leafBytesMax
  }

  get #trees(): SortedSetTrees {
    return this.#parts.mutator.types.sortedSets.trees
  }

  #addToTree(score: number, bytes: Buffer, start: number, end: number): void {
    if (!this.#trees.set(this.#draft.root, score, bytes, start, end, 0)) refuseTwice('member')
  }

  /** Goes on as a tree. */
  #plant(): void {
    const piece = this.#draft.plant()
    this.#trees.begin(this.#draft.root, 0)
    visitPlaces(piece, 0, (bytes, start, end, score) => this.#addToTree(score, bytes, start, end))
  }

  /** Redis's small form has no zero with a sign. */
  #plusZeros(): void {
    const { piece, used } = this.#draft
    for (let at = packedHeaderBytes; at < used; at += placeSizeAt(piece, at)) {
      if (readScore(piece, at) === 0) writeScore(piece, at, 0)
    }
  }
}
