/**
 * The keys of pipelined requests that have arrived and are not parsed yet: where the second argument of each of the next few lies, and of a
 * script's the first few of the keys that it counts. Only requests that are whole and plainly written are seen; the search ends at anything else.
 * It decides nothing: the parser reads everything again. It lets the keyspace prefetch several keys' memory at once instead of reading one after the
 * other (`CachePrefetch`).
 */
const star = 0x2a
const dollar = 0x24
const cr = 0x0d
const zero = 0x30

export const pipelinedRequestsMax = 16
const keysOfScriptMax = 4
const keysMax = pipelinedRequestsMax * keysOfScriptMax

export class PipelinedKeys {
  readonly starts = new Int32Array(keysMax)
  readonly ends = new Int32Array(keysMax)
  /** The argument behind each key: a field, a member. Empty where there is none. */
  readonly elementStarts = new Int32Array(keysMax)
  readonly elementEnds = new Int32Array(keysMax)
  count = 0
  requests = 0
  #at = 0

  clear(): void {
    this.count = 0
    this.requests = 0
  }

  /** Finds those in `buffer[at, end)`. */
  find(buffer: Buffer, at: number, end: number): void {
    this.clear()
    this.#at = at
    while (this.requests < pipelinedRequestsMax && this.#at < end) {
      const found = this.count
      if (!this.#request(buffer, end)) {
        this.count = found
        return
      }
      this.requests++
    }
  }

  /** False when the request is not whole, or not plainly written. */
  #request(buffer: Buffer, end: number): boolean {
    const length = this.#header(buffer, star, end)
    if (length < 2) return false
    let first = 1
    let behind = 2
    for (let i = 0; i < length; i++) {
      const bytes = this.#header(buffer, dollar, end)
      if (bytes < 0) return false
      const start = this.#at
      this.#at += bytes + 2
      if (this.#at > end) return false
      if (i === 0 && length > 3 && runsScript(buffer, start)) {
        first = 3
        behind = 3
      } else if (i === 2 && first === 3)
        behind = 3 + Math.min(keysOfScriptMax, length - 3, bytes === 1 ? buffer[start] - zero : keysOfScriptMax)
      else if (i >= first && i < behind) this.#add(start, bytes)
      else if (i === 2 && first === 1) this.#addElement(start, bytes)
    }
    return true
  }

  #add(start: number, bytes: number): void {
    const { count } = this
    this.starts[count] = start
    this.ends[count] = start + bytes
    this.elementStarts[count] = 0
    this.elementEnds[count] = 0
    this.count++
  }

  #addElement(start: number, bytes: number): void {
    this.elementStarts[this.count - 1] = start
    this.elementEnds[this.count - 1] = start + bytes
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

/** EVAL and FCALL, and their kin, by their first two letters: no other command has those. */
function runsScript(buffer: Buffer, at: number): boolean {
  const first = buffer[at] & 0xdf
  const second = buffer[at + 1] & 0xdf
  return (first === 0x45 && second === 0x56) || (first === 0x46 && second === 0x43)
}
