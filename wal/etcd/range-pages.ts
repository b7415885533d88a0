/**
 * A range read page by page. All pages are of one revision, that of the first, so they fit together whatever happens
 * meanwhile, and a page whose outcome is ambiguous is asked for again, at any endpoint.
 */
import type { EtcdOutcome } from './etcd-outcome.ts'
import { answered } from './etcd-outcome.ts'
import type { KeyRange, KeyValue, RangeReply, RangeRequest } from './kv-methods.ts'

/** Asks for one page. */
export type AskRange = (request: RangeRequest) => Promise<EtcdOutcome<RangeReply>>

export interface RangePagesOptions extends KeyRange {
  /** The most pairs in a page. */
  readonly limit: number
  /** Reads the range as it was at this revision; as it is at the first page without it. */
  readonly revision?: number | undefined
}

export class RangePages {
  readonly #end: Buffer | undefined
  readonly #limit: number
  #key: Buffer
  #revision: number | undefined
  #isDone = false

  constructor({ key, end, limit, revision }: RangePagesOptions) {
    this.#key = key
    this.#end = end
    this.#limit = limit
    this.#revision = revision
  }

  /** The revision that all pages show; a watch that begins with the next one misses nothing. Undefined before the first page. */
  get revision(): number | undefined {
    return this.#revision
  }

  get isDone(): boolean {
    return this.#isDone
  }

  /**
   * The next page; empty when there is nothing more. After another outcome the same page comes next. Refused as `compacted`
   * when the revision is gone, and then the range has to be read anew.
   */
  async next(ask: AskRange): Promise<EtcdOutcome<readonly KeyValue[]>> {
    if (this.#isDone) return answered([])
    const outcome = await ask({ key: this.#key, end: this.#end, limit: this.#limit, revision: this.#revision })
    if (outcome.kind !== 'answered') return outcome
    const { revision, pairs, more } = outcome.reply
    this.#revision ??= revision
    this.#isDone = !more
    // The smallest key behind the last one of this page.
    if (more) this.#key = Buffer.concat([pairs[pairs.length - 1].key, Buffer.alloc(1)])
    return answered(pairs)
  }
}
