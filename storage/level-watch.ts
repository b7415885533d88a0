/**
 * What LevelDB tells about itself. LevelDB answers under the one lock of its database, which it also holds while it makes and removes files, for
 * a tenth of a second at times: nobody on the event loop may wait for that, so a thread of its own asks (`level-thread.ts`).
 *
 * Where the thread cannot ask any more the figures stay what they were, which costs LevelDB's own throttling.
 */
import type { LevelFigures } from './level-figures.ts'
import { tableBytes } from './level-figures.ts'
import type { LevelThread } from './level-thread.ts'

export class LevelWatch {
  /** As last heard. */
  figures: LevelFigures = { level0Files: 0, tableBytes: 0 }
  readonly #thread: LevelThread
  #asking: Promise<void> | undefined

  constructor(thread: LevelThread) {
    this.#thread = thread
  }

  /** Resolves when `figures` are of a moment after the call. */
  async renew(): Promise<void> {
    // An answer that is on its way may be of a moment before.
    await this.#asking
    await this.refresh()
  }

  /** Resolves when `figures` are new, be it of a question that was asked before. */
  refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<void> {
    const told = await this.#thread.ask()
    if (told !== undefined) this.figures = { level0Files: told[0], tableBytes: tableBytes(told[1]) }
  }
}
