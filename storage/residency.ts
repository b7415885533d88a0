/**
 * Which values stay in memory: S3-FIFO by bytes (Yang et al., "FIFO queues are all you need for cache eviction", SOSP
 * 2023). New values enter a small queue, a tenth of all; those used there more than once move on to the main queue, the
 * rest leave. The main queue gives a value that was used since another round. The paper's ghost queue is not kept: a cold
 * entry remembers by a stamp in its own header at which epoch it was last seen (`ColdStamps`).
 *
 * It orders values and counts their bytes; the tier asks it for victims and makes them cold.
 */
import type { QueueNumber, Values } from '../engine/keyspace/values.ts'
import { RefQueue } from './ref-queue.ts'

const none: QueueNumber = 0
const small: QueueNumber = 1
const main: QueueNumber = 2
const smallShare = 0.1
/** Epochs that make one pass of the whole memory through the queues: the ghosts' window. */
export const ghostWindow = 16

export class Residency {
  readonly #values: Values
  readonly #small = new RefQueue()
  readonly #main = new RefQueue()
  #smallBytes = 0
  #mainBytes = 0
  /** Bytes that entered since the epoch began. */
  #entered = 0
  #epoch = 1

  constructor(values: Values) {
    this.#values = values
  }

  /** Advances by one each time a sixteenth of the memory has passed through. */
  get epoch(): number {
    return this.#epoch
  }

  /** Bytes of values that could be asked to leave. */
  get bytes(): number {
    return this.#smallBytes + this.#mainBytes
  }

  get count(): number {
    return this.#small.length + this.#main.length
  }

  get memoryBytes(): number {
    return this.#small.bytes + this.#main.bytes
  }

  /** A value was made. */
  enter(value: number): void {
    this.#push(value, small)
  }

  /** A value has come back from the cold store and shall stay. */
  promote(value: number): void {
    this.#push(value, main)
  }

  /** A value was relocated to another slot. */
  relocated(to: number): void {
    const change = this.#values.takeCapacityChange()
    const queue = this.#values.queue(to)
    if (queue === none) return
    const position = this.#values.queuePosition(to)
    if (queue === small) {
      this.#small.replace(position, to)
      this.#smallBytes += change
    } else {
      this.#main.replace(position, to)
      this.#mainBytes += change
    }
  }

  leave(value: number): void {
    const queue = this.#values.queue(value)
    if (queue === none) return
    const bytes = this.#values.arena.capacity(value)
    if (queue === small) {
      this.#small.removeAt(this.#values.queuePosition(value))
      this.#smallBytes -= bytes
    } else {
      this.#main.removeAt(this.#values.queuePosition(value))
      this.#mainBytes -= bytes
    }
    this.#values.setQueue(value, none, 0)
  }

  /** Counts bytes that came and went without staying, so that ghosts age with them. */
  ageGhosts(bytes: number, residentMax: number): void {
    this.#entered += bytes
    if (this.#entered < Math.max(65536, residentMax / ghostWindow)) return
    this.#entered = 0
    this.#epoch++
  }

  /** Whether something last seen at `epoch` was seen within the ghosts' window. */
  isRecent(epoch: number): boolean {
    return this.#epoch - epoch <= ghostWindow
  }

  /**
   * The next value that should leave, taken out of its queue; 0 when there is none. One that cannot leave yet is to be
   * given back with `requeue`.
   */
  nextVictim(): number {
    const values = this.#values
    for (let steps = this.#small.length + this.#main.length * 4; steps >= 0; steps--) {
      const fromSmall = this.#small.length > 0 && (this.#smallBytes > this.bytes * smallShare || this.#main.length === 0)
      const value = fromSmall ? this.#small.shift() : this.#main.shift()
      if (value === 0) return 0
      const bytes = values.arena.capacity(value)
      if (fromSmall) this.#smallBytes -= bytes
      else this.#mainBytes -= bytes
      const frequency = values.frequency(value)
      if (fromSmall && frequency > 1) {
        values.setFrequency(value, 0)
        this.#push(value, main)
      } else if (!fromSmall && frequency > 0) {
        values.setFrequency(value, frequency - 1)
        this.#push(value, main)
      } else {
        values.setQueue(value, none, 0)
        return value
      }
    }
    return 0
  }

  /** A victim that could not leave goes to the end of the small queue. */
  requeue(value: number): void {
    this.#push(value, small)
  }

  #push(value: number, queue: QueueNumber): void {
    const bytes = this.#values.arena.capacity(value)
    if (queue === small) {
      this.#values.setQueue(value, small, this.#small.push(value))
      this.#smallBytes += bytes
      this.#closeGaps(this.#small, small)
    } else {
      this.#values.setQueue(value, main, this.#main.push(value))
      this.#mainBytes += bytes
      this.#closeGaps(this.#main, main)
    }
  }

  /** While values come and go without pressure, gaps would pile up: the oldest two items step back behind the newest. */
  #closeGaps(queue: RefQueue, number: QueueNumber): void {
    if (queue.span < queue.length * 2 + 4096) return
    for (let i = 0; i < 2 && queue.length > 0; i++) {
      const value = queue.shift()
      this.#values.setQueue(value, number, queue.push(value))
    }
  }
}
