/** Arguments as fields: a run of them, or those that a command picks. Nothing is copied. */
import type { Arguments } from '../arguments.ts'
import type { FieldSource } from '../mutation/field-source.ts'

/** Fields, and with `step` 2 their values, among the arguments from `first` on. */
export class ArgumentFields implements FieldSource {
  count = 0
  #args!: Arguments
  #first = 0
  #step = 1

  /** The fields from argument `first` up to the last, or `count` of them. */
  from(args: Arguments, first: number, step: 1 | 2, count = Math.floor((args.count - first) / step)): this {
    this.#args = args
    this.#first = first
    this.#step = step
    this.count = count
    return this
  }

  buffer(): Buffer {
    return this.#args.buffer
  }

  fieldStart(index: number): number {
    return this.#args.starts[this.#first + index * this.#step]
  }

  fieldEnd(index: number): number {
    return this.#args.ends[this.#first + index * this.#step]
  }

  valueStart(index: number): number {
    return this.#args.starts[this.#first + index * this.#step + 1]
  }

  valueEnd(index: number): number {
    return this.#args.ends[this.#first + index * this.#step + 1]
  }
}

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
