/** Readers that have come to the end of a log and wait for more. */
export class TailWaiters {
  #waiting: (() => void)[] = []
  #ended = false

  /** The log has grown, or has something to say. */
  wake(): void {
    if (this.#waiting.length === 0) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Nothing more will come. */
  end(): void {
    this.#ended = true
    this.wake()
  }

  /** Resolves at the next `wake`; to false when there will be none, or the reader gives up. */
  async more(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#ended || isAborted(signal)) return false
    await new Promise<void>((resolve) => {
      const give = (): void => {
        signal?.removeEventListener('abort', give)
        resolve()
      }
      this.#waiting.push(give)
      signal?.addEventListener('abort', give)
    })
    return !this.#ended && !isAborted(signal)
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}
