/** The cold values that a request waits for, and what was fetched of them. Made only for requests that meet a cold key. */
import type { ChunkedHash } from '../engine/types/chunked-hash.ts'

export interface ColdItem {
  /** The entry, or 0 for a chunk. */
  readonly entry: number
  readonly hash: ChunkedHash | undefined
  readonly firstHash: number
  readonly id: number
}

export class ColdSet {
  readonly items: ColdItem[] = []
  /** In the order of the items, once fetched. */
  values: (Buffer | undefined)[] = []
  /** What was fetched for the same request before: some of it may have become cold again meanwhile. */
  former: ColdSet | undefined

  addValue(entry: number, id: number): void {
    this.items.push({ entry, hash: undefined, firstHash: 0, id })
  }

  addChunk(hash: ChunkedHash, firstHash: number, id: number): void {
    this.items.push({ entry: 0, hash, firstHash, id })
  }
}
