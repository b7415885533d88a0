/**
 * When values became cold: a cold entry holds a stamp of 16 bits, and this table knows what each stamp means, a time for
 * OBJECT IDLETIME and an epoch of the residency for the ghosts. A new stamp begins with each epoch, and after a minute:
 * a time is early by a minute at most, and never late, so that no key looks as if it had been used since.
 *
 * Stamps come round after 65,535 of them (six weeks at one a minute). What has been cold for longer than that looks as if
 * it had become so in a later round. Stamp 0 is kept for what was cold when the server started; nobody knows since when.
 */
import type { AccessClock } from '../engine/keyspace/access.ts'

const stampSeconds = 60
const stampMax = 0xffff
const firstRoom = 1024

export class ColdStamps {
  readonly #access: AccessClock
  #stamp = 0
  /** Per stamp: the access clock's seconds when it began, and the epoch. */
  #seconds = new Uint32Array(firstRoom)
  #epochs = new Uint32Array(firstRoom)

  /** What is cold already is taken for seen at `epoch`. */
  constructor(access: AccessClock, epoch: number) {
    this.#access = access
    this.#seconds[0] = access.seconds
    this.#epochs[0] = epoch
  }

  get bytes(): number {
    return this.#seconds.byteLength + this.#epochs.byteLength
  }

  /** The stamp of what becomes cold now, at `epoch`. */
  now(epoch: number): number {
    const stamp = this.#stamp
    if (stamp === 0 || this.#epochs[stamp] !== epoch || this.idleSeconds(stamp) >= stampSeconds) this.#begin(epoch)
    return this.#stamp
  }

  /** The epoch at which the value was seen last. */
  epochOf(stamp: number): number {
    return this.#epochs[stamp]
  }

  /** Seconds for which the value has not been used, at least and within a minute. */
  idleSeconds(stamp: number): number {
    return this.#access.idleSeconds(this.#seconds[stamp])
  }

  #begin(epoch: number): void {
    const stamp = this.#stamp === stampMax ? 1 : this.#stamp + 1
    if (stamp === this.#seconds.length) {
      this.#seconds = doubled(this.#seconds)
      this.#epochs = doubled(this.#epochs)
    }
    this.#seconds[stamp] = this.#access.seconds
    this.#epochs[stamp] = epoch
    this.#stamp = stamp
  }
}

function doubled(from: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(from.length * 2)
  to.set(from)
  return to
}
