/**
 * Delivers messages in their order. They are gathered in a turn, so that a subscriber gets all of them at once, and delivered at its end, or before
 * a subscriber gets something else that comes behind them; to so many subscribers in a turn, what is left over goes on in the next. While it is
 * behind, whoever would make more messages waits at the gate.
 */
import type { Clock } from '../../storage/clock.ts'
import type { Turn } from '../network/turn.ts'
import type { Delivery } from './delivery.ts'
import type { Subscriber } from './subscribers.ts'

/** A delivery takes about 0.3 µs, and sending it later a few. */
const deliveriesPerTurn = 8192

export class FanOut {
  /** Called when nothing is left to deliver, after it was behind. */
  onCaughtUp: () => void = () => undefined
  /** Whether messages are delivered as they come: the client in hand is a subscriber, and its replies follow them. */
  atOnce = true
  readonly #clock: Clock
  readonly #turn: Turn
  readonly #perTurn: number
  #left: number
  #waiting: Delivery[] = []
  #bytes = 0
  #isBehind = false

  constructor(clock: Clock, turn: Turn, perTurn = deliveriesPerTurn) {
    this.#clock = clock
    this.#turn = turn
    this.#perTurn = perTurn
    this.#left = perTurn
    turn.beforeFlush(() => {
      this.settle()
      this.#left = perTurn
    })
  }

  /** Whether a turn was not enough for what there was. */
  get isBehind(): boolean {
    return this.#isBehind
  }

  /** Memory of what waits, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  add(delivery: Delivery): void {
    this.#bytes += delivery.bytes
    if (this.#waiting.at(-1)?.takes(delivery) !== true) this.#waiting.push(delivery)
    if (this.atOnce) this.settle()
    else this.#turn.schedule()
  }

  /** Delivers what has been gathered. */
  settle(): void {
    if (this.#waiting.length > 0 && !this.#isBehind) this.#work()
  }

  /** Delivers now what one subscriber has still to receive: its subscriptions are about to change. */
  serve(subscriber: Subscriber): void {
    for (const delivery of this.#waiting) delivery.serve(subscriber)
  }

  #work(): void {
    let done = 0
    for (const delivery of this.#waiting) {
      this.#left -= delivery.step(this.#left)
      if (!delivery.isDone) break
      this.#bytes -= delivery.bytes
      done++
    }
    if (done === this.#waiting.length) this.#waiting = []
    else this.#waiting.splice(0, done)
    this.#isBehind = this.#waiting.length > 0
    if (this.#isBehind) this.#goOnLater()
  }

  #goOnLater(): void {
    this.#clock.afterTurn(() => {
      this.#turn.begin()
      this.#left = this.#perTurn
      this.#work()
      if (!this.#isBehind) this.onCaughtUp()
    })
  }
}
