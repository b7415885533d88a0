/** Promises for "the log has committed up to this LSN", for work in the background; replies have their own, faster way. */
export class CommitWaiters {
  #waiting: { readonly lsn: number; readonly resolve: () => void; readonly reject: (failure: Error) => void }[] = []
  readonly #log: { readonly committed: number }
  #failure: Error | undefined

  /** A log that others append to tells of no commit while it is being read: it is asked. */
  constructor(log: { readonly committed: number }) {
    this.#log = log
  }

  wait(lsn: number): Promise<void> {
    if (lsn <= this.#log.committed) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => this.#waiting.push({ lsn, resolve, reject }))
  }

  committed(lsn: number): void {
    if (this.#waiting.length === 0) return
    const ready = this.#waiting.filter((each) => each.lsn <= lsn)
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter((each) => each.lsn > lsn)
    for (const each of ready) each.resolve()
  }

  failed(failure: Error): void {
    this.#failure = failure
    for (const each of this.#waiting.splice(0)) each.reject(failure)
  }
}
