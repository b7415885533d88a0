/**
 * One interpreter, as functions of the host see it: values go onto Lua's stack and are read from there, bytes are copied in and out of
 * its memory. Text is Latin-1: each byte is one character.
 */
import type { HostFunction, HostHook, LuaInterface } from './lua-module.ts'
import { addFunction, addGuard, addHook, linkLua } from './lua-module.ts'

export const registryIndex = -10000
export const globalsIndex = -10002

export const typeNone = -1
export const typeNil = 0
export const typeBoolean = 1
export const typeLightUserdata = 2
export const typeNumber = 3
export const typeString = 4
export const typeTable = 5
export const typeFunction = 6
export const typeUserdata = 7

export const statusYield = 1

/** Asks `lua_gc` for the memory that Lua uses, in KiB. */
const gcCount = 3
const gcCollect = 2
const maskCount = 8
const scratchBytes = 64 * 1024
/** Up to here copying byte by byte beats a view. */
const loopBytesMax = 48
/** Where in a Lua state the top of the stack and the first argument of the function that is called are. */
const stateTop = 8
const stateBase = 12
/** Of a value: its bytes, and where its type is. Of a string: where its length and its bytes are. */
const valueBytes = 16
const valueType = 8
const stringLength = 12
const stringBytes = 16
/** Of a table: where the part that is an array is, the one that is a hash, and the size of the former. */
const tableArray = 12
const tableNodes = 16
const tableArraySize = 28
/** A loop moves so many values faster than `copyWithin`. */
const loopValuesMax = 16
/** Of `lua_Debug`, and where in it its parts are. */
const activationBytes = 100
const activationWhat = 12
const activationSource = 16
const activationLine = 20

/** Where the function stands that is being executed. */
export interface Place {
  readonly source: string
  readonly line: number
}

export class Lua {
  readonly c: LuaInterface
  /** The main state. */
  readonly main: number
  /** All of the interpreter's memory. */
  bytes!: Buffer
  words!: Int32Array
  doubles!: Float64Array
  /** The script is to end, whatever it has done to catch errors. */
  isEnding = false
  /** What `readString` has found. */
  at = 0
  length = 0
  #scratch: number
  #scratchBytes = scratchBytes
  readonly #lengthAt: number
  readonly #activation: number
  /** What the hash part of a table without one points to. */
  readonly #noNodes: number
  readonly #names = new Map<string, number>()

  constructor(memoryBytesMax: number) {
    this.c = linkLua(memoryBytesMax, () => this.#remap())
    this.#remap()
    this.main = this.c.luaL_newstate()
    this.#scratch = this.c.malloc(scratchBytes)
    this.#lengthAt = this.c.malloc(8)
    this.#activation = this.c.malloc(activationBytes)
    this.c.lua_createtable(this.main, 0, 0)
    this.#noNodes = this.words[(this.c.lua_topointer(this.main, -1) + tableNodes) >> 2]
    this.c.lua_settop(this.main, 0)
  }

  /** Memory that Lua's values take. */
  get usedBytes(): number {
    return this.c.lua_gc(this.main, gcCount, 0) * 1024 + this.#scratchBytes
  }

  /** Of the whole, used or not. */
  get heldBytes(): number {
    return this.bytes.length
  }

  collectGarbage(): void {
    this.c.lua_gc(this.main, gcCollect, 0)
  }

  // Functions of the host.

  function(host: HostFunction): number {
    return addFunction(this.c, host)
  }

  /** A function that calls the interpreter's `own`, but `host` where the first argument is a table with a metatable. */
  guard(own: number, host: HostFunction): number {
    return addGuard(this.c, own, host)
  }

  hook(host: HostHook): number {
    return addHook(this.c, host)
  }

  /** Has `hook` called after so many instructions, again and again. */
  setHook(state: number, hook: number, instructions: number): void {
    this.c.lua_sethook(state, hook, maskCount, instructions)
  }

  /** Raises an error with a text that begins with where the calling function stands. */
  fail(state: number, text: string): never {
    this.c.luaL_where(state, 1)
    this.pushText(state, text)
    this.c.lua_concat(state, 2)
    return this.raise(state)
  }

  /** Raises the value on top of the stack. */
  raise(state: number): never {
    this.c.lua_error(state)
    throw new Error('scripting: an error that was raised has not unwound')
  }

  argumentError(state: number, index: number, text: string): never {
    this.c.luaL_argerror(state, index, this.name(text))
    throw new Error('scripting: an error that was raised has not unwound')
  }

  // Pushing.

  /** The address of a text that stays, ended by a zero. */
  name(text: string): number {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    const at = this.c.malloc(text.length + 1)
    this.bytes.write(text, at, 'latin1')
    this.bytes[at + text.length] = 0
    this.#names.set(text, at)
    return at
  }

  pushBytes(state: number, from: Uint8Array, start: number, end: number): void {
    const length = end - start
    const to = this.room(state, length)
    const { bytes } = this
    if (length <= loopBytesMax) for (let i = 0; i < length; i++) bytes[to + i] = from[start + i]
    else bytes.set(from.subarray(start, end), to)
    this.c.lua_pushlstring(state, to, length)
  }

  /** Without a call into the interpreter, as the next one: there must be room on the stack. */
  pushNumber(state: number, n: number): void {
    this.doubles[this.#push(state, typeNumber) >> 3] = n
  }

  pushBoolean(state: number, value: boolean): void {
    this.words[this.#push(state, typeBoolean) >> 2] = value ? 1 : 0
  }

  pushTable(state: number, address: number): void {
    this.words[this.#push(state, typeTable) >> 2] = address
  }

  #push(state: number, type: number): number {
    const { words } = this
    const top = (state + stateTop) >> 2
    const to = words[top]
    words[(to + valueType) >> 2] = type
    words[top] = to + valueBytes
    return to
  }

  /**
   * Puts a table of the `count` values on top of the stack in their place. They are moved into it without a barrier for the garbage collector: the table
   * is younger than they are, and nothing is collected between.
   */
  gather(state: number, count: number): void {
    this.c.lua_createtable(state, count, 0)
    const { words } = this
    const top = (state + stateTop) >> 2
    const end = words[top] - valueBytes
    const from = end - count * valueBytes
    const table = words[end >> 2]
    const to = words[(table + tableArray) >> 2]
    if (count > loopValuesMax) this.bytes.copyWithin(to, from, end)
    else for (let i = (end - from) >> 2, read = from >> 2, write = to >> 2; i > 0; i--) words[write++] = words[read++]
    words[from >> 2] = table
    words[(from + valueType) >> 2] = typeTable
    words[top] = from + valueBytes
  }

  pushText(state: number, text: string): void {
    const to = this.room(state, text.length)
    this.bytes.write(text, to, 'latin1')
    this.c.lua_pushlstring(state, to, text.length)
  }

  /** Sets a field of the table on top of the stack. */
  setTextField(state: number, field: string, text: string): void {
    this.pushText(state, text)
    this.c.lua_setfield(state, -2, this.name(field))
  }

  setNumberField(state: number, field: string, n: number): void {
    this.c.lua_pushnumber(state, n)
    this.c.lua_setfield(state, -2, this.name(field))
  }

  setFunctionField(state: number, field: string, host: HostFunction): void {
    this.c.lua_pushcclosure(state, this.function(host), 0)
    this.c.lua_setfield(state, -2, this.name(field))
  }

  /** Memory for `length` bytes to be handed to Lua, valid until the next call. */
  room(state: number, length: number): number {
    if (length <= this.#scratchBytes) return this.#scratch
    const larger = this.c.malloc(length)
    if (larger === 0) {
      this.c.lua_pushlstring(state, this.name('not enough memory'), 17)
      this.raise(state)
    }
    this.c.free(this.#scratch)
    this.#scratch = larger
    this.#scratchBytes = length
    return larger
  }

  /** Gives back the memory that an uncommonly large value needed. */
  trim(): void {
    if (this.#scratchBytes === scratchBytes) return
    this.c.free(this.#scratch)
    this.#scratch = this.c.malloc(scratchBytes)
    this.#scratchBytes = scratchBytes
  }

  // Reading values where they lie, such as the arguments of a function of the host: no call into the interpreter for each.

  argumentCount(state: number): number {
    return (this.words[(state + stateTop) >> 2] - this.words[(state + stateBase) >> 2]) / valueBytes
  }

  /** The address of argument `index`, from 1 on, which must be there. */
  argumentAt(state: number, index: number): number {
    return this.words[(state + stateBase) >> 2] + (index - 1) * valueBytes
  }

  /** Of the value at an address. */
  typeAt(at: number): number {
    return this.words[(at + valueType) >> 2]
  }

  numberAt(at: number): number {
    return this.doubles[at >> 3]
  }

  booleanAt(at: number): boolean {
    return this.words[at >> 2] !== 0
  }

  /** Finds the bytes of a string. */
  readStringAt(at: number): void {
    const string = this.words[at >> 2]
    this.at = string + stringBytes
    this.length = this.words[(string + stringLength) >> 2]
  }

  textAt(at: number): string {
    this.readStringAt(at)
    return this.bytes.toString('latin1', this.at, this.at + this.length)
  }

  /** The address of the table, string or other object that the value refers to. */
  addressAt(at: number): number {
    return this.words[at >> 2]
  }

  /** The address of a value by its place from the top of the stack: -1 is the last. */
  topAt(state: number, place: number): number {
    return this.words[(state + stateTop) >> 2] + place * valueBytes
  }

  /** Whether the table at `address` has more than a part that is an array. */
  hasFields(address: number): boolean {
    return this.words[(address + tableNodes) >> 2] !== this.#noNodes
  }

  /** How many elements a table without fields has before the first nil. */
  elementCount(table: number): number {
    const { words } = this
    const size = words[(table + tableArraySize) >> 2]
    let type = (words[(table + tableArray) >> 2] + valueType) >> 2
    let count = 0
    for (; count < size && words[type] !== typeNil; count++) type += valueBytes >> 2
    return count
  }

  /** The address of element `index` of a table, from 0 on, valid until the next call into the interpreter. */
  elementOf(state: number, table: number, index: number): number {
    const { words } = this
    if (index < words[(table + tableArraySize) >> 2]) return words[(table + tableArray) >> 2] + index * valueBytes
    this.pushTable(state, table)
    this.c.lua_rawgeti(state, -1, index + 1)
    this.c.lua_settop(state, -3)
    return this.topAt(state, 1)
  }

  /** The address of a field's value, valid until the next call into the interpreter. */
  fieldOf(state: number, table: number, field: string): number {
    const { c } = this
    this.pushTable(state, table)
    c.lua_pushlstring(state, this.name(field), field.length)
    c.lua_rawget(state, -2)
    c.lua_settop(state, -3)
    return this.topAt(state, 1)
  }

  /** Whether the table at `address` has neither elements nor fields. */
  isEmpty(address: number): boolean {
    return !this.hasFields(address) && this.words[(address + tableArraySize) >> 2] === 0
  }

  // Reading.

  /** Finds the bytes of a string, or of a number, which becomes one: `bytes[at, at + length)`. False when it is neither. */
  readString(state: number, index: number): boolean {
    this.at = this.c.lua_tolstring(state, index, this.#lengthAt)
    this.length = this.words[this.#lengthAt >> 2]
    return this.at !== 0
  }

  /** The text of a string or number; undefined when it is neither. */
  text(state: number, index: number): string | undefined {
    return this.readString(state, index) ? this.bytes.toString('latin1', this.at, this.at + this.length) : undefined
  }

  /** A copy of a string's bytes. */
  copy(state: number, index: number): Buffer {
    this.readString(state, index)
    return Buffer.from(this.bytes.subarray(this.at, this.at + this.length))
  }

  /** Finds the string that an argument must be. */
  checkString(state: number, index: number): void {
    this.at = this.c.luaL_checklstring(state, index, this.#lengthAt)
    this.length = this.words[this.#lengthAt >> 2]
  }

  typeName(state: number, index: number): string {
    return this.cText(this.c.lua_typename(state, this.c.lua_type(state, index)))
  }

  cText(at: number): string {
    return this.bytes.toString('latin1', at, this.bytes.indexOf(0, at))
  }

  /** Where the activation of a function at a level stands; undefined when there is none, or it is not Lua's. */
  place(state: number, level: number): Place | undefined {
    const at = this.#activation
    if (this.c.lua_getstack(state, level, at) === 0) return undefined
    this.c.lua_getinfo(state, this.name('Sl'), at)
    const line = this.words[(at + activationLine) >> 2]
    if (this.cText(this.words[(at + activationWhat) >> 2]) === 'C') return undefined
    return { source: this.cText(this.words[(at + activationSource) >> 2]), line }
  }

  #remap(): void {
    const { buffer } = this.c?.memory ?? { buffer: new ArrayBuffer(0) }
    this.bytes = Buffer.from(buffer)
    this.words = new Int32Array(buffer)
    this.doubles = new Float64Array(buffer)
  }
}
