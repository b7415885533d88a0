/** Promises for "the log has committed up to this LSN", for work in the background; replies have their own, faster way. */
export class CommitWaiters {
  #waiting: { readonly lsn: number; readonly resolve: () => void; readonly reject: (failure: Error) => void }[] = []
  #committed: number
  #failure: Error | undefined

  constructor(committed: number) {
    this.#committed = committed
  }

  wait(lsn: number): Promise<void> {
    if (lsn <= this.#committed) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => this.#waiting.push({ lsn, resolve, reject }))
  }

  committed(lsn: number): void {
    this.#committed = lsn
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
