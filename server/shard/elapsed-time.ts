/** For how long something has been the case, in ms: this time, and all earlier times together. */
export class ElapsedTime {
  totalMs = 0
  #sinceMs: number | undefined

  /** Says whether it is the case now. */
  note(isSo: boolean, nowMs: number): void {
    if (isSo) this.#sinceMs ??= nowMs
    else if (this.#sinceMs !== undefined) {
      this.totalMs += nowMs - this.#sinceMs
      this.#sinceMs = undefined
    }
  }

  /** 0 when it is not the case. */
  currentMs(nowMs: number): number {
    return this.#sinceMs === undefined ? 0 : nowMs - this.#sinceMs
  }

  /** The times so far do not count. */
  reset(nowMs: number): void {
    this.totalMs = 0
    if (this.#sinceMs !== undefined) this.#sinceMs = nowMs
  }
}
