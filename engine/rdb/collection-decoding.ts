/** Strings, collections element by element, and packed ones: see `value-decoder.ts`. */
import { parseDouble } from '../double.ts'
import { parseInteger } from '../integer.ts'
import type { Decoding } from './decoding.ts'
import type { PackedSequence } from './packed-sequence.ts'
import { DamagedSequence, Listpack, Ziplist } from './packed-sequence.ts'
import { packedNode, plainNode } from './rdb-format.ts'
import type { RdbInput } from './rdb-input.ts'
import { RdbElement } from './rdb-input.ts'
import type { ValueKind, ValueSink } from './value-sink.ts'

/** What an element counts for besides its bytes, in what is done at a time. */
const elementBytes = 16
const bytesAtOnce = 1024
const nothing = (): void => undefined

export class StringDecoding implements Decoding {
  readonly #input: RdbInput
  readonly #sink: ValueSink
  readonly #value = new RdbElement()
  unpackedBytes = 0

  constructor(input: RdbInput, sink: ValueSink) {
    this.#input = input
    this.#sink = sink
  }

  next(): boolean {
    this.#input.string(this.#value)
    this.#sink.begin('string', 1)
    this.#sink.string(this.#value)
    return false
  }
}

/** A count, and so many elements as they are. */
export class CountedDecoding implements Decoding {
  readonly #input: RdbInput
  readonly #sink: ValueSink
  readonly #kind: ValueKind
  readonly #read: (elements: readonly [RdbElement, RdbElement]) => void
  readonly #head: () => void
  readonly #elements = [new RdbElement(), new RdbElement()] as const
  #left = -1
  unpackedBytes = 0

  /** `head` reads what stands before the count. */
  constructor(
    input: RdbInput,
    sink: ValueSink,
    kind: ValueKind,
    read: (elements: readonly [RdbElement, RdbElement]) => void,
    head: () => void = nothing,
  ) {
    this.#head = head
    this.#input = input
    this.#sink = sink
    this.#kind = kind
    this.#read = read
  }

  next(): boolean {
    if (this.#left < 0) {
      this.#head()
      const count = this.#input.length()
      this.#sink.begin(this.#kind, count)
      this.#left = count
      return count > 0
    }
    this.#read(this.#elements)
    this.unpackedBytes += elementBytes
    return --this.#left > 0
  }
}

export type SequenceClass = new (bytes: Buffer, start: number, end: number) => PackedSequence

/** Elements of one packed sequence, `step` of which belong together. */
class SequenceDecoding {
  readonly #sink: ValueSink
  readonly #kind: ValueKind
  readonly #step: number
  readonly #elements = [new RdbElement(), new RdbElement(), new RdbElement()] as const
  #sequence: PackedSequence | undefined
  #start = 0
  /** Of the string in the input, for those who tell of damage. */
  #offset = 0
  unpackedBytes = 0

  constructor(sink: ValueSink, kind: ValueKind, step: number) {
    this.#sink = sink
    this.#kind = kind
    this.#step = step
  }

  /** Begins with the string that `from` is in, which was read at `offset` of the input. */
  open(input: RdbInput, Sequence: SequenceClass, from: RdbElement, offset: number): void {
    this.#start = from.start
    this.#offset = offset
    try {
      this.#sequence = new Sequence(from.bytes, from.start, from.end)
    } catch (failure) {
      this.#refuse(input, failure)
    }
  }

  /** Some elements: none of them needs more of the input. False at the end. */
  next(input: RdbInput): boolean {
    try {
      const until = this.unpackedBytes + bytesAtOnce
      while (this.unpackedBytes < until) if (!this.#next()) return false
      return true
    } catch (failure) {
      return this.#refuse(input, failure)
    }
  }

  #next(): boolean {
    const sequence = this.#sequence as PackedSequence
    const [first, second, third] = this.#elements
    if (!sequence.next(first)) return false
    this.unpackedBytes += first.length + elementBytes
    const step = this.#step
    if ((step > 1 && !sequence.next(second)) || (step > 2 && !sequence.next(third)))
      throw new DamagedSequence('an element without the one that belongs to it', this.#start)
    if (step > 1) this.unpackedBytes += second.length
    this.#give(first, second, third)
    return true
  }

  #give(first: RdbElement, second: RdbElement, third: RdbElement): void {
    const sink = this.#sink
    if (this.#kind === 'zset') {
      const score = Number.isNaN(second.integer) ? parseDouble(second.bytes, second.start, second.end) : second.integer
      if (Number.isNaN(score)) throw new DamagedSequence('a score that is no number', second.start)
      sink.scored(first, score)
    } else if (this.#kind === 'hash') {
      const expireAt = this.#step === 3 ? parseInteger(third.bytes, third.start, third.end) : 0
      if (Number.isNaN(expireAt)) throw new DamagedSequence('an expiry that is no number', third.start)
      sink.field(first, second, expireAt)
    } else sink.element(first)
  }

  #refuse(input: RdbInput, failure: unknown): never {
    if (!(failure instanceof DamagedSequence)) throw failure
    return input.refuse(`${failure.message}, ${failure.at - this.#start} bytes into a packed value`, this.#offset - input.base)
  }
}

/** A collection that is one packed sequence. */
export class PackedDecoding implements Decoding {
  readonly #input: RdbInput
  readonly #sink: ValueSink
  readonly #kind: ValueKind
  readonly #Sequence: SequenceClass
  readonly #sequence: SequenceDecoding
  readonly #string = new RdbElement()
  readonly #head: () => void
  #isOpen = false

  /** `head` reads what stands before the sequence. */
  constructor(input: RdbInput, sink: ValueSink, kind: ValueKind, step: number, Sequence: SequenceClass, head: () => void = nothing) {
    this.#head = head
    this.#input = input
    this.#sink = sink
    this.#kind = kind
    this.#Sequence = Sequence
    this.#sequence = new SequenceDecoding(sink, kind, step)
  }

  get unpackedBytes(): number {
    return this.#sequence.unpackedBytes
  }

  next(): boolean {
    const input = this.#input
    if (this.#isOpen) return this.#sequence.next(input)
    this.#head()
    const { offset } = input
    input.string(this.#string)
    this.#sequence.open(input, this.#Sequence, this.#string, offset)
    this.#sink.begin(this.#kind, -1)
    this.#isOpen = true
    return true
  }
}

/** A list of nodes: ziplists in the first version, listpacks or single elements in the second. */
export class QuicklistDecoding implements Decoding {
  readonly #input: RdbInput
  readonly #sink: ValueSink
  readonly #version: 1 | 2
  readonly #sequence: SequenceDecoding
  readonly #string = new RdbElement()
  #nodes = -1
  #isInNode = false

  constructor(input: RdbInput, sink: ValueSink, version: 1 | 2) {
    this.#input = input
    this.#sink = sink
    this.#version = version
    this.#sequence = new SequenceDecoding(sink, 'list', 1)
  }

  get unpackedBytes(): number {
    return this.#sequence.unpackedBytes
  }

  next(): boolean {
    const input = this.#input
    if (this.#isInNode) {
      this.#isInNode = this.#sequence.next(input)
      return this.#isInNode || this.#nodes > 0
    }
    if (this.#nodes < 0) {
      const nodes = input.length()
      this.#sink.begin('list', -1)
      this.#nodes = nodes
      return nodes > 0
    }
    this.#node()
    this.#nodes--
    return this.#isInNode || this.#nodes > 0
  }

  #node(): void {
    const input = this.#input
    const { at } = input
    const container = this.#version === 1 ? packedNode : input.length()
    if (container !== plainNode && container !== packedNode) input.refuse(`unknown kind ${container} of a list's node`, at)
    const { offset } = input
    input.string(this.#string)
    if (container === plainNode) this.#sink.element(this.#string)
    else {
      this.#sequence.open(input, this.#version === 1 ? Ziplist : Listpack, this.#string, offset)
      this.#isInNode = true
    }
  }
}
