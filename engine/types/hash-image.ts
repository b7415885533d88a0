/**
 * A large hash rendered in slices: parts that each show a run of its chunks, as a reply or a record would have them.
 *
 * A part is good as long as its chunks begin and end where they did, show no later LSN and as many fields in all: every change
 * of a chunk raises its LSN, except that a chunk which loses its last field may leave without a trace of its own. `each`
 * renders anew what is not good any more, so that all of it shows one moment. Good parts need no chunk in memory.
 */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { SteadyHash } from '../keyspace/steady-value.ts'
import type { Values } from '../keyspace/values.ts'
import type { StagedWork, VisitColdChunk } from '../staged-work.ts'
import type { ChunkDirectory } from './chunk-directory.ts'
import type { ChunkedHash } from './chunked-hash.ts'
import { hashEnd } from './field-hashes.ts'

/** What the chunks from position `from` up to the one before `to` (-1: all that follow) look like, in memory that nobody else will touch. */
export type RenderChunks = (values: Values, directory: ChunkDirectory, from: number, to: number) => Buffer

interface Part {
  /** Where the chunk behind it begins; `hashEnd` for the last. */
  readonly endHash: number
  readonly lsn: number
  readonly fields: number
  readonly bytes: Buffer
}

/** Cold chunks that are asked for at a time. */
const chunksAhead = 64
/** There is no good part here. */
const notGood = -2

export class HashImage implements StagedWork {
  readonly #key: SteadyHash
  readonly #hash: ChunkedHash
  readonly #render: RenderChunks
  readonly #values: Values
  readonly #partBytes: number
  readonly #fetches: boolean
  /** By the first hash of each. */
  readonly #parts = new Map<number, Part>()
  /** Where the next part begins. */
  #nextHash = 0
  #memoryBytes = 0

  /**
   * Of an entry whose value is a large hash, in parts that show about `partBytes`. With `fetches` it asks for cold chunks; without,
   * it is for a command that needs all of them anyway, and goes no further than to the first that is cold.
   */
  constructor(keyspace: Keyspace, entry: number, render: RenderChunks, partBytes: number, fetches: boolean) {
    this.#key = new SteadyHash(keyspace, entry)
    this.#hash = this.#key.hash
    this.#render = render
    this.#fetches = fetches
    this.#values = keyspace.values
    this.#partBytes = partBytes
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  step(): boolean {
    const { directory } = this.#hash
    const first = this.#key.find() === 0 ? -1 : this.#nextPosition()
    if (first < 0) return false
    let at = first
    let bytes = 0
    let lsn = 0
    let fields = 0
    while (at >= 0 && bytes < this.#partBytes && directory.ref(at) !== 0) {
      bytes += directory.bytes(at)
      lsn = Math.max(lsn, directory.lsn(at))
      fields += directory.count(at)
      at = directory.after(at)
    }
    if (at === first) return this.#fetches
    const endHash = at < 0 ? hashEnd : directory.firstHash(at)
    const part = { endHash, lsn, fields, bytes: this.#render(this.#values, directory, first, at) }
    this.#parts.set(directory.firstHash(first), part)
    this.#memoryBytes += part.bytes.length
    this.#nextHash = endHash
    return endHash < hashEnd
  }

  /** Whether it is an image of the value of `entry`. */
  shows(entry: number): boolean {
    return this.#key.find() === entry
  }

  eachCold(visit: VisitColdChunk): boolean {
    if (!this.#fetches || this.#key.find() === 0) return false
    const { directory } = this.#hash
    let left = chunksAhead
    if (this.#nextHash < hashEnd) {
      for (let at = this.#nextPosition(); at >= 0 && directory.ref(at) === 0 && left > 0; at = directory.after(at), left--)
        visit(this.#hash, directory.firstHash(at), directory.valueId(at))
      return true
    }
    for (let at = directory.first(); at >= 0; ) {
      const behind = this.#behindGoodPart(at)
      if (behind === notGood && directory.ref(at) === 0) visit(this.#hash, directory.firstHash(at), directory.valueId(at))
      at = behind === notGood ? directory.after(at) : behind
    }
    return true
  }

  /** Visits all of the hash as it is now, in order. What is not `eachCold` must be resident. */
  each(visit: (bytes: Buffer) => void): void {
    const { directory } = this.#hash
    let unrendered = -1
    for (let at = directory.first(); at >= 0; ) {
      const behind = this.#behindGoodPart(at)
      if (behind === notGood) {
        if (unrendered < 0) unrendered = at
        at = directory.after(at)
        continue
      }
      if (unrendered >= 0) visit(this.#render(this.#values, directory, unrendered, at))
      unrendered = -1
      visit((this.#parts.get(directory.firstHash(at)) as Part).bytes)
      at = behind
    }
    if (unrendered >= 0) visit(this.#render(this.#values, directory, unrendered, -1))
  }

  /** Position of the first chunk that begins where the next part does, or behind; -1 when there is none. */
  #nextPosition(): number {
    const { directory } = this.#hash
    if (this.#nextHash >= hashEnd) return -1
    const at = directory.locate(this.#nextHash)
    // One that begins before has swallowed its neighbour: it is rendered at the end.
    return at < 0 || directory.firstHash(at) >= this.#nextHash ? at : directory.after(at)
  }

  /** Position behind the good part that begins with this chunk, -1 if that is the end. */
  #behindGoodPart(from: number): number {
    const { directory } = this.#hash
    const part = this.#parts.get(directory.firstHash(from))
    if (part === undefined) return notGood
    let fields = 0
    let at = from
    while (at >= 0 && directory.firstHash(at) < part.endHash) {
      if (directory.lsn(at) > part.lsn) return notGood
      fields += directory.count(at)
      at = directory.after(at)
    }
    const endHash = at < 0 ? hashEnd : directory.firstHash(at)
    return fields === part.fields && endHash === part.endHash ? at : notGood
  }
}
