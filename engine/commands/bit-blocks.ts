/**
 * Counting and finding bits in strings of any length. Of a large one the set bits of blocks are counted in slices before the
 * command is executed, which then passes over those blocks.
 */
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { StringHandle } from '../keyspace/value-handle.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax, slicedValueBytes } from '../staged-work.ts'
import { countBits, findBit } from '../types/bits.ts'
import type { BitRange } from './bit-range.ts'

const headerWords = valueHeaderBytes / 4

/** How many bits are set in each of several blocks that follow one another in a string. */
class BlockCounts implements StagedWork {
  readonly string: StringHandle
  readonly blockBits: number
  readonly counts: number[] = []
  /** Number of the first block, and of the first behind the last. */
  readonly first: number
  readonly #end: number
  readonly #sought: 0 | 1 | undefined
  readonly #keyspace: Keyspace

  /** Counts the blocks that lie wholly in `range`, up to the first that has a `sought` bit. */
  constructor(keyspace: Keyspace, entry: number, range: BitRange, blockBytes: number, sought: 0 | 1 | undefined) {
    this.string = new StringHandle(keyspace, entry)
    this.blockBits = blockBytes * 8
    this.first = Math.ceil(range.from / this.blockBits)
    this.#end = Math.floor((range.to + 1) / this.blockBits)
    this.#sought = sought
    this.#keyspace = keyspace
  }

  get memoryBytes(): number {
    return this.counts.length * 8
  }

  step(): boolean {
    const block = this.first + this.counts.length
    const entry = this.string.find()
    if (entry === 0 || block >= this.#end) return false
    const count = countIn(this.#keyspace, entry, block * this.blockBits, (block + 1) * this.blockBits - 1)
    this.counts.push(count)
    return this.#sought === undefined || count === this.without(this.#sought)
  }

  /** The count of a block that has no such bit. */
  without(bit: 0 | 1): number {
    return bit === 1 ? 0 : this.blockBits
  }
}

/** For the string that is argument 1, if the range in it is long. Blocks behind the first with a `sought` bit are of no interest. */
export function stageBits(x: Execution, rangeIn: (length: number) => BitRange, sought?: 0 | 1): StagedWork | undefined {
  const { args, keyspace, limits } = x
  const { entries } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || entries.type(entry) !== stringType || !entries.isResident(entry)) return undefined
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  const range = rangeIn(entries.length(entry))
  // A wrong argument has made the range none of numbers.
  if (!(range.to - range.from >= largeBytes * 8)) return undefined
  return new BlockCounts(keyspace, entry, range, Math.ceil(Math.min(largeBytes, sliceBytesMax) / 4) * 4, sought)
}

/** Set bits of a resident string from bit `from` to bit `to`, both included. */
export function countBitsOf(x: Execution, entry: number, from: number, to: number): number {
  const blocks = blocksOf(x, entry)
  if (blocks === undefined || blocks.counts.length === 0) return countIn(x.keyspace, entry, from, to)
  const { first, blockBits, counts } = blocks
  const start = first * blockBits
  const end = (first + counts.length) * blockBits
  if (start < from || end > to + 1) return countIn(x.keyspace, entry, from, to)
  let count = from < start ? countIn(x.keyspace, entry, from, start - 1) : 0
  for (const each of counts) count += each
  return end <= to ? count + countIn(x.keyspace, entry, end, to) : count
}

/** The first bit of a resident string from `from` to `to`, both included, that is `bit`; -1 for none. */
export function findBitOf(x: Execution, entry: number, from: number, to: number, bit: 0 | 1): number {
  const blocks = blocksOf(x, entry)
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  const ahead = blocks === undefined ? 0 : blocks.first * blocks.blockBits
  if (blocks === undefined || ahead < from || ahead > to) return findBit(bytes, start, from, to, bit)
  const before = from < ahead ? findBit(bytes, start, from, ahead - 1, bit) : -1
  if (before >= 0) return before
  let passed = 0
  while (passed < blocks.counts.length && blocks.counts[passed] === blocks.without(bit)) passed++
  const next = ahead + passed * blocks.blockBits
  return next <= to ? findBit(bytes, start, next, to, bit) : -1
}

function blocksOf(x: Execution, entry: number): BlockCounts | undefined {
  return x.staged instanceof BlockCounts && x.staged.string.find() === entry ? x.staged : undefined
}

function countIn(keyspace: Keyspace, entry: number, from: number, to: number): number {
  const { entries, values, arena } = keyspace
  const value = entries.value(entry)
  return countBits(values.bytes(value), values.start(value), arena.words(value), arena.wordAt(value) + headerWords, from, to)
}
