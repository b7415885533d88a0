/**
 * The interpreter's code: Lua 5.1 itself, compiled to WebAssembly. It is linked here with the little that it needs of the world, and
 * with nothing else: no files, no clock, no environment. What scripts must not have is not there to be had.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

type CFunction = (...args: number[]) => number

/** What of Lua's C interface is used here. */
type CName =
  | 'luaL_argerror'
  | 'luaL_checklstring'
  | 'luaL_checknumber'
  | 'luaL_checkstack'
  | 'luaL_checktype'
  | 'luaL_loadbuffer'
  | 'luaL_newstate'
  | 'luaL_optlstring'
  | 'luaL_optnumber'
  | 'luaL_where'
  | 'lua_atpanic'
  | 'lua_checkstack'
  | 'lua_call'
  | 'lua_concat'
  | 'lua_createtable'
  | 'lua_error'
  | 'lua_gc'
  | 'lua_getfield'
  | 'lua_getinfo'
  | 'lua_getmetatable'
  | 'lua_getstack'
  | 'lua_gettop'
  | 'lua_insert'
  | 'lua_newthread'
  | 'lua_next'
  | 'lua_objlen'
  | 'lua_pcall'
  | 'lua_pushboolean'
  | 'lua_pushcclosure'
  | 'lua_pushlightuserdata'
  | 'lua_pushlstring'
  | 'lua_pushnil'
  | 'lua_pushnumber'
  | 'lua_pushvalue'
  | 'lua_rawget'
  | 'lua_rawgeti'
  | 'lua_rawset'
  | 'lua_rawseti'
  | 'lua_remove'
  | 'lua_replace'
  | 'lua_resume'
  | 'lua_setfenv'
  | 'lua_setfield'
  | 'lua_sethook'
  | 'lua_setmetatable'
  | 'lua_settop'
  | 'lua_status'
  | 'lua_toboolean'
  | 'lua_tocfunction'
  | 'lua_tolstring'
  | 'lua_tonumber'
  | 'lua_topointer'
  | 'lua_tothread'
  | 'lua_type'
  | 'lua_typename'
  | 'lua_xmove'
  | 'lua_yield'
  | 'luaopen_base'
  | 'luaopen_math'
  | 'luaopen_string'
  | 'luaopen_table'
  | 'free'
  | 'malloc'

interface Memory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

interface FunctionTable {
  readonly length: number
  get(index: number): CFunction
  set(index: number, value: CFunction): void
  grow(by: number): number
}

export type LuaInterface = Readonly<Record<CName, CFunction>> & {
  readonly memory: Memory
  readonly __indirect_function_table: FunctionTable
}

/** What the linker uses, and nobody else. */
type LinkedInterface = LuaInterface & {
  readonly __wasm_call_ctors: () => void
  readonly emscripten_stack_init: () => void
  readonly stackSave: () => number
  readonly stackRestore: (at: number) => void
  readonly setThrew: (threw: number, value: number) => void
}

type Imports = Record<string, Record<string, unknown>>

/** As much of JavaScript's interface to WebAssembly as is used here. */
interface WebAssemblyInterface {
  readonly Module: (new (code: Uint8Array) => object) & { imports(module: object): readonly { module: string; name: string }[] }
  readonly Instance: new (module: object, imports: Imports) => { readonly exports: unknown }
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyInterface }
const pageBytes = 65536

/** What Lua throws to unwind to the innermost protected call. It passes through functions of the host like any exception. */
const longjmp = Number.POSITIVE_INFINITY

let code: object | undefined

function compiledCode(): object {
  if (code !== undefined) return code
  const entry = createRequire(import.meta.url).resolve('wasmoon-lua5.1')
  code = new WebAssembly.Module(readFileSync(join(dirname(entry), 'liblua5.1.wasm')))
  return code
}

/** Links an interpreter of its own. Its memory grows up to `memoryBytesMax`; `onGrown` is called each time that it has. */
export function linkLua(memoryBytesMax: number, onGrown: () => void): LuaInterface {
  const module = compiledCode()
  const imports: Imports = {}
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {}
    imports[from][name] = () => {
      throw new Error(`scripting: the interpreter has called ${name}`)
    }
  }
  let lua: LinkedInterface
  const wasi = imports.wasi_snapshot_preview1 as Record<string, unknown>
  wasi.environ_sizes_get = (count: number, size: number) => {
    const words = new Uint32Array(lua.memory.buffer)
    words[count >> 2] = 0
    words[size >> 2] = 0
    return 0
  }
  wasi.environ_get = () => 0
  const env = imports.env as Record<string, unknown>
  env._emscripten_throw_longjmp = () => {
    throw longjmp
  }
  // The few functions that Lua calls so; the table would make its object anew each time.
  const invoked: (CFunction | undefined)[] = []
  env.invoke_vii = (index: number, a: number, b: number) => {
    const stack = lua.stackSave()
    let called = invoked[index]
    if (called === undefined) {
      called = lua.__indirect_function_table.get(index)
      invoked[index] = called
    }
    try {
      called(a, b)
    } catch (thrown) {
      lua.stackRestore(stack)
      if (thrown !== longjmp) throw thrown
      lua.setThrew(1, 0)
    }
  }
  env.emscripten_memcpy_js = (to: number, from: number, bytes: number) => {
    new Uint8Array(lua.memory.buffer).copyWithin(to, from, from + bytes)
  }
  env.emscripten_resize_heap = (bytes: number) => {
    const present = lua.memory.buffer.byteLength
    // Some room to grow on, but not beyond the bound.
    const wanted = Math.min(Math.max(bytes, present * 1.2), memoryBytesMax)
    if (bytes > memoryBytesMax) return 0
    try {
      lua.memory.grow(Math.ceil((wanted - present) / pageBytes))
    } catch {
      return 0
    }
    onGrown()
    return 1
  }
  lua = new WebAssembly.Instance(module, imports).exports as LinkedInterface
  lua.__wasm_call_ctors()
  lua.emscripten_stack_init()
  return lua
}

/** Takes a pointer to the Lua state, and returns how many results it has pushed. */
export type HostFunction = (state: number) => number
export type HostHook = (state: number, activation: number) => void

// A module that imports a function and exports the same one, which is then one that Lua can call.
const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
const importAndExport = [0x02, 0x07, 0x01, 0x01, 0x65, 0x01, 0x66, 0x00, 0x00, 0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00]
const functionType = [0x01, 0x06, 0x01, 0x60, 0x01, 0x7f, 0x01, 0x7f]
const hookType = [0x01, 0x06, 0x01, 0x60, 0x02, 0x7f, 0x7f, 0x00]

let functionCode: object | undefined
let hookCode: object | undefined

/** Makes a function of the host one of the interpreter's. Returns its address there. */
export function addFunction(lua: LuaInterface, host: HostFunction): number {
  functionCode ??= new WebAssembly.Module(Uint8Array.from([...header, ...functionType, ...importAndExport]))
  return place(lua, functionCode, host)
}

export function addHook(lua: LuaInterface, host: HostHook): number {
  hookCode ??= new WebAssembly.Module(Uint8Array.from([...header, ...hookType, ...importAndExport]))
  return place(lua, hookCode, host)
}

function place(lua: LuaInterface, wrapper: object, host: HostFunction | HostHook): number {
  const { f } = new WebAssembly.Instance(wrapper, { e: { f: host } }).exports as { readonly f: CFunction }
  const table = lua.__indirect_function_table
  const at = table.grow(1)
  table.set(at, f)
  return at
}

/** Where a state has its stack's base, and what stands there: a value of 16 bytes, its type, in a table the metatable. */
const stateBase = 12
const valueType = 8
const tableMetatable = 8
const tableType = 5

/**
 * Makes a function that calls the one at `own`, unless its first argument is a table that has a metatable: then it calls `host`. It is code of the
 * interpreter's, so that functions that are called often do not pass through the host.
 *
 *     if stack[base].type == table and stack[base].table.metatable != 0 then return host(state) end
 *     return own(state)
 */
export function addGuard(lua: LuaInterface, own: number, host: HostFunction): number {
  const imports = [
    0x02, 0x13, 0x03, 0x01, 0x65, 0x01, 0x66, 0x00, 0x00, 0x01, 0x65, 0x01, 0x74, 0x01, 0x70, 0x00, 0x00, 0x01, 0x65, 0x01, 0x6d, 0x02,
    0x00, 0x00,
  ]
  imports[1] = imports.length - 2
  const load = (offset: number): number[] => [0x28, 0x02, offset]
  const body = [
    ...[0x01, 0x01, 0x7f],
    ...[0x20, 0x00, ...load(stateBase), 0x22, 0x01, ...load(valueType), 0x41, tableType, 0x46, 0x04, 0x40],
    ...[0x20, 0x01, ...load(0), ...load(tableMetatable), 0x04, 0x40, 0x20, 0x00, 0x10, 0x00, 0x0f, 0x0b, 0x0b],
    ...[0x20, 0x00, 0x41, ...signed(own), 0x11, 0x00, 0x00, 0x0b],
  ]
  const code = Uint8Array.from([
    ...[...header, ...functionType, ...imports],
    ...[0x03, 0x02, 0x01, 0x00],
    ...[0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x01],
    ...[0x0a, body.length + 2, 0x01, body.length, ...body],
  ])
  const table = lua.__indirect_function_table
  const module = new WebAssembly.Module(code)
  const { f } = new WebAssembly.Instance(module, { e: { f: host, t: table, m: lua.memory } }).exports as { readonly f: CFunction }
  const at = table.grow(1)
  table.set(at, f)
  return at
}

/** An integer that is not negative as signed LEB128. */
function signed(n: number): number[] {
  const bytes: number[] = []
  let left = n
  for (; left >= 0x40; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80)
  return [...bytes, left]
}
