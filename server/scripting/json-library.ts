/** The library `cjson`: its functions, and what a script can set of them. Settings hold until the script ends. */
import { JsonReader } from './json-reader.ts'
import { JsonSettings } from './json-settings.ts'
import { JsonWriter } from './json-writer.ts'
import type { Lua } from './lua.ts'
import { typeNone, typeString } from './lua.ts'

export function addJsonLibrary(lua: Lua, state: number): () => void {
  const { c } = lua
  const shared = new JsonSettings()
  pushLibrary(lua, state, shared)
  c.lua_setfield(state, -10002, lua.name('cjson'))
  return () => {
    if (shared.isTouched) Object.assign(shared, new JsonSettings())
  }
}

function pushLibrary(lua: Lua, state: number, settings: JsonSettings): void {
  const { c } = lua
  const writer = new JsonWriter(lua, settings)
  const reader = new JsonReader(lua, settings)
  c.lua_createtable(state, 0, 14)
  lua.setFunctionField(state, 'encode', (l) => {
    requireOne(lua, l)
    return writer.encode(l)
  })
  lua.setFunctionField(state, 'decode', (l) => {
    requireOne(lua, l)
    return reader.decode(l)
  })
  lua.setFunctionField(state, 'new', (l) => {
    pushLibrary(lua, l, new JsonSettings())
    return 1
  })
  addSettings(lua, state, settings)
  c.lua_pushlightuserdata(state, 0)
  c.lua_setfield(state, -2, lua.name('null'))
  lua.setTextField(state, '_NAME', 'cjson')
  lua.setTextField(state, '_VERSION', '2.1.0')
}

function requireOne(lua: Lua, state: number): void {
  if (lua.c.lua_gettop(state) !== 1) lua.argumentError(state, 1, 'expected 1 argument')
}

function addSettings(lua: Lua, state: number, settings: JsonSettings): void {
  const { c } = lua
  const integer = (l: number, index: number, present: number, min: number, max: number): number => {
    if (c.lua_type(l, index) <= 0) return present
    const n = Math.trunc(c.luaL_checknumber(l, index))
    if (n < min || n > max) lua.argumentError(l, index, `expected integer between ${min} and ${max}`)
    return n
  }
  const boolean = (l: number, index: number, present: boolean): boolean => {
    if (c.lua_type(l, index) <= 0) return present
    return c.lua_toboolean(l, index) !== 0
  }
  const atMost = (l: number, count: number): void => {
    settings.isTouched = true
    if (c.lua_gettop(l) > count) lua.argumentError(l, count + 1, 'found too many arguments')
  }
  const pushBoolean = (l: number, value: boolean): number => {
    c.lua_pushboolean(l, value ? 1 : 0)
    return 1
  }
  const number = (name: string, key: 'encodeDepth' | 'decodeDepth' | 'precision', max: number): void => {
    lua.setFunctionField(state, name, (l) => {
      atMost(l, 1)
      settings[key] = integer(l, 1, settings[key], 1, max)
      c.lua_pushnumber(l, settings[key])
      return 1
    })
  }
  number('encode_max_depth', 'encodeDepth', 0x7fffffff)
  number('decode_max_depth', 'decodeDepth', 0x7fffffff)
  number('encode_number_precision', 'precision', 14)
  lua.setFunctionField(state, 'encode_keep_buffer', (l) => {
    atMost(l, 1)
    settings.keepsBuffer = boolean(l, 1, settings.keepsBuffer)
    return pushBoolean(l, settings.keepsBuffer)
  })
  lua.setFunctionField(state, 'decode_invalid_numbers', (l) => {
    atMost(l, 1)
    settings.decodeInvalid = boolean(l, 1, settings.decodeInvalid)
    return pushBoolean(l, settings.decodeInvalid)
  })
  lua.setFunctionField(state, 'encode_invalid_numbers', (l) => {
    atMost(l, 1)
    if (c.lua_type(l, 1) === typeString) {
      const word = lua.text(l, 1)
      if (word !== 'off' && word !== 'on' && word !== 'null') lua.argumentError(l, 1, `invalid option '${word}'`)
      settings.encodeInvalid = word === 'off' ? 'no' : word === 'on' ? 'yes' : 'null'
    } else if (c.lua_type(l, 1) !== typeNone) settings.encodeInvalid = boolean(l, 1, false) ? 'yes' : 'no'
    if (settings.encodeInvalid === 'null') lua.pushText(l, 'null')
    else pushBoolean(l, settings.encodeInvalid === 'yes')
    return 1
  })
  lua.setFunctionField(state, 'encode_sparse_array', (l) => {
    atMost(l, 3)
    settings.sparseConvert = boolean(l, 1, settings.sparseConvert)
    settings.sparseRatio = integer(l, 2, settings.sparseRatio, 0, 0x7fffffff)
    settings.sparseSafe = integer(l, 3, settings.sparseSafe, 0, 0x7fffffff)
    pushBoolean(l, settings.sparseConvert)
    c.lua_pushnumber(l, settings.sparseRatio)
    c.lua_pushnumber(l, settings.sparseSafe)
    return 3
  })
}
