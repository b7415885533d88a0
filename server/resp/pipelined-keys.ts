/**
 * The keys of pipelined requests that have arrived and are not parsed yet: where the second argument of each of the next few lies. Only
 * requests that are whole and plainly written are seen; the search ends at anything else. It decides nothing: the parser reads everything
 * again. It lets the keyspace prefetch several keys' memory at once instead of reading one after the other (`CachePrefetch`).
 */
const star = 0x2a
const dollar = 0x24
const cr = 0x0d
const zero = 0x30

export const pipelinedKeysMax = 16

export class PipelinedKeys {
  readonly starts = new Int32Array(pipelinedKeysMax)
  readonly ends = new Int32Array(pipelinedKeysMax)
  /** The argument behind each key: a field, a member. Empty where there is none. */
  readonly elementStarts = new Int32Array(pipelinedKeysMax)
  readonly elementEnds = new Int32Array(pipelinedKeysMax)
  count = 0
  #at = 0

  /** Finds those in `buffer[at, end)`. */
  find(buffer: Buffer, at: number, end: number): void {
    this.count = 0
    this.#at = at
    while (this.count < pipelinedKeysMax && this.#at < end) {
      const length = this.#header(buffer, star, end)
      if (length < 2) return
      let start = 0
      let stop = 0
      let elementStart = 0
      let elementEnd = 0
      for (let i = 0; i < length; i++) {
        const bytes = this.#header(buffer, dollar, end)
        if (bytes < 0) return
        if (i === 1) {
          start = this.#at
          stop = start + bytes
        } else if (i === 2) {
          elementStart = this.#at
          elementEnd = elementStart + bytes
        }
        this.#at += bytes + 2
        if (this.#at > end) return
      }
      this.starts[this.count] = start
      this.ends[this.count] = stop
      this.elementStarts[this.count] = elementStart
      this.elementEnds[this.count] = elementEnd
      this.count++
    }
  }

  /** Reads a header line and steps behind it; -1 when it is not one of up to six digits. */
  #header(buffer: Buffer, type: number, end: number): number {
    let at = this.#at
    if (buffer[at] !== type) return -1
    const last = Math.min(end, at + 7)
    let value = 0
    for (at++; at < last; at++) {
      const digit = buffer[at] - zero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    if (buffer[at] !== cr) return -1
    this.#at = at + 2
    return value
  }
}
