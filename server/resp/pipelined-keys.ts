/**
 * The keys of pipelined requests that have arrived and are not parsed yet: where the first arguments of each of the next few lie. Only
 * requests that are whole and plainly written are seen; the search ends at anything else. It decides nothing: the parser reads everything
 * again. It lets the keyspace prefetch several keys' memory at once instead of reading one after the other (`CachePrefetch`).
 */
import type { ElementUse, PipelinedRequests } from '../../engine/keyspace/element-prefetch.ts'

const star = 0x2a
const dollar = 0x24
const cr = 0x0d
const zero = 0x30

export const pipelinedKeysMax = 16

/** Knows what the commands use, by their names. */
export interface UseFinder {
  useOf(buffer: Buffer, start: number, end: number): ElementUse | undefined
}

/** Arguments of a request that are remembered: its name, its key, and two more. */
const rememberedMax = 4

export class PipelinedKeys implements PipelinedRequests {
  readonly starts = new Int32Array(pipelinedKeysMax)
  readonly ends = new Int32Array(pipelinedKeysMax)
  count = 0
  /** Whom to ask what a command uses. */
  commands: UseFinder | undefined
  readonly #argumentStarts = new Int32Array(pipelinedKeysMax * rememberedMax)
  readonly #argumentEnds = new Int32Array(pipelinedKeysMax * rememberedMax)
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0

  /** Finds those in `buffer[at, end)`. */
  find(buffer: Buffer, at: number, end: number): void {
    this.count = 0
    this.#at = at
    this.#buffer = buffer
    while (this.count < pipelinedKeysMax && this.#at < end) {
      const length = this.#header(buffer, star, end)
      if (length < 2) return
      const first = this.count * rememberedMax
      for (let i = 0; i < length; i++) {
        const bytes = this.#header(buffer, dollar, end)
        if (bytes < 0) return
        if (i < rememberedMax) {
          this.#argumentStarts[first + i] = this.#at
          this.#argumentEnds[first + i] = this.#at + bytes
        }
        this.#at += bytes + 2
        if (this.#at > end) return
      }
      for (let i = length; i < rememberedMax; i++) this.#argumentStarts[first + i] = this.#argumentEnds[first + i] = 0
      this.starts[this.count] = this.#argumentStarts[first + 1]
      this.ends[this.count] = this.#argumentEnds[first + 1]
      this.count++
    }
  }

  use(request: number): ElementUse | undefined {
    return this.commands?.useOf(this.#buffer, this.argumentStart(request, 0), this.argumentEnd(request, 0))
  }

  /** 0 also for an argument that is not remembered. */
  argumentStart(request: number, index: number): number {
    return index < rememberedMax ? this.#argumentStarts[request * rememberedMax + index] : 0
  }

  argumentEnd(request: number, index: number): number {
    return index < rememberedMax ? this.#argumentEnds[request * rememberedMax + index] : 0
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
