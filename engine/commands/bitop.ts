/** BITOP: strings combined bit by bit. Of large ones the result is staged, in slices. */
import type { EngineCommand } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { StringHandle } from '../keyspace/value-handle.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { genericEvent, stringEvent } from '../messages.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax, slicedValueBytes } from '../staged-work.ts'
import type { BitOperation } from '../types/bits.ts'
import { combineWords } from '../types/bits.ts'
import { recordTooLarge, syntaxError } from './errors.ts'

const notOfSeveral = 'ERR BITOP NOT must be called with a single source key.'
const headerWords = valueHeaderBytes / 4
const nothing = Buffer.alloc(0)

export const bitopCommands = {
  BITOP: {
    arity: -4,
    flags: ['write', 'denyoom'],
    keys: {
      first: 2,
      last: -1,
      step: 1,
      access: [
        { first: 2, last: 0, step: 1, flags: ['OW', 'update'] },
        { first: 3, last: -1, step: 1, flags: ['RO', 'access'] },
      ],
    },
    categories: ['bitmap'],
    group: 'bitmap',
    since: '2.6.0',
    complexity: 'O(N) where N is the length of all strings',
    syntax: '<AND | OR | XOR | NOT> destkey key [key ...]',
    summary: 'Combines strings bit by bit.',
    stages: stage,
    handler: bitop,
  },
} as const satisfies Record<string, EngineCommand>

function bitop(x: Execution): void {
  const { args, reply } = x
  const operation = operationOf(x)
  if (operation === undefined || (operation === 'NOT' && args.count !== 4)) {
    reply.error(operation === undefined ? syntaxError : notOfSeveral)
    return
  }
  const sources: number[] = []
  let length = 0
  for (let i = 3; i < args.count; i++) {
    const entry = x.readString(i)
    if (entry === wrongType) return
    sources.push(entry)
    if (entry !== 0) length = Math.max(length, x.keyspace.entries.length(entry))
  }
  if (!x.mutator.canRecord(length)) {
    reply.error(recordTooLarge)
    return
  }
  if (length === 0) {
    if (x.delete(2)) x.notify(genericEvent, 'del', 2)
  } else {
    // Nothing appended makes the result `raw`, as in Redis.
    x.mutator.append(putResult(x, operation, sources, length), nothing, 0, 0)
    x.notify(stringEvent, 'set', 2)
  }
  reply.integer(length)
}

function operationOf({ args }: Execution): BitOperation | undefined {
  if (args.is(1, 'AND')) return 'AND'
  if (args.is(1, 'OR')) return 'OR'
  if (args.is(1, 'XOR')) return 'XOR'
  return args.is(1, 'NOT') ? 'NOT' : undefined
}

/** Sets the destination to what the sources give together. Returns its entry. */
function putResult(x: Execution, operation: BitOperation, sources: readonly number[], length: number): number {
  const { args, db } = x
  const combined = x.staged instanceof Combination ? x.staged.resultOf(sources) : undefined
  if (combined !== undefined) {
    x.replaces(2)
    const end = valueHeaderBytes + length
    return x.mutator.putString(db, args.buffer, args.starts[2], args.ends[2], combined, valueHeaderBytes, end, 0, true)
  }
  const words = new Uint32Array(Math.ceil(length / 4))
  combine(x.keyspace, operation, sources, words, 0, 0, length)
  return x.putString(2, new Uint8Array(words.buffer), 0, length, 0)
}

function stage(x: Execution): StagedWork | undefined {
  const { args, keyspace, limits } = x
  const { entries } = keyspace
  const operation = operationOf(x)
  if (operation === undefined) return undefined
  const sources: number[] = []
  let length = 0
  for (let i = 3; i < args.count; i++) {
    const entry = keyspace.find(x.db, args.buffer, args.starts[i], args.ends[i])
    if (entry !== 0 && (entries.type(entry) !== stringType || !entries.isResident(entry))) return undefined
    sources.push(entry)
    if (entry !== 0) length = Math.max(length, entries.length(entry))
  }
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  return length >= largeBytes ? new Combination(keyspace, operation, sources, length, largeBytes) : undefined
}

/** The result of a BITOP, made in slices; good as long as none of the sources changes. */
class Combination implements StagedWork {
  readonly #keyspace: Keyspace
  readonly #operation: BitOperation
  /** Undefined for a key that is missing. */
  readonly #sources: (StringHandle | undefined)[]
  readonly #length: number
  readonly #sliceBytes: number
  /** With room for a value's header at the front. */
  readonly #words: Uint32Array
  #done = 0

  constructor(keyspace: Keyspace, operation: BitOperation, sources: readonly number[], length: number, sliceBytes: number) {
    this.#keyspace = keyspace
    this.#operation = operation
    this.#sources = sources.map((entry) => (entry === 0 ? undefined : new StringHandle(keyspace, entry)))
    this.#length = length
    this.#sliceBytes = Math.ceil(Math.min(sliceBytes, sliceBytesMax) / 4) * 4
    this.#words = new Uint32Array(headerWords + Math.ceil(length / 8) * 2)
  }

  get memoryBytes(): number {
    return this.#words.byteLength
  }

  step(): boolean {
    const sources = this.#sources.map((source) => source?.find() ?? 0)
    if (!this.#isOf(sources)) return false
    const end = Math.min(this.#done + this.#sliceBytes, this.#length)
    combine(this.#keyspace, this.#operation, sources, this.#words, headerWords, this.#done, end)
    this.#done = end
    return end < this.#length
  }

  /** The result, behind room for a value's header, in memory that may be adopted; undefined if it is not that of these entries. */
  resultOf(sources: readonly number[]): Buffer | undefined {
    return this.#done === this.#length && this.#isOf(sources) ? Buffer.from(this.#words.buffer) : undefined
  }

  #isOf(sources: readonly number[]): boolean {
    return this.#sources.every((source, i) => (source === undefined ? sources[i] === 0 : sources[i] !== 0 && source.find() === sources[i]))
  }
}

/**
 * Combines the bytes from `from`, a multiple of 4, up to `to` of the sources, of which shorter ones count as padded with clear bits, into
 * clear words from `words[at]` on, where the whole result begins. A source of 0 is an empty string.
 */
function combine(
  keyspace: Keyspace,
  operation: BitOperation,
  sources: readonly number[],
  words: Uint32Array,
  at: number,
  from: number,
  to: number,
): void {
  const { entries, values, arena } = keyspace
  const into = new Uint8Array(words.buffer, at * 4)
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]
    const value = source === 0 ? 0 : entries.value(source)
    const end = source === 0 ? from : Math.max(from, Math.min(to, entries.length(source)))
    if (i === 0) {
      if (end > from) into.set(values.bytes(value).subarray(values.start(value) + from, values.start(value) + end), from)
      continue
    }
    const whole = Math.floor(end / 4)
    if (end > from) combineWords(operation, words, at + from / 4, arena.words(value), values.startWord(value) + from / 4, whole - from / 4)
    for (let byte = Math.max(from, whole * 4); byte < end; byte++) {
      const other = values.bytes(value)[values.start(value) + byte]
      into[byte] = operation === 'AND' ? into[byte] & other : operation === 'OR' ? into[byte] | other : into[byte] ^ other
    }
    if (operation === 'AND') into.fill(0, end, to)
  }
  if (operation === 'NOT') for (let word = at + from / 4; word < at + to / 4; word++) words[word] = ~words[word]
}
