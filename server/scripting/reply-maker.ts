/** Turns what a script returns into a reply: Redis's rules. */
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import { toInt64 } from './base-library.ts'
import type { Lua } from './lua.ts'
import { typeBoolean, typeNumber, typeString, typeTable } from './lua.ts'

export class ReplyMaker {
  readonly #lua: Lua
  /** What `redis.setresp` has said last. */
  protocol: 2 | 3 = 2

  constructor(lua: Lua) {
    this.#lua = lua
  }

  /** Writes the value at `index` of the stack. */
  write(state: number, index: number, reply: ReplyWriter): void {
    const { c } = this.#lua
    c.lua_pushvalue(state, index)
    this.#value(state, reply)
    c.lua_settop(state, -2)
  }

  #value(state: number, reply: ReplyWriter): void {
    const lua = this.#lua
    const { c } = lua
    switch (c.lua_type(state, -1)) {
      case typeString:
        lua.readString(state, -1)
        reply.bulk(lua.bytes, lua.at, lua.at + lua.length)
        return
      case typeBoolean:
        this.#boolean(reply, c.lua_toboolean(state, -1) !== 0)
        return
      case typeNumber:
        this.#integer(reply, c.lua_tonumber(state, -1))
        return
      case typeTable:
        this.#table(state, reply)
        return
      default:
        reply.nil()
    }
  }

  #boolean(reply: ReplyWriter, value: boolean): void {
    if (this.protocol === 3) reply.boolean(value)
    else if (value) reply.integer(1)
    else reply.nil()
  }

  #integer(reply: ReplyWriter, n: number): void {
    if (Number.isSafeInteger(Math.trunc(n))) reply.integer(Math.trunc(n) + 0)
    else reply.bigInteger(toInt64(n))
  }

  #table(state: number, reply: ReplyWriter): void {
    const lua = this.#lua
    const { c } = lua
    if (c.lua_checkstack(state, 8) === 0) {
      reply.error('ERR reached lua stack limit')
      return
    }
    const text = this.#text(state, 'err') ?? this.#text(state, 'ok')
    if (text !== undefined) {
      if (this.#isError) reply.error(text)
      else reply.status(text.replace(/[\r\n]/g, ' '))
    } else if (this.#field(state, 'double', typeNumber)) {
      const n = c.lua_tonumber(state, -1)
      c.lua_settop(state, -2)
      reply.double(n)
    } else if (this.#field(state, 'map', typeTable)) this.#map(state, reply)
    else if (this.#field(state, 'set', typeTable)) this.#set(state, reply)
    else if (this.#field(state, 'big_number', typeString)) this.#bigNumber(state, reply)
    else if (!this.#field(state, 'verbatim_string', typeTable) || !this.#verbatim(state, reply)) this.#array(state, reply)
  }

  #isError = false

  #text(state: number, field: 'err' | 'ok'): string | undefined {
    this.#isError = field === 'err'
    if (!this.#field(state, field, typeString)) return undefined
    const text = this.#lua.text(state, -1)
    this.#lua.c.lua_settop(state, -2)
    return text
  }

  /** Pushes a field of the table on top of the stack, if it is there with that type. */
  #field(state: number, field: string, type: number): boolean {
    const { c } = this.#lua
    this.#lua.pushText(state, field)
    c.lua_rawget(state, -2)
    if (c.lua_type(state, -1) === type) return true
    c.lua_settop(state, -2)
    return false
  }

  #array(state: number, reply: ReplyWriter): void {
    const { c } = this.#lua
    const header = reply.arrayDeferred()
    let length = 0
    for (;;) {
      c.lua_rawgeti(state, -1, length + 1)
      if (c.lua_type(state, -1) === 0) break
      this.#value(state, reply)
      c.lua_settop(state, -2)
      length++
    }
    c.lua_settop(state, -2)
    reply.resolve(header, length)
  }

  #map(state: number, reply: ReplyWriter): void {
    const { c } = this.#lua
    const header = reply.mapDeferred()
    let length = 0
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; length++) {
      // The key is needed to go on.
      c.lua_pushvalue(state, -2)
      this.#value(state, reply)
      c.lua_settop(state, -2)
      this.#value(state, reply)
      c.lua_settop(state, -2)
    }
    c.lua_settop(state, -2)
    reply.resolve(header, length)
  }

  #set(state: number, reply: ReplyWriter): void {
    const { c } = this.#lua
    const header = reply.setDeferred()
    let length = 0
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; length++) {
      c.lua_settop(state, -2)
      c.lua_pushvalue(state, -1)
      this.#value(state, reply)
      c.lua_settop(state, -2)
    }
    c.lua_settop(state, -2)
    reply.resolve(header, length)
  }

  #bigNumber(state: number, reply: ReplyWriter): void {
    const text = (this.#lua.text(state, -1) as string).replace(/[\r\n]/g, ' ')
    this.#lua.c.lua_settop(state, -2)
    if (reply.protocol === 3) {
      const line = Buffer.from(`(${text}\r\n`, 'latin1')
      reply.raw(line, 0, line.length)
    } else {
      const bytes = Buffer.from(text, 'latin1')
      reply.bulk(bytes, 0, bytes.length)
    }
  }

  /** False, and nothing of it left on the stack, when it is not what it should be. */
  #verbatim(state: number, reply: ReplyWriter): boolean {
    const { c } = this.#lua
    const isWhole = this.#field(state, 'format', typeString) && this.#fieldBelow(state)
    if (!isWhole) {
      c.lua_settop(state, -2)
      return false
    }
    const format = (this.#lua.text(state, -2) as string).padEnd(3, ' ').slice(0, 3)
    const bytes = this.#lua.copy(state, -1)
    c.lua_settop(state, -4)
    if (reply.protocol !== 3) reply.bulk(bytes, 0, bytes.length)
    else {
      const head = Buffer.from(`=${bytes.length + 4}\r\n${format}:`, 'latin1')
      reply.raw(head, 0, head.length)
      reply.raw(bytes, 0, bytes.length)
      reply.raw(Buffer.from('\r\n'), 0, 2)
    }
    return true
  }

  /** With the format pushed: pushes the text, or takes the format off again. */
  #fieldBelow(state: number): boolean {
    const { c } = this.#lua
    this.#lua.pushText(state, 'string')
    c.lua_rawget(state, -3)
    if (c.lua_type(state, -1) === typeString) return true
    c.lua_settop(state, -3)
    return false
  }
}
