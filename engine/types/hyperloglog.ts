/**
 * HyperLogLogs in the bytes that Redis keeps them in, so that GET, dumps and clients see the same. The algorithm is of
 * Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm"; the estimate is of Otmar
 * Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284); the layout is Redis 7.0's:
 *
 *   "HYLL" · u8 encoding (0 dense, 1 sparse) · 3 bytes zero · u64 cached estimate (little endian; top bit: it is not valid) · registers
 *
 * Dense: 16,384 registers of six bits, low bits first. Sparse: runs, see `hyperloglog-sparse.ts`. Everything is a range of
 * a buffer; nobody checks that there is room.
 */
import { MurmurHash } from './murmur-hash.ts'

const indexBits = 14
export const registerCount = 1 << indexBits
/** Bits of the hash beside the index. */
const rankBits = 64 - indexBits
export const headerBytes = 16
export const denseBytes = headerBytes + (registerCount * 6) / 8
export const denseEncoding = 0
export const sparseEncoding = 1
const encodingAt = 4
export const cacheAt = 8
/** The byte of the header whose top bit says that the cached estimate is not valid. */
export const cacheFlagAt = 15
const hashSeed = 0xadc83b19
const alphaInfinity = 0.7213475204444817

const hash = new MurmurHash()
const histogram = new Int32Array(64)

/** Where a member is counted, and how high. */
export class MemberRank {
  register = 0
  rank = 0

  of(bytes: Uint8Array, start: number, end: number): this {
    const { low, high } = hash.of(bytes, start, end, hashSeed)
    this.register = low & (registerCount - 1)
    const lower = (low >>> indexBits) | (high << (32 - indexBits)) | 0
    if (lower !== 0) this.rank = trailingZeros(lower) + 1
    else this.rank = 32 + trailingZeros((high >>> indexBits) | (1 << (rankBits - 32))) + 1
    return this
  }
}

function trailingZeros(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

/** Whether bytes may be a HyperLogLog: its registers may still be corrupt. */
export function isHyperLogLog(bytes: Uint8Array, start: number, length: number): boolean {
  if (length < headerBytes) return false
  if (bytes[start] !== 0x48 || bytes[start + 1] !== 0x59 || bytes[start + 2] !== 0x4c || bytes[start + 3] !== 0x4c) return false
  const encoding = bytes[start + encodingAt]
  return encoding === sparseEncoding || (encoding === denseEncoding && length === denseBytes)
}

export function isSparse(bytes: Uint8Array, start: number): boolean {
  return bytes[start + encodingAt] === sparseEncoding
}

export function setEncoding(bytes: Uint8Array, start: number, encoding: number): void {
  bytes[start + encodingAt] = encoding
}

export function hasCachedEstimate(bytes: Uint8Array, start: number): boolean {
  return bytes[start + cacheFlagAt] < 0x80
}

/** Only if it has one. */
export function cachedEstimate(bytes: Buffer, start: number): bigint {
  return bytes.readBigUInt64LE(start + cacheAt)
}

/** The bytes of a cached estimate, which begin at `cacheAt`. */
export function writeEstimate(bytes: Buffer, estimate: bigint): void {
  bytes.writeBigUInt64LE(BigInt.asUintN(64, estimate))
}

export function invalidateEstimate(bytes: Uint8Array, start: number): void {
  bytes[start + cacheFlagAt] |= 0x80
}

export function denseRegister(bytes: Uint8Array, start: number, register: number): number {
  const at = denseRegisterAt(start, register)
  const bit = (register * 6) & 7
  return ((bytes[at] >>> bit) | (bit > 2 ? bytes[at + 1] << (8 - bit) : 0)) & 63
}

/** Offset of the byte in which a register begins. It may reach into the next one. */
export function denseRegisterAt(start: number, register: number): number {
  return start + headerBytes + ((register * 6) >>> 3)
}

/** Whether a register reaches into the byte behind the one it begins in. */
export function reachesNextByte(register: number): boolean {
  return ((register * 6) & 7) > 2
}

export function setDenseRegister(bytes: Uint8Array, start: number, register: number, rank: number): void {
  const at = denseRegisterAt(start, register)
  const bit = (register * 6) & 7
  bytes[at] = (bytes[at] & ~(63 << bit)) | (rank << bit)
  if (bit > 2) bytes[at + 1] = (bytes[at + 1] & ~(63 >>> (8 - bit))) | (rank >>> (8 - bit))
}

/** Raises each of the ranks, one a register, to that of a dense HyperLogLog. */
export function raiseToDense(ranks: Uint8Array, bytes: Uint8Array, start: number): void {
  let register = 0
  for (let at = start + headerBytes; at < start + denseBytes; at += 3, register += 4) {
    const four = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)
    for (let i = 0; i < 4; i++) {
      const rank = (four >>> (6 * i)) & 63
      if (rank > ranks[register + i]) ranks[register + i] = rank
    }
  }
}

/** The estimate for ranks, one a register. Ranks that no member has may make it more than 64 bits take: it is then what x86 makes of that. */
export function estimate(ranks: Uint8Array): bigint {
  histogram.fill(0)
  for (let register = 0; register < registerCount; register++) histogram[ranks[register]]++
  const m = registerCount
  let z = m * tau((m - histogram[rankBits + 1]) / m)
  for (let rank = rankBits; rank >= 1; rank--) z = (z + histogram[rank]) * 0.5
  z += m * sigma(histogram[0] / m)
  const rounded = Math.round((alphaInfinity * m * m) / z)
  return rounded < 2 ** 63 ? BigInt(rounded) : -(2n ** 63n)
}

function sigma(start: number): number {
  if (start === 1) return Number.POSITIVE_INFINITY
  let x = start
  let y = 1
  let z = x
  for (;;) {
    x *= x
    const before = z
    z += x * y
    y += y
    if (before === z) return z
  }
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0
  let x = start
  let y = 1
  let z = 1 - x
  for (;;) {
    x = Math.sqrt(x)
    const before = z
    y *= 0.5
    z -= (1 - x) * (1 - x) * y
    if (before === z) return z / 3
  }
}
