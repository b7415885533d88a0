/**
 * A large string copied in slices to memory with room to grow, for a command that will write into it. Where it is going to write much,
 * the memory is touched beforehand: the system takes longer to give a page than it takes to copy one.
 */
import type { Preparation } from '../preparation.ts'
import { sliceBytesMax } from '../preparation.ts'
import type { Keyspace } from './keyspace.ts'
import { SteadyString } from './steady-value.ts'
import { valueHeaderBytes } from './values.ts'

export class ValueCopy implements Preparation {
  readonly #keyspace: Keyspace
  readonly #string: SteadyString
  readonly #sliceBytes: number
  /** With room for a value's header at the front. */
  readonly #memory: ArrayBuffer
  readonly #writeEnd: number
  #done = 0
  #touched: number

  /** Of the resident string of `entry`, with room for `size` bytes, of which those from `writeStart` to `writeEnd` are going to be written. */
  constructor(keyspace: Keyspace, entry: number, size: number, writeStart: number, writeEnd: number, sliceBytes: number) {
    this.#keyspace = keyspace
    this.#string = new SteadyString(keyspace, entry)
    this.#sliceBytes = Math.min(sliceBytes, sliceBytesMax)
    this.#memory = new ArrayBuffer((valueHeaderBytes + size + 7) & ~7)
    this.#touched = Math.max(writeStart, this.#string.length)
    this.#writeEnd = writeEnd
  }

  get memoryBytes(): number {
    return this.#memory.byteLength
  }

  step(): boolean {
    const entry = this.#string.find()
    if (entry === 0) return false
    const into = new Uint8Array(this.#memory, valueHeaderBytes)
    if (this.#done < this.#string.length) this.#copy(entry, into)
    else if (this.#touched < this.#writeEnd) {
      const end = Math.min(this.#touched + this.#sliceBytes, this.#writeEnd)
      into.fill(0, this.#touched, end)
      this.#touched = end
    }
    return this.#done < this.#string.length || this.#touched < this.#writeEnd
  }

  #copy(entry: number, into: Uint8Array): void {
    const { entries, values } = this.#keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    const end = Math.min(this.#done + this.#sliceBytes, this.#string.length)
    into.set(values.bytes(value).subarray(start + this.#done, start + end), this.#done)
    this.#done = end
  }

  /** The string moves to the copy. */
  finish(): void {
    const entry = this.#string.find()
    if (entry !== 0 && this.#done === this.#string.length) this.#keyspace.moveValue(entry, this.#memory)
  }
}
