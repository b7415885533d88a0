/**
 * Decodes one value of any type and encoding, a slice at a time, and gives its elements to a sink. Where bytes are missing yet
 * (`RdbShortage`) the input goes back to the last whole element, and `step` may be called again when there are more.
 */
import { parseDouble } from '../double.ts'
import { CountedDecoding, PackedDecoding, QuicklistDecoding, StringDecoding } from './collection-decoding.ts'
import type { Decoding } from './decoding.ts'
import { Intset, Listpack, Ziplist, Zipmap } from './packed-sequence.ts'
import {
  hashListpackValue,
  hashListpackWithExpiryValue,
  hashValue,
  hashWithExpiryValue,
  hashZiplistValue,
  hashZipmapValue,
  listQuicklist2Value,
  listQuicklistValue,
  listValue,
  listZiplistValue,
  module2Value,
  moduleValue,
  setIntsetValue,
  setListpackValue,
  setValue,
  stream2Value,
  stream3Value,
  streamValue,
  stringValue,
  zsetListpackValue,
  zsetTextValue,
  zsetValue,
  zsetZiplistValue,
} from './rdb-format.ts'
import type { RdbElement, RdbInput } from './rdb-input.ts'
import { RdbRefusal, RdbShortage, RdbUnpacking } from './rdb-input.ts'
import { StreamDecoding } from './stream-decoding.ts'
import type { ValueKind, ValueSink } from './value-sink.ts'
import { RefusedValue } from './value-sink.ts'

export class ValueDecoder {
  readonly #input: RdbInput
  readonly #sink: ValueSink
  readonly #decoding: Decoding
  #isDone = false

  /** Of a value of RDB's type `type`, whose bytes begin where the input is. */
  constructor(input: RdbInput, type: number, sink: ValueSink) {
    this.#input = input
    this.#sink = sink
    this.#decoding = decodingOf(input, type, sink)
  }

  /** Decodes about `bytesMax` bytes, or up to a long string that has to be unpacked first. False when the value is complete. Throws `RdbRefusal` or `RdbShortage`. */
  step(bytesMax: number): boolean {
    const input = this.#input
    const decoding = this.#decoding
    const from = input.offset
    const unpacked = decoding.unpackedBytes
    let mark = input.at
    try {
      while (!this.#isDone && input.offset - from + decoding.unpackedBytes - unpacked < bytesMax) {
        mark = input.at
        const hasMore = decoding.next()
        input.elementRead()
        if (hasMore) continue
        this.#sink.end()
        this.#isDone = true
      }
      return !this.#isDone
    } catch (failure) {
      if (failure instanceof RdbUnpacking) {
        input.at = mark
        return true
      }
      if (failure instanceof RdbShortage) {
        const { needed } = failure
        // What is needed counts from where the element begins.
        failure.needed = needed + input.at - mark
        input.at = mark
        throw failure
      }
      if (failure instanceof RefusedValue) throw new RdbRefusal(failure.message, input.base + mark)
      throw failure
    }
  }
}

/** What a value of RDB's type `type` is; undefined for one that cannot be decoded. */
export function valueKind(type: number): ValueKind | undefined {
  return kinds[type]
}

function decodingOf(input: RdbInput, type: number, sink: ValueSink): Decoding {
  if (type === moduleValue || type === module2Value) input.refuse("a module's value, which only that module can read")
  const make = decodings[type]
  if (make === undefined) input.refuse(`unknown type ${type} of a value`)
  return make(input, sink)
}

const kinds: Readonly<Record<number, ValueKind>> = {
  [stringValue]: 'string',
  [listValue]: 'list',
  [listZiplistValue]: 'list',
  [listQuicklistValue]: 'list',
  [listQuicklist2Value]: 'list',
  [setValue]: 'set',
  [setIntsetValue]: 'set',
  [setListpackValue]: 'set',
  [zsetTextValue]: 'zset',
  [zsetValue]: 'zset',
  [zsetZiplistValue]: 'zset',
  [zsetListpackValue]: 'zset',
  [hashValue]: 'hash',
  [hashZipmapValue]: 'hash',
  [hashZiplistValue]: 'hash',
  [hashListpackValue]: 'hash',
  [hashWithExpiryValue]: 'hash',
  [hashListpackWithExpiryValue]: 'hash',
  [streamValue]: 'stream',
  [stream2Value]: 'stream',
  [stream3Value]: 'stream',
}

const decodings: Readonly<Record<number, (input: RdbInput, sink: ValueSink) => Decoding>> = {
  [stringValue]: (input, sink) => new StringDecoding(input, sink),
  [listValue]: (input, sink) => new CountedDecoding(input, sink, 'list', ([value]) => readElement(input, sink, value)),
  [setValue]: (input, sink) => new CountedDecoding(input, sink, 'set', ([value]) => readElement(input, sink, value)),
  [zsetTextValue]: (input, sink) =>
    new CountedDecoding(input, sink, 'zset', ([member]) => {
      input.string(member)
      sink.scored(member, textScore(input))
    }),
  [zsetValue]: (input, sink) =>
    new CountedDecoding(input, sink, 'zset', ([member]) => {
      input.string(member)
      const score = input.double()
      if (Number.isNaN(score)) input.refuse('a score that is no number')
      sink.scored(member, score)
    }),
  [hashValue]: (input, sink) =>
    new CountedDecoding(input, sink, 'hash', ([field, value]) => {
      input.string(field)
      input.string(value)
      sink.field(field, value, 0)
    }),
  [hashWithExpiryValue]: (input, sink) => {
    let earliest = 0
    const head = (): void => {
      earliest = Number(input.u64())
    }
    const read = ([field, value]: readonly [RdbElement, RdbElement]): void => {
      const after = input.length()
      input.string(field)
      input.string(value)
      sink.field(field, value, after === 0 ? 0 : earliest + after - 1)
    }
    return new CountedDecoding(input, sink, 'hash', read, head)
  },
  [hashZipmapValue]: (input, sink) => new PackedDecoding(input, sink, 'hash', 2, Zipmap),
  [hashZiplistValue]: (input, sink) => new PackedDecoding(input, sink, 'hash', 2, Ziplist),
  [hashListpackValue]: (input, sink) => new PackedDecoding(input, sink, 'hash', 2, Listpack),
  [hashListpackWithExpiryValue]: (input, sink) => new PackedDecoding(input, sink, 'hash', 3, Listpack, () => input.u64()),
  [listZiplistValue]: (input, sink) => new PackedDecoding(input, sink, 'list', 1, Ziplist),
  [setIntsetValue]: (input, sink) => new PackedDecoding(input, sink, 'set', 1, Intset),
  [setListpackValue]: (input, sink) => new PackedDecoding(input, sink, 'set', 1, Listpack),
  [zsetZiplistValue]: (input, sink) => new PackedDecoding(input, sink, 'zset', 2, Ziplist),
  [zsetListpackValue]: (input, sink) => new PackedDecoding(input, sink, 'zset', 2, Listpack),
  [listQuicklistValue]: (input, sink) => new QuicklistDecoding(input, sink, 1),
  [listQuicklist2Value]: (input, sink) => new QuicklistDecoding(input, sink, 2),
  [streamValue]: (input, sink) => new StreamDecoding(input, sink, 1),
  [stream2Value]: (input, sink) => new StreamDecoding(input, sink, 2),
  [stream3Value]: (input, sink) => new StreamDecoding(input, sink, 3),
}

function readElement(input: RdbInput, sink: ValueSink, value: RdbElement): void {
  input.string(value)
  sink.element(value)
}

/** The score of the first form of sorted sets: text behind a byte with its length, of which three values mean what is no number. */
function textScore(input: RdbInput): number {
  const length = input.byte()
  if (length === 255) return Number.NEGATIVE_INFINITY
  if (length === 254) return Number.POSITIVE_INFINITY
  if (length === 253) input.refuse('a score that is no number')
  const at = input.take(length)
  const score = parseDouble(input.bytes, at, at + length)
  if (Number.isNaN(score)) input.refuse('a score that is no number', at)
  return score
}
