/** JSON as Lua's values, by the rules of `cjson` and with its errors. */

import { ByteWriter } from './byte-writer.ts'
import type { JsonSettings } from './json-settings.ts'
import { nestingMax } from './json-settings.ts'
import type { Lua } from './lua.ts'

type Token =
  | 'T_OBJ_BEGIN'
  | 'T_OBJ_END'
  | 'T_ARR_BEGIN'
  | 'T_ARR_END'
  | 'T_STRING'
  | 'T_NUMBER'
  | 'T_BOOLEAN'
  | 'T_NULL'
  | 'T_COLON'
  | 'T_COMMA'
  | 'T_END'
  | 'T_ERROR'

const marks: Readonly<Record<number, Token>> = {
  123: 'T_OBJ_BEGIN',
  125: 'T_OBJ_END',
  91: 'T_ARR_BEGIN',
  93: 'T_ARR_END',
  44: 'T_COMMA',
  58: 'T_COLON',
}
const escaped: Readonly<Record<number, number>> = { 34: 34, 92: 92, 47: 47, 98: 8, 102: 12, 110: 10, 114: 13, 116: 9 }
/** What C's `strtod` reads of a text. */
const numberPattern =
  /[+-]?(?:0[xX](?:[\da-fA-F]+\.?[\da-fA-F]*|\.[\da-fA-F]+)(?:[pP][+-]?\d+)?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)/iy
const numberCharacters = 400

export class JsonReader {
  readonly #lua: Lua
  readonly #settings: JsonSettings
  readonly #text = new ByteWriter()
  #data: Buffer = Buffer.alloc(0)
  #at = 0
  #tokenAt = 0
  #number = 0
  #isTrue = false
  #error = ''

  constructor(lua: Lua, settings: JsonSettings) {
    this.#lua = lua
    this.#settings = settings
  }

  decode(state: number): number {
    const lua = this.#lua
    lua.checkString(state, 1)
    this.#data = lua.copy(state, 1)
    const data = this.#data
    if (data.length >= 2 && (data[0] === 0 || data[1] === 0)) lua.fail(state, 'JSON parser does not support UTF-16 or UTF-32')
    this.#at = 0
    this.#value(state, this.#next(), 0)
    const last = this.#next()
    if (last !== 'T_END') this.#unexpected(state, 'the end', last)
    return 1
  }

  #value(state: number, token: Token, depth: number): void {
    const { c } = this.#lua
    switch (token) {
      case 'T_STRING':
        this.#lua.pushBytes(state, this.#text.bytes, 0, this.#text.length)
        return
      case 'T_NUMBER':
        c.lua_pushnumber(state, this.#number)
        return
      case 'T_BOOLEAN':
        c.lua_pushboolean(state, this.#isTrue ? 1 : 0)
        return
      case 'T_NULL':
        c.lua_pushlightuserdata(state, 0)
        return
      case 'T_OBJ_BEGIN':
        this.#object(state, depth + 1)
        return
      case 'T_ARR_BEGIN':
        this.#array(state, depth + 1)
        return
      default:
        this.#unexpected(state, 'value', token)
    }
  }

  #descend(state: number, depth: number): void {
    if (depth <= Math.min(this.#settings.decodeDepth, nestingMax) && this.#lua.c.lua_checkstack(state, 3) !== 0) return
    this.#lua.fail(state, `Found too many nested data structures (${depth}) at character ${this.#at}`)
  }

  #object(state: number, depth: number): void {
    const { c } = this.#lua
    this.#descend(state, depth)
    c.lua_createtable(state, 0, 0)
    let token = this.#next()
    if (token === 'T_OBJ_END') return
    for (;;) {
      if (token !== 'T_STRING') this.#unexpected(state, 'object key string', token)
      this.#lua.pushBytes(state, this.#text.bytes, 0, this.#text.length)
      token = this.#next()
      if (token !== 'T_COLON') this.#unexpected(state, 'colon', token)
      this.#value(state, this.#next(), depth)
      c.lua_rawset(state, -3)
      token = this.#next()
      if (token === 'T_OBJ_END') return
      if (token !== 'T_COMMA') this.#unexpected(state, 'comma or object end', token)
      token = this.#next()
    }
  }

  #array(state: number, depth: number): void {
    const { c } = this.#lua
    this.#descend(state, depth)
    c.lua_createtable(state, 0, 0)
    let token = this.#next()
    if (token === 'T_ARR_END') return
    for (let i = 1; ; i++) {
      this.#value(state, token, depth)
      c.lua_rawseti(state, -2, i)
      token = this.#next()
      if (token === 'T_ARR_END') return
      if (token !== 'T_COMMA') this.#unexpected(state, 'comma or array end', token)
      token = this.#next()
    }
  }

  #unexpected(state: number, expected: string, token: Token): never {
    const found = token === 'T_ERROR' ? this.#error : token
    return this.#lua.fail(state, `Expected ${expected} but found ${found} at character ${this.#tokenAt + 1}`)
  }

  #next(): Token {
    const data = this.#data
    let at = this.#at
    while (data[at] === 32 || data[at] === 9 || data[at] === 10 || data[at] === 13) at++
    this.#tokenAt = at
    this.#at = at
    const byte = at < data.length ? data[at] : 0
    const mark = marks[byte]
    if (mark !== undefined) {
      this.#at++
      return mark
    }
    if (byte === 0) return at >= data.length ? 'T_END' : this.#fail('invalid token', at)
    if (byte === 0x22) return this.#string()
    const isDigit = byte === 0x2d || (byte >= 0x30 && byte <= 0x39)
    const isInvalid = this.#isInvalidNumber(at)
    if (isDigit) return isInvalid && !this.#settings.decodeInvalid ? this.#fail('invalid number', at) : this.#numeral(at)
    if (this.#isWord('true')) return this.#boolean(true)
    if (this.#isWord('false')) return this.#boolean(false)
    if (this.#isWord('null')) {
      this.#at += 4
      return 'T_NULL'
    }
    return isInvalid && this.#settings.decodeInvalid ? this.#numeral(at) : this.#fail('invalid token', at)
  }

  #boolean(value: boolean): Token {
    this.#isTrue = value
    this.#at += value ? 4 : 5
    return 'T_BOOLEAN'
  }

  #isWord(word: string): boolean {
    for (let i = 0; i < word.length; i++) if (this.#data[this.#at + i] !== word.charCodeAt(i)) return false
    return true
  }

  #fail(text: string, at: number): Token {
    this.#error = text
    this.#tokenAt = at
    return 'T_ERROR'
  }

  /** Whether what begins here is a number for C and not for JSON. */
  #isInvalidNumber(at: number): boolean {
    const text = this.#data.toString('latin1', at, at + 10)
    return /^(?:\+|-?(?:0[xX\d]|inf|nan))/i.test(text)
  }

  #numeral(at: number): Token {
    const text = this.#data.toString('latin1', at, at + numberCharacters)
    numberPattern.lastIndex = 0
    const found = numberPattern.exec(text)?.[0]
    if (found === undefined) return this.#fail('invalid number', at)
    this.#number = numberOf(found.toLowerCase())
    this.#at = at + found.length
    return 'T_NUMBER'
  }

  #string(): Token {
    const data = this.#data
    const text = this.#text
    text.clear()
    let at = this.#at + 1
    for (;;) {
      const byte = at < data.length ? data[at] : 0
      if (byte === 0x22) break
      if (byte === 0) return this.#fail('unexpected end of string', at)
      if (byte !== 0x5c) {
        text.byte(byte)
        at++
        continue
      }
      if (data[at + 1] === 0x75) {
        const length = this.#codePoint(at)
        if (length === 0) return this.#fail('invalid unicode escape code', at)
        at += length
        continue
      }
      const plain = escaped[data[at + 1]]
      if (plain === undefined) return this.#fail('invalid escape code', at)
      text.byte(plain)
      at += 2
    }
    this.#at = at + 1
    return 'T_STRING'
  }

  /** Writes what an escape or two of them stand for. Returns how long they are, 0 if they are wrong. */
  #codePoint(at: number): number {
    const high = this.#unit(at)
    if (high < 0 || (high & 0xfc00) === 0xdc00) return 0
    if ((high & 0xfc00) !== 0xd800) {
      this.#text.text(Buffer.from(String.fromCharCode(high)).toString('latin1'))
      return 6
    }
    const low = this.#data[at + 6] === 0x5c && this.#data[at + 7] === 0x75 ? this.#unit(at + 6) : -1
    if (low < 0 || (low & 0xfc00) !== 0xdc00) return 0
    this.#text.text(Buffer.from(String.fromCharCode(high, low)).toString('latin1'))
    return 12
  }

  /** The number in `\uXXXX`, -1 if it is none. */
  #unit(at: number): number {
    const digits = this.#data.toString('latin1', at + 2, at + 6)
    return /^[\da-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1
  }
}

function numberOf(text: string): number {
  const isNegative = text.startsWith('-')
  const size = text.replace(/^[+-]/, '')
  let n: number
  if (size.startsWith('inf')) n = Number.POSITIVE_INFINITY
  else if (size === 'nan') n = Number.NaN
  else if (size.startsWith('0x')) n = hexadecimal(size.slice(2))
  else n = Number(size)
  return isNegative ? -n : n
}

function hexadecimal(text: string): number {
  const [mantissa, power] = text.split('p') as [string, string | undefined]
  const [whole, fraction = ''] = mantissa.split('.') as [string, string | undefined]
  let n = 0
  for (const digit of whole + fraction) n = n * 16 + Number.parseInt(digit, 16)
  return n * 2 ** (Number(power ?? 0) - 4 * fraction.length)
}
