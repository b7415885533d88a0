/**
 * The file system as the log and the checkpoint see it: a port, so that tests can run the whole server on a simulated
 * disk that loses what was not synced. Paths are plain strings with `/`; every failure rejects with an `Error` that
 * carries Node's `code` (`ENOENT`, `ENOSPC`, `EIO`, …).
 */
export interface FileSystem {
  /** Opens a file. `create` makes it when missing (never truncates). `durable` makes each write reach the disk before it resolves (O_DSYNC). */
  open(path: string, options: OpenOptions): Promise<File>
  /** Names (not paths) in a directory, sorted; an empty list when the directory is missing. */
  list(directory: string): Promise<string[]>
  /** Makes a directory and its parents; no error when it exists. */
  makeDirectory(path: string): Promise<void>
  /** Atomically replaces `to`. Durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file; no error when it is missing. Durable only after `syncDirectory`. */
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>
}

export interface OpenOptions {
  readonly write: boolean
  readonly create?: boolean
  readonly durable?: boolean
}

export interface File {
  /** Writes all of `bytes` at `position`, or rejects. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Writes all of the pieces one behind the other from `position` on, as one write; or rejects. They must not change before it is over. */
  writePieces(pieces: readonly Uint8Array[], position: number): Promise<void>
  /**
   * As `writePieces`, but over when it returns: for a few bytes that go to the page cache and no further, so never on a file
   * that is `durable`. It blocks the caller for as long as the system takes. Throws what `writePieces` rejects with.
   */
  writePiecesNow(pieces: readonly Uint8Array[], position: number): void
  /** Reads up to `into.length` bytes; resolves to how many were read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Makes the contents durable (fdatasync). */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}
