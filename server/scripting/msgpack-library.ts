/** The library `cmsgpack`: values as MessagePack. */
import { ByteWriter } from './byte-writer.ts'
import type { Lua } from './lua.ts'
import { typeBoolean, typeNumber, typeString, typeTable } from './lua.ts'

const nestingMax = 16
/** Lua's stack would take more, JavaScript's not for certain. */
const decodedNestingMax = 1000
const missingBytes = 'Missing bytes in input.'
const badFormat = 'Bad data format in input.'
const int32Max = 0x7fffffff

export function addMsgpackLibrary(lua: Lua, state: number): void {
  const { c } = lua
  const packer = new Packer(lua)
  const reader = new Reader(lua)
  c.lua_createtable(state, 0, 8)
  lua.setFunctionField(state, 'pack', (l) => packer.pack(l))
  lua.setFunctionField(state, 'unpack', (l) => unpack(lua, reader, l, 0, 0, true))
  lua.setFunctionField(state, 'unpack_one', (l) => {
    const offset = integer(c.luaL_optnumber(l, 2, 0))
    c.lua_settop(l, 1)
    return unpack(lua, reader, l, 1, offset, false)
  })
  lua.setFunctionField(state, 'unpack_limit', (l) => {
    const limit = integer(c.luaL_checknumber(l, 2))
    const offset = integer(c.luaL_optnumber(l, 3, 0))
    c.lua_settop(l, 1)
    return unpack(lua, reader, l, limit, offset, limit === 0 && offset === 0)
  })
  lua.setTextField(state, '_NAME', 'cmsgpack')
  lua.setTextField(state, '_VERSION', 'lua-cmsgpack 0.4.0')
  lua.setTextField(state, '_COPYRIGHT', 'Copyright (C) 2012, Salvatore Sanfilippo')
  lua.setTextField(state, '_DESCRIPTION', 'MessagePack C implementation for Lua')
  c.lua_setfield(state, -10002, lua.name('cmsgpack'))
}

function integer(n: number): number {
  return Math.trunc(n) | 0
}

class Packer {
  readonly #lua: Lua
  readonly #to = new ByteWriter()

  constructor(lua: Lua) {
    this.#lua = lua
  }

  pack(state: number): number {
    const { c } = this.#lua
    const given = c.lua_gettop(state)
    if (given === 0) this.#lua.argumentError(state, 0, 'MessagePack pack needs input.')
    c.luaL_checkstack(state, given, this.#lua.name('Too many arguments for MessagePack pack.'))
    const to = this.#to
    to.clear()
    for (let i = 1; i <= given; i++) {
      c.lua_pushvalue(state, i)
      this.#value(state, 0)
    }
    this.#lua.pushBytes(state, to.bytes, 0, to.length)
    return 1
  }

  /** Writes the value on top of the stack and takes it off. */
  #value(state: number, level: number): void {
    const { c } = this.#lua
    const type = c.lua_type(state, -1)
    if (type === typeString) this.#string(state)
    else if (type === typeBoolean) this.#to.byte(c.lua_toboolean(state, -1) !== 0 ? 0xc3 : 0xc2)
    else if (type === typeNumber) this.#number(c.lua_tonumber(state, -1))
    else if (type === typeTable && level < nestingMax) this.#table(state, level)
    else this.#to.byte(0xc0)
    c.lua_settop(state, -2)
  }

  #string(state: number): void {
    const lua = this.#lua
    lua.readString(state, -1)
    const to = this.#to
    const { length } = lua
    if (length < 32) to.byte(0xa0 | length)
    else if (length <= 0xff) this.#sized(0xd9, length, 1)
    else if (length <= 0xffff) this.#sized(0xda, length, 2)
    else this.#sized(0xdb, length, 4)
    to.copy(lua.bytes, lua.at, lua.at + length)
  }

  #number(n: number): void {
    const to = this.#to
    if (Number.isInteger(n) && n >= -(2 ** 63) && n < 2 ** 63) {
      this.#integer(n)
      return
    }
    to.room(9)
    const isShort = Math.fround(n) === n
    to.byte(isShort ? 0xca : 0xcb)
    if (isShort) to.bytes.writeFloatBE(n, to.length)
    else to.bytes.writeDoubleBE(n, to.length)
    to.length += isShort ? 4 : 8
  }

  #integer(n: number): void {
    const to = this.#to
    if (n >= 0) {
      if (n <= 127) to.byte(n)
      else if (n <= 0xff) this.#sized(0xcc, n, 1)
      else if (n <= 0xffff) this.#sized(0xcd, n, 2)
      else if (n <= 0xffffffff) this.#sized(0xce, n, 4)
      else this.#long(0xcf, n)
    } else if (n >= -32) to.byte(n & 0xff)
    else if (n >= -128) this.#sized(0xd0, n & 0xff, 1)
    else if (n >= -32768) this.#sized(0xd1, n & 0xffff, 2)
    else if (n >= -(2 ** 31)) this.#sized(0xd2, n >>> 0, 4)
    else this.#long(0xd3, n)
  }

  #long(code: number, n: number): void {
    const to = this.#to
    to.room(9)
    to.byte(code)
    to.bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(n)), to.length)
    to.length += 8
  }

  #sized(code: number, n: number, bytes: number): void {
    const to = this.#to
    to.room(bytes + 1)
    to.byte(code)
    to.bytes.writeUIntBE(n, to.length, bytes)
    to.length += bytes
  }

  #table(state: number, level: number): void {
    const { c } = this.#lua
    c.luaL_checkstack(state, 6, this.#lua.name('in function mp_encode_lua_table'))
    const count = this.#arrayLength(state)
    if (count >= 0) {
      this.#header(count, 0x90, 0xdc, 0xdd)
      for (let i = 1; i <= count; i++) {
        c.lua_rawgeti(state, -1, i)
        this.#value(state, level + 1)
      }
      return
    }
    let pairs = 0
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; c.lua_settop(state, -2)) pairs++
    this.#header(pairs, 0x80, 0xde, 0xdf)
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; ) {
      c.lua_pushvalue(state, -2)
      this.#value(state, level + 1)
      this.#value(state, level + 1)
    }
  }

  #header(n: number, short: number, code: number, longCode: number): void {
    if (n <= 15) this.#to.byte(short | n)
    else if (n <= 0xffff) this.#sized(code, n, 2)
    else this.#sized(longCode, n, 4)
  }

  /** How many elements the table has if it is an array, else -1. */
  #arrayLength(state: number): number {
    const { c } = this.#lua
    let max = 0
    let count = 0
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; ) {
      c.lua_settop(state, -2)
      const key = c.lua_type(state, -1) === typeNumber ? c.lua_tonumber(state, -1) : 0
      if (!(key > 0) || key !== Math.trunc(key) || key > int32Max) {
        c.lua_settop(state, -2)
        return -1
      }
      count++
      if (key > max) max = key
    }
    return max === count ? count : -1
  }
}

function unpack(lua: Lua, reader: Reader, state: number, limit: number, offset: number, all: boolean): number {
  const { c } = lua
  lua.checkString(state, 1)
  const { at, length } = lua
  if (offset < 0 || limit < 0) lua.fail(state, `Invalid request to unpack with offset of ${offset} and limit of ${length}.`)
  if (offset > length) lua.fail(state, `Start offset ${offset} greater than input length ${length}.`)
  reader.begin(at + offset, at + length)
  const most = all ? int32Max : limit
  let count = 0
  for (; !reader.isAtEnd && count < most; count++) {
    c.luaL_checkstack(state, 3, lua.name('too many return values at once; use unpack_one or unpack_limit instead.'))
    reader.push(state, 0)
  }
  if (all) return count
  c.lua_pushnumber(state, reader.isAtEnd ? -1 : reader.at - at)
  c.lua_insert(state, 2)
  return count + 1
}

/** Reads values where they lie in the interpreter's memory: in a string that stays where it is while it is an argument. */
class Reader {
  at = 0
  #end = 0
  readonly #lua: Lua
  /** For numbers with a sign or of more than 32 bits. */
  readonly #number = new DataView(new ArrayBuffer(8))

  constructor(lua: Lua) {
    this.#lua = lua
  }

  begin(at: number, end: number): void {
    this.at = at
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end
  }

  push(state: number, level: number): void {
    const lua = this.#lua
    const at = this.#take(state, 1)
    const code = lua.bytes[at]
    if (code < 0x80) lua.pushNumber(state, code)
    else if (code >= 0xe0) lua.pushNumber(state, code - 256)
    else if (code < 0x90) this.#map(state, code & 15, level)
    else if (code < 0xa0) this.#array(state, code & 15, level)
    else if (code < 0xc0) this.#string(state, code & 31)
    else this.#coded(state, code, level)
  }

  #coded(state: number, code: number, level: number): void {
    const lua = this.#lua
    if (code === 0xc0) lua.c.lua_pushnil(state)
    else if (code === 0xc2 || code === 0xc3) lua.pushBoolean(state, code === 0xc3)
    else if (code === 0xca) lua.pushNumber(state, this.#bits(state, 4).getFloat32(0))
    else if (code === 0xcb) lua.pushNumber(state, this.#bits(state, 8).getFloat64(0))
    else if (code >= 0xcc && code <= 0xce) lua.pushNumber(state, this.#size(state, 1 << (code - 0xcc)))
    else if (code === 0xd0) lua.pushNumber(state, this.#bits(state, 1).getInt8(0))
    else if (code === 0xd1) lua.pushNumber(state, this.#bits(state, 2).getInt16(0))
    else if (code === 0xd2) lua.pushNumber(state, this.#bits(state, 4).getInt32(0))
    else if (code === 0xcf || code === 0xd3) lua.pushNumber(state, Number(this.#bits(state, 8).getBigInt64(0)))
    else if (code >= 0xd9 && code <= 0xdb) this.#string(state, this.#size(state, 1 << (code - 0xd9)))
    else if (code === 0xdc || code === 0xdd) this.#array(state, this.#size(state, code === 0xdc ? 2 : 4), level)
    else if (code === 0xde || code === 0xdf) this.#map(state, this.#size(state, code === 0xde ? 2 : 4), level)
    else lua.fail(state, badFormat)
  }

  /** Where so many bytes begin, which are then read. */
  #take(state: number, bytes: number): number {
    const { at } = this
    if (at + bytes > this.#end) this.#lua.fail(state, missingBytes)
    this.at = at + bytes
    return at
  }

  /** The next bytes, to be read as a number. */
  #bits(state: number, bytes: number): DataView {
    const at = this.#take(state, bytes)
    const from = this.#lua.bytes
    for (let i = 0; i < bytes; i++) this.#number.setUint8(i, from[at + i])
    return this.#number
  }

  #size(state: number, length: number): number {
    const at = this.#take(state, length)
    const { bytes } = this.#lua
    let size = 0
    for (let i = 0; i < length; i++) size = size * 256 + bytes[at + i]
    return size
  }

  #string(state: number, length: number): void {
    this.#lua.c.lua_pushlstring(state, this.#take(state, length), length)
  }

  #array(state: number, length: number, level: number): void {
    const { c } = this.#lua
    this.#descend(state, level, 'in function mp_decode_to_lua_array')
    c.lua_createtable(state, 0, 0)
    for (let i = 1; i <= length; i++) {
      this.push(state, level + 1)
      c.lua_rawseti(state, -2, i)
    }
  }

  #map(state: number, length: number, level: number): void {
    const { c } = this.#lua
    this.#descend(state, level, 'in function mp_decode_to_lua_hash')
    c.lua_createtable(state, 0, 0)
    for (let i = 0; i < length; i++) {
      this.push(state, level + 1)
      this.push(state, level + 1)
      c.lua_rawset(state, -3)
    }
  }

  #descend(state: number, level: number, text: string): void {
    if (level >= decodedNestingMax) this.#lua.fail(state, `stack overflow (${text})`)
    this.#lua.c.luaL_checkstack(state, 3, this.#lua.name(text))
  }
}
