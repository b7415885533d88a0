/**
 * The way between one node and the log engine. Each direction can be cut: then requests are lost before they have an effect, or their answers
 * and all news after it. Whatever is not cut takes a time that chance picks, so requests overtake each other. A request that has left arrives
 * also when its node dies.
 */
import type { Random } from '../../engine/random.ts'
import type { EventLoop, ProcessClock } from './event-loop.ts'

export class LogLink {
  /** Longest time on the way. */
  delayMsMax: number
  readonly #loop: EventLoop
  readonly #random: Random
  readonly #cut = { to: false, from: false }
  readonly #onHealed = new Set<() => void>()

  constructor(loop: EventLoop, random: Random, delayMsMax: number) {
    this.#loop = loop
    this.#random = random
    this.delayMsMax = delayMsMax
  }

  /** Cuts what the node sends to the engine, or what that sends to the node. */
  cut(direction: 'to' | 'from'): void {
    this.#cut[direction] = true
  }

  heal(): void {
    this.#cut.to = false
    this.#cut.from = false
    for (const listener of this.#onHealed) listener()
  }

  /** Returns how to listen no more. */
  whenHealed(listener: () => void): () => void {
    this.#onHealed.add(listener)
    return () => this.#onHealed.delete(listener)
  }

  /** Has the engine do something and brings the node what came of it, unless one of the ways is cut. */
  ask<T>(clock: ProcessClock, work: () => T, done: (outcome: T) => void): void {
    this.#passes('to', () => {
      const outcome = work()
      this.#passes('from', () => clock.happens(() => done(outcome)))
    })
  }

  /** Brings the node news. `lost` is called instead when the way is cut. */
  tell(clock: ProcessClock, news: () => void, lost: () => void): void {
    this.#passes('from', () => clock.happens(news), lost)
  }

  #passes(direction: 'to' | 'from', arrives: () => void, lost: () => void = () => undefined): void {
    this.#loop.schedule(((this.#random.nextUint32() % 1000) / 1000) * this.delayMsMax, () => {
      if (this.#cut[direction]) lost()
      else arrives()
    })
  }
}
