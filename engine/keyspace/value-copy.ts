/** A large string copied in slices to memory with room to grow, for a command that will write into it. */
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
  #done = 0

  /** Of the resident string of `entry`, with room for `size` bytes. */
  constructor(keyspace: Keyspace, entry: number, size: number, sliceBytes: number) {
    this.#keyspace = keyspace
    this.#string = new SteadyString(keyspace, entry)
    this.#sliceBytes = Math.min(sliceBytes, sliceBytesMax)
    this.#memory = new ArrayBuffer((valueHeaderBytes + size + 7) & ~7)
  }

  get memoryBytes(): number {
    return this.#memory.byteLength
  }

  step(): boolean {
    const entry = this.#string.find()
    if (entry === 0) return false
    const { entries, values } = this.#keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    const end = Math.min(this.#done + this.#sliceBytes, this.#string.length)
    const into = new Uint8Array(this.#memory, valueHeaderBytes)
    into.set(values.bytes(value).subarray(start + this.#done, start + end), this.#done)
    this.#done = end
    return end < this.#string.length
  }

  /** The string moves to the copy. */
  finish(): void {
    const entry = this.#string.find()
    if (entry !== 0 && this.#done === this.#string.length) this.#keyspace.moveValue(entry, this.#memory)
  }
}
