/** Value ids in no particular order, any number of them: nothing is copied when the list grows or two become one. */
const idsPerPart = 4096

interface Part {
  readonly ids: Float64Array
  end: number
}

export class IdList {
  #parts: Part[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  get bytes(): number {
    return this.#parts.length * idsPerPart * 8
  }

  push(id: number): void {
    let part = this.#parts[this.#parts.length - 1]
    if (part === undefined || part.end === idsPerPart) {
      part = { ids: new Float64Array(idsPerPart), end: 0 }
      this.#parts.push(part)
    }
    part.ids[part.end++] = id
    this.#length++
  }

  /** Takes over what another list holds. */
  take(from: IdList): void {
    this.#parts = this.#parts.concat(from.#parts)
    this.#length += from.#length
    from.#parts = []
    from.#length = 0
  }

  /** The ids that `drop` will take out next, at most `count` and at least one if there are any. */
  last(count: number): number[] {
    const part = this.#parts[this.#parts.length - 1]
    return part === undefined ? [] : [...part.ids.subarray(Math.max(0, part.end - count), part.end)]
  }

  /** Takes out as many ids as `last` has returned. */
  drop(count: number): void {
    const part = this.#parts[this.#parts.length - 1]
    if (part === undefined || part.end < count) throw new RangeError('id list: more is dropped than was seen')
    part.end -= count
    this.#length -= count
    if (part.end === 0) this.#parts.pop()
  }

  *[Symbol.iterator](): Generator<number> {
    for (const { ids, end } of this.#parts) for (let i = 0; i < end; i++) yield ids[i]
  }
}
