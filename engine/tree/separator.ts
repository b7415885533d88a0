/**
 * A separator: 128 bits that say where the range of a leaf begins, as four 32-bit words, most significant first. What they
 * mean is the collection's order: a hash uses the first word for the keyed hash of a field, a stream all four for an id.
 */
export class Separator {
  readonly words = new Uint32Array(4)

  set(a: number, b = 0, c = 0, d = 0): this {
    this.words[0] = a
    this.words[1] = b
    this.words[2] = c
    this.words[3] = d
    return this
  }

  take(words: Uint32Array, at: number): this {
    for (let i = 0; i < 4; i++) this.words[i] = words[at + i]
    return this
  }

  copy(from: Separator): this {
    return this.take(from.words, 0)
  }

  /** Negative, 0 or positive, as it lies before, at or behind the one in `words` at `at`. */
  compare(words: Uint32Array, at: number): number {
    const own = this.words
    for (let i = 0; i < 4; i++) if (own[i] !== words[at + i]) return own[i] < words[at + i] ? -1 : 1
    return 0
  }
}
