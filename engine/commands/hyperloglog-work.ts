/** PFCOUNT and PFMERGE of many keys in slices: the highest ranks of all of them. */
import { hasCold, wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { isHyperLogLog, isSparse, registerCount } from '../types/hyperloglog.ts'
import { raiseTo } from '../types/hyperloglog-sparse.ts'
import { isLongWalk } from './combined-work.ts'
import type { Making, Slices } from './repeated-work.ts'
import { RepeatedWork } from './repeated-work.ts'

export interface RaisedBeforehand {
  readonly ranks: Uint8Array
  /** Whether one of them is dense. */
  readonly isDense: boolean
}

/** A HyperLogLog takes about as long as so many members of a set. */
const membersPerKey = 64
/** Keys that are looked at in one slice. */
const keysAtOnce = 8

/** For all arguments behind the name; undefined if they are few. */
export function stageRaising(x: Execution): StagedWork | undefined {
  const { args } = x
  if (args.count < 3 || !isLongWalk(x, (args.count - 1) * membersPerKey)) return undefined
  const keys = Array.from({ length: args.count - 1 }, (_, i) => Buffer.from(args.bytes(i + 1)))
  const names = new Set(keys.map((key) => key.toString('latin1')))
  const isRead = (key: Uint8Array, start: number, end: number): boolean =>
    names.has(Buffer.from(key.subarray(start, end)).toString('latin1'))
  return new RepeatedWork<RaisedBeforehand>(x, false, isRead, (work) => new Raising(x, work, keys))
}

class Raising implements Making<RaisedBeforehand> {
  readonly memoryBytes = registerCount
  readonly #x: Execution
  readonly #work: RepeatedWork<RaisedBeforehand>
  readonly #keys: readonly Buffer[]

  constructor(x: Execution, work: RepeatedWork<RaisedBeforehand>, keys: readonly Buffer[]) {
    this.#x = x
    this.#work = work
    this.#keys = keys
  }

  *slices(): Slices<RaisedBeforehand> {
    const ranks = new Uint8Array(registerCount)
    let isDense = false
    for (let from = 0; from < this.#keys.length; from += keysAtOnce) {
      const some = this.#keys.slice(from, from + keysAtOnce)
      yield (wants) => {
        for (const key of some) this.#want(key, wants)
      }
      for (const key of some) {
        const entry = this.#work.find(key, 0, key.length)
        if (entry === 0) continue
        // What is none, or is corrupt, the command refuses.
        if (!this.#raise(ranks, entry)) return yield* this.#work.givenUp()
        if (!isSparse(this.#x.stringBytes(entry), this.#x.stringStart(entry))) isDense = true
      }
    }
    return { ranks, isDense }
  }

  #raise(ranks: Uint8Array, entry: number): boolean {
    const x = this.#x
    const { entries } = x.keyspace
    if (entries.type(entry) !== stringType) return false
    const bytes = x.stringBytes(entry)
    const start = x.stringStart(entry)
    const length = entries.length(entry)
    return isHyperLogLog(bytes, start, length) && raiseTo(ranks, bytes, start, length)
  }

  #want(key: Buffer, wants: ColdWants): void {
    const { keyspace } = this.#x
    const entry = this.#work.find(key, 0, key.length)
    if (entry !== 0 && hasCold(keyspace, entry)) wantValue(keyspace, entry, wants)
  }

  /** PFMERGE changes the first one. */
  want(wants: ColdWants): void {
    this.#want(this.#keys[0] as Buffer, wants)
  }
}
