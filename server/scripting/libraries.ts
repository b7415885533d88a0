/** The libraries of functions that the server has: their texts, and, compiled in the present interpreter, their functions. */
import type { RegisteredFunction } from './library-loader.ts'
import { isName } from './library-loader.ts'

export interface Library {
  readonly name: string
  readonly code: Buffer
  readonly functions: readonly RegisteredFunction[]
}

/** Who compiles libraries. */
export interface LibraryCompiler {
  /** What the text registers, or why it has failed. */
  loadLibrary(code: Buffer): readonly RegisteredFunction[] | string
  onInterpreterGone: () => void
}

/** What a library takes beside its text, roughly. */
const libraryBytes = 1000

export class Libraries {
  readonly #scripting: LibraryCompiler
  #byName = new Map<string, Library>()
  #functions = new Map<string, RegisteredFunction>()
  /** The interpreter has gone: the functions have to be compiled anew. */
  #isStale = false

  constructor(scripting: LibraryCompiler) {
    this.#scripting = scripting
    scripting.onInterpreterGone = () => {
      this.#isStale = this.#byName.size > 0
    }
  }

  get all(): readonly Library[] {
    return [...this.#byName.values()]
  }

  get functionCount(): number {
    return this.#functions.size
  }

  get bytes(): number {
    let bytes = 0
    for (const { code } of this.#byName.values()) bytes += code.length + libraryBytes
    return bytes
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  function(name: string): RegisteredFunction | undefined {
    if (this.#isStale) this.#compileAll()
    return this.#functions.get(name)
  }

  /** Compiles a library; an error's text if it is none, or if it may not be added to what is there without `replaced`. */
  compile(code: Buffer, replaced: (name: string) => boolean): Library | string {
    const name = libraryName(code)
    if (name instanceof Error) return `ERR ${name.message}`
    if (this.#byName.has(name) && !replaced(name)) return `ERR Library '${name}' already exists`
    const functions = this.#scripting.loadLibrary(code)
    if (typeof functions === 'string') return `ERR ${functions}`
    if (functions.length === 0) return 'ERR No functions registered'
    for (const each of functions) {
      const owner = this.#ownerOf(each.name)
      if (owner !== undefined && owner !== name && !replaced(owner)) return `ERR Function ${each.name} already exists`
    }
    return { name, code, functions }
  }

  put(library: Library): void {
    this.delete(library.name)
    this.#byName.set(library.name, library)
    for (const each of library.functions) this.#functions.set(each.name, each)
  }

  delete(name: string): boolean {
    const library = this.#byName.get(name)
    if (library === undefined) return false
    this.#byName.delete(name)
    for (const each of library.functions) this.#functions.delete(each.name)
    return true
  }

  clear(): void {
    this.#byName.clear()
    this.#functions.clear()
    this.#isStale = false
  }

  /** What another shard holds, or what was found at the start. Returns the names of those that do not compile. */
  restore(codes: readonly Buffer[]): string[] {
    this.clear()
    const broken: string[] = []
    for (const code of codes) {
      const library = this.compile(code, () => false)
      if (typeof library === 'string') broken.push(library)
      else this.put(library)
    }
    return broken
  }

  #ownerOf(functionName: string): string | undefined {
    for (const { name, functions } of this.#byName.values()) if (functions.some((each) => each.name === functionName)) return name
    return undefined
  }

  #compileAll(): void {
    this.restore(this.all.map(({ code }) => code))
  }
}

/** The name that the first line of a library gives it. */
function libraryName(code: Buffer): string | Error {
  if (code[0] !== 0x23 || code[1] !== 0x21) return new Error('Missing library metadata')
  const end = code.indexOf(0x0a)
  if (end < 0) return new Error('Invalid library metadata')
  const [engine = '', ...options] = code
    .toString('latin1', 2, end)
    .split(/\s+/)
    .filter((part) => part !== '')
  let name: string | undefined
  for (const option of options) {
    if (!option.toLowerCase().startsWith('name=')) return new Error(`Invalid metadata value given: ${option}`)
    if (name !== undefined) return new Error('Invalid metadata value, name argument was given multiple times')
    name = option.slice(5)
  }
  if (name === undefined) return new Error('Library name was not given')
  if (!isName(name)) {
    return new Error('Library names can only contain letters, numbers, or underscores(_) and must be at least one character long')
  }
  return engine.toLowerCase() === 'lua' ? name : new Error(`Engine '${engine}' not found`)
}
