/** Who has subscribed to one channel or pattern, in the order of their arrival. */
import type { ReplyWriter } from '../../engine/reply-writer.ts'

/** A client as messages see it. */
export interface Subscriber {
  readonly reply: ReplyWriter
  readonly connection: { push(message: readonly Buffer[], lsn: number): void }
}

/** Each with the number of its arrival, which grows over all channels. */
export type Subscribers = Map<Subscriber, number>
