/** The table `redis` that scripts find: calls of commands, replies to be made, the log, and what there is to know of the server. */
import { createHash } from 'node:crypto'
import { redisVersion } from '../version.ts'
import type { Lua } from './lua.ts'
import { typeNumber, typeString } from './lua.ts'

/** What of the server scripts reach. */
export interface RedisHost {
  /** Executes the command on the stack and leaves its reply there. With `raises`, an error reply is raised. */
  call(state: number, raises: boolean): number
  /** What is wrong with the command on the stack, if it cannot be one; undefined when it can. */
  refusalOf(state: number): string | undefined
  /** Which protocol's replies calls give. */
  setProtocol(protocol: 2 | 3): void
  log(level: number, text: string): void
}

const logLevels = { LOG_DEBUG: 0, LOG_VERBOSE: 1, LOG_NOTICE: 2, LOG_WARNING: 3 }
const replicationFlags = { REPL_NONE: 0, REPL_AOF: 1, REPL_SLAVE: 2, REPL_REPLICA: 2, REPL_ALL: 3 }

/** Makes the table a global of scripts. */
export function openRedisLibrary(lua: Lua, state: number, host: RedisHost): void {
  const { c } = lua
  pushRedisLibrary(lua, state, host)
  lua.setFunctionField(state, 'replicate_commands', (l) => {
    c.lua_pushboolean(l, 1)
    return 1
  })
  lua.setFunctionField(state, 'breakpoint', (l) => {
    c.lua_pushboolean(l, 0)
    return 1
  })
  lua.setFunctionField(state, 'debug', () => 0)
  c.lua_setfield(state, -10002, lua.name('redis'))
  c.lua_pushcclosure(
    state,
    lua.function((l) => {
      c.lua_settop(l, 1)
      return 1
    }),
    0,
  )
  c.lua_setfield(state, -10002, lua.name('__redis__err__handler'))
}

/** Pushes the table as functions of libraries have it. */
export function pushRedisLibrary(lua: Lua, state: number, host: RedisHost): void {
  const { c } = lua
  c.lua_createtable(state, 0, 24)
  lua.setFunctionField(state, 'call', (l) => host.call(l, true))
  lua.setFunctionField(state, 'pcall', (l) => host.call(l, false))
  lua.setFunctionField(state, 'setresp', (l) => {
    if (c.lua_gettop(l) !== 1) raiseError(lua, l, 'redis.setresp() requires one argument.')
    const protocol = c.lua_tonumber(l, 1)
    if (protocol !== 2 && protocol !== 3) raiseError(lua, l, 'RESP version must be 2 or 3.')
    else host.setProtocol(protocol)
    return 0
  })
  lua.setFunctionField(state, 'acl_check_cmd', (l) => {
    if (c.lua_gettop(l) === 0) raiseError(lua, l, 'Please specify at least one argument for this redis lib call')
    const refusal = host.refusalOf(l)
    if (refusal !== undefined) raiseError(lua, l, refusal)
    c.lua_pushboolean(l, 1)
    return 1
  })
  lua.setFunctionField(state, 'set_repl', (l) => {
    if (c.lua_gettop(l) !== 1) raiseError(lua, l, 'redis.set_repl() requires two arguments.')
    const flags = c.lua_tonumber(l, 1)
    if ((flags & ~replicationFlags.REPL_ALL) !== 0) {
      raiseError(lua, l, 'Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.')
    }
    return 0
  })
  for (const [name, value] of Object.entries(replicationFlags)) lua.setNumberField(state, name, value)
  addCommon(lua, state, host)
}

function addCommon(lua: Lua, state: number, host: RedisHost): void {
  const { c } = lua
  lua.setFunctionField(state, 'error_reply', (l) => singleField(lua, l, 'err'))
  lua.setFunctionField(state, 'status_reply', (l) => singleField(lua, l, 'ok'))
  lua.setFunctionField(state, 'sha1hex', (l) => {
    if (c.lua_gettop(l) !== 1) raiseError(lua, l, 'wrong number of arguments')
    if (!lua.readString(l, 1)) lua.length = 0
    lua.pushText(l, sha1(lua.bytes.subarray(lua.at, lua.at + lua.length)))
    return 1
  })
  addVersionAndLog(lua, state, host)
}

/** What the texts of libraries have while they are loaded, too. */
export function addVersionAndLog(lua: Lua, state: number, host: RedisHost): void {
  const { c } = lua
  lua.setFunctionField(state, 'log', (l) => {
    const given = c.lua_gettop(l)
    if (given < 2) raiseError(lua, l, 'redis.log() requires two arguments or more.')
    if (c.lua_type(l, 1) !== typeNumber) raiseError(lua, l, 'First argument must be a number (log level).')
    const level = c.lua_tonumber(l, 1)
    if (!(level >= logLevels.LOG_DEBUG && level <= logLevels.LOG_WARNING)) raiseError(lua, l, 'Invalid debug level.')
    const parts: string[] = []
    for (let i = 2; i <= given; i++) {
      const part = lua.text(l, i)
      if (part !== undefined) parts.push(part)
    }
    host.log(level, parts.join(' '))
    return 0
  })
  for (const [name, value] of Object.entries(logLevels)) lua.setNumberField(state, name, value)
  const [major, minor, patch] = redisVersion.split('.').map(Number) as [number, number, number]
  lua.setTextField(state, 'REDIS_VERSION', redisVersion)
  lua.setNumberField(state, 'REDIS_VERSION_NUM', (major << 16) | (minor << 8) | patch)
}

export function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

/** Raises an error as the functions of `redis` do: a table with its text, without the place. */
export function raiseError(lua: Lua, state: number, text: string): never {
  pushError(lua, state, `-ERR ${text}`, true)
  return lua.raise(state)
}

/** Pushes the table that stands for an error reply; `text` as in the protocol, with or without the minus in front. `counted`: it has been. */
export function pushError(lua: Lua, state: number, text: string, counted: boolean): void {
  const { c } = lua
  const trimmed = text.replace(/[\r\n]+$/, '')
  const isCoded = trimmed.startsWith('-') && trimmed.includes(' ')
  c.lua_createtable(state, 0, 2)
  lua.setTextField(state, 'err', isCoded ? trimmed.slice(1) : `ERR ${trimmed.replace(/^-/, '')}`)
  if (!counted) return
  c.lua_pushboolean(state, 1)
  c.lua_setfield(state, -2, lua.name('ignore_error_stats_update'))
}

function singleField(lua: Lua, state: number, field: 'err' | 'ok'): number {
  const { c } = lua
  if (c.lua_gettop(state) !== 1 || c.lua_type(state, 1) !== typeString) {
    pushError(lua, state, '-ERR wrong number or type of arguments', false)
    return 1
  }
  const text = lua.text(state, 1) as string
  if (field === 'err') pushError(lua, state, text.startsWith('-') ? text : `-${text}`, false)
  else {
    c.lua_createtable(state, 0, 1)
    lua.setTextField(state, 'ok', text)
  }
  return 1
}
