/**
 * Turns what a script returns into a reply: Redis's rules. Values are read where they lie in the interpreter's memory. A table may lie within itself:
 * arrays are walked in a loop, so that as many as Redis allows lie within one another, maps and sets by recursion.
 */
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import { toInt64 } from './base-library.ts'
import type { Lua } from './lua.ts'
import { typeBoolean, typeNil, typeNumber, typeString, typeTable } from './lua.ts'

/** Redis gives up where Lua's stack is full: an array within an array takes one place of it, what a map or a set has takes three. */
const placesMax = 7995
const placesOfMap = 3
const mapsMax = 1000
const stackText = 'ERR reached lua stack limit'

/** An array of which a part is written. */
interface Begun {
  table: number
  written: number
  /** How many elements there are, if that is known. */
  length: number
  /** Otherwise its header, which is to be completed. */
  header: number
}

export class ReplyMaker {
  readonly #lua: Lua
  /** What `redis.setresp` has said last. */
  protocol: 2 | 3 = 2
  readonly #begun: Begun[] = []
  #depth = 0
  #maps = 0

  constructor(lua: Lua) {
    this.#lua = lua
  }

  /** Writes the first value of the stack, nil if there is none. */
  write(state: number, reply: ReplyWriter): void {
    const lua = this.#lua
    this.#depth = 0
    this.#maps = 0
    if (lua.argumentCount(state) === 0) reply.nil()
    else this.#whole(state, lua.argumentAt(state, 1), reply)
  }

  /** Writes the value at an address, with all that is in it. */
  #whole(state: number, at: number, reply: ReplyWriter): void {
    const depth = this.#depth
    this.#value(state, at, reply)
    while (this.#depth > depth) this.#goOn(state, reply)
  }

  /** Writes a value, or begins to if it is an array. */
  #value(state: number, at: number, reply: ReplyWriter): void {
    const lua = this.#lua
    if (this.#depth + this.#maps * placesOfMap >= placesMax) {
      reply.error(stackText)
      return
    }
    switch (lua.typeAt(at)) {
      case typeString:
        lua.readStringAt(at)
        reply.bulk(lua.bytes, lua.at, lua.at + lua.length)
        return
      case typeBoolean:
        this.#boolean(reply, lua.booleanAt(at))
        return
      case typeNumber:
        this.#integer(reply, lua.numberAt(at))
        return
      case typeTable:
        this.#table(state, lua.addressAt(at), reply)
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

  #table(state: number, table: number, reply: ReplyWriter): void {
    if (!this.#lua.hasFields(table)) {
      const length = this.#lua.elementCount(table)
      reply.array(length)
      this.#begin(table, length, -1)
    } else if (!this.#special(state, table, reply)) this.#begin(table, -1, reply.arrayDeferred())
  }

  #begin(table: number, length: number, header: number): void {
    const begun = this.#begun[this.#depth++]
    if (begun === undefined) this.#begun.push({ table, written: 0, length, header })
    else {
      begun.table = table
      begun.written = 0
      begun.length = length
      begun.header = header
    }
  }

  /** Writes the next element of the innermost array, or ends it. */
  #goOn(state: number, reply: ReplyWriter): void {
    const lua = this.#lua
    const begun = this.#begun[this.#depth - 1] as Begun
    if (begun.written === begun.length) {
      this.#depth--
      return
    }
    const at = lua.elementOf(state, begun.table, begun.written)
    if (begun.length < 0 && lua.typeAt(at) === typeNil) {
      this.#depth--
      reply.resolve(begun.header, begun.written)
      return
    }
    begun.written++
    this.#value(state, at, reply)
  }

  /** Writes a table that stands for something else than an array; false if it does not. */
  #special(state: number, table: number, reply: ReplyWriter): boolean {
    const lua = this.#lua
    let at = this.#field(state, table, 'err', typeString)
    if (at !== 0) {
      reply.error(lua.textAt(at))
      return true
    }
    at = this.#field(state, table, 'ok', typeString)
    if (at !== 0) {
      reply.status(lineOf(lua.textAt(at)))
      return true
    }
    at = this.#field(state, table, 'double', typeNumber)
    if (at !== 0) {
      reply.double(lua.numberAt(at))
      return true
    }
    at = this.#field(state, table, 'map', typeTable)
    if (at !== 0) {
      this.#pairs(state, lua.addressAt(at), reply, true)
      return true
    }
    at = this.#field(state, table, 'set', typeTable)
    if (at !== 0) {
      this.#pairs(state, lua.addressAt(at), reply, false)
      return true
    }
    at = this.#field(state, table, 'big_number', typeString)
    if (at !== 0) {
      bigNumber(lineOf(lua.textAt(at)), reply)
      return true
    }
    at = this.#field(state, table, 'verbatim_string', typeTable)
    return at !== 0 && this.#verbatim(state, lua.addressAt(at), reply)
  }

  /** The address of a field's value, if it has that type, else 0: to be read before anything else. */
  #field(state: number, table: number, field: string, type: number): number {
    const at = this.#lua.fieldOf(state, table, field)
    return this.#lua.typeAt(at) === type ? at : 0
  }

  /** Writes a map, or of a set what would be the keys of a map. */
  #pairs(state: number, table: number, reply: ReplyWriter, isMap: boolean): void {
    const lua = this.#lua
    const { c } = lua
    if (this.#maps >= mapsMax || c.lua_checkstack(state, 8) === 0) {
      reply.error(stackText)
      return
    }
    this.#maps++
    const header = isMap ? reply.mapDeferred() : reply.setDeferred()
    let length = 0
    lua.pushTable(state, table)
    for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; length++) {
      this.#whole(state, lua.topAt(state, -2), reply)
      if (isMap) this.#whole(state, lua.topAt(state, -1), reply)
      // The key is needed to go on.
      c.lua_settop(state, -2)
    }
    c.lua_settop(state, -2)
    this.#maps--
    reply.resolve(header, length)
  }

  /** False when it is not what it should be. */
  #verbatim(state: number, table: number, reply: ReplyWriter): boolean {
    const lua = this.#lua
    const formatAt = this.#field(state, table, 'format', typeString)
    if (formatAt === 0) return false
    const format = lua.textAt(formatAt).padEnd(3, ' ').slice(0, 3)
    const at = this.#field(state, table, 'string', typeString)
    if (at === 0) return false
    lua.readStringAt(at)
    const bytes = Buffer.from(lua.bytes.subarray(lua.at, lua.at + lua.length))
    if (reply.protocol !== 3) reply.bulk(bytes, 0, bytes.length)
    else {
      const head = Buffer.from(`=${bytes.length + 4}\r\n${format}:`, 'latin1')
      reply.raw(head, 0, head.length)
      reply.raw(bytes, 0, bytes.length)
      reply.raw(Buffer.from('\r\n'), 0, 2)
    }
    return true
  }
}

function lineOf(text: string): string {
  return text.replace(/[\r\n]/g, ' ')
}

function bigNumber(text: string, reply: ReplyWriter): void {
  const bytes = Buffer.from(reply.protocol === 3 ? `(${text}\r\n` : text, 'latin1')
  if (reply.protocol === 3) reply.raw(bytes, 0, bytes.length)
  else reply.bulk(bytes, 0, bytes.length)
}
