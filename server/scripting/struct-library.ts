/** The library `struct`: numbers and strings packed as C does it. */
import { toUint64 } from './base-library.ts'
import { ByteWriter } from './byte-writer.ts'
import type { Lua } from './lua.ts'
import { typeNumber } from './lua.ts'

const alignmentMax = 8
const integerBytesMax = 32
const sizes: Readonly<Record<string, number>> = { b: 1, B: 1, h: 2, H: 2, l: 8, L: 8, T: 8, f: 4, d: 8, x: 1 }

/** Reads a format, option by option. */
class Format {
  isLittle = true
  option = ''
  size = 0
  #alignment = 1
  #at = 0
  readonly #lua: Lua
  readonly #state: number
  readonly #text: string

  constructor(lua: Lua, state: number, text: string) {
    this.#lua = lua
    this.#state = state
    const end = text.indexOf('\0')
    this.#text = end < 0 ? text : text.slice(0, end)
  }

  /** Goes on to the next option; false at the end. */
  next(): boolean {
    if (this.#at >= this.#text.length) return false
    this.option = this.#text[this.#at++]
    this.size = this.#size()
    return true
  }

  /** Bytes to be left empty so that the option's value is where it should be. */
  padding(at: number): number {
    if (this.size === 0 || this.option === 'c') return 0
    const size = Math.min(this.size, this.#alignment)
    return size > 1 ? (size - (at & (size - 1))) & (size - 1) : 0
  }

  /** Obeys an option that is about the format itself. */
  control(): void {
    if (this.option === ' ') return
    if (this.option === '<' || this.option === '>') this.isLittle = this.option === '<'
    else if (this.option === '!') {
      const alignment = this.#number(alignmentMax)
      if (alignment === 0 || (alignment & (alignment - 1)) !== 0) this.#fail(`alignment ${alignment} is not a power of 2`)
      this.#alignment = alignment
    } else this.#lua.argumentError(this.#state, 1, `invalid format option '${this.option}'`)
  }

  get isInteger(): boolean {
    return 'bBhHlLTiI'.includes(this.option)
  }

  #size(): number {
    if (this.option === 'c') return this.#number(1)
    if (this.option !== 'i' && this.option !== 'I') return sizes[this.option] ?? 0
    const size = this.#number(4)
    if (size > integerBytesMax) this.#fail(`integral size ${size} is larger than limit of ${integerBytesMax}`)
    return size
  }

  #number(otherwise: number): number {
    if (!isDigit(this.#text[this.#at])) return otherwise
    let n = 0
    while (isDigit(this.#text[this.#at])) {
      const digit = Number(this.#text[this.#at++])
      if (n > Math.trunc(0x7fffffff / 10) || n * 10 > 0x7fffffff - digit) this.#fail('integral size overflow')
      n = n * 10 + digit
    }
    return n
  }

  #fail(text: string): never {
    return this.#lua.fail(this.#state, text)
  }
}

export function addStructLibrary(lua: Lua, state: number): void {
  const { c } = lua
  const format = (l: number): Format => {
    lua.checkString(l, 1)
    return new Format(lua, l, lua.bytes.toString('latin1', lua.at, lua.at + lua.length))
  }
  c.lua_createtable(state, 0, 3)
  lua.setFunctionField(state, 'pack', (l) => pack(lua, l, format(l)))
  lua.setFunctionField(state, 'unpack', (l) => unpack(lua, l, format(l)))
  lua.setFunctionField(state, 'size', (l) => {
    const read = format(l)
    let total = 0
    while (read.next()) {
      total += read.padding(total)
      if (read.option === 's') lua.argumentError(l, 1, "option 's' has no fixed size")
      else if (read.option === 'c' && read.size === 0) lua.argumentError(l, 1, "option 'c0' has no fixed size")
      if (!/[A-Za-z0-9]/.test(read.option)) read.control()
      total += read.size
    }
    c.lua_pushnumber(l, total)
    return 1
  })
  c.lua_setfield(state, -10002, lua.name('struct'))
}

function pack(lua: Lua, state: number, format: Format): number {
  const { c } = lua
  const to = new ByteWriter()
  let argument = 2
  let total = 0
  while (format.next()) {
    const { option } = format
    let { size } = format
    for (let left = format.padding(total); left > 0; left--) to.byte(0)
    total = to.length
    if (format.isInteger) putInteger(to, toUint64(c.luaL_checknumber(state, argument++)), size, format.isLittle)
    else if (option === 'x') to.byte(0)
    else if (option === 'f' || option === 'd') putFloat(to, c.luaL_checknumber(state, argument++), size, format.isLittle)
    else if (option === 'c' || option === 's') {
      lua.checkString(state, argument)
      if (size === 0) size = lua.length
      if (lua.length < size) lua.argumentError(state, argument + 1, 'string too short')
      to.copy(lua.bytes, lua.at, lua.at + size)
      argument++
      if (option === 's') to.byte(0)
    } else format.control()
    total = to.length
  }
  lua.pushBytes(state, to.bytes, 0, to.length)
  return 1
}

function unpack(lua: Lua, state: number, format: Format): number {
  const { c } = lua
  lua.checkString(state, 2)
  const data = lua.copy(state, 2)
  let at = Math.trunc(c.luaL_optnumber(state, 3, 1)) - 1
  if (at === -1) lua.argumentError(state, 3, 'offset must be 1 or greater')
  let count = 0
  c.lua_settop(state, 2)
  while (format.next()) {
    const { option } = format
    let { size } = format
    at += format.padding(at)
    if (at < 0 || size > data.length || at > data.length - size) lua.argumentError(state, 2, 'data string too short')
    c.luaL_checkstack(state, 2, lua.name('too many results'))
    count++
    if (format.isInteger) c.lua_pushnumber(state, getInteger(data, at, size, format.isLittle, option === option.toLowerCase()))
    else if (option === 'f') c.lua_pushnumber(state, format.isLittle ? data.readFloatLE(at) : data.readFloatBE(at))
    else if (option === 'd') c.lua_pushnumber(state, format.isLittle ? data.readDoubleLE(at) : data.readDoubleBE(at))
    else if (option === 'c') {
      if (size === 0) {
        if (count === 1 || c.lua_type(state, -1) !== typeNumber) lua.fail(state, "format 'c0' needs a previous size")
        const given = c.lua_tonumber(state, -1)
        // What becomes of such a number as a size in C on the processors that Redis runs on.
        size = given >= 2 ** 64 ? 0 : Math.trunc(given)
        c.lua_settop(state, -2)
        count--
        if (size < 0 || size > data.length || at > data.length - size) lua.argumentError(state, 2, 'data string too short')
      }
      lua.pushBytes(state, data, at, at + size)
    } else if (option === 's') {
      const end = data.indexOf(0, at)
      if (end < 0) lua.fail(state, 'unfinished string in data')
      size = end - at + 1
      lua.pushBytes(state, data, at, end)
    } else {
      count--
      if (option !== 'x') format.control()
    }
    at += size
  }
  c.lua_pushnumber(state, at + 1)
  return count + 1
}

function putInteger(to: ByteWriter, value: bigint, size: number, isLittle: boolean): void {
  to.room(size)
  let left = BigInt.asUintN(64, value)
  for (let i = 0; i < size; i++) {
    to.bytes[to.length + (isLittle ? i : size - 1 - i)] = Number(left & 0xffn)
    left >>= 8n
  }
  to.length += size
}

function getInteger(data: Buffer, at: number, size: number, isLittle: boolean, isSigned: boolean): number {
  let value = 0n
  for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(data[at + (isLittle ? size - 1 - i : i)])
  value = BigInt.asUintN(64, value)
  return Number(isSigned ? BigInt.asIntN(Math.min(64, size * 8), value) : value)
}

function putFloat(to: ByteWriter, value: number, size: number, isLittle: boolean): void {
  to.room(size)
  const { bytes, length } = to
  if (size === 4) isLittle ? bytes.writeFloatLE(value, length) : bytes.writeFloatBE(value, length)
  else isLittle ? bytes.writeDoubleLE(value, length) : bytes.writeDoubleBE(value, length)
  to.length += size
}

function isDigit(letter: string | undefined): boolean {
  return letter !== undefined && letter >= '0' && letter <= '9'
}
