/** SPOP of many members, in slices: they are chosen in the walk that makes a set of those that stay (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S). */
import type { Execution } from '../execution.ts'
import { setType } from '../keyspace/entries.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import type { RandomDraws } from '../random-draws.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { memberSizeAt, memberStartAt } from '../types/set-leaf.ts'
import type { Begun, RemovalPlan } from './staged-removal.ts'
import { StagedRemoval, slicedRemoval } from './staged-removal.ts'

/** Bytes of one part of the reply. */
const partBytes = 64 * 1024

export class RandomRemoval implements RemovalPlan {
  readonly orderMask = 0
  readonly wanted: number
  /** The members that go, as the record has them. */
  readonly payload = new RecordBuffer(Number.POSITIVE_INFINITY)
  readonly #draws: RandomDraws
  readonly #lengthOf: (entry: number) => number
  readonly #reply = new ReplyWriter()
  readonly #parts: Buffer[] = []
  #partStart = 0
  #ahead = 0
  #missing = 0

  constructor({ keyspace }: Execution, wanted: number) {
    this.wanted = wanted
    this.#draws = keyspace.draws
    this.#lengthOf = (entry) => keyspace.entries.length(entry)
  }

  get count(): number {
    return this.wanted
  }

  get memoryBytes(): number {
    return 2 * this.payload.bytes.length
  }

  prepare(): boolean {
    return false
  }

  begin(entry: number): Begun {
    const length = this.#lengthOf(entry)
    if (this.wanted >= length) return 'little'
    this.#ahead = length
    this.#missing = this.wanted
    this.#takePart()
    this.#parts.length = 0
    this.payload.clear()
    this.payload.varint(this.wanted)
    this.#partStart = this.payload.end
    return 'begun'
  }

  sizeAt(bytes: Buffer, at: number): number {
    return memberSizeAt(bytes, at)
  }

  goes(bytes: Buffer, at: number, end: number): boolean {
    if (this.#draws.below(this.#ahead--) >= this.#missing) return false
    this.#missing--
    const start = memberStartAt(bytes, at)
    this.payload.range(bytes, start, end)
    this.#reply.bulk(bytes, start, end)
    if (this.payload.end - this.#partStart >= partBytes) this.#takePart()
    return true
  }

  #takePart(): void {
    this.#partStart = this.payload.end
    const part = this.#reply.output.takeAll()
    if (part.length > 0) this.#parts.push(part)
  }

  /** Visits the members as they are replied. */
  eachPart(visit: (bytes: Buffer) => void): void {
    this.#takePart()
    for (const part of this.#parts) visit(part)
  }
}

/** What is staged of popping `wanted` members, but not all, from the set under the key that is argument 1. */
export function stageRandomRemoval(x: Execution, wanted: number): StagedWork | undefined {
  const entry = slicedRemoval(x, setType, wanted)
  if (entry === 0 || wanted >= x.keyspace.entries.length(entry)) return undefined
  return new StagedRemoval(x, entry, new RandomRemoval(x, wanted))
}
