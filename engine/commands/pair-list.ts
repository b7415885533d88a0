/** Pairs of fields and values that lie in other buffers: found in a walk, and used after it. They must not move meanwhile. */
import type { FieldSource } from '../mutation/field-source.ts'
import type { PackedCursor } from '../types/packed-fields.ts'

export class PairList implements FieldSource {
  count = 0
  readonly #buffers: Buffer[] = []
  /** Per pair: where its field begins and ends, and its value. */
  #places = new Int32Array(64)

  clear(): void {
    this.count = 0
  }

  add(buffer: Buffer, pair: PackedCursor): void {
    const at = this.count * 4
    if (at === this.#places.length) {
      const more = new Int32Array(at * 2)
      more.set(this.#places)
      this.#places = more
    }
    this.#buffers[this.count++] = buffer
    this.#places[at] = pair.fieldStart
    this.#places[at + 1] = pair.fieldEnd
    this.#places[at + 2] = pair.valueStart
    this.#places[at + 3] = pair.valueEnd
  }

  /** Says where pair `index` lies in `buffer(index)`. */
  read(index: number, out: PackedCursor): void {
    const at = index * 4
    out.fieldStart = this.#places[at]
    out.fieldEnd = this.#places[at + 1]
    out.valueStart = this.#places[at + 2]
    out.valueEnd = this.#places[at + 3]
  }

  buffer(index: number): Buffer {
    return this.#buffers[index]
  }

  fieldStart(index: number): number {
    return this.#places[index * 4]
  }

  fieldEnd(index: number): number {
    return this.#places[index * 4 + 1]
  }

  valueStart(index: number): number {
    return this.#places[index * 4 + 2]
  }

  valueEnd(index: number): number {
    return this.#places[index * 4 + 3]
  }
}
