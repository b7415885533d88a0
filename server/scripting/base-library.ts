/** Functions of Lua's own libraries that Redis has otherwise, or that would be otherwise in WebAssembly, where a C `long` has 32 bits. */
import type { Lua } from './lua.ts'
import { typeNil, typeNone, typeTable, typeUserdata } from './lua.ts'
import { ProtectedCalls } from './protected-call.ts'
import type { Protection } from './protection.ts'

/** Not in a script's environment. */
const removed = ['dofile', 'getfenv', 'loadfile', 'newproxy', 'print', 'setfenv']
const multiplier = 0x5deece66dn
const mask48 = (1n << 48n) - 1n
const directive = /%([-+ #0]*)(\d*)(?:\.(\d*))?([a-zA-Z%])/g

/** Opens Lua's libraries and leaves the table of globals on the stack. */
export function openBaseLibrary(lua: Lua, state: number, globals: number, protection: Protection): ProtectedCalls {
  const { c } = lua
  for (const open of ['luaopen_base', 'luaopen_table', 'luaopen_string', 'luaopen_math'] as const) {
    c[open](state)
    c.lua_settop(state, 0)
  }
  c.lua_pushvalue(state, globals)
  for (const name of removed) {
    c.lua_pushnil(state)
    c.lua_setfield(state, -2, lua.name(name))
  }
  addLoaders(lua, state)
  const calls = new ProtectedCalls(lua, state, protection)
  addYield(lua, state, calls)
  c.lua_getfield(state, -1, lua.name('math'))
  addRandom(lua, state)
  c.lua_settop(state, -2)
  c.lua_getfield(state, -1, lua.name('string'))
  addFormat(lua, state, protection)
  c.lua_settop(state, -2)
  return calls
}

/** No coroutine yields out of a `pcall`, as in Lua itself. */
function addYield(lua: Lua, state: number, calls: ProtectedCalls): void {
  const { c } = lua
  c.lua_getfield(state, -1, lua.name('coroutine'))
  lua.setFunctionField(state, 'yield', (l) => {
    if (calls.isCallee(l) || calls.scriptThread === l) {
      lua.pushText(l, 'attempt to yield across metamethod/C-call boundary')
      lua.raise(l)
    }
    return c.lua_yield(l, c.lua_gettop(l))
  })
  c.lua_settop(state, -2)
}

/** `load` and `loadstring` take texts only, no compiled code: that could break out of the interpreter. */
function addLoaders(lua: Lua, state: number): void {
  const { c } = lua
  const compile = (l: number, at: number, length: number, name: number): number => {
    if (length > 0 && lua.bytes[at] === 0x1b) {
      c.lua_pushnil(l)
      lua.pushText(l, `[string "${lua.bytes.toString('latin1', at, at + Math.min(length, 5))}"]:1: unexpected symbol near 'char(27)'`)
      return 2
    }
    if (c.luaL_loadbuffer(l, at, length, name) === 0) return 1
    c.lua_pushnil(l)
    c.lua_insert(l, -2)
    return 2
  }
  lua.setFunctionField(state, 'loadstring', (l) => {
    lua.checkString(l, 1)
    const { at, length } = lua
    return compile(l, at, length, c.luaL_optlstring(l, 2, at, 0))
  })
  lua.setFunctionField(state, 'load', (l) => {
    c.luaL_checktype(l, 1, 6)
    const name = c.luaL_optlstring(l, 2, lua.name('=(load)'), 0)
    c.lua_settop(l, 3)
    lua.pushText(l, '')
    for (;;) {
      c.lua_pushvalue(l, 1)
      if (c.lua_pcall(l, 0, 1, 0) !== 0) {
        if (lua.isEnding) lua.raise(l)
        const text = lua.text(l, -1)
        c.lua_pushnil(l)
        if (text === undefined) c.lua_insert(l, -2)
        else {
          // Redis makes an error reply of it, there as for a script's own end.
          c.lua_createtable(l, 0, 1)
          lua.setTextField(l, 'err', `ERR ${text}`)
        }
        return 2
      }
      if (c.lua_type(l, -1) === typeNil) break
      if (!lua.readString(l, -1)) {
        c.lua_pushnil(l)
        lua.pushText(l, 'reader function must return a string')
        return 2
      }
      if (lua.length === 0) break
      c.lua_concat(l, 2)
    }
    c.lua_settop(l, 4)
    lua.readString(l, 4)
    return compile(l, lua.at, lua.length, name)
  })
}

/** Redis's own generator: the sequence of C's `drand48`, from its default state on. */
function addRandom(lua: Lua, state: number): void {
  const { c } = lua
  let x = 0x1234abcd330en
  const draw = (): number => {
    x = (x * multiplier + 0xbn) & mask48
    return Number(x >> 17n) % 0x7fffffff
  }
  lua.setFunctionField(state, 'random', (l) => {
    const given = c.lua_gettop(l)
    const share = draw() / 0x7fffffff
    if (given > 2) lua.fail(l, 'wrong number of arguments')
    if (given === 0) c.lua_pushnumber(l, share)
    else {
      const from = given === 1 ? 1 : Math.trunc(c.luaL_checknumber(l, 1))
      const to = Math.trunc(c.luaL_checknumber(l, given))
      if (from > to) lua.argumentError(l, given, 'interval is empty')
      c.lua_pushnumber(l, Math.floor(share * (to - from + 1)) + from)
    }
    return 1
  })
  lua.setFunctionField(state, 'randomseed', (l) => {
    x = ((BigInt(Math.trunc(c.luaL_checknumber(l, 1)) | 0) << 16n) & mask48) | 0x330en
    return 0
  })
}

/** `string.format` writes integers of 64 bits; what Lua's function here cannot is written by the host. */
function addFormat(lua: Lua, state: number, protection: Protection): void {
  const { c } = lua
  protection.replace(state, 'format', (own) => (l) => {
    lua.checkString(l, 1)
    const format = lua.bytes.toString('latin1', lua.at, lua.at + lua.length)
    if (!/%[^%]*[diouxX]/.test(format)) return own(l)
    let argument = 1
    const written = format.replace(
      directive,
      (all: string, flags: string, width: string, precision: string | undefined, letter: string) => {
        if (letter === '%') return all
        argument++
        if (!'diouxX'.includes(letter)) return all
        const type = c.lua_type(l, argument)
        if (type === typeNone || type > typeTable - 1 || type === typeUserdata) return all
        const n = Math.trunc(c.luaL_checknumber(l, argument))
        if ('di'.includes(letter) ? n === (n | 0) : n >= 0 && n < 0x7fffffff) return all
        lua.pushText(l, formatInteger(n, flags, width, precision, letter))
        c.lua_replace(l, argument)
        return '%s'
      },
    )
    lua.pushText(l, written)
    c.lua_replace(l, 1)
    return own(l)
  })
}

/** As C's `printf` does it with a `long` or `unsigned long` of 64 bits. */
function formatInteger(n: number, flags: string, width: string, precision: string | undefined, letter: string): string {
  const isSigned = letter === 'd' || letter === 'i'
  const value = isSigned ? toInt64(n) : toUint64(n)
  const size = isSigned && value < 0n ? -value : BigInt.asUintN(64, value)
  const base = letter === 'o' ? 8 : letter === 'x' || letter === 'X' ? 16 : 10
  let digits = size.toString(base).padStart(Number(precision ?? 1), '0')
  if (letter === 'X') digits = digits.toUpperCase()
  let sign = ''
  if (isSigned) sign = value < 0n ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
  else if (flags.includes('#') && base === 16) sign = `0${letter}`
  else if (flags.includes('#') && base === 8) digits = `0${digits}`
  const room = Number(width || 0) - sign.length
  if (flags.includes('-')) return (sign + digits).padEnd(Number(width || 0))
  if (flags.includes('0') && precision === undefined) return sign + digits.padStart(room, '0')
  return (sign + digits).padStart(Number(width || 0))
}

/** A double as a signed integer of 64 bits, as the processors that Redis runs on convert one. */
export function toInt64(n: number): bigint {
  if (!(n >= -(2 ** 63) && n < 2 ** 63)) return -(2n ** 63n)
  return BigInt(Math.trunc(n))
}

/** As `toInt64`, without a sign. */
export function toUint64(n: number): bigint {
  if (n >= 2 ** 64) return 0n
  return n >= 2 ** 63 ? BigInt(n) : BigInt.asUintN(64, toInt64(n))
}
