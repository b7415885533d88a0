/** Who has subscribed to one channel or pattern, in the order of their arrival. */
import type { SharedRange } from '../../engine/output-buffer.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'

/** A client as messages see it. */
export interface Subscriber {
  readonly reply: ReplyWriter
  readonly connection: { push(message: readonly SharedRange[], lsn: number): void }
}

export class Subscribers {
  readonly #all = new Set<Subscriber>()
  #list: readonly Subscriber[] | undefined

  get size(): number {
    return this.#all.size
  }

  /** As they are now; the list stays as it is. */
  get list(): readonly Subscriber[] {
    this.#list ??= [...this.#all]
    return this.#list
  }

  add(subscriber: Subscriber): void {
    this.#all.add(subscriber)
    this.#list = undefined
  }

  delete(subscriber: Subscriber): void {
    this.#all.delete(subscriber)
    this.#list = undefined
  }
}
