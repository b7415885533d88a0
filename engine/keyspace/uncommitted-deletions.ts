/**
 * Deletions that the log does not have yet: a read that finds nothing must wait for them, or it would reveal what could
 * still be lost. Keys are remembered by hash and database only; a collision makes a reply wait a little, never wrong.
 *
 * So many are remembered one by one, for a Map ends at 2^24 of them. Then all of them become one: whoever finds any key missing waits.
 */
const keysMax = 4 * 1024 * 1024

export class UncommittedDeletions {
  readonly #keysMax: number
  readonly #lsnByKey = new Map<number, number>()
  /** Keys in the order of their LSNs, with the LSN beside each. */
  #queue: number[] = []
  #head = 0
  /** Up to here any key may have been deleted; 0 once that is committed. */
  #anyLsn = 0

  constructor(max = keysMax) {
    this.#keysMax = max
  }

  get size(): number {
    return this.#lsnByKey.size
  }

  add(db: number, hash: number, lsn: number): void {
    if (this.#queue.length >= this.#keysMax * 2) {
      this.#lsnByKey.clear()
      this.#queue = []
      this.#head = 0
      this.#anyLsn = lsn
      return
    }
    const key = db * 2 ** 32 + hash
    this.#lsnByKey.set(key, lsn)
    this.#queue.push(key, lsn)
  }

  /** LSN of the deletion of a key, 0 when none is open. */
  lsnOf(db: number, hash: number): number {
    if (this.#lsnByKey.size === 0) return this.#anyLsn
    return Math.max(this.#lsnByKey.get(db * 2 ** 32 + hash) ?? 0, this.#anyLsn)
  }

  committed(lsn: number): void {
    if (this.#anyLsn <= lsn) this.#anyLsn = 0
    const queue = this.#queue
    let head = this.#head
    while (head < queue.length && queue[head + 1] <= lsn) {
      if ((this.#lsnByKey.get(queue[head]) as number) <= lsn) this.#lsnByKey.delete(queue[head])
      head += 2
    }
    this.#head = head
    if (head === queue.length) {
      if (head !== 0) this.#queue = []
      this.#head = 0
    } else if (head > 65536) {
      this.#queue = queue.slice(head)
      this.#head = 0
    }
  }
}
