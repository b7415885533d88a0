/**
 * The file system port over `node:fs`. The callback API is used throughout: a write is exactly one job of libuv's
 * thread pool, without the second hop and the bookkeeping that a FileHandle adds. With `durable` the descriptor is
 * opened with O_DSYNC, so that one job both writes and makes durable.
 *
 * Invariants: nothing here retries a failed write or sync; every rejection carries Node's `code`.
 */
import fs from 'node:fs'
import type { File, FileSystem, OpenOptions } from './file-system.ts'

/** Largest single write or read: Node passes lengths as 32-bit integers, and Linux stops a little below 2 GiB. */
const CHUNK_BYTES_MAX = 1 << 30

export class NodeFileSystem implements FileSystem {
  open(path: string, options: OpenOptions): Promise<File> {
    const { O_RDONLY, O_RDWR, O_CREAT, O_DSYNC } = fs.constants
    const flags = (options.write ? O_RDWR : O_RDONLY) | (options.create ? O_CREAT : 0) | (options.durable ? O_DSYNC : 0)
    return new Promise((resolve, reject) => {
      fs.open(path, flags, 0o640, (error, descriptor) => (error ? reject(error) : resolve(new NodeFile(descriptor))))
    })
  }

  async list(directory: string): Promise<string[]> {
    try {
      return (await fs.promises.readdir(directory)).sort()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  }

  async makeDirectory(path: string): Promise<void> {
    await fs.promises.mkdir(path, { recursive: true })
  }

  rename(from: string, to: string): Promise<void> {
    return fs.promises.rename(from, to)
  }

  async remove(path: string): Promise<void> {
    try {
      await fs.promises.unlink(path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }

  async syncDirectory(path: string): Promise<void> {
    const handle = await fs.promises.open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

class NodeFile implements File {
  readonly #descriptor: number

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    const descriptor = this.#descriptor
    return new Promise((resolve, reject) => {
      let done = 0
      const step = (error: NodeJS.ErrnoException | null, written: number): void => {
        done += written
        if (error) reject(error)
        else if (done === bytes.length) resolve()
        else if (written === 0) reject(ioError('EIO', `write stopped after ${done} of ${bytes.length} bytes`))
        else fs.write(descriptor, bytes, done, Math.min(bytes.length - done, CHUNK_BYTES_MAX), position + done, step)
      }
      if (bytes.length === 0) resolve()
      else fs.write(descriptor, bytes, 0, Math.min(bytes.length, CHUNK_BYTES_MAX), position, step)
    })
  }

  writePieces(pieces: readonly Uint8Array[], position: number): Promise<void> {
    if (pieces.length === 1) return this.write(pieces[0]!, position)
    const descriptor = this.#descriptor
    return new Promise((resolve, reject) => {
      let left = pieces.filter((piece) => piece.length > 0)
      let done = 0
      const step = (error: NodeJS.ErrnoException | null, written: number): void => {
        done += written
        left = without(left, written)
        if (error) reject(error)
        else if (left.length === 0) resolve()
        else if (written === 0) reject(ioError('EIO', `write stopped after ${done} bytes`))
        else fs.writev(descriptor, left, position + done, step)
      }
      if (left.length === 0) resolve()
      else fs.writev(descriptor, left, position, step)
    })
  }

  writePiecesNow(pieces: readonly Uint8Array[], position: number): void {
    let left: readonly Uint8Array[] = pieces
    let done = 0
    while (left.length > 0) {
      const at = position + done
      const first = left[0]!
      const written =
        left.length === 1 ? fs.writeSync(this.#descriptor, first, 0, first.length, at) : fs.writevSync(this.#descriptor, left, at)
      if (written === 0 && left.some((piece) => piece.length > 0)) throw ioError('EIO', `write stopped after ${done} bytes`)
      left = without(left, written)
      done += written
    }
  }

  read(into: Uint8Array, position: number): Promise<number> {
    const descriptor = this.#descriptor
    return new Promise((resolve, reject) => {
      let done = 0
      const step = (error: NodeJS.ErrnoException | null, bytesRead: number): void => {
        done += bytesRead
        if (error) reject(error)
        else if (bytesRead === 0 || done === into.length) resolve(done)
        else fs.read(descriptor, into, done, Math.min(into.length - done, CHUNK_BYTES_MAX), position + done, step)
      }
      if (into.length === 0) resolve(0)
      else fs.read(descriptor, into, 0, Math.min(into.length, CHUNK_BYTES_MAX), position, step)
    })
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#descriptor, (error) => (error ? reject(error) : resolve()))
    })
  }

  truncate(size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.#descriptor, size, (error) => (error ? reject(error) : resolve()))
    })
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#descriptor, (error, stats) => (error ? reject(error) : resolve(stats.size)))
    })
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.#descriptor, (error) => (error ? reject(error) : resolve()))
    })
  }
}

/** The pieces that follow the first `bytes`; none is empty. */
function without(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let over = bytes
  for (let i = 0; i < pieces.length; i++) {
    const { length } = pieces[i]!
    if (over < length) return [pieces[i]!.subarray(over), ...pieces.slice(i + 1)]
    over -= length
  }
  return []
}

function ioError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
