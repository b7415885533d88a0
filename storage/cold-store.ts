/**
 * Where cold values rest: bytes under increasing ids that the tier assigns. A contract with two implementations
 * (LevelDB; memory for tests and simulation) and one suite.
 *
 * Ids are never reused: an overwrite is a put of a new id and a later delete of the old one, so that a durable
 * checkpoint never sees a value change under it. Ids are positive integers below 2^48.
 */
export interface ColdStore extends ColdValues {
  /**
   * Applies puts and deletes atomically. Not durable before a later `sync` resolves; but readable from when it resolves for
   * as long as the process lives, whatever fails. One call at a time (the caller awaits).
   */
  write(batch: ColdBatch): Promise<void>
  /** When it resolves, every `write` resolved before the call is durable, whatever crashes. */
  sync(): Promise<void>
  /** A look at everything that is stored now, whatever is written or deleted later. */
  copy(): ColdCopy
  /** Deletes every id at or above `id`: what a crash left behind that no checkpoint knows. */
  clearFrom(id: number): Promise<void>
  stats(): ColdStoreStats
  close(): Promise<void>
}

/** What can be read. */
export interface ColdValues {
  /** The stored bytes, or undefined when the id is unknown. */
  read(id: number): Promise<Buffer | undefined>
  /** As `read`, for many at a time: no promise is made. `done` is called once, later. */
  readTo(id: number, done: ColdReadDone): void
  /** As `read`, while everybody waits. Throws when it cannot. */
  readAtOnce(id: number): Buffer | undefined
  /** As `read`, for several ids in one piece of work; results in the order of `ids`. */
  readMany(ids: readonly number[]): Promise<(Buffer | undefined)[]>
}

/** Everything that was stored at one moment, to be read by id, or once from the first to the last. It costs disk space while it is open. */
export interface ColdCopy extends ColdValues {
  /** The next values in the order of their ids: as many as fit into `bytesMax`, but at least one; none at the end. Rejects when the store had to be opened again meanwhile. */
  next(bytesMax: number): Promise<ColdPut[]>
  close(): Promise<void>
}

/** Told the bytes, or undefined for an unknown id; or, when `failure` is not undefined, why they could not be read. */
export type ColdReadDone = (failure: unknown, bytes: Buffer | undefined) => void

export interface ColdBatch {
  readonly puts: readonly ColdPut[]
  readonly deletes: readonly number[]
}

export interface ColdPut {
  readonly id: number
  readonly bytes: Buffer
}

export interface ColdStoreStats {
  /** Files in level 0; writers slow down at 8 and stop at 12. 0 where there are no levels. */
  readonly level0Files: number
  /** Bytes on disk, as far as known. */
  readonly diskBytes: number
  /** Memory that the store itself may hold (caches, write buffers), for the memory budget. */
  readonly memoryBytes: number
  readonly reads: number
  readonly writes: number
  readonly deletes: number
  /** How often a failure was overcome by opening the database again. */
  readonly reopenings: number
}

/** What is asked of a store that has been closed fails with this. */
export function closedError(): Error {
  return Object.assign(new Error('the cold store is closed'), { code: 'CLOSED' })
}
