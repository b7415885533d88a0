/**
 * Parts of the reply of a large hash, prepared in slices, of which single pairs may expire before the reply is made. A part says how many pairs it shows, and
 * where those are that expire, and when: these are cut out of it then.
 *
 *   the reply of the pairs · for each that expires: where its reply begins and ends (u32 each), when it expires (f64) ·
 *   when the first of them does, or 0 (f64) · pairs (u32) · how many of them expire (u32)
 */
import type { Execution } from '../execution.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { earlier } from '../types/hash-type.ts'
import type { VisitPair } from '../types/packed-fields.ts'

const placeBytes = 16
const endBytes = 16

/** What is replied of each pair. */
export type Shape = (reply: ReplyWriter) => VisitPair

/** Writes the pairs of leaves that have not expired into a buffer of its own as they will be replied. */
export class LiveRenderer implements LeafRenderer {
  readonly #x: Execution
  readonly #reply = new ReplyWriter()
  readonly #show: VisitPair
  #begin = 0
  #pairs = 0
  #due = 0
  /** Begin, end and expiry of each reply that expires. */
  #expiring: number[] = []

  constructor(x: Execution, shape: Shape) {
    this.#x = x
    this.#show = shape(this.#reply)
    this.#begin = this.#reply.position
  }

  leaf(ref: number): void {
    this.#x.hashTrees.visitLeaf(ref, this.#visit)
  }

  readonly #visit: VisitPair = (bytes, pair) => {
    const { expireAt } = pair
    if (expireAt !== 0 && expireAt < this.#x.now) return
    const from = this.#reply.position
    this.#show(bytes, pair)
    this.#pairs++
    if (expireAt === 0) return
    this.#expiring.push(from - this.#begin, this.#reply.position - this.#begin, expireAt)
    this.#due = earlier(this.#due, expireAt)
  }

  take(): Buffer {
    const expiring = this.#expiring
    const places = expiring.length / 3
    const about = Buffer.allocUnsafe(places * placeBytes + endBytes)
    let at = 0
    for (let i = 0; i < expiring.length; i += 3) {
      at = about.writeUInt32LE(expiring[i], at)
      at = about.writeUInt32LE(expiring[i + 1], at)
      at = about.writeDoubleLE(expiring[i + 2], at)
    }
    at = about.writeDoubleLE(this.#due, at)
    at = about.writeUInt32LE(this.#pairs, at)
    about.writeUInt32LE(places, at)
    const bytes = Buffer.concat([this.#reply.output.takeAll(), about])
    this.#begin = this.#reply.position
    this.#pairs = 0
    this.#due = 0
    this.#expiring = []
    return bytes
  }
}

/** What of a part is live. */
export interface LivePart {
  readonly pairs: number
  readonly reply: Buffer
}

export function livePart(bytes: Buffer, now: number): LivePart {
  const places = bytes.readUInt32LE(bytes.length - 4)
  const pairs = bytes.readUInt32LE(bytes.length - 8)
  const due = bytes.readDoubleLE(bytes.length - endBytes)
  const end = bytes.length - endBytes - places * placeBytes
  const reply = bytes.subarray(0, end)
  return due === 0 || due >= now ? { pairs, reply } : withoutExpired(reply, bytes, end, pairs, now)
}

function withoutExpired(reply: Buffer, bytes: Buffer, places: number, pairs: number, now: number): LivePart {
  const left = Buffer.allocUnsafe(reply.length)
  let length = 0
  let from = 0
  let expired = 0
  for (let at = places; at < bytes.length - endBytes; at += placeBytes) {
    if (bytes.readDoubleLE(at + 8) >= now) continue
    length += reply.copy(left, length, from, bytes.readUInt32LE(at))
    from = bytes.readUInt32LE(at + 4)
    expired++
  }
  length += reply.copy(left, length, from)
  return { pairs: pairs - expired, reply: left.subarray(0, length) }
}
