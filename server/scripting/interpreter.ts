/**
 * An interpreter with a script's environment: it compiles scripts, runs one at a time, and says how each has ended. A script runs as a
 * coroutine of Lua, so that it can be left alone in the middle and gone on with later.
 */
import type { Arguments } from '../../engine/arguments.ts'
import { openBaseLibrary } from './base-library.ts'
import { addBitLibrary } from './bit-library.ts'
import { addJsonLibrary } from './json-library.ts'
import type { RegisteredFunction } from './library-loader.ts'
import { LibraryLoader, refuseMissing } from './library-loader.ts'
import type { Place } from './lua.ts'
import { globalsIndex, Lua, registryIndex, statusYield, typeBoolean, typeNil, typeNone, typeTable } from './lua.ts'
import { addMsgpackLibrary } from './msgpack-library.ts'
import type { Decision, ProtectedCalls } from './protected-call.ts'
import { pcallSource } from './protected-call.ts'
import { Protection } from './protection.ts'
import type { RedisHost } from './redis-library.ts'
import { openRedisLibrary, raiseError } from './redis-library.ts'
import { addStructLibrary } from './struct-library.ts'

/** How a run has ended, or not. The value of one that is done is on the stack of `thread`. */
export type Outcome = 'done' | 'failed' | 'suspended'

export interface ScriptFailure {
  readonly text: string
  readonly place: Place | undefined
}

/** What the host decides when a script has run for so many instructions; `maySuspend`: it could be left alone where it is. */
export type Tick = (maySuspend: boolean) => Decision

const instructionsPerTick = 100_000
/** How deep it is looked for: each time that a script was suspended within `pcall` counts as a level. */
const levelsMax = 100_000
/** What Lua calls functions that others have taken the place of. */
const tailCallSource = '=(tail call)'
/** Thrown where Lua raises an error and nothing of Lua's own catches it. */
const unprotected = new Error('not enough memory')
/** More arguments do not lie on the stack together. */
const gatheredMax = 1000
/** What is looked at to tell whether a script may be left alone where it is: not within a function of C. */
const stateCalls = 52
const stateBaseCalls = 54

export class Interpreter {
  readonly lua: Lua
  readonly protection: Protection
  /** It had no memory where nothing of Lua's could catch that, and is worth nothing any more. */
  isLost = false
  /** The failure of the last run that has failed. */
  failure: ScriptFailure = { text: '', place: undefined }
  tick: Tick = () => 'go on'
  /** The error of a script that is ended by `tick`. */
  endText = ''
  /** Where the script in hand runs. */
  thread = 0
  #threadAt = 0
  /** References: the real table of globals, and the one that scripts see. */
  readonly #globals: number
  readonly #calls: ProtectedCalls
  readonly #resetJson: () => void
  readonly #loader: LibraryLoader
  readonly #hook: number

  constructor(memoryBytesMax: number, host: RedisHost) {
    const lua = new Lua(memoryBytesMax)
    this.lua = lua
    const { main } = lua
    this.protection = new Protection(lua)
    const panic = lua.function(() => {
      throw unprotected
    })
    lua.c.lua_atpanic(main, panic)
    this.#hook = lua.hook((state) => this.#ticks(state))
    this.#calls = openBaseLibrary(lua, main, globalsIndex, this.protection)
    this.#calls.tick = (state, maySuspend) => this.#decide(state, maySuspend)
    openRedisLibrary(lua, main, host)
    addBitLibrary(lua, main)
    addStructLibrary(lua, main)
    addMsgpackLibrary(lua, main)
    this.#resetJson = addJsonLibrary(lua, main)
    this.#globals = this.#seal(main)
    this.#loader = new LibraryLoader(lua, this.protection, host, this.#globals)
    this.#renewThread()
  }

  /** Compiles a text. Returns the function's reference, or why there is none. */
  compile(code: Buffer, start: number, name: string): number | string {
    const { lua } = this
    const { c } = lua
    let result: number | string = 'not enough memory'
    this.#protected((state) => {
      const length = code.length - start
      const at = lua.room(state, length)
      lua.bytes.set(code.subarray(start), at)
      if (c.luaL_loadbuffer(state, at, length, lua.name(name)) === 0) result = this.protection.keep(state)
      else result = lua.text(state, -1) ?? ''
    })
    lua.trim()
    return result
  }

  /** Runs a script with the arguments of EVAL: keys from `firstKey` on, then the others. */
  run(reference: number, args: Arguments, firstKey: number, keyCount: number): Outcome {
    const { lua, thread } = this
    return this.#resume((state) => {
      lua.c.lua_rawgeti(state, registryIndex, this.#globals)
      this.#pushArguments(state, args, firstKey, firstKey + keyCount)
      lua.c.lua_setfield(state, -2, lua.name('KEYS'))
      this.#pushArguments(state, args, firstKey + keyCount, args.count)
      lua.c.lua_setfield(state, -2, lua.name('ARGV'))
      lua.c.lua_rawgeti(thread, registryIndex, reference)
    }, 0)
  }

  /** Runs a function of a library: it gets keys and arguments as two tables. */
  runFunction(reference: number, args: Arguments, firstKey: number, keyCount: number): Outcome {
    const { lua, thread } = this
    return this.#resume(() => {
      lua.c.lua_rawgeti(thread, registryIndex, reference)
      this.#pushArguments(thread, args, firstKey, firstKey + keyCount)
      this.#pushArguments(thread, args, firstKey + keyCount, args.count)
    }, 2)
  }

  /** Runs the text of a library; what it has registered, or why it has failed. */
  loadLibrary(reference: number): readonly RegisteredFunction[] | string {
    const { lua, thread } = this
    const outcome = this.#resume(() => {
      lua.c.lua_rawgeti(thread, registryIndex, reference)
      this.#loader.begin(thread)
    }, 0)
    const registered = this.#loader.end()
    return outcome === 'done' ? registered : this.failure.text
  }

  /** Goes on with a script that was suspended. */
  goOn(): Outcome {
    return this.#resume(() => undefined, 0)
  }

  /** Does something with the interpreter's values for which memory may be wanting. False if it was. */
  use(job: (state: number) => void): boolean {
    return this.#protected(job)
  }

  /** After a script has ended and what it has answered is read. */
  end(): void {
    if (this.isLost) return
    const { lua } = this
    lua.isEnding = false
    this.#protected(() => {
      if (this.#calls.hasCallees) this.#calls.clear()
      if (lua.c.lua_status(this.thread) === 0) lua.c.lua_settop(this.thread, 0)
      else this.#renewThread()
      this.protection.clean()
    })
    this.#resetJson()
    lua.trim()
  }

  #resume(prepare: (state: number) => void, given: number): Outcome {
    const { lua, thread } = this
    let status = -1
    this.#protected((state) => {
      prepare(state)
      status = lua.c.lua_resume(thread, given)
    })
    if (status === 0 && !lua.isEnding) return 'done'
    if (status === statusYield) return 'suspended'
    // Lua's own `xpcall` catches the end of a script, too.
    if (status === 0) this.failure = { text: `ERR ${this.endText}`, place: undefined }
    else if (this.isLost || !this.#protected(() => this.#readFailure(thread)))
      this.failure = { text: 'ERR not enough memory', place: undefined }
    return 'failed'
  }

  /** Does something from outside of Lua. False if Lua has raised an error meanwhile that it has not caught itself. */
  #protected(job: (state: number) => void): boolean {
    const { c, main } = this.lua
    try {
      job(main)
      c.lua_settop(main, 0)
    } catch (thrown) {
      if (thrown !== unprotected) throw thrown
      this.isLost = true
    }
    return !this.isLost
  }

  #pushArguments(state: number, args: Arguments, from: number, end: number): void {
    const { lua } = this
    const count = end - from
    if (count <= gatheredMax && lua.c.lua_checkstack(state, count + 1) !== 0) {
      for (let i = from; i < end; i++) lua.pushBytes(state, args.buffer, args.starts[i], args.ends[i])
      lua.gather(state, count)
      return
    }
    lua.c.lua_createtable(state, count, 0)
    for (let i = from; i < end; i++) {
      lua.pushBytes(state, args.buffer, args.starts[i], args.ends[i])
      lua.c.lua_rawseti(state, -2, i - from + 1)
    }
  }

  #readFailure(thread: number): void {
    const { lua } = this
    this.failure = { text: errorText(lua, thread), place: placeOf(lua, thread) }
  }

  #renewThread(): void {
    const { lua } = this
    const { c, main } = lua
    this.thread = c.lua_newthread(main)
    this.#calls.scriptThread = this.thread
    lua.setHook(this.thread, this.#hook, instructionsPerTick)
    if (this.#threadAt === 0) this.#threadAt = this.protection.keep(main)
    else c.lua_rawseti(main, registryIndex, this.#threadAt)
  }

  #ticks(state: number): void {
    const { lua } = this
    const maySuspend = this.#calls.maySuspend(state) && !isWithinC(lua, state)
    if (this.#decide(state, maySuspend) === 'suspend' && maySuspend) lua.c.lua_yield(state, 0)
  }

  #decide(state: number, maySuspend: boolean): Decision {
    const { lua } = this
    const decision = lua.isEnding ? 'end' : this.tick(maySuspend)
    if (decision !== 'end') return decision
    lua.isEnding = true
    return raiseError(lua, state, this.endText)
  }

  /** Makes the globals what scripts see of them. Returns the reference of the real table. */
  #seal(state: number): number {
    const { lua, protection } = this
    const { c } = lua
    c.lua_pushvalue(state, globalsIndex)
    protection.replaceFunctions(state)
    for (const name of protectedTables(lua, state)) {
      c.lua_getfield(state, -1, lua.name(name))
      protection.protect(state)
      c.lua_setfield(state, -2, lua.name(name))
    }
    this.#protectStrings(state)
    refuseMissing(lua, state)
    c.lua_pushvalue(state, -1)
    const globals = protection.keep(state)
    const seen = protection.protect(state)
    c.lua_rawgeti(state, registryIndex, globals)
    c.lua_pushvalue(state, -2)
    c.lua_setfield(state, -2, lua.name('_G'))
    c.lua_getmetatable(state, -1)
    protection.show(state, seen)
    c.lua_settop(state, -2)
    c.lua_replace(state, globalsIndex)
    c.lua_settop(state, 0)
    return globals
  }

  /** Strings have a metatable, too, with which one script could change what the next one finds. */
  #protectStrings(state: number): void {
    const { lua, protection } = this
    const { c } = lua
    c.lua_createtable(state, 0, 1)
    c.lua_getfield(state, -2, lua.name('string'))
    c.lua_setfield(state, -2, lua.name('__index'))
    protection.show(state, 0)
  }
}

/** Where the innermost function of the script stands, which may have called one of C. */
function placeOf(lua: Lua, thread: number): Place | undefined {
  for (let level = 0; level < levelsMax; level++) {
    const place = lua.place(thread, level)
    if (place !== undefined && place.source !== pcallSource && place.source !== tailCallSource) return place
  }
  return undefined
}

function isWithinC({ bytes }: Lua, state: number): boolean {
  return bytes.readUInt16LE(state + stateCalls) > bytes.readUInt16LE(state + stateBaseCalls)
}

/** The names of the tables in the one on top of the stack. */
function protectedTables(lua: Lua, state: number): string[] {
  const { c } = lua
  const names: string[] = []
  for (c.lua_pushnil(state); c.lua_next(state, -2) !== 0; c.lua_settop(state, -2)) {
    const name = lua.text(state, -2) as string
    if (c.lua_type(state, -1) === typeTable && name !== '_G') names.push(name)
  }
  return names
}

/** The text of the error on top of the stack. */
function errorText(lua: Lua, state: number): string {
  const { c } = lua
  const type = c.lua_type(state, -1)
  if (type === typeTable) {
    lua.pushText(state, 'err')
    c.lua_rawget(state, -2)
    return lua.text(state, -1) ?? 'ERR unknown error'
  }
  if (type === typeNil || type === typeNone) return 'ERR nil'
  if (type === typeBoolean) return c.lua_toboolean(state, -1) !== 0 ? 'ERR true' : 'ERR false'
  return `ERR ${lua.text(state, -1) ?? `${lua.typeName(state, -1)}: 0x${c.lua_topointer(state, -1).toString(16)}`}`
}
