/** Writes leaves of a sorted set in order of score into a buffer of its own, as commands reply elements. */
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { Protocol } from '../reply-writer.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { placeMemberAt, placeSizeAt, readScore } from '../types/sorted-set-leaf.ts'

export class ScoredRenderer implements LeafRenderer {
  readonly #values: Values
  readonly #withScores: boolean
  readonly #reply = new ReplyWriter()

  constructor(values: Values, withScores: boolean, protocol: Protocol) {
    this.#values = values
    this.#withScores = withScores
    this.#reply.protocol = protocol
  }

  leaf(ref: number, from = 0, count = Number.POSITIVE_INFINITY): void {
    const bytes = this.#values.bytes(ref)
    const start = this.#values.start(ref)
    const end = start + usedBytes(bytes, start)
    let at = start + packedHeaderBytes
    for (let i = 0; at < end && i < from + count; i++) {
      const next = at + placeSizeAt(bytes, at)
      if (i >= from) this.#element(bytes, placeMemberAt(bytes, at), next, readScore(bytes, at))
      at = next
    }
  }

  #element(bytes: Buffer, start: number, end: number, score: number): void {
    const reply = this.#reply
    if (this.#withScores && reply.protocol === 3) reply.array(2)
    reply.bulk(bytes, start, end)
    if (this.#withScores) reply.double(score)
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}
