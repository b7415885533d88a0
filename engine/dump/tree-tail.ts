/** What stands behind the elements of a large collection in RDB, in slices: images of those runs of leaves that grow with it, and the rest, which is written at once. */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import type { ColdWants } from '../need.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { DumpedRun } from './dumped-run.ts'
import type { DumpedType, RankRange } from './dumped-type.ts'

export class TreeTail {
  /** Nothing is left to do before `write`. */
  isComplete = false
  readonly #keyspace: Keyspace
  readonly #handle: TreeHandle
  readonly #row: DumpedType
  readonly #partBytes: number
  readonly #sliceBytes: number
  readonly #runs = new Map<number, DumpedRun>()
  /** What is being written. */
  #current: DumpedRun | undefined
  /** Runs up to this number have been looked for. */
  #lookedUpTo = 0

  /** Of an entry whose value is a tree. */
  constructor(keyspace: Keyspace, entry: number, row: DumpedType, partBytes: number, sliceBytes: number) {
    this.#keyspace = keyspace
    this.#handle = new TreeHandle(keyspace, entry)
    this.#row = row
    this.#partBytes = partBytes
    this.#sliceBytes = sliceBytes
  }

  get memoryBytes(): number {
    let bytes = 0
    for (const { image } of this.#runs.values()) bytes += image.memoryBytes
    return bytes
  }

  /** Does a slice, of a few hundred microseconds. False when it is complete. */
  step(): boolean {
    if (this.#current?.step() !== true) this.#current = this.#nextRun()
    return !this.isComplete
  }

  /** Names what is cold and without which the next step can do nothing, or after the last one `write`. */
  eachCold(wants: ColdWants): void {
    if (!this.isComplete) {
      this.#current?.image.eachCold(wants)
      return
    }
    const root = this.#handle.root()
    if (root === 0) return
    for (const { image } of this.#runs.values()) image.eachCold(wants)
    this.#row.runs?.want(this.#keyspace, root, (run) => this.#runs.has(run), wants)
  }

  /** Writes the tail of the entry as it is now. What is a run goes to `onRun`, and comes behind what has been written. */
  write(entry: number, out: RdbOutput, onRun: (run: DumpedRun) => void): void {
    this.#row.tail?.(this.#keyspace, entry, out, (number) => {
      const run = this.#runs.get(number)
      if (run === undefined) return false
      onRun(run)
      return true
    })
  }

  #nextRun(): DumpedRun | undefined {
    const { runs } = this.#row
    const entry = this.#handle.find()
    const keyspace = this.#keyspace
    const { trees } = keyspace
    const root = entry === 0 ? 0 : keyspace.entries.value(entry)
    const leavesMin = Math.max(2, this.#partBytes / trees.leafBytesMax)
    const found = root === 0 || runs === undefined ? 0 : runs.next(keyspace, root, this.#lookedUpTo, leavesMin)
    this.isComplete = found === 0
    this.#lookedUpTo = Math.abs(found)
    if (found <= 0 || runs === undefined) return undefined
    const spanOf = (): RankRange => runs.range(keyspace, this.#handle.root(), found)
    const write = (ref: number, out: RdbOutput): void => runs.leaf(keyspace, ref, found, out)
    const run = new DumpedRun(keyspace, entry, write, spanOf, this.#partBytes, this.#sliceBytes)
    this.#runs.set(found, run)
    return run
  }
}
