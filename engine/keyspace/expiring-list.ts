/**
 * The entries of a database of which something expires: the key, fields of its hash, or both. An entry knows its position; that of the
 * last moves when another is removed. With each goes when the next of its fields is due, as far as it is known here: never later
 * than the first of them expires. The numbers take memory only once a field expires at all.
 */
import { RefList } from './ref-list.ts'

export class ExpiringList {
  /** How many entries have a key that expires. */
  keys = 0
  readonly #refs = new RefList()
  #dues: Float64Array | undefined

  get length(): number {
    return this.#refs.length
  }

  get bytes(): number {
    return this.#refs.bytes + (this.#dues?.byteLength ?? 0)
  }

  at(position: number): number {
    return this.#refs.at(position)
  }

  set(position: number, ref: number): void {
    this.#refs.set(position, ref)
  }

  /** Returns the position. */
  push(ref: number): number {
    const position = this.#refs.push(ref)
    if (this.#dues !== undefined && position < this.#dues.length) this.#dues[position] = 0
    return position
  }

  /** When fields are due, in ms since the epoch; 0 for no field that expires. */
  fieldsDue(position: number): number {
    return this.#dues !== undefined && position < this.#dues.length ? this.#dues[position] : 0
  }

  setFieldsDue(position: number, due: number): void {
    if (due === 0 && this.fieldsDue(position) === 0) return
    const dues = this.#dues
    if (dues !== undefined && position < dues.length) {
      dues[position] = due
      return
    }
    const more = new Float64Array(Math.max(16, Math.ceil(this.length * 1.5)))
    if (dues !== undefined) more.set(dues)
    more[position] = due
    this.#dues = more
  }

  /** Returns the ref that moved to `position`, or 0 when it was the last that went. */
  removeAt(position: number): number {
    const last = this.length - 1
    const due = this.fieldsDue(last)
    this.setFieldsDue(last, 0)
    const moved = this.#refs.removeAt(position)
    if (moved !== 0) this.setFieldsDue(position, due)
    return moved
  }
}
