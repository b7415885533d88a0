/**
 * Sparse HyperLogLogs (`hyperloglog.ts` has the head): the registers as runs, each of one or two bytes.
 *
 *   00xxxxxx            x + 1 registers of rank 0
 *   01xxxxxx yyyyyyyy   xy + 1 registers of rank 0
 *   1vvvvvxx            x + 1 registers of rank v + 1
 *
 * How runs are split and joined when a register rises is Redis's choice, followed here to the byte. A working copy is a buffer
 * of `workingBytes` with the HyperLogLog at its start; it may turn dense under the hands.
 */
import {
  denseBytes,
  denseEncoding,
  denseRegister,
  headerBytes,
  invalidateEstimate,
  isSparse,
  raiseToDense,
  registerCount,
  setDenseRegister,
  setEncoding,
  sparseEncoding,
} from './hyperloglog.ts'

/** A longer one is corrupt: no run is longer than two bytes. */
export const sparseBytesMax = headerBytes + 2 * registerCount
/** Room for a working copy. */
export const workingBytes = sparseBytesMax + 8
const rankMax = 32
const equalRunMax = 4
const shortZerosMax = 64
/** Runs that are looked at for neighbours to join after a change. */
const joinedRunsMax = 5

const replacement = new Uint8Array(5)
const ranks = new Uint8Array(registerCount)

/** A run: how long, of which rank, in how many bytes. */
class Run {
  registers = 0
  rank = 0
  bytes = 1

  /** `end`: the HyperLogLog's, behind which nothing is read. */
  read(bytes: Uint8Array, at: number, end: number): this {
    const first = bytes[at]
    this.bytes = 1
    this.rank = 0
    if (first >= 0x80) {
      this.rank = ((first >>> 2) & 31) + 1
      this.registers = (first & 3) + 1
    } else if (first < 0x40) this.registers = (first & 63) + 1
    else {
      this.bytes = 2
      this.registers = (((first & 63) << 8) | (at + 1 < end ? bytes[at + 1] : 0)) + 1
    }
    return this
  }
}

const run = new Run()

/** Calls back for each run. */
export function eachRun(
  bytes: Uint8Array,
  start: number,
  length: number,
  visit: (registers: number, rank: number, isLong: boolean) => void,
): void {
  const end = start + length
  for (let at = start + headerBytes; at < end; at += run.bytes) {
    run.read(bytes, at, end)
    visit(run.registers, run.rank, run.bytes === 2)
  }
}

/** Raises each of the ranks, one a register, to that of a sparse HyperLogLog; false when that is corrupt. */
export function raiseToSparse(raised: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  const end = start + length
  let register = 0
  for (let at = start + headerBytes; at < end; at += run.bytes) {
    const { registers, rank } = run.read(bytes, at, end)
    const next = register + registers
    if (next > registerCount) return false
    for (; rank !== 0 && register < next; register++) if (rank > raised[register]) raised[register] = rank
    register = next
  }
  return register === registerCount
}

/** As `raiseToSparse` for either encoding. */
export function raiseTo(raised: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (isSparse(bytes, start)) return raiseToSparse(raised, bytes, start, length)
  raiseToDense(raised, bytes, start)
  return true
}

export const unchanged = 0
export const changed = 1
export const corrupt = -1
type Outcome = typeof unchanged | typeof changed | typeof corrupt

/** A HyperLogLog being worked on, at the start of a buffer of `workingBytes`. */
export class WorkingCopy {
  readonly bytes: Buffer = Buffer.alloc(workingBytes)
  length = 0

  /** Takes a copy of what is at most `sparseBytesMax` long. */
  take(bytes: Buffer, start: number, length: number): void {
    bytes.copy(this.bytes, 0, start, start + length)
    this.length = length
  }

  /** Begins one without members. */
  makeEmpty(): void {
    const { bytes } = this
    bytes.fill(0, 0, headerBytes)
    bytes.write('HYLL', 'latin1')
    setEncoding(bytes, 0, sparseEncoding)
    bytes[headerBytes] = 0x7f
    bytes[headerBytes + 1] = 0xff
    this.length = headerBytes + 2
  }

  get isSparse(): boolean {
    return isSparse(this.bytes, 0)
  }

  /** The cached estimate stays what it is. False, and nothing changed, when it is corrupt. */
  makeDense(): boolean {
    if (!this.isSparse) return true
    const { bytes } = this
    ranks.fill(0)
    if (!raiseToSparse(ranks, bytes, 0, this.length)) return false
    bytes.fill(0, headerBytes, denseBytes)
    setEncoding(bytes, 0, denseEncoding)
    for (let register = 0; register < registerCount; register++) {
      if (ranks[register] !== 0) setDenseRegister(bytes, 0, register, ranks[register])
    }
    this.length = denseBytes
    return true
  }

  /** Raises a register to a rank. A sparse one that would become longer than `sparseLengthMax` by it turns dense. */
  raise(register: number, rank: number, sparseLengthMax: number): Outcome {
    if (!this.isSparse) {
      if (denseRegister(this.bytes, 0, register) >= rank) return unchanged
      setDenseRegister(this.bytes, 0, register, rank)
      return changed
    }
    return rank > rankMax ? this.#raiseDense(register, rank) : this.#raiseSparse(register, rank, sparseLengthMax)
  }

  #raiseDense(register: number, rank: number): Outcome {
    if (!this.makeDense()) return corrupt
    return this.raise(register, rank, 0)
  }

  #raiseSparse(register: number, rank: number, sparseLengthMax: number): Outcome {
    const { bytes, length } = this
    let at = headerBytes
    let before = headerBytes
    let first = 0
    for (;;) {
      if (at >= length) return corrupt
      run.read(bytes, at, length)
      if (register < first + run.registers) break
      before = at
      at += run.bytes
      first += run.registers
    }
    if (run.rank >= rank) return unchanged
    if (run.registers === 1 && run.bytes === 1) bytes[at] = equalRun(rank, 1)
    else {
      const size = replaceRun(first, register, rank)
      const growth = size - run.bytes
      if (growth > 0 && length + growth > sparseLengthMax) return this.#raiseDense(register, rank)
      if (length + growth > sparseBytesMax) return corrupt
      bytes.copyWithin(at + size, Math.min(at + run.bytes, length), length)
      for (let i = 0; i < size; i++) bytes[at + i] = replacement[i]
      this.length += growth
    }
    this.#join(before)
    invalidateEstimate(bytes, 0)
    return changed
  }

  /** Joins neighbours of one rank, from a run on. */
  #join(from: number): void {
    const { bytes } = this
    let at = from
    for (let left = joinedRunsMax; left > 0 && at < this.length; left--) {
      const byte = bytes[at]
      const next = bytes[at + 1]
      if (byte < 0x80) at += byte >= 0x40 ? 2 : 1
      else if (at + 1 < this.length && (byte & 0xfc) === (next & 0xfc) && (byte & 3) + (next & 3) + 2 <= equalRunMax) {
        bytes[at + 1] = next + (byte & 3) + 1
        bytes.copyWithin(at, at + 1, this.length)
        this.length--
      } else at++
    }
  }
}

function equalRun(rank: number, registers: number): number {
  return 0x80 | ((rank - 1) << 2) | (registers - 1)
}

/** Writes to `replacement` what takes the place of `run`, whose first register is `first`, when one of its registers rises. Returns its length. */
function replaceRun(first: number, register: number, rank: number): number {
  let size = writeRun(0, run.rank, register - first)
  replacement[size++] = equalRun(rank, 1)
  return writeRun(size, run.rank, first + run.registers - 1 - register)
}

/** Writes a run of so many registers, if any, to `replacement`. Returns the offset behind it. */
function writeRun(at: number, rank: number, registers: number): number {
  if (registers === 0) return at
  if (rank !== 0) replacement[at] = equalRun(rank, registers)
  else if (registers <= shortZerosMax) replacement[at] = registers - 1
  else {
    replacement[at] = 0x40 | ((registers - 1) >>> 8)
    replacement[at + 1] = (registers - 1) & 0xff
    return at + 2
  }
  return at + 1
}
