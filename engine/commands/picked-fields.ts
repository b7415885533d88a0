/** Fields that a command picks among its arguments, to expire or delete them. */
import type { Arguments } from '../arguments.ts'
import type { FieldSource } from '../mutation/field-source.ts'

/** Single arguments as fields, none twice. */
export class PickedFields implements FieldSource {
  readonly #args: Arguments
  readonly #indexes: number[] = []
  readonly #names = new Set<string>()

  constructor(args: Arguments) {
    this.#args = args
  }

  get count(): number {
    return this.#indexes.length
  }

  /** Whether the field that is argument `index` was picked. */
  has(index: number): boolean {
    return this.#names.size > 0 && this.#names.has(this.#args.string(index, 'latin1'))
  }

  add(index: number): void {
    this.#indexes.push(index)
    this.#names.add(this.#args.string(index, 'latin1'))
  }

  buffer(): Buffer {
    return this.#args.buffer
  }

  fieldStart(index: number): number {
    return this.#args.starts[this.#indexes[index]]
  }

  fieldEnd(index: number): number {
    return this.#args.ends[this.#indexes[index]]
  }

  valueStart(): number {
    return 0
  }

  valueEnd(): number {
    return 0
  }
}
