/**
 * The bytes of one simulated file: as programs see them, as they are on the disk, and the writes and truncations in between.
 *
 * Invariant: the seen bytes are the durable ones with every pending change applied in order.
 */
import type { Random } from '../../engine/random.ts'

const SECTOR_BYTES = 512

interface Pending {
  /** Undefined for a truncation to `position`. */
  readonly bytes: Buffer | undefined
  readonly position: number
}

export class SimulatedFileData {
  #seen: Buffer = Buffer.alloc(0)
  #durable: Buffer = Buffer.alloc(0)
  #pending: Pending[] = []

  get size(): number {
    return this.#seen.length
  }

  /** Writes; the result, called later, makes this write durable. */
  write(bytes: Uint8Array, position: number): () => void {
    const change: Pending = { bytes: Buffer.from(bytes), position }
    this.#pending.push(change)
    this.#seen = apply(this.#seen, change)
    return () => {
      // Pages are written whole: what lies under this write, and came before it, goes with it.
      const upTo = this.#pending.indexOf(change)
      if (upTo >= 0) this.#settle(this.#pending.slice(0, upTo + 1).filter((other) => other === change || overlaps(other, change)))
    }
  }

  truncate(size: number): void {
    const change: Pending = { bytes: undefined, position: size }
    this.#pending.push(change)
    this.#seen = apply(this.#seen, change)
  }

  /** The result, called later, makes durable what was pending at the call. */
  sync(): () => void {
    const covered = [...this.#pending]
    return () => this.#settle(this.#pending.filter((change) => covered.includes(change)))
  }

  read(into: Uint8Array, position: number): number {
    const bytes = this.#seen.subarray(position, position + into.length)
    into.set(bytes)
    return bytes.length
  }

  /** Lets chance decide what of the pending changes is on the disk. */
  crash(random: Random): void {
    for (const change of this.#pending) {
      const fate = random.nextUint32() % 4
      if (fate === 0) continue
      if (fate === 1 && change.bytes) this.#durable = applyTorn(this.#durable, change.bytes, change.position, random)
      else this.#durable = apply(this.#durable, change)
    }
    this.#pending = []
    this.#seen = Buffer.from(this.#durable)
  }

  /** A copy of the bytes as programs see them. */
  contents(): Buffer {
    return Buffer.from(this.#seen)
  }

  /** Makes everything durable, then lets `change` spoil the bytes, seen and durable alike. */
  damage(change: (bytes: Buffer) => void): void {
    this.#settle([...this.#pending])
    change(this.#seen)
    change(this.#durable)
  }

  /** Makes everything durable, then cuts or lengthens the file. */
  damageSize(size: number): void {
    this.truncate(size)
    this.#settle([...this.#pending])
  }

  #settle(changes: readonly Pending[]): void {
    for (const change of changes) this.#durable = apply(this.#durable, change)
    this.#pending = this.#pending.filter((change) => !changes.includes(change))
  }
}

function overlaps(a: Pending, b: Pending): boolean {
  const end = (change: Pending): number => (change.bytes ? change.position + change.bytes.length : Number.POSITIVE_INFINITY)
  return a.position < end(b) && b.position < end(a)
}

/** The bytes after a change; a copy only where the size changes. */
function apply(bytes: Buffer, change: Pending): Buffer {
  const end = change.bytes ? change.position + change.bytes.length : change.position
  let result: Buffer = bytes
  if (change.bytes ? end > bytes.length : end !== bytes.length) {
    result = Buffer.alloc(end)
    bytes.copy(result, 0, 0, Math.min(bytes.length, end))
  }
  change.bytes?.copy(result, change.position)
  return result
}

/** Applies some of a write's sectors, each with even chance. */
function applyTorn(bytes: Buffer, written: Buffer, position: number, random: Random): Buffer {
  let result: Buffer = bytes
  for (let start = 0; start < written.length; ) {
    const end = Math.min(written.length, start + SECTOR_BYTES - ((position + start) % SECTOR_BYTES))
    if (random.nextUint32() % 2 === 0) result = apply(result, { bytes: written.subarray(start, end), position: position + start })
    start = end
  }
  return result
}
