/** Lua's values as JSON, by the rules of `cjson`. */
import { ByteWriter } from './byte-writer.ts'
import type { JsonSettings } from './json-settings.ts'
import { nestingMax } from './json-settings.ts'
import type { Lua } from './lua.ts'
import { typeBoolean, typeLightUserdata, typeNil, typeNumber, typeString, typeTable } from './lua.ts'

/** What stands for each byte that is not itself. */
const escapes: (string | undefined)[] = Array.from({ length: 256 }, (_, byte) => {
  const short = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r', 34: '\\"', 47: '\\/', 92: '\\\\' }[byte]
  return short ?? (byte < 32 || byte === 127 ? `\\u${byte.toString(16).padStart(4, '0')}` : undefined)
})

export class JsonWriter {
  readonly #lua: Lua
  readonly #settings: JsonSettings
  readonly #to = new ByteWriter()

  constructor(lua: Lua, settings: JsonSettings) {
    this.#lua = lua
    this.#settings = settings
  }

  encode(state: number): number {
    const to = this.#to
    to.clear()
    this.#value(state, 0)
    this.#lua.pushBytes(state, to.bytes, 0, to.length)
    return 1
  }

  /** Writes the value on top of the stack. */
  #value(state: number, depth: number): void {
    const { c } = this.#lua
    const type = c.lua_type(state, -1)
    if (type === typeString) this.#string(state, -1)
    else if (type === typeNumber) this.#number(state, -1)
    else if (type === typeBoolean) this.#to.text(c.lua_toboolean(state, -1) !== 0 ? 'true' : 'false')
    else if (type === typeTable) this.#table(state, depth + 1)
    else if (type === typeNil || (type === typeLightUserdata && c.lua_topointer(state, -1) === 0)) this.#to.text('null')
    else this.#refuse(state, -1, 'type not supported')
  }

  #string(state: number, index: number): void {
    const lua = this.#lua
    lua.readString(state, index)
    const { bytes, at, length } = lua
    const to = this.#to
    to.room(length + 2)
    to.byte(0x22)
    for (let i = at; i < at + length; i++) {
      const escaped = escapes[bytes[i]]
      if (escaped === undefined) to.byte(bytes[i])
      else to.text(escaped)
    }
    to.byte(0x22)
  }

  #number(state: number, index: number): void {
    const lua = this.#lua
    const { encodeInvalid, precision } = this.#settings
    const n = lua.c.lua_tonumber(state, index)
    if (!Number.isFinite(n)) {
      if (encodeInvalid === 'no') this.#refuse(state, index, 'must not be NaN or Inf')
      if (encodeInvalid === 'null') this.#to.text('null')
      else this.#to.text(Number.isNaN(n) ? 'nan' : n > 0 ? 'inf' : '-inf')
      return
    }
    if (n === (n | 0) && !Object.is(n, -0) && precision === 14) {
      this.#to.text(String(n))
      return
    }
    this.#to.text(precision === 14 ? numberText(lua, state, n) : shortText(n, precision))
  }

  #table(state: number, depth: number): void {
    const lua = this.#lua
    const { c } = lua
    const { encodeDepth } = this.#settings
    if (depth > Math.min(encodeDepth, nestingMax) || c.lua_checkstack(state, 3) === 0)
      lua.fail(state, `Cannot serialise, excessive nesting (${depth})`)
    const length = this.#arrayLength(state)
    if (length > 0) this.#array(state, length, depth)
    else this.#object(state, depth)
  }

  #array(state: number, length: number, depth: number): void {
    const { c } = this.#lua
    this.#to.byte(0x5b)
    for (let i = 1; i <= length; i++) {
      if (i > 1) this.#to.byte(0x2c)
      c.lua_rawgeti(state, -1, i)
      this.#value(state, depth)
      c.lua_settop(state, -2)
    }
    this.#to.byte(0x5d)
  }

  #object(state: number, depth: number): void {
    const { c } = this.#lua
    const to = this.#to
    to.byte(0x7b)
    let isFirst = true
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; c.lua_settop(state, -2)) {
      if (!isFirst) to.byte(0x2c)
      isFirst = false
      const type = c.lua_type(state, -2)
      if (type === typeNumber) {
        to.byte(0x22)
        this.#number(state, -2)
        to.text('":')
      } else if (type === typeString) {
        this.#string(state, -2)
        to.byte(0x3a)
      } else this.#refuse(state, -2, 'table key must be a number or string')
      this.#value(state, depth)
    }
    to.byte(0x7d)
  }

  /** The length of an array, 0 or -1 for an object. */
  #arrayLength(state: number): number {
    const { c } = this.#lua
    const { sparseConvert, sparseRatio, sparseSafe } = this.#settings
    let max = 0
    let items = 0
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; c.lua_settop(state, -2)) {
      const key = c.lua_type(state, -2) === typeNumber ? c.lua_tonumber(state, -2) : 0
      if (!(key >= 1) || Math.floor(key) !== key) {
        c.lua_settop(state, -3)
        return -1
      }
      if (key > max) max = key
      items++
    }
    if (sparseRatio > 0 && max > items * sparseRatio && max > sparseSafe) {
      if (!sparseConvert) this.#refuse(state, -1, 'excessively sparse array')
      return -1
    }
    return max
  }

  #refuse(state: number, index: number, reason: string): never {
    return this.#lua.fail(state, `Cannot serialise ${this.#lua.typeName(state, index)}: ${reason}`)
  }
}

/** As Lua itself writes a number: with 14 digits. */
function numberText(lua: Lua, state: number, n: number): string {
  lua.c.luaL_checkstack(state, 1, 0)
  lua.c.lua_pushnumber(state, n)
  const text = lua.text(state, -1) as string
  lua.c.lua_settop(state, -2)
  return text
}

/** As C's `%.*g` with fewer digits. */
function shortText(n: number, precision: number): string {
  if (n === 0) return Object.is(n, -0) ? '-0' : '0'
  const [mantissa, power] = n.toExponential(precision - 1).split('e') as [string, string]
  const exponent = Number(power)
  if (exponent < -4 || exponent >= precision) {
    const size = String(Math.abs(exponent)).padStart(2, '0')
    return `${withoutZeros(mantissa)}e${exponent < 0 ? '-' : '+'}${size}`
  }
  return withoutZeros(n.toFixed(Math.max(0, precision - 1 - exponent)))
}

function withoutZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}
