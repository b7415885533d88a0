/**
 * An exact decoder for RESP2 and RESP3 replies, for tests only: it keeps every reply's raw bytes, tells all types of the
 * protocol apart (a nil bulk from a nil array from RESP3's null), converts nothing (numbers stay text), and throws at the
 * first byte that no correct server would send. It is written apart from the server's own encoder on purpose.
 */

export type ScalarType = 'status' | 'error' | 'integer' | 'bulk' | 'double' | 'boolean' | 'bigNumber' | 'verbatim'
export type NullType = 'nil' | 'nilArray' | 'null'
export type AggregateType = 'array' | 'map' | 'set' | 'push' | 'attribute'

export interface ScalarReply {
  readonly type: ScalarType
  /** The payload without prefix, length and line end. A verbatim string keeps its `txt:`. */
  readonly text: Buffer
}

export interface NullReply {
  readonly type: NullType
}

export interface AggregateReply {
  readonly type: AggregateType
  /** A map's and an attribute's keys and values alternate. */
  readonly items: readonly Reply[]
}

export type Reply = ScalarReply | NullReply | AggregateReply

export interface Decoded {
  readonly reply: Reply
  readonly raw: Buffer
}

const lineTypes: Readonly<Record<string, ScalarType>> = {
  '+': 'status',
  '-': 'error',
  ':': 'integer',
  ',': 'double',
  '#': 'boolean',
  '(': 'bigNumber',
}
const lengthTypes: Readonly<Record<string, 'bulk' | 'verbatim'>> = { $: 'bulk', '=': 'verbatim' }
const aggregateTypes: Readonly<Record<string, AggregateType>> = { '*': 'array', '%': 'map', '~': 'set', '>': 'push', '|': 'attribute' }
const crlf = Buffer.from('\r\n')

/** Feed bytes with `push`; `next` answers one whole reply, or undefined while its end has not arrived. */
export class RespDecoder {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  push(chunk: Uint8Array): void {
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#bytes, chunk])
  }

  /** How many bytes have arrived that no reply has taken. */
  get undecodedBytes(): number {
    return this.#bytes.length
  }

  next(): Decoded | undefined {
    this.#at = 0
    const reply = this.#value()
    if (reply === undefined) return undefined
    const raw = this.#bytes.subarray(0, this.#at)
    this.#bytes = this.#bytes.subarray(this.#at)
    return { reply, raw }
  }

  #value(): Reply | undefined {
    const head = this.#line()
    if (head === undefined) return undefined
    const sigil = String.fromCharCode(head[0] ?? 0)
    const rest = head.subarray(1)
    const lineType = lineTypes[sigil]
    if (lineType !== undefined) return { type: lineType, text: rest }
    if (sigil === '_' && rest.length === 0) return { type: 'null' }
    const lengthType = lengthTypes[sigil]
    if (lengthType !== undefined) return this.#counted(lengthType, rest)
    const aggregateType = aggregateTypes[sigil]
    if (aggregateType === undefined) throw new Error(`not a reply: ${JSON.stringify(head.toString('latin1'))}`)
    return this.#aggregate(aggregateType, rest)
  }

  #counted(type: 'bulk' | 'verbatim', digits: Buffer): Reply | undefined {
    const length = parseLength(digits)
    if (length === -1 && type === 'bulk') return { type: 'nil' }
    if (length < 0) throw new Error(`a ${type} of length ${length}`)
    const end = this.#at + length
    if (this.#bytes.length < end + 2) return undefined
    if (!this.#bytes.subarray(end, end + 2).equals(crlf)) throw new Error(`a ${type} of ${length} bytes does not end with CRLF`)
    const text = this.#bytes.subarray(this.#at, end)
    this.#at = end + 2
    return { type, text }
  }

  #aggregate(type: AggregateType, digits: Buffer): Reply | undefined {
    const length = parseLength(digits)
    if (length === -1 && type === 'array') return { type: 'nilArray' }
    if (length < 0) throw new Error(`a ${type} of length ${length}`)
    const count = type === 'map' || type === 'attribute' ? length * 2 : length
    const items: Reply[] = []
    for (let index = 0; index < count; index++) {
      const item = this.#value()
      if (item === undefined) return undefined
      items.push(item)
    }
    return { type, items }
  }

  #line(): Buffer | undefined {
    const end = this.#bytes.indexOf(crlf, this.#at)
    if (end < 0) return undefined
    const line = this.#bytes.subarray(this.#at, end)
    this.#at = end + 2
    return line
  }
}

function parseLength(digits: Buffer): number {
  const text = digits.toString('latin1')
  if (!/^(-1|0|[1-9][0-9]*)$/.test(text)) throw new Error(`not a length: ${JSON.stringify(text)}`)
  return Number(text)
}
