/**
 * How transcripts write requests and replies: a notation that people read and that names every byte. Formatting and
 * parsing are inverse to each other, and `encode` gives back the bytes of the wire.
 *
 *   +OK   -ERR text   :1   "bulk\r\n\x00"   nil   nil-array   ["a" :1]                      RESP2
 *   null  true  false  ,1.5  big:123  txt"verbatim"  {"k" => :1}  set["a"]  push["a"]       RESP3, besides
 *
 * Inside brackets a status or error with blanks is quoted: `-"ERR text"`. Blanks and line breaks between tokens are free.
 */
import type { AggregateType, NullType, Reply, ScalarType } from './resp-decoder.ts'

const scalarSigils: Readonly<Record<ScalarType, string>> = {
  status: '+',
  error: '-',
  integer: ':',
  bulk: '$',
  double: ',',
  boolean: '#',
  bigNumber: '(',
  verbatim: '=',
}
const aggregateSigils: Readonly<Record<AggregateType, string>> = { array: '*', map: '%', set: '~', push: '>', attribute: '|' }
const nullBytes: Readonly<Record<NullType, string>> = { nil: '$-1\r\n', nilArray: '*-1\r\n', null: '_\r\n' }
const nullNames: Readonly<Record<NullType, string>> = { nil: 'nil', nilArray: 'nil-array', null: 'null' }
const brackets: Readonly<Record<AggregateType, readonly [string, string]>> = {
  array: ['[', ']'],
  set: ['set[', ']'],
  push: ['push[', ']'],
  map: ['{', '}'],
  attribute: ['attribute{', '}'],
}
const lineWidthMax = 120

/** A reply's bytes on the wire. */
export function encode(reply: Reply): Buffer {
  if ('items' in reply) {
    const paired = reply.type === 'map' || reply.type === 'attribute'
    const count = paired ? reply.items.length / 2 : reply.items.length
    return Buffer.concat([Buffer.from(`${aggregateSigils[reply.type]}${count}\r\n`), ...reply.items.map(encode)])
  }
  if (!('text' in reply)) return Buffer.from(nullBytes[reply.type])
  const counted = reply.type === 'bulk' || reply.type === 'verbatim'
  const head = counted ? `${scalarSigils[reply.type]}${reply.text.length}\r\n` : scalarSigils[reply.type]
  return Buffer.concat([Buffer.from(head), reply.text, Buffer.from('\r\n')])
}

/** The reply on one line. */
export function formatInline(reply: Reply): string {
  if (!('items' in reply)) return formatScalar(reply, false)
  const [open, close] = brackets[reply.type]
  return open + formatItems(reply.type, reply.items).join(' ') + close
}

/** The reply as a transcript shows it: one line if it fits, else an element a line. */
export function format(reply: Reply, indent = ''): string {
  if (!('items' in reply)) return formatScalar(reply, indent === '')
  const inline = formatInline(reply)
  if (indent.length + inline.length <= lineWidthMax) return inline
  const [open, close] = brackets[reply.type]
  const inner = `${indent}  `
  const paired = reply.type === 'map' || reply.type === 'attribute'
  const lines: string[] = []
  for (let index = 0; index < reply.items.length; index += paired ? 2 : 1) {
    const first = format(reply.items[index] as Reply, inner)
    lines.push(paired ? `${inner}${first} => ${format(reply.items[index + 1] as Reply, inner)}` : inner + first)
  }
  return `${open}\n${lines.join('\n')}\n${indent}${close}`
}

function formatItems(type: AggregateType, items: readonly Reply[]): readonly string[] {
  const parts = items.map(formatInline)
  if (type !== 'map' && type !== 'attribute') return parts
  return parts.flatMap((part, index) => (index % 2 === 0 ? [`${part} => ${parts[index + 1]}`] : []))
}

function formatScalar(reply: Exclude<Reply, { items: unknown }>, wholeLine: boolean): string {
  if (!('text' in reply)) return nullNames[reply.type]
  const plain = reply.text.toString('latin1')
  switch (reply.type) {
    case 'status':
    case 'error': {
      const bare = wholeLine ? /^[!#-[\]-~][ -[\]-~]*$/.test(plain) && !plain.endsWith(' ') : /^[!#-'*-Z^-z|~]+$/.test(plain)
      return scalarSigils[reply.type] + (bare ? plain : quote(reply.text))
    }
    case 'bulk':
      return quote(reply.text)
    case 'verbatim':
      return plain.slice(0, 3) + quote(reply.text.subarray(4))
    case 'boolean':
      return plain === 't' ? 'true' : 'false'
    case 'bigNumber':
      return `big:${plain}`
    default:
      return scalarSigils[reply.type] + plain
  }
}

/** Bytes between double quotes, as redis-cli shows them. */
export function quote(bytes: Uint8Array): string {
  let text = '"'
  for (const byte of bytes) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`
    else if (byte === 0x0a) text += '\\n'
    else if (byte === 0x0d) text += '\\r'
    else if (byte === 0x09) text += '\\t'
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte)
    else text += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return `${text}"`
}

/** All replies that the text writes, one after the other. Throws with the place of the first thing that is no reply. */
export function parseReplies(text: string): readonly Reply[] {
  const reader = new NotationReader(text)
  const replies: Reply[] = []
  while (!reader.atEnd()) replies.push(reader.reply(true))
  return replies
}

class NotationReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  atEnd(): boolean {
    this.#at += /^\s*/.exec(this.#text.slice(this.#at))?.[0].length ?? 0
    return this.#at >= this.#text.length
  }

  reply(topLevel: boolean): Reply {
    if (this.atEnd()) throw new Error('a reply is missing')
    for (const type of Object.keys(brackets) as AggregateType[]) {
      if (this.#take(brackets[type][0])) return this.#aggregate(type)
    }
    if (this.#peek() === '"') return { type: 'bulk', text: this.#quoted() }
    if (this.#take('+')) return { type: 'status', text: this.#lineText(topLevel) }
    if (this.#take('-')) return { type: 'error', text: this.#lineText(topLevel) }
    const verbatim = this.#match(/^[a-z]{3}(?=")/)
    if (verbatim !== undefined) return { type: 'verbatim', text: Buffer.concat([Buffer.from(`${verbatim}:`), this.#quoted()]) }
    return this.#word()
  }

  #word(): Reply {
    const word = this.#match(/^[^\s\]}"]+/) ?? ''
    if (word === 'nil' || word === 'null') return { type: word }
    if (word === 'nil-array') return { type: 'nilArray' }
    if (word === 'true' || word === 'false') return { type: 'boolean', text: Buffer.from(word.slice(0, 1)) }
    if (word.startsWith('big:')) return { type: 'bigNumber', text: Buffer.from(word.slice(4)) }
    if (/^:-?\d+$/.test(word)) return { type: 'integer', text: Buffer.from(word.slice(1)) }
    if (word.length > 1 && word.startsWith(',')) return { type: 'double', text: Buffer.from(word.slice(1)) }
    throw new Error(`not a reply: ${this.#text.slice(this.#at - word.length, this.#at + 40)}`)
  }

  #aggregate(type: AggregateType): Reply {
    const close = brackets[type][1]
    const paired = type === 'map' || type === 'attribute'
    const items: Reply[] = []
    for (;;) {
      if (this.atEnd()) throw new Error(`${close} is missing`)
      if (this.#take(close)) return { type, items }
      items.push(this.reply(false))
      if (!paired) continue
      if (this.atEnd() || !this.#take('=>')) throw new Error('=> is missing')
      items.push(this.reply(false))
    }
  }

  #lineText(topLevel: boolean): Buffer {
    if (this.#peek() === '"') return this.#quoted()
    return Buffer.from(this.#match(topLevel ? /^[^\n]*/ : /^[^\s\]}]+/) ?? '', 'latin1')
  }

  #quoted(): Buffer {
    const token = this.#match(/^"(?:[^"\\\n]|\\.)*"/)
    if (token === undefined) throw new Error(`a string does not end: ${this.#text.slice(this.#at, this.#at + 40)}`)
    return splitArguments(token)[0] as Buffer
  }

  #peek(): string {
    return this.#text.charAt(this.#at)
  }

  #take(literal: string): boolean {
    if (!this.#text.startsWith(literal, this.#at)) return false
    this.#at += literal.length
    return true
  }

  #match(pattern: RegExp): string | undefined {
    const found = pattern.exec(this.#text.slice(this.#at))?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }
}

const escapes: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 }

/** A line split as redis-cli splits it: blanks separate, `"…"` takes `\n \r \t \b \a \xHH`, `'…'` takes only `\'`. Other text is UTF-8. */
export function splitArguments(line: string): readonly Buffer[] {
  const bytes = Buffer.from(line)
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    while (bytes[at] === 0x20) at++
    if (at >= bytes.length) return parts
    const part: number[] = []
    while (at < bytes.length && bytes[at] !== 0x20) {
      const mark = bytes[at] as number
      if (mark === 0x22 || mark === 0x27) at = readQuoted(bytes, at, part)
      else {
        part.push(mark)
        at++
      }
    }
    parts.push(Buffer.from(part))
  }
}

function readQuoted(bytes: Buffer, start: number, out: number[]): number {
  const mark = bytes[start]
  let at = start + 1
  while (bytes[at] !== mark) {
    if (at >= bytes.length) throw new Error(`unbalanced quotes: ${bytes.toString()}`)
    if (bytes[at] === 0x5c && mark === 0x22) {
      const letter = String.fromCharCode(bytes[at + 1] ?? 0)
      const hex = /^x[0-9a-fA-F]{2}/.exec(bytes.toString('latin1', at + 1, at + 4))?.[0]
      out.push(hex === undefined ? (escapes[letter] ?? letter.charCodeAt(0)) : Number.parseInt(hex.slice(1), 16))
      at += hex === undefined ? 2 : 4
    } else if (bytes[at] === 0x5c && bytes[at + 1] === 0x27 && mark === 0x27) {
      out.push(0x27)
      at += 2
    } else out.push(bytes[at++] as number)
  }
  return at + 1
}

/** A request as clients send it: an array of bulk strings. */
export function encodeRequest(parts: readonly Uint8Array[]): Buffer {
  const pieces: Uint8Array[] = [Buffer.from(`*${parts.length}\r\n`)]
  for (const part of parts) pieces.push(Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n'))
  return Buffer.concat(pieces)
}
