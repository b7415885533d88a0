/**
 * The dump of a large collection, in slices: images of runs of its leaves, as RDB. There is one of the elements, and one of each long run of what
 * follows them. Checksums are computed in slices, too, so that a large element, which is a piece of its own and is not copied, holds nobody.
 */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import type { ColdWants } from '../need.ts'
import { Crc64 } from '../rdb/crc64.ts'
import { RdbOutput } from '../rdb/rdb-output.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import type { Dump, DumpWork } from './dump-pieces.ts'
import { dumpOf } from './dump-pieces.ts'
import { DumpedRun } from './dumped-run.ts'
import type { DumpedType, RankRange } from './dumped-type.ts'
import { dumpedType } from './dumped-types.ts'
import { TreeTail } from './tree-tail.ts'

/** Writes the elements of a tree, whose leaves are resident. */
export function writeElements(row: DumpedType, keyspace: Keyspace, entry: number, out: RdbOutput): void {
  const { entries, trees } = keyspace
  const root = entries.value(entry)
  const at = new LeafRow()
  const range = row.elements?.(keyspace, entry)
  let left = range === undefined ? Number.POSITIVE_INFINITY : range.end - range.first
  if (left <= 0) return
  if (range === undefined) trees.shape.first(root, at)
  else trees.shape.locateRank(root, range.first, at)
  do {
    row.leaf(keyspace, trees.used(at), out)
    left -= trees.nodes.count(at.node, at.row)
  } while (left > 0 && trees.shape.next(at))
}

export class TreeDump implements DumpWork {
  readonly #keyspace: Keyspace
  readonly #handle: TreeHandle
  readonly #row: DumpedType
  /** Missing where there are no elements. */
  readonly #elements: DumpedRun | undefined
  readonly #tail: TreeTail
  #areElementsDone = false

  /** Of an entry whose value is a tree. */
  constructor(keyspace: Keyspace, entry: number, partBytes: number, sliceBytes: number) {
    const row = dumpedType(keyspace, entry)
    this.#keyspace = keyspace
    this.#handle = new TreeHandle(keyspace, entry)
    this.#row = row
    this.#tail = new TreeTail(keyspace, entry, row, partBytes, sliceBytes)
    const range = row.elements?.(keyspace, entry)
    if (range !== undefined && range.first >= range.end) return
    const spanOf = row.elements === undefined ? undefined : () => row.elements?.(keyspace, this.#handle.find()) as RankRange
    this.#elements = new DumpedRun(keyspace, entry, (ref, out) => row.leaf(keyspace, ref, out), spanOf, partBytes, sliceBytes)
  }

  get memoryBytes(): number {
    return (this.#elements?.image.memoryBytes ?? 0) + this.#tail.memoryBytes
  }

  step(): boolean {
    if (!this.#areElementsDone && this.#elements?.step() === true) return true
    this.#areElementsDone = true
    return this.#tail.step()
  }

  eachCold(wants: ColdWants): boolean {
    if (this.#handle.root() === 0) return false
    if (!this.#areElementsDone || this.#tail.isComplete) this.#elements?.image.eachCold(wants)
    if (this.#areElementsDone) this.#tail.eachCold(wants)
    return true
  }

  take(entry: number): Dump | undefined {
    if (this.#handle.find() !== entry) return undefined
    const keyspace = this.#keyspace
    const row = this.#row
    const out = new RdbOutput()
    const pieces: Buffer[] = []
    const crc = new Crc64()
    const flush = (): void => {
      const bytes = out.take()
      crc.update(bytes, 0, bytes.length)
      pieces.push(bytes)
    }
    row.head(keyspace, entry, out)
    if (this.#elements === undefined) writeElements(row, keyspace, entry, out)
    flush()
    this.#elements?.addTo(pieces, crc)
    this.#tail.write(entry, out, (run) => {
      flush()
      run.addTo(pieces, crc)
    })
    flush()
    return dumpOf(pieces, crc)
  }
}
