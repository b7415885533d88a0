/**
 * Reads cold values: one read per value however many wait for it, checked and decoded. Small values, which are nearly all,
 * are passed to callbacks, without a promise.
 */
import type { Clock } from './clock.ts'
import type { ColdReadDone, ColdValues } from './cold-store.ts'
import { isHead, readPieces, readPiecesAtOnce } from './pieced-values.ts'
import type { ValueCodec } from './value-codec.ts'
import { decodedLength, LARGE_VALUE_BYTES } from './value-codec.ts'

export interface ColdReadCounts {
  coldReads: number
  coldReadBytes: number
  /** Cold reads that found the same value on its way already. */
  sharedReads: number
  /** Cold reads during which everybody had to wait: of a script that had written already, or a fault. */
  readsAtOnce: number
}

export class ColdReader {
  /** Set by the owner. Told of the bytes of each value that was read. */
  onRead: (bytes: number) => void = () => undefined
  readonly #store: ColdValues
  readonly #codec: ValueCodec
  readonly #clock: Clock
  readonly #counts: ColdReadCounts
  /** Told how long each read took. */
  readonly #tookMs: (ms: number) => void
  readonly #waiting = new Map<number, ColdReadDone[]>()
  #whenQuiet: (() => void)[] = []
  /** Memory of values read in pieces, which the keyspace may adopt; whether it has done so before. */
  readonly #adoptable = new WeakMap<ArrayBufferLike, boolean>()

  constructor(store: ColdValues, codec: ValueCodec, clock: Clock, counts: ColdReadCounts, tookMs: (ms: number) => void) {
    this.#store = store
    this.#codec = codec
    this.#clock = clock
    this.#counts = counts
    this.#tookMs = tookMs
  }

  get inFlight(): number {
    return this.#waiting.size
  }

  /** Resolves when no read is under way. */
  async quiet(): Promise<void> {
    while (this.#waiting.size > 0) await new Promise<void>((resolve) => this.#whenQuiet.push(resolve))
  }

  /** Gives `done` the value, never undefined, or why it could not be read. */
  read(id: number, done: ColdReadDone): void {
    const waiting = this.#waiting.get(id)
    if (waiting !== undefined) {
      this.#counts.sharedReads++
      waiting.push(done)
      return
    }
    this.#waiting.set(id, [done])
    const startMs = this.#clock.monotonicMs()
    this.#store.readTo(id, (failure, stored) => this.#arrived(id, startMs, failure, stored))
  }

  /** As `read`, while everybody waits. Throws when it cannot. */
  readAtOnce(id: number): Buffer {
    const stored = this.#store.readAtOnce(id)
    if (stored === undefined) throw new Error(`value ${id} is missing from the cold store`)
    const bytes = isHead(stored) ? readPiecesAtOnce(this.#store, this.#codec, id, stored) : this.#codec.decode(id, stored)
    this.#counts.readsAtOnce++
    this.#counts.coldReads++
    this.#counts.coldReadBytes += bytes.length
    this.onRead(bytes.length)
    return bytes
  }

  /** Whether the memory of a value that was read may become the keyspace's own; then, from the next time on, it is shared. */
  adopt(bytes: Buffer): 'no' | 'first' | 'again' {
    const adoptedBefore = this.#adoptable.get(bytes.buffer)
    if (adoptedBefore === undefined) return 'no'
    this.#adoptable.set(bytes.buffer, true)
    return adoptedBefore ? 'again' : 'first'
  }

  #arrived(id: number, startMs: number, failure: unknown, stored: Buffer | undefined): void {
    if (failure !== undefined) this.#finish(id, startMs, failure, undefined)
    else if (stored === undefined) this.#finish(id, startMs, new Error(`value ${id} is missing from the cold store`), undefined)
    else if (isHead(stored) || decodedLength(stored) > LARGE_VALUE_BYTES) {
      this.#readLarge(id, stored).then(
        (bytes) => this.#finish(id, startMs, undefined, bytes),
        (cause: unknown) => this.#finish(id, startMs, cause, undefined),
      )
    } else this.#decode(id, startMs, stored)
  }

  #decode(id: number, startMs: number, stored: Buffer): void {
    let bytes: Buffer
    try {
      bytes = this.#codec.decode(id, stored)
    } catch (cause) {
      this.#finish(id, startMs, cause, undefined)
      return
    }
    this.#finish(id, startMs, undefined, bytes)
  }

  async #readLarge(id: number, stored: Buffer): Promise<Buffer> {
    if (!isHead(stored)) return this.#codec.decodeLarge(id, stored)
    const bytes = await readPieces(this.#store, this.#codec, id, stored)
    this.#adoptable.set(bytes.buffer, false)
    return bytes
  }

  #finish(id: number, startMs: number, failure: unknown, bytes: Buffer | undefined): void {
    const waiting = this.#waiting.get(id) as ColdReadDone[]
    this.#waiting.delete(id)
    this.#tookMs(this.#clock.monotonicMs() - startMs)
    if (bytes !== undefined) {
      this.#counts.coldReads++
      this.#counts.coldReadBytes += bytes.length
      this.onRead(bytes.length)
    }
    for (let i = 0; i < waiting.length; i++) waiting[i](failure, bytes)
    if (this.#whenQuiet.length > 0 && this.#waiting.size === 0) for (const resolve of this.#whenQuiet.splice(0)) resolve()
  }
}
