/**
 * A first-in-first-out queue of refs in a ring of 32-bit words. An item is found again by the position that `push` gave
 * it, so that it can be replaced or taken out in the middle, which leaves a gap. Positions wrap at 2^32.
 */
export class RefQueue {
  #ring = new Uint32Array(1024)
  #head = 0
  #tail = 0
  #live = 0

  /** Items that are not gaps. */
  get length(): number {
    return this.#live
  }

  /** Items and gaps. */
  get span(): number {
    return (this.#tail - this.#head) >>> 0
  }

  /** Position of the first item or gap. */
  get head(): number {
    return this.#head
  }

  /** Position behind the last item. */
  get tail(): number {
    return this.#tail
  }

  /** The item at a position from `head` up to `tail`; 0 for a gap. */
  itemAt(position: number): number {
    return this.#ring[position & (this.#ring.length - 1)]
  }

  get bytes(): number {
    return this.#ring.byteLength
  }

  /** Appends a ref (not 0); returns its position. */
  push(ref: number): number {
    if (this.span === this.#ring.length) this.#resize(this.#ring.length * 2)
    const position = this.#tail
    this.#ring[position & (this.#ring.length - 1)] = ref
    this.#tail = (position + 1) >>> 0
    this.#live++
    return position
  }

  /** Takes the first item out, 0 when there is none; gaps before it vanish. */
  shift(): number {
    while (this.#head !== this.#tail) {
      const ref = this.#ring[this.#head & (this.#ring.length - 1)]
      this.#head = (this.#head + 1) >>> 0
      if (ref === 0) continue
      this.#live--
      if (this.#ring.length > 4096 && this.span < this.#ring.length / 8) this.#resize(this.#ring.length / 2)
      return ref
    }
    return 0
  }

  /** The first item, 0 when there is none. */
  get first(): number {
    while (this.#head !== this.#tail) {
      const ref = this.#ring[this.#head & (this.#ring.length - 1)]
      if (ref !== 0) return ref
      this.#head = (this.#head + 1) >>> 0
    }
    return 0
  }

  replace(position: number, ref: number): void {
    this.#ring[position & (this.#ring.length - 1)] = ref
  }

  removeAt(position: number): void {
    this.#ring[position & (this.#ring.length - 1)] = 0
    this.#live--
  }

  #resize(capacity: number): void {
    const to = new Uint32Array(capacity)
    const from = this.#ring
    for (let position = this.#head; position !== this.#tail; position = (position + 1) >>> 0) {
      to[position & (capacity - 1)] = from[position & (from.length - 1)]
    }
    this.#ring = to
  }
}
