/** Members copied out of sets, to be used after these have changed. Compact: one buffer and the ends. */
export class MemberList {
  count = 0
  #bytes = Buffer.allocUnsafeSlow(256)
  #ends = new Float64Array(16)
  #used = 0

  get buffer(): Buffer {
    return this.#bytes
  }

  /** Bytes of all members together. */
  get bytes(): number {
    return this.#used
  }

  /** Makes room beforehand, in an empty list: growing copies what is there. */
  reserve(count: number, bytes: number): void {
    if (bytes > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(bytes)
    if (count > this.#ends.length) this.#ends = new Float64Array(count)
  }

  clear(): void {
    this.count = 0
    this.#used = 0
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (this.#used + length > this.#bytes.length) {
      const more = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#used + length))
      this.#bytes.copy(more, 0, 0, this.#used)
      this.#bytes = more
    }
    if (this.count === this.#ends.length) {
      const more = new Float64Array(this.count * 2)
      more.set(this.#ends)
      this.#ends = more
    }
    this.#bytes.set(bytes.subarray(start, end), this.#used)
    this.#used += length
    this.#ends[this.count++] = this.#used
  }

  start(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1]
  }

  end(index: number): number {
    return this.#ends[index]
  }
}
