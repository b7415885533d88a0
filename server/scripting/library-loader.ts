/**
 * Loads libraries of functions into an interpreter. While a library's text runs it finds nothing but `redis.register_function` and what
 * tells of the server; its functions find later what scripts find, but for KEYS and ARGV, which they are given.
 */
import type { Lua } from './lua.ts'
import { registryIndex, typeFunction, typeString, typeTable } from './lua.ts'
import type { Protection } from './protection.ts'
import type { RedisHost } from './redis-library.ts'
import { addVersionAndLog, pushRedisLibrary, raiseError } from './redis-library.ts'

/** A function that a library has registered. */
export interface RegisteredFunction {
  readonly name: string
  /** Of the compiled function in the interpreter. */
  readonly reference: number
  readonly flags: readonly string[]
  readonly description: string | undefined
}

const functionFlags = ['no-writes', 'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys']
const nameText = 'Library names can only contain letters, numbers, or underscores(_) and must be at least one character long'

export function isName(name: string): boolean {
  return /^\w+$/.test(name)
}

export class LibraryLoader {
  readonly #lua: Lua
  readonly #protection: Protection
  /** References: the environment of functions, its metatable, and what each of its two states looks up. */
  readonly #environment: number
  readonly #metatable: number
  readonly #whileLoading: number
  readonly #whileRunning: number
  #registered: RegisteredFunction[] = []

  /** `globals` is the reference of the real table of globals. */
  constructor(lua: Lua, protection: Protection, host: RedisHost, globals: number) {
    const { c, main } = lua
    this.#lua = lua
    this.#protection = protection
    c.lua_createtable(main, 0, 1)
    c.lua_createtable(main, 0, 16)
    lua.setFunctionField(main, 'register_function', (l) => this.#register(l))
    addVersionAndLog(lua, main, host)
    refuseMissing(lua, main)
    protection.protect(main)
    c.lua_setfield(main, -2, lua.name('redis'))
    refuseMissing(lua, main)
    this.#whileLoading = protection.keep(main)
    this.#whileRunning = this.#copyGlobals(globals, host)
    c.lua_createtable(main, 0, 0)
    c.lua_createtable(main, 0, 2)
    lua.setFunctionField(main, '__newindex', (l) => lua.fail(l, 'Attempt to modify a readonly table'))
    c.lua_rawgeti(main, registryIndex, this.#whileRunning)
    c.lua_setfield(main, -2, lua.name('__index'))
    c.lua_pushvalue(main, -1)
    this.#metatable = protection.keep(main)
    c.lua_setmetatable(main, -2)
    this.#environment = protection.keep(main)
    c.lua_settop(main, 0)
  }

  /** Begins to load: gives the function on top of the stack its environment. */
  begin(state: number): void {
    this.#registered = []
    this.#lookUpIn(this.#whileLoading)
    this.#lua.c.lua_rawgeti(state, registryIndex, this.#environment)
    this.#lua.c.lua_setfenv(state, -2)
  }

  /** Ends loading, well or not. Returns what was registered. */
  end(): readonly RegisteredFunction[] {
    this.#lookUpIn(this.#whileRunning)
    return this.#registered
  }

  #lookUpIn(reference: number): void {
    const { c, main } = this.#lua
    c.lua_rawgeti(main, registryIndex, this.#metatable)
    c.lua_rawgeti(main, registryIndex, reference)
    c.lua_setfield(main, -2, this.#lua.name('__index'))
    c.lua_settop(main, -2)
  }

  #copyGlobals(globals: number, host: RedisHost): number {
    const { c, main } = this.#lua
    c.lua_createtable(main, 0, 40)
    c.lua_rawgeti(main, registryIndex, globals)
    for (c.lua_pushnil(main); c.lua_next(main, -2) !== 0; ) {
      c.lua_pushvalue(main, -2)
      c.lua_insert(main, -2)
      c.lua_rawset(main, -5)
    }
    c.lua_settop(main, -2)
    for (const name of ['KEYS', 'ARGV']) {
      c.lua_pushnil(main)
      c.lua_setfield(main, -2, this.#lua.name(name))
    }
    pushRedisLibrary(this.#lua, main, host)
    this.#protection.protect(main)
    c.lua_setfield(main, -2, this.#lua.name('redis'))
    refuseMissing(this.#lua, main)
    return this.#protection.keep(main)
  }

  #register(state: number): number {
    const { c } = this.#lua
    const lua = this.#lua
    const given = c.lua_gettop(state)
    if (given < 1 || given > 2) raiseError(lua, state, 'wrong number of arguments to redis.register_function')
    const found = given === 1 ? this.#named(state) : this.#positional(state)
    if (!isName(found.name)) raiseError(lua, state, nameText)
    if (this.#registered.some(({ name }) => name === found.name)) raiseError(lua, state, 'Function already exists in the library')
    this.#registered.push(found)
    return 0
  }

  #positional(state: number): RegisteredFunction {
    const lua = this.#lua
    const name = lua.text(state, 1)
    if (name === undefined) return raiseError(lua, state, 'first argument to redis.register_function must be a string')
    if (lua.c.lua_type(state, 2) !== typeFunction) {
      raiseError(lua, state, 'second argument to redis.register_function must be a function')
    }
    return { name, reference: this.#protection.keep(state), flags: [], description: undefined }
  }

  #named(state: number): RegisteredFunction {
    const lua = this.#lua
    const { c } = lua
    if (c.lua_type(state, 1) !== typeTable) {
      raiseError(
        lua,
        state,
        'calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).',
      )
    }
    let name: string | undefined
    let description: string | undefined
    let reference = 0
    let flags: readonly string[] = []
    for (c.lua_pushnil(state); c.lua_next(state, 1) !== 0; ) {
      const key = c.lua_type(state, -2) === typeString ? lua.text(state, -2) : undefined
      if (key === undefined) raiseError(lua, state, 'named argument key given to redis.register_function is not a string')
      if (key === 'function_name') name = this.#string(state, key)
      else if (key === 'description') description = this.#string(state, key)
      else if (key === 'callback') {
        if (c.lua_type(state, -1) !== typeFunction) {
          raiseError(lua, state, 'callback argument given to redis.register_function must be a function')
        }
        c.lua_pushvalue(state, -1)
        reference = this.#protection.keep(state)
      } else if (key === 'flags') {
        if (c.lua_type(state, -1) !== typeTable) {
          raiseError(lua, state, 'flags argument to redis.register_function must be a table representing function flags')
        }
        flags = this.#flags(state)
      } else raiseError(lua, state, 'unknown argument given to redis.register_function')
      c.lua_settop(state, -2)
    }
    if (name === undefined) return raiseError(lua, state, 'redis.register_function must get a function name argument')
    if (reference === 0) return raiseError(lua, state, 'redis.register_function must get a callback argument')
    return { name, reference, flags, description }
  }

  #string(state: number, key: string): string {
    const text = this.#lua.text(state, -1)
    return text ?? raiseError(this.#lua, state, `${key} argument given to redis.register_function must be a string`)
  }

  #flags(state: number): string[] {
    const lua = this.#lua
    const { c } = lua
    const flags: string[] = []
    for (let i = 1; ; i++) {
      c.lua_rawgeti(state, -1, i)
      if (c.lua_type(state, -1) === 0) break
      const flag = lua.text(state, -1) ?? ''
      if (!functionFlags.includes(flag)) raiseError(lua, state, 'unknown flag given')
      flags.push(flag)
      c.lua_settop(state, -2)
    }
    c.lua_settop(state, -2)
    return flags
  }
}

/** The table on top of the stack gets a metatable that raises an error for what it does not have. */
export function refuseMissing(lua: Lua, state: number): void {
  const { c } = lua
  c.lua_createtable(state, 0, 1)
  lua.setFunctionField(state, '__index', (l) =>
    lua.fail(l, `Script attempted to access nonexistent global variable '${lua.text(l, 2) ?? lua.typeName(l, 2)}'`),
  )
  c.lua_setmetatable(state, -2)
}
