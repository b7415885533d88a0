/** A run of a large collection's leaves as RDB, rendered and summed up in slices: a large element is a piece of its own and is not copied. */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { Crc64 } from '../rdb/crc64.ts'
import { RdbOutput } from '../rdb/rdb-output.ts'
import type { LeafRenderer, SpanOf } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'

/** What is taken of the output at a time, whose checksum may be computed later. */
interface WrittenPart {
  /** The image knows the part by its first piece. */
  readonly pieces: readonly Buffer[]
  /** Of this part and all before it, once it has been computed. */
  readonly crc: Crc64
}

/** Leaves as RDB, part by part. */
class PartRenderer implements LeafRenderer {
  readonly out = new RdbOutput()
  readonly parts: WrittenPart[] = []
  readonly #keyspace: Keyspace
  readonly #write: (ref: number, out: RdbOutput) => void
  readonly #running = new Crc64()
  /** The first part whose checksum is not known, the piece and the offset that come next. */
  #part = 0
  #piece = 0
  #offset = 0

  constructor(keyspace: Keyspace, write: (ref: number, out: RdbOutput) => void) {
    this.#keyspace = keyspace
    this.#write = write
  }

  leaf(ref: number, _from = 0, count = 1): void {
    // A leaf without elements may be of another kind.
    if (count === 0) return
    const { values, arena } = this.#keyspace
    // A large block stays as it is while somebody refers to it.
    if (arena.isLarge(ref)) {
      values.share(ref)
      this.out.refersTo = values.bytes(ref)
    }
    this.#write(ref, this.out)
    this.out.refersTo = undefined
  }

  take(): Buffer {
    const pieces = this.out.takePieces()
    this.parts.push({ pieces, crc: new Crc64() })
    return pieces[0]
  }

  /** Goes on with the checksums for `bytesMax` bytes; false when all are known. */
  sum(bytesMax: number): boolean {
    for (let left = bytesMax; this.#part < this.parts.length; ) {
      const { pieces, crc } = this.parts[this.#part]
      const piece = pieces[this.#piece]
      const until = Math.min(piece.length, this.#offset + left)
      this.#running.update(piece, this.#offset, until)
      left -= until - this.#offset
      this.#offset = until
      if (until === piece.length) {
        this.#offset = 0
        this.#piece++
      }
      if (this.#piece === pieces.length) {
        crc.set(this.#running)
        this.#piece = 0
        this.#part++
      }
      if (left <= 0) return this.#part < this.parts.length
    }
    return false
  }
}

/** The image of a run of leaves, and how to put it into a dump. */
export class DumpedRun {
  readonly image: TreeImage
  readonly #renderer: PartRenderer
  readonly #sliceBytes: number

  constructor(
    keyspace: Keyspace,
    entry: number,
    write: (ref: number, out: RdbOutput) => void,
    spanOf: SpanOf | undefined,
    partBytes: number,
    sliceBytes: number,
  ) {
    this.#renderer = new PartRenderer(keyspace, write)
    this.#sliceBytes = sliceBytes
    this.image = new TreeImage(keyspace, entry, this.#renderer, partBytes, spanOf)
  }

  step(): boolean {
    if (this.#renderer.sum(this.#sliceBytes)) return true
    return this.image.step() || this.#renderer.sum(0)
  }

  /** Adds the run as it is now. */
  addTo(pieces: Buffer[], crc: Crc64): void {
    const { parts } = this.#renderer
    const sum = new PartSum(this.#renderer, parts.length, crc)
    this.image.each((first) => sum.add(first, pieces))
    sum.settle()
  }
}

/** Goes on with a checksum over parts: over a run of them at once, of which the sums up to each are known. */
class PartSum {
  readonly #parts: readonly WrittenPart[]
  /** Parts from here on were written after the image was complete. */
  readonly #staged: number
  readonly #crc: Crc64
  #next: number
  /** The run of parts that was not counted yet: from the first to before the last. */
  #from = 0
  #to = 0
  #runBytes = 0

  constructor(renderer: PartRenderer, staged: number, crc: Crc64) {
    renderer.sum(Number.POSITIVE_INFINITY)
    this.#parts = renderer.parts
    this.#staged = staged
    this.#next = staged
    this.#crc = crc
  }

  add(first: Buffer, into: Buffer[]): void {
    const at = this.#indexOf(first)
    const { pieces } = this.#parts[at]
    into.push(...pieces)
    if (at !== this.#to || at >= this.#staged) this.settle()
    if (at >= this.#staged) {
      for (const piece of pieces) this.#crc.update(piece, 0, piece.length)
      return
    }
    if (this.#runBytes === 0) this.#from = at
    this.#to = at + 1
    for (const piece of pieces) this.#runBytes += piece.length
  }

  #indexOf(first: Buffer): number {
    if (this.#to < this.#staged && this.#parts[this.#to].pieces[0] === first) return this.#to
    // What is rendered now comes last.
    if (this.#next < this.#parts.length && this.#parts[this.#next].pieces[0] === first) return this.#next++
    const at = this.#parts.findIndex((part, i) => i >= this.#to && part.pieces[0] === first)
    if (at < 0) throw new Error('dump: a part that nobody has written')
    return at
  }

  /** Counts the run. */
  settle(): void {
    if (this.#runBytes === 0) return
    // What comes before a part is in the sum up to it; taken out, the run's own is left.
    const run = new Crc64()
    if (this.#from > 0) run.set(this.#parts[this.#from - 1].crc)
    run.append(this.#parts[this.#to - 1].crc, this.#runBytes)
    this.#crc.append(run, this.#runBytes)
    this.#runBytes = 0
  }
}
