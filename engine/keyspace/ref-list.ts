/** A dense, unordered list of refs in a typed array, with removal by position: the last ref takes the place of the removed one. */
export class RefList {
  #refs = new Uint32Array(16)
  #length = 0

  get length(): number {
    return this.#length
  }

  get bytes(): number {
    return this.#refs.byteLength
  }

  at(position: number): number {
    return this.#refs[position]
  }

  set(position: number, ref: number): void {
    this.#refs[position] = ref
  }

  /** Returns the position. */
  push(ref: number): number {
    if (this.#length === this.#refs.length) {
      const more = new Uint32Array(Math.ceil(this.#refs.length * 1.5))
      more.set(this.#refs)
      this.#refs = more
    }
    this.#refs[this.#length] = ref
    return this.#length++
  }

  /** Returns the ref that moved to `position`, or 0 when it was the last that went. */
  removeAt(position: number): number {
    const last = --this.#length
    const ref = position === last ? 0 : this.#refs[last]
    if (ref !== 0) this.#refs[position] = ref
    if (this.#refs.length > 1024 && this.#length < this.#refs.length / 4) this.#refs = this.#refs.slice(0, this.#refs.length >>> 1)
    return ref
  }
}
