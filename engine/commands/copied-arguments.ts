/**
 * Large arguments that are copied in slices before their command runs, each to memory of its own that can become a key's value: those that the parser has not laid out for
 * that (`Arguments.donated`). Nothing can make the copies wrong: the arguments stay what they are.
 */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { largeValueBytes, valueHeaderBytes } from '../keyspace/values.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax, slicedValueBytes } from '../staged-work.ts'

export class CopiedArguments implements StagedWork {
  readonly #args: Arguments
  readonly #sliceBytes: number
  /** Numbers of the arguments, and their copies behind room for a value's header. */
  readonly #indices: readonly number[]
  readonly #copies: ArrayBuffer[] = []
  /** Bytes of the last copy that are there. */
  #done = 0

  /** The arguments stay the request's. */
  constructor(args: Arguments, indices: readonly number[], sliceBytes: number) {
    this.#args = args
    this.#indices = indices
    this.#sliceBytes = Math.min(sliceBytes, sliceBytesMax)
  }

  get memoryBytes(): number {
    return this.#copies.reduce((bytes, copy) => bytes + copy.byteLength, 0)
  }

  step(): boolean {
    const args = this.#args
    const indices = this.#indices
    const last = this.#copies.length - 1
    const index = indices[last] ?? 0
    if (last < 0 || this.#done === args.length(index)) {
      if (last + 1 === indices.length) return false
      const size = valueHeaderBytes + args.length(indices[last + 1] as number)
      this.#copies.push(new ArrayBuffer((size + 7) & ~7))
      this.#done = 0
      return true
    }
    const start = args.starts[index] + this.#done
    const end = Math.min(start + this.#sliceBytes, args.ends[index])
    new Uint8Array(this.#copies[last] as ArrayBuffer, valueHeaderBytes).set(args.buffer.subarray(start, end), this.#done)
    this.#done += end - start
    return this.#done < args.length(index) || last + 1 < indices.length
  }

  /** Whether there is a copy of an argument. */
  has(index: number): boolean {
    const at = this.#indices.indexOf(index)
    return at >= 0 && (at < this.#copies.length - 1 || (at === this.#copies.length - 1 && this.#done === this.#args.length(index)))
  }

  /** The copy of an argument, behind room for a value's header, which is the caller's from now on; undefined if there is none. */
  take(index: number): Buffer | undefined {
    return this.has(index) ? Buffer.from(this.#copies[this.#indices.indexOf(index)] as ArrayBuffer) : undefined
  }
}

/** What is staged of the arguments `first`, `first + step`, … that are values of keys. */
export function stageValues({ args, limits }: Execution, first: number, step: number): StagedWork | undefined {
  const sliceBytes = limits.slicedValueBytes ?? slicedValueBytes
  const largeBytes = Math.min(largeValueBytes, sliceBytes)
  const indices: number[] = []
  let bytes = 0
  for (let i = first; i < args.count; i += step) {
    if (i === args.donated || args.length(i) < largeBytes) continue
    indices.push(i)
    bytes += args.length(i)
  }
  return bytes >= sliceBytes ? new CopiedArguments(args, indices, sliceBytes) : undefined
}
