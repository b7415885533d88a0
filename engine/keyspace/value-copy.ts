/** Large strings copied in slices; the copy is good as long as the string does not change. */
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax } from '../staged-work.ts'
import type { Keyspace } from './keyspace.ts'
import { StringHandle } from './value-handle.ts'
import { valueHeaderBytes } from './values.ts'

/** A copy that can become another key's value. */
export class StringCopy implements StagedWork {
  protected readonly keyspace: Keyspace
  protected readonly string: StringHandle
  protected readonly sliceBytes: number
  /** With room for a value's header at the front. */
  protected readonly memory: ArrayBuffer
  #done = 0

  /** Of the resident string of `entry`, in memory for `size` bytes. */
  constructor(keyspace: Keyspace, entry: number, size: number, sliceBytes: number) {
    this.keyspace = keyspace
    this.string = new StringHandle(keyspace, entry)
    this.sliceBytes = Math.min(sliceBytes, sliceBytesMax)
    this.memory = new ArrayBuffer((valueHeaderBytes + size + 7) & ~7)
  }

  get memoryBytes(): number {
    return this.memory.byteLength
  }

  step(): boolean {
    const entry = this.string.find()
    if (entry === 0 || this.#done === this.string.length) return false
    const { entries, values } = this.keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    const end = Math.min(this.#done + this.sliceBytes, this.string.length)
    this.into().set(values.bytes(value).subarray(start + this.#done, start + end), this.#done)
    this.#done = end
    return end < this.string.length
  }

  /** The copy, behind room for a value's header, in memory that may be adopted; undefined if it is not that of the string of `entry`. */
  take(entry: number): Buffer | undefined {
    return this.found() === entry ? Buffer.from(this.memory) : undefined
  }

  /** The entry, if the copy is complete and still good; else 0. */
  protected found(): number {
    return this.#done === this.string.length ? this.string.find() : 0
  }

  protected into(): Uint8Array {
    return new Uint8Array(this.memory, valueHeaderBytes)
  }
}

/**
 * A copy with room to grow, to which the string moves before a command writes into it. Where much is going to be written, the memory
 * is touched beforehand: the system takes longer to give a page than it takes to copy one.
 */
export class GrowingCopy extends StringCopy {
  readonly #writeEnd: number
  #touched: number

  /** With room for `size` bytes, of which those from `writeStart` to `writeEnd` are going to be written. */
  constructor(keyspace: Keyspace, entry: number, size: number, writeStart: number, writeEnd: number, sliceBytes: number) {
    super(keyspace, entry, size, sliceBytes)
    this.#touched = Math.max(writeStart, this.string.length)
    this.#writeEnd = writeEnd
  }

  override step(): boolean {
    if (super.step()) return true
    if (this.found() === 0 || this.#touched >= this.#writeEnd) return false
    const end = Math.min(this.#touched + this.sliceBytes, this.#writeEnd)
    this.into().fill(0, this.#touched, end)
    this.#touched = end
    return end < this.#writeEnd
  }

  finish(): void {
    const entry = this.found()
    if (entry !== 0) this.keyspace.moveValue(entry, this.memory)
  }
}
