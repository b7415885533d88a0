/**
 * Where in a connection's output those replies begin that wait for the log, and for which LSN each: a ring, as notes come at one end
 * and go at the other. The notes' LSNs increase: a reply that needs an older LSN than one before it waits behind that one anyway.
 */
export class HeldReplies {
  /** Notes that are held. */
  count = 0
  #from: Float64Array = new Float64Array(4)
  #lsn: Float64Array = new Float64Array(4)
  #first = 0

  /** LSN that the first note waits for; 0 without one. */
  get lsn(): number {
    return this.count > 0 ? this.#lsn[this.#first]! : 0
  }

  /** Position at which the first note begins; only asked when there is one. */
  get from(): number {
    return this.#from[this.#first]!
  }

  /** What was written since `from` waits for `lsn`. */
  add(lsn: number, from: number): void {
    const { count } = this
    const mask = this.#lsn.length - 1
    if (count > 0 && lsn <= this.#lsn[(this.#first + count - 1) & mask]!) return
    if (count > mask) {
      this.#grow()
      this.add(lsn, from)
      return
    }
    const place = (this.#first + count) & mask
    this.#from[place] = from
    this.#lsn[place] = lsn
    this.count = count + 1
  }

  /** Drops the notes that `committed` satisfies. */
  release(committed: number): void {
    const mask = this.#lsn.length - 1
    while (this.count > 0 && this.#lsn[this.#first]! <= committed) {
      this.#first = (this.#first + 1) & mask
      this.count--
    }
  }

  clear(): void {
    this.count = 0
  }

  #grow(): void {
    const size = this.#lsn.length
    const from = new Float64Array(size * 2)
    const lsn = new Float64Array(size * 2)
    for (let i = 0; i < this.count; i++) {
      from[i] = this.#from[(this.#first + i) & (size - 1)]!
      lsn[i] = this.#lsn[(this.#first + i) & (size - 1)]!
    }
    this.#from = from
    this.#lsn = lsn
    this.#first = 0
  }
}
