/**
 * Delivers messages in their order, so many to subscribers in a turn; what is left over goes on in the next. While it is
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
  readonly #clock: Clock
  readonly #turn: Turn
  readonly #perTurn: number
  #left: number
  #waiting: Delivery[] = []
  #bytes = 0
  #scheduled = false

  constructor(clock: Clock, turn: Turn, perTurn = deliveriesPerTurn) {
    this.#clock = clock
    this.#turn = turn
    this.#perTurn = perTurn
    this.#left = perTurn
    turn.beforeFlush(() => {
      this.#left = perTurn
    })
  }

  get isBehind(): boolean {
    return this.#waiting.length > 0
  }

  /** Memory of what waits, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  add(delivery: Delivery): void {
    this.#waiting.push(delivery)
    this.#bytes += delivery.bytes
    if (this.#waiting.length === 1) this.#work()
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
    if (this.isBehind) this.#goOnLater()
  }

  #goOnLater(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.afterTurn(() => {
      this.#scheduled = false
      this.#turn.begin()
      this.#left = this.#perTurn
      this.#work()
      if (!this.isBehind) this.onCaughtUp()
    })
  }
}
