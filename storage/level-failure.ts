/**
 * How the LevelDB cold store fails, in terms that its owner can act on.
 */

/** An error of classic-level: the cause says what happened, with its own code. */
export type LevelError = Error & { code?: string; cause?: Error & { code?: string } }

/** Why a directory cannot serve as a cold store. */
export type UnusableReason = 'locked' | 'corrupt' | 'foreign' | 'version' | 'failed'

/**
 * The cold store cannot be opened: another process has it, it is damaged, it is something else, it is newer than this
 * program, or the disk failed or is full.
 */
export class ColdStoreUnusable extends Error {
  override readonly name = 'ColdStoreUnusable'
  readonly reason: UnusableReason
  readonly directory: string
  constructor(directory: string, reason: UnusableReason, message: string, cause?: unknown) {
    super(`cold store in ${directory}: ${message}`, { cause })
    this.reason = reason
    this.directory = directory
  }
}

/**
 * A write or a sync failed; reads go on. The store mends itself with the first write or sync that finds room (`ENOSPC`) or
 * a disk that works (`EIO`). Of a failed batch nothing is visible, but the whole of it may appear when LevelDB is next opened.
 */
export class ColdStoreWriteFailed extends Error {
  override readonly name = 'ColdStoreWriteFailed'
  readonly code: 'ENOSPC' | 'EIO'
  constructor(message: string, cause?: unknown) {
    super(`cold store: ${message}`, { cause })
    this.code = /No space left on device|Disk quota exceeded/.test(message) ? 'ENOSPC' : 'EIO'
  }
}

/** What to tell of a failure to open LevelDB. */
export function openFailure(directory: string, failure: LevelError): Error {
  const reason = failure.cause ?? failure
  if (reason.code === 'LEVEL_LOCKED') return new ColdStoreUnusable(directory, 'locked', 'is in use by another process', failure)
  const damaged = reason.code !== 'LEVEL_IO_ERROR' || /No such file/.test(reason.message)
  return new ColdStoreUnusable(directory, damaged ? 'corrupt' : 'failed', reason.message, failure)
}
