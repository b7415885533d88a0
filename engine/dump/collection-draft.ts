/**
 * What the builders of all collections share: elements in one piece as long as they may be, then in a tree, which nobody sees yet. The piece is a
 * packed blob that grows; how its elements are laid out is the builder's business.
 */
import type { TypeNumber } from '../keyspace/entries.ts'
import { treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import type { BuiltValue } from './built-value.ts'
import type { BuilderParts } from './dumped-type.ts'

const pieceBytes = 512

export class CollectionDraft {
  /** The elements that are in no tree. */
  piece = emptyPiece(pieceBytes)
  /** Root block of the tree; 0 while there is none. */
  root = 0
  /** Elements so far. */
  count = 0
  /** How many there will be, -1 if that is not told. */
  expected = -1
  readonly #parts: BuilderParts

  constructor(parts: BuilderParts) {
    this.#parts = parts
  }

  /** Bytes of the piece. */
  get used(): number {
    return usedBytes(this.piece, 0)
  }

  /** Makes room for `size` bytes behind the piece, and does not count them yet. */
  reserve(size: number): void {
    const { used } = this
    const needed = used + size
    if (needed <= this.piece.length) return
    const more = Buffer.allocUnsafe(Math.max(needed, this.piece.length * 2))
    this.piece.copy(more, 0, 0, used)
    this.piece = more
  }

  /** Makes room for an element of `size` bytes at a position of the piece, and counts them; what lies from there on moves up. */
  open(at: number, size: number): void {
    const { used } = this
    this.reserve(size)
    if (at < used) this.piece.copyWithin(at + size, at, used)
    setUsedBytes(this.piece, 0, used + size)
  }

  /**
   * Begins a tree, without elements. Its leaves get no LSN: nothing of them is older than the record that will show them. Returns the piece, whose
   * elements are for the caller to put into the tree.
   */
  plant(): Buffer {
    const { keyspace, seed } = this.#parts
    const { piece } = this
    this.root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0)
    this.piece = emptyPiece(packedHeaderBytes)
    return piece
  }

  /** All elements have come: refuses a value without any, or with another number of them than was told. */
  end(kind: string, elements: string): void {
    const { count, expected } = this
    if (count === 0) throw new RefusedValue(`a ${kind} without ${elements}`)
    if (expected >= 0 && expected !== count) throw new RefusedValue(`a ${kind} with another number of ${elements} than it says`)
  }

  /** The value, which is the caller's from now on; `encoding` is that of the piece, `bytes` about its size. */
  take(type: TypeNumber, encoding: number, bytes: number): BuiltValue {
    const { root, count } = this
    this.root = 0
    const fill = (entry: number, lsn: number): void => this.#fill(entry, type, encoding, lsn)
    return { type, encoding: root !== 0 ? treeForm : encoding, seed: this.#parts.seed, length: count, root, fill, bytes }
  }

  /** Gives up the tree that was not taken. */
  release(): void {
    dropTree(this.#parts.keyspace, this.root)
    this.root = 0
  }

  /** Makes the piece an entry's value. */
  #fill(entry: number, type: TypeNumber, encoding: number, lsn: number): void {
    const { keyspace } = this.#parts
    const { entries, values } = keyspace
    const { used } = this
    const slot = keyspace.makeValue(entry, used)
    this.piece.copy(values.bytes(slot), values.start(slot), 0, used)
    entries.setTypeAndEncoding(entry, type, encoding)
    entries.setLength(entry, this.count)
    keyspace.valueChanged(entry, lsn)
  }
}

function emptyPiece(room: number): Buffer {
  const piece = Buffer.allocUnsafe(room)
  writeEmpty(piece, 0)
  return piece
}

export function refuseTwice(element: string): never {
  throw new RefusedValue(`a ${element} that is there twice`)
}
