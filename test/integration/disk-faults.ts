/** A disk that fails on command, for a real process: disk-faults.c, compiled here, and its control file. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const source = new URL('./disk-faults.c', import.meta.url).pathname

export const eio = 5
export const enospc = 28

export interface FaultRule {
  readonly call: 'write' | 'short' | 'sync' | 'lose' | 'open' | 'rename' | 'unlink'
  /** The end of the path, with wildcards, below the data directory. */
  readonly path: string
  /** Calls that pass before; none unless told. */
  readonly skip?: number
  /** Calls that fail; one unless told, -1 for all. */
  readonly times?: number
  /** EIO unless told. */
  readonly errno?: number
}

/** Compiles the library into a directory; undefined, after a word, where there is no compiler for it. */
export function compileDiskFaults(directory: string): string | undefined {
  if (process.platform !== 'linux') return undefined
  const library = join(directory, 'disk-faults.so')
  const { status, error, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl', '-lpthread'])
  if (error !== undefined) return undefined
  if (status !== 0) throw new Error(`disk-faults.c: ${stderr}`)
  return library
}

export class DiskFaults {
  /** What the server's environment needs. */
  readonly environment: Readonly<Record<string, string>>
  readonly #control: string
  readonly #directory: string

  /** For a server with its data in `directory`; the control file lies beside it. */
  constructor(library: string, directory: string) {
    this.#control = `${directory}.faults`
    this.#directory = directory
    this.environment = { LD_PRELOAD: library, DISK_FAULTS: this.#control, UV_USE_IO_URING: '0' }
    this.order()
  }

  /** From now on these rules, and no others. */
  order(...rules: readonly FaultRule[]): void {
    const lines = rules.map(
      ({ call, path, skip = 0, times = 1, errno = eio }) => `${call} ${this.#directory}/${path} ${skip} ${times} ${errno}\n`,
    )
    writeFileSync(`${this.#control}.new`, lines.join(''))
    renameSync(`${this.#control}.new`, this.#control)
  }

  lift(): void {
    this.order()
  }

  /** The calls that have failed so far, each with its path. */
  get hits(): readonly string[] {
    const path = `${this.#control}.hits`
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
  }
}
