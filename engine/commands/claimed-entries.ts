/** Which pending entries are claimed: what becomes of each id, in the order in which they are looked at, and the entries themselves. */
import type { Execution } from '../execution.ts'
import type { PendingCursor } from '../types/stream-group-leaf.ts'
import type { StreamId } from '../types/stream-id.ts'
import { idBytes } from '../types/stream-id.ts'
import type { EntryCursor } from '../types/stream-node.ts'
import type { StreamPending } from '../types/stream-pending.ts'
import type { StreamWalk } from '../types/stream-walk.ts'
import type { ClaimOptions } from './claim-options.ts'
import { greatestId, streamsOf, walkOf } from './stream-arguments.ts'

/** Looks for entries whose ids come in order, mostly: one is often the next one. Nothing changes meanwhile. */
export class EntrySearch {
  readonly #entry: number
  readonly #walk: StreamWalk
  #isThere = false

  constructor(x: Execution, entry: number) {
    this.#entry = entry
    this.#walk = walkOf(x)
  }

  /** The entry with an id, undefined without. */
  find(id: StreamId): EntryCursor | undefined {
    const walk = this.#walk
    if (this.#isThere && walk.entry.id.compare(id) < 0) this.#isThere = walk.next()
    const order = this.#isThere ? walk.entry.id.compare(id) : 1
    if (order !== 0) this.#isThere = walk.begin(this.#entry, id, greatestId).next()
    return this.#isThere && walk.entry.id.compare(id) === 0 ? walk.entry : undefined
  }
}

/** Nothing becomes of an id; its entry is gone, and so it goes from the group; it is claimed. */
export type ClaimOutcome = 'none' | 'gone' | 'claimed'

/** What becomes of the ids that XCLAIM names. */
export class NamedClaims {
  /** Of the id that was looked at last: its entry, the consumer that it was pending for, 0 for none, and how often it now has been delivered. */
  entry: EntryCursor | undefined
  former = 0
  deliveries = 0n
  readonly #pending: StreamPending
  readonly #options: ClaimOptions
  readonly #now: number
  /** What was done with ids that are named again; none where each is named once. */
  readonly #gone: Set<string> | undefined
  readonly #claimed: Map<string, bigint> | undefined
  readonly #name = Buffer.alloc(idBytes)

  constructor(x: Execution, options: ClaimOptions, mayRepeat: boolean) {
    this.#pending = streamsOf(x).pending
    this.#options = options
    this.#now = x.now
    if (!mayRepeat) return
    this.#gone = new Set()
    this.#claimed = new Map()
  }

  look(root: number, group: number, id: StreamId, search: EntrySearch): ClaimOutcome {
    const { force, minIdle, retryCount, justId } = this.#options
    const name = this.#claimed === undefined ? '' : this.#nameOf(id)
    const isPending = this.#pending.find(root, group, id) && this.#gone?.has(name) !== true
    const { found } = this.#pending
    this.former = isPending ? found.consumer : 0
    const earlier = this.#claimed?.get(name)
    this.entry = search.find(id)
    if (!isPending && earlier === undefined) {
      if (!force || this.entry === undefined) return 'none'
    } else if (this.entry === undefined) {
      this.#gone?.add(name)
      return 'gone'
    }
    const deliveredAt = earlier !== undefined ? this.#options.deliveredAt : isPending ? found.deliveredAt : this.#now
    if (isPending && minIdle > 0 && this.#now - deliveredAt < minIdle) return 'none'
    const before = earlier ?? (isPending ? found.deliveries : 1n)
    this.deliveries = retryCount >= 0n ? retryCount : justId ? before : before + 1n
    this.#claimed?.set(name, this.deliveries)
    return 'claimed'
  }

  #nameOf(id: StreamId): string {
    id.write(this.#name, 0)
    return this.#name.toString('latin1')
  }
}

/** What becomes of what XAUTOCLAIM looks at. */
export function autoClaimOutcome(
  pending: PendingCursor,
  { minIdle }: ClaimOptions,
  now: number,
  entry: EntryCursor | undefined,
): ClaimOutcome {
  if (entry === undefined) return 'gone'
  return minIdle > 0 && now - pending.deliveredAt < minIdle ? 'none' : 'claimed'
}

/** Whether ids follow each other in order, so that none is named twice. */
export function areAscending(ids: readonly StreamId[]): boolean {
  for (let i = 1; i < ids.length; i++) if ((ids[i - 1] as StreamId).compare(ids[i] as StreamId) >= 0) return false
  return true
}
