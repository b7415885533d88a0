/**
 * DUMP of a value: RDB of it and a footer with a checksum. A large one is staged, in slices (docs/decisions/0009): a tree
 * is rendered part by part, of a string the checksum is computed. What has changed when the command runs is done anew there.
 */

import { stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { StringHandle } from '../keyspace/value-handle.ts'
import type { ColdWants } from '../need.ts'
import { Crc64 } from '../rdb/crc64.ts'
import { stringValue } from '../rdb/rdb-format.ts'
import { RdbOutput } from '../rdb/rdb-output.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax, slicedValueBytes } from '../staged-work.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { footerAfter } from './dump-footer.ts'
import type { DumpedType } from './dumped-type.ts'
import { dumpedType } from './dumped-types.ts'

/** Bytes of leaves in one part. */
const partBytesMax = 64 * 1024

/** A dump in pieces, which do not change any more, one behind the other. */
export interface Dump {
  readonly pieces: readonly Buffer[]
  readonly bytes: number
}

/** The dump of a large value, being made. */
export interface DumpWork extends StagedWork {
  /** The dump of the value of `entry`; undefined if this is of something else. */
  take(entry: number): Dump | undefined
}

/** The work on an entry whose value is large; undefined for others. */
export function dumpWork(keyspace: Keyspace, entry: number, largeBytes = slicedValueBytes): DumpWork | undefined {
  const { entries, trees } = keyspace
  if (entries.isTree(entry)) {
    // What follows the leaves may have become cold again meanwhile, and no image tells: such a value is dumped in one go.
    if (dumpedType(keyspace, entry).tail !== undefined) return undefined
    const bytesMax = trees.roots.leaves(entries.value(entry)) * trees.leafBytesMax
    return bytesMax >= largeBytes ? new TreeDump(keyspace, entry, Math.min(partBytesMax, largeBytes)) : undefined
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
function writeValue(keyspace: Keyspace, entry: number, out: RdbOutput): void {
  const { entries, values, trees } = keyspace
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
  const at = new LeafRow()
  row.head(keyspace, entry, out)
  trees.shape.first(value, at)
  do row.leaf(keyspace, trees.used(at), out)
  while (trees.shape.next(at))
  row.tail?.(keyspace, entry, out)
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

/** The parts of a tree, one after the other. */
class PartRenderer implements LeafRenderer {
  readonly out = new RdbOutput()
  /** What was taken while parts were made, and the checksum of all up to there. */
  readonly parts: { readonly bytes: Buffer; readonly crc: Crc64 }[] = []
  isComplete = false
  readonly #keyspace: Keyspace
  readonly #row: DumpedType
  readonly #running = new Crc64()

  constructor(keyspace: Keyspace, row: DumpedType) {
    this.#keyspace = keyspace
    this.#row = row
  }

  leaf(ref: number): void {
    this.#row.leaf(this.#keyspace, ref, this.out)
  }

  take(): Buffer {
    const bytes = this.out.take()
    if (this.isComplete) return bytes
    this.#running.update(bytes, 0, bytes.length)
    const crc = new Crc64()
    crc.set(this.#running)
    this.parts.push({ bytes, crc })
    return bytes
  }
}

class TreeDump implements DumpWork {
  readonly #keyspace: Keyspace
  readonly #row: DumpedType
  readonly #renderer: PartRenderer
  readonly #image: TreeImage

  constructor(keyspace: Keyspace, entry: number, partBytes: number) {
    this.#keyspace = keyspace
    this.#row = dumpedType(keyspace, entry)
    this.#renderer = new PartRenderer(keyspace, this.#row)
    this.#image = new TreeImage(keyspace, entry, this.#renderer, partBytes)
  }

  get memoryBytes(): number {
    return this.#image.memoryBytes
  }

  step(): boolean {
    return this.#image.step()
  }

  eachCold(wants: ColdWants): boolean {
    return this.#image.eachCold(wants)
  }

  take(entry: number): Dump | undefined {
    if (!this.#image.shows(entry)) return undefined
    const { out } = this.#renderer
    this.#renderer.isComplete = true
    this.#row.head(this.#keyspace, entry, out)
    const pieces = [out.take()]
    const crc = new Crc64()
    crc.update(pieces[0], 0, pieces[0].length)
    const sum = new PartSum(this.#renderer.parts, crc)
    this.#image.each((bytes) => {
      pieces.push(bytes)
      sum.add(bytes)
    })
    sum.settle()
    this.#row.tail?.(this.#keyspace, entry, out)
    const tail = out.take()
    crc.update(tail, 0, tail.length)
    return dumpOf([...pieces, tail], crc)
  }
}

/** Goes on with a checksum over pieces: over a run of parts at once, of which the sums up to each are known. */
class PartSum {
  readonly #parts: PartRenderer['parts']
  readonly #crc: Crc64
  /** The run of parts that was not counted yet: from the first to before the last. */
  #from = 0
  #to = 0
  #runBytes = 0

  constructor(parts: PartRenderer['parts'], crc: Crc64) {
    this.#parts = parts
    this.#crc = crc
  }

  add(bytes: Buffer): void {
    if (this.#parts[this.#to]?.bytes !== bytes) {
      this.settle()
      const at = this.#parts.findIndex((part, i) => i >= this.#to && part.bytes === bytes)
      if (at < 0) {
        this.#crc.update(bytes, 0, bytes.length)
        return
      }
      this.#from = at
      this.#to = at
    }
    this.#to++
    this.#runBytes += bytes.length
  }

  /** Counts the run. */
  settle(): void {
    const from = this.#from
    this.#from = this.#to
    if (this.#runBytes === 0) return
    // What comes before a part is in the sum up to it; taken out, the run's own is left.
    const run = new Crc64()
    if (from > 0) run.set(this.#parts[from - 1].crc)
    run.append(this.#parts[this.#to - 1].crc, this.#runBytes)
    this.#crc.append(run, this.#runBytes)
    this.#runBytes = 0
  }
}

function dumpOf(pieces: readonly Buffer[], crc: Crc64): Dump {
  const all = [...pieces.filter((piece) => piece.length > 0), footerAfter(crc)]
  return { pieces: all, bytes: all.reduce((sum, piece) => sum + piece.length, 0) }
}
