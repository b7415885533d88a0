/**
 * `pcall`, as Redis has it: an error that is a table with `err` becomes that text. What is called runs as a coroutine of its own, so that a
 * long script can be suspended within it; Lua's own function could not be left in the middle. No script catches its own end.
 *
 * A coroutine that has ended well is used again for the next call.
 */
import type { Lua } from './lua.ts'
import { registryIndex, statusYield, typeTable } from './lua.ts'
import type { Protection } from './protection.ts'

/** `start` and `resume` answer with the coroutine when it is suspended, else with what `pcall` answers. */
const source = `local start, resume, suspend = ...
local finish
function finish(first, ...)
  if first == true or not first then return first, ... end
  suspend()
  return finish(resume(first))
end
return function(...) return finish(start(...)) end`

/** What the function above is called where errors say where they are. */
export const pcallSource = '=pcall'

/** As deep as Lua itself lets calls of C functions be within one another, or so. */
const depthMax = 190
const idleMax = 8
/** After so many calls the clock is asked: coroutines that are made anew each time count their instructions anew. */
const callsPerTick = 256

/** What is decided when a script has run for a while. */
export type Decision = 'go on' | 'suspend' | 'end'

interface Callee {
  readonly reference: number
  /** Whether all that it is called from can be left alone, too. */
  maySuspend: boolean
}

export class ProtectedCalls {
  /** Set by the owner. Asked now and then; `end` is carried out by it. */
  tick: (state: number, maySuspend: boolean) => Decision = () => 'go on'
  /** The coroutine in which the script itself runs. */
  scriptThread = 0
  readonly #lua: Lua
  readonly #protection: Protection
  readonly #callees = new Map<number, Callee>()
  /** Those that wait for the next call. */
  readonly #idle: number[] = []
  readonly #freeReferences: number[] = []
  #depth = 0
  #calls = 0

  /** Puts `pcall` into the table on top of the stack. */
  constructor(lua: Lua, state: number, protection: Protection) {
    const { c } = lua
    this.#lua = lua
    this.#protection = protection
    const at = lua.room(state, source.length)
    lua.bytes.write(source, at, 'latin1')
    if (c.luaL_loadbuffer(state, at, source.length, lua.name(pcallSource)) !== 0) throw new Error('scripting: pcall does not compile')
    c.lua_pushcclosure(
      state,
      lua.function((l) => this.#start(l)),
      0,
    )
    c.lua_pushcclosure(
      state,
      lua.function((l) => this.#step(l, c.lua_tothread(l, 1))),
      0,
    )
    c.lua_pushcclosure(
      state,
      lua.function((l) => c.lua_yield(l, 0)),
      0,
    )
    c.lua_call(state, 3, 1)
    c.lua_setfield(state, -2, lua.name('pcall'))
  }

  /** Whether a coroutine may be suspended where it is, as far as its callers are concerned. */
  maySuspend(thread: number): boolean {
    return thread === this.scriptThread || this.#callees.get(thread)?.maySuspend === true
  }

  isCallee(thread: number): boolean {
    return this.#callees.has(thread)
  }

  /** After a script that was ended in the middle. */
  clear(): void {
    this.#depth = 0
    for (const thread of [...this.#callees.keys()]) if (!this.#idle.includes(thread)) this.#drop(thread)
  }

  get hasCallees(): boolean {
    return this.#callees.size > this.#idle.length
  }

  #start(state: number): number {
    const { c } = this.#lua
    const given = c.lua_gettop(state)
    if (given === 0) {
      c.lua_pushboolean(state, 0)
      return 1
    }
    if (this.#depth >= depthMax) this.#lua.fail(state, 'stack overflow')
    const thread = this.#idle.pop() ?? this.#make(state)
    const callee = this.#callees.get(thread) as Callee
    callee.maySuspend = this.maySuspend(state)
    c.lua_checkstack(thread, given)
    c.lua_xmove(state, thread, given)
    if (++this.#calls % callsPerTick === 0 && this.tick(state, callee.maySuspend) === 'suspend' && callee.maySuspend) {
      c.lua_rawgeti(state, registryIndex, callee.reference)
      return 1
    }
    return this.#step(state, thread)
  }

  #step(state: number, thread: number): number {
    const { c } = this.#lua
    const given = c.lua_status(thread) === statusYield ? 0 : c.lua_gettop(thread) - 1
    this.#depth++
    const status = c.lua_resume(thread, given)
    this.#depth--
    if (status === statusYield) {
      c.lua_rawgeti(state, registryIndex, (this.#callees.get(thread) as Callee).reference)
      return 1
    }
    if (status !== 0) return this.#failed(state, thread)
    const results = c.lua_gettop(thread)
    c.luaL_checkstack(state, results + 1, this.#lua.name('too many results'))
    c.lua_pushboolean(state, 1)
    c.lua_xmove(thread, state, results)
    if (this.#idle.length < idleMax) this.#idle.push(thread)
    else this.#drop(thread)
    return results + 1
  }

  #failed(state: number, thread: number): number {
    const { c } = this.#lua
    c.lua_xmove(thread, state, 1)
    this.#drop(thread)
    if (this.#lua.isEnding) this.#lua.raise(state)
    textOfError(this.#lua, state)
    c.lua_pushboolean(state, 0)
    c.lua_insert(state, -2)
    return 2
  }

  #make(state: number): number {
    const { c } = this.#lua
    const thread = c.lua_newthread(state)
    const free = this.#freeReferences.pop()
    const reference = free ?? this.#protection.keep(state)
    if (free !== undefined) c.lua_rawseti(state, registryIndex, free)
    this.#callees.set(thread, { reference, maySuspend: false })
    return thread
  }

  #drop(thread: number): void {
    const { c, main } = this.#lua
    const callee = this.#callees.get(thread)
    if (callee === undefined) return
    this.#callees.delete(thread)
    this.#freeReferences.push(callee.reference)
    c.lua_pushnil(main)
    c.lua_rawseti(main, registryIndex, callee.reference)
  }
}

/** An error that is a table with `err`, on top of the stack, becomes that text. */
function textOfError(lua: Lua, state: number): void {
  const { c } = lua
  if (c.lua_type(state, -1) !== typeTable) return
  lua.pushText(state, 'err')
  c.lua_rawget(state, -2)
  if (lua.readString(state, -1)) c.lua_replace(state, -2)
  else c.lua_settop(state, -2)
}
