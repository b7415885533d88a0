/** The library `bit`: operations on 32 bits. */
import type { Lua } from './lua.ts'

/** Added to a number, this leaves its integer part, rounded to even, in the lower bits of the sum. */
const bias = 6755399441055744
const double = new Float64Array(1)
const halves = new Int32Array(double.buffer)

export function addBitLibrary(lua: Lua, state: number): void {
  const { c } = lua
  const bits = (l: number, index: number): number => {
    double[0] = c.luaL_checknumber(l, index) + bias
    return halves[0]
  }
  const add = (name: string, compute: (l: number) => number): void => {
    lua.setFunctionField(state, name, (l) => {
      c.lua_pushnumber(l, compute(l))
      return 1
    })
  }
  const fold = (name: string, combine: (a: number, b: number) => number): void => {
    add(name, (l) => {
      let value = bits(l, 1)
      for (let i = c.lua_gettop(l); i > 1; i--) value = combine(value, bits(l, i))
      return value
    })
  }
  const shift = (name: string, by: (value: number, n: number) => number): void => {
    add(name, (l) => by(bits(l, 1), bits(l, 2) & 31) | 0)
  }
  c.lua_createtable(state, 0, 12)
  add('tobit', (l) => bits(l, 1))
  add('bnot', (l) => ~bits(l, 1))
  fold('band', (a, b) => a & b)
  fold('bor', (a, b) => a | b)
  fold('bxor', (a, b) => a ^ b)
  shift('lshift', (value, n) => value << n)
  shift('rshift', (value, n) => value >>> n)
  shift('arshift', (value, n) => value >> n)
  shift('rol', (value, n) => (value << n) | (value >>> ((32 - n) & 31)))
  shift('ror', (value, n) => (value >>> n) | (value << ((32 - n) & 31)))
  add('bswap', (l) => {
    const value = bits(l, 1)
    return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)
  })
  lua.setFunctionField(state, 'tohex', (l) => {
    const value = bits(l, 1)
    const asked = c.lua_type(l, 2) === -1 ? 8 : bits(l, 2)
    const digits = Math.min(8, Math.abs(asked))
    const text = (value >>> 0)
      .toString(16)
      .padStart(8, '0')
      .slice(8 - digits)
    lua.pushText(l, asked < 0 ? text.toUpperCase() : text)
    return 1
  })
  c.lua_setfield(state, -10002, lua.name('bit'))
}
