/**
 * Deletions that the log does not have yet: a read that finds nothing must wait for them, or it would reveal what could
 * still be lost. Keys are remembered by hash and database only; a collision makes a reply wait a little, never wrong.
 */
export class UncommittedDeletions {
  readonly #lsnByKey = new Map<number, number>()
  /** Keys in the order of their LSNs, with the LSN beside each. */
  #queue: number[] = []
  #head = 0

  get size(): number {
    return this.#lsnByKey.size
  }

  add(db: number, hash: number, lsn: number): void {
    const key = db * 2 ** 32 + hash
    this.#lsnByKey.set(key, lsn)
    this.#queue.push(key, lsn)
  }

  /** LSN of the deletion of a key, 0 when none is open. */
  lsnOf(db: number, hash: number): number {
    return this.#lsnByKey.size === 0 ? 0 : (this.#lsnByKey.get(db * 2 ** 32 + hash) ?? 0)
  }

  committed(lsn: number): void {
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
