/**
 * What a script finds in its environment and cannot change: Redis's Lua marks such tables read-only. Here a script sees an empty
 * table in the place of each, whose metatable looks things up in the real one and refuses to set anything. The functions of Lua that
 * look into tables without asking their metatables are replaced by ones that know of this.
 */
import type { Lua } from './lua.ts'
import { registryIndex, typeString, typeTable } from './lua.ts'

const readonlyText = 'Attempt to modify a readonly table'

export class Protection {
  readonly #lua: Lua
  /** References of the real table and of the one that is seen, by the address of the latter. */
  readonly #tables = new Map<number, { readonly real: number; readonly seen: number }>()
  /** Addresses of those that are seen, to be looked through after each script. */
  readonly #addresses: number[] = []
  /** The metatable that a script is shown for a table that is seen, or for strings (0). */
  readonly #shown = new Map<number, number>()
  #references = 0
  readonly #refuse: number

  constructor(lua: Lua) {
    this.#lua = lua
    this.#refuse = lua.function((state) => lua.fail(state, readonlyText))
  }

  /** Puts an empty, protected table in the place of the table on top of the stack. Its metatable can be shown with `show`. */
  protect(state: number): number {
    const { c } = this.#lua
    const real = this.keep(state)
    c.lua_createtable(state, 0, 0)
    const seen = c.lua_topointer(state, -1)
    c.lua_pushvalue(state, -1)
    this.#tables.set(seen, { real, seen: this.keep(state) })
    this.#addresses.push(seen)
    c.lua_createtable(state, 0, 2)
    c.lua_rawgeti(state, registryIndex, real)
    c.lua_setfield(state, -2, this.#lua.name('__index'))
    c.lua_pushcclosure(state, this.#refuse, 0)
    c.lua_setfield(state, -2, this.#lua.name('__newindex'))
    c.lua_setmetatable(state, -2)
    return seen
  }

  /** Takes the table on top of the stack off it: `getmetatable` will answer with that for `seen`, or for strings if that is 0. */
  show(state: number, seen: number): void {
    this.protect(state)
    this.#shown.set(seen, this.keep(state))
  }

  /** Keeps the value on top of the stack, and takes it off. Returns its reference. */
  keep(state: number): number {
    this.#references++
    this.#lua.c.lua_rawseti(state, registryIndex, this.#references)
    return this.#references
  }

  /** After a script: functions such as table.insert set elements without asking a metatable. They are gone before anybody else looks. */
  clean(): void {
    const addresses = this.#addresses
    for (let i = 0; i < addresses.length; i++) {
      const address = addresses[i] as number
      if (!this.#lua.isEmpty(address)) this.#empty(address)
    }
  }

  #empty(address: number): void {
    const { c, main } = this.#lua
    const { seen } = this.#tables.get(address) as { readonly seen: number }
    c.lua_rawgeti(main, registryIndex, seen)
    for (c.lua_pushnil(main); c.lua_next(main, -2) !== 0; c.lua_pushnil(main)) {
      c.lua_settop(main, -2)
      c.lua_pushnil(main)
      c.lua_rawset(main, -3)
    }
    c.lua_settop(main, -2)
  }

  /** Puts the functions that look into tables in the place of Lua's, in the table on top of the stack. */
  replaceFunctions(state: number): void {
    this.replace(state, 'next', (own) => (l) => {
      this.#useReal(l)
      return own(l)
    })
    this.replace(state, 'rawget', (own) => (l) => {
      this.#useReal(l)
      return own(l)
    })
    this.replace(state, 'rawset', (own) => (l) => {
      if (this.#isProtected(l)) this.#refuseHere(l)
      return own(l)
    })
    this.replace(state, 'setmetatable', (own) => (l) => {
      if (this.#isProtected(l)) this.#refuseHere(l)
      return own(l)
    })
    this.replace(state, 'getmetatable', (own) => (l) => this.#showMetatable(l, own))
    this.#replacePairs(state)
    this.#guardInsert(state)
  }

  /** `table.insert` sets an element without asking a metatable. It is called often, so only tables that have one are looked at here. */
  #guardInsert(state: number): void {
    const { c } = this.#lua
    c.lua_getfield(state, -1, this.#lua.name('table'))
    c.lua_getfield(state, -1, this.#lua.name('insert'))
    const at = c.lua_tocfunction(state, -1)
    const own = c.__indirect_function_table.get(at)
    c.lua_settop(state, -2)
    const guarded = this.#lua.guard(at, (l) => {
      const given = c.lua_gettop(l)
      if (!this.#isProtected(l) || given < 2 || given > 3) return own(l)
      if (given === 3) c.luaL_checknumber(l, 2)
      return this.#refuseHere(l)
    })
    c.lua_pushcclosure(state, guarded, 0)
    c.lua_setfield(state, -2, this.#lua.name('insert'))
    c.lua_settop(state, -2)
  }

  /** Puts a function in the place of one of the table on top of the stack; `own` calls that. */
  replace(state: number, name: string, by: (own: (state: number) => number) => (state: number) => number): void {
    const { c } = this.#lua
    c.lua_getfield(state, -1, this.#lua.name(name))
    const own = c.__indirect_function_table.get(c.lua_tocfunction(state, -1))
    c.lua_settop(state, -2)
    this.#lua.setFunctionField(state, name, by(own as (state: number) => number))
  }

  #replacePairs(state: number): void {
    const { c } = this.#lua
    c.lua_getfield(state, -1, this.#lua.name('next'))
    const next = this.keep(state)
    this.#lua.setFunctionField(state, 'pairs', (l) => {
      c.luaL_checktype(l, 1, typeTable)
      c.lua_rawgeti(l, registryIndex, next)
      c.lua_pushvalue(l, 1)
      c.lua_pushnil(l)
      return 3
    })
  }

  #isProtected(state: number): boolean {
    const { c } = this.#lua
    return c.lua_type(state, 1) === typeTable && this.#tables.has(c.lua_topointer(state, 1))
  }

  #useReal(state: number): void {
    const { c } = this.#lua
    if (c.lua_type(state, 1) !== typeTable) return
    const tables = this.#tables.get(c.lua_topointer(state, 1))
    if (tables === undefined) return
    c.lua_rawgeti(state, registryIndex, tables.real)
    c.lua_replace(state, 1)
  }

  /** As a function of Lua itself that meets such a table does: without a place. */
  #refuseHere(state: number): never {
    this.#lua.pushText(state, readonlyText)
    return this.#lua.raise(state)
  }

  #showMetatable(state: number, own: (state: number) => number): number {
    const { c } = this.#lua
    const type = c.lua_type(state, 1)
    if (type !== typeString && !this.#isProtected(state)) return own(state)
    const shown = this.#shown.get(type === typeString ? 0 : c.lua_topointer(state, 1))
    if (shown === undefined) c.lua_pushnil(state)
    else c.lua_rawgeti(state, registryIndex, shown)
    return 1
  }
}
