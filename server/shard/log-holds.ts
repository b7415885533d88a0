/** Who still has to read old records of the log keeps it from being trimmed beyond them. */
export class LogHolds {
  readonly #held = new Set<{ readonly after: number }>()

  /** Records behind this one stay until what is returned is called. */
  hold(after: number): () => void {
    const held = { after }
    this.#held.add(held)
    return () => void this.#held.delete(held)
  }

  /** How far the log may be trimmed, of what is wanted. */
  limit(upTo: number): number {
    let limit = upTo
    for (const { after } of this.#held) limit = Math.min(limit, after)
    return limit
  }
}
