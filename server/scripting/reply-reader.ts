/** Turns a command's reply, in the protocol's bytes, into values of Lua: Redis's rules for scripts. */
import type { Lua } from './lua.ts'
import { pushError } from './redis-library.ts'

const cr = 0x0d
/** Of the stack, for what is within what. */
const roomPerLevel = 6
/** The elements of longer arrays do not lie on the stack together. */
const gatheredMax = 1000

export class ReplyReader {
  readonly #lua: Lua
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(lua: Lua) {
    this.#lua = lua
  }

  /** Pushes the reply that begins at `start`. */
  push(state: number, bytes: Buffer, start: number): void {
    this.#bytes = bytes
    this.#at = start
    this.#value(state)
  }

  #value(state: number): void {
    const { c } = this.#lua
    const type = this.#bytes[this.#at++]
    switch (type) {
      case 0x24: // $
        this.#bulk(state)
        return
      case 0x3a: // :
        this.#lua.pushNumber(state, this.#integer())
        return
      case 0x2b: // +
        this.#field(state, 'ok')
        return
      case 0x2a: // *
        this.#array(state)
        return
      case 0x2d: // -
        pushError(this.#lua, state, `-${this.#line()}`, true)
        return
      case 0x5f: // _
        this.#line()
        c.lua_pushnil(state)
        return
      case 0x23: // #
        this.#lua.pushBoolean(state, this.#line() === 't')
        return
      case 0x2c: // ,
        this.#double(state)
        return
      case 0x28: // (
        this.#field(state, 'big_number')
        return
      case 0x25: // %
        this.#keyed(state, 'map')
        return
      case 0x7e: // ~
        this.#keyed(state, 'set')
        return
      case 0x3d: // =
        this.#verbatim(state)
        return
      default:
        throw new Error(`scripting: a reply of type ${type}`)
    }
  }

  #bulk(state: number): void {
    const length = this.#integer()
    if (length < 0) {
      this.#lua.pushBoolean(state, false)
      return
    }
    this.#lua.pushBytes(state, this.#bytes, this.#at, this.#at + length)
    this.#at += length + 2
  }

  #array(state: number): void {
    const { c } = this.#lua
    const length = this.#integer()
    if (length < 0) {
      this.#lua.pushBoolean(state, false)
      return
    }
    if (length <= gatheredMax && c.lua_checkstack(state, length + roomPerLevel) !== 0) {
      for (let i = 0; i < length; i++) this.#value(state)
      this.#lua.gather(state, length)
      return
    }
    this.#deeper(state)
    c.lua_createtable(state, length, 0)
    for (let i = 1; i <= length; i++) {
      this.#value(state)
      c.lua_rawseti(state, -2, i)
    }
  }

  /** A table with one field, `name`, whose value is a table: of a map its keys with their values, of a set its members with true. */
  #keyed(state: number, name: 'map' | 'set'): void {
    const { c } = this.#lua
    const length = this.#integer()
    this.#deeper(state)
    c.lua_createtable(state, 0, 1)
    c.lua_createtable(state, 0, length)
    for (let i = 0; i < length; i++) {
      this.#value(state)
      if (name === 'map') this.#value(state)
      else c.lua_pushboolean(state, 1)
      c.lua_rawset(state, -3)
    }
    c.lua_setfield(state, -2, this.#lua.name(name))
  }

  #double(state: number): void {
    const { c } = this.#lua
    const line = this.#line()
    const value = line === 'inf' ? Number.POSITIVE_INFINITY : line === '-inf' ? Number.NEGATIVE_INFINITY : Number(line)
    c.lua_createtable(state, 0, 1)
    c.lua_pushnumber(state, value)
    c.lua_setfield(state, -2, this.#lua.name('double'))
  }

  #verbatim(state: number): void {
    const { c } = this.#lua
    const length = this.#integer()
    const end = this.#at + length
    c.lua_createtable(state, 0, 1)
    c.lua_createtable(state, 0, 2)
    this.#lua.pushBytes(state, this.#bytes, this.#at + 4, end)
    c.lua_setfield(state, -2, this.#lua.name('string'))
    this.#lua.pushBytes(state, this.#bytes, this.#at, this.#at + 3)
    c.lua_setfield(state, -2, this.#lua.name('format'))
    c.lua_setfield(state, -2, this.#lua.name('verbatim_string'))
    this.#at = end + 2
  }

  #field(state: number, field: string): void {
    const start = this.#at
    this.#skipLine()
    this.#lua.c.lua_createtable(state, 0, 1)
    this.#lua.pushBytes(state, this.#bytes, start, this.#at - 2)
    this.#lua.c.lua_setfield(state, -2, this.#lua.name(field))
  }

  #deeper(state: number): void {
    this.#lua.c.luaL_checkstack(state, roomPerLevel, this.#lua.name('reply nested too deeply'))
  }

  #integer(): number {
    const bytes = this.#bytes
    let at = this.#at
    const isNegative = bytes[at] === 0x2d
    if (isNegative) at++
    let n = 0
    for (; bytes[at] !== cr; at++) n = n * 10 + bytes[at] - 0x30
    this.#at = at + 2
    return isNegative ? -n : n
  }

  #line(): string {
    const start = this.#at
    this.#skipLine()
    return this.#bytes.toString('latin1', start, this.#at - 2)
  }

  #skipLine(): void {
    const bytes = this.#bytes
    let at = this.#at
    while (bytes[at] !== cr) at++
    this.#at = at + 2
  }
}
