/**
 * What the server is told at start: a configuration file in the manner of redis.conf, then the command line, which
 * counts as further lines after the file's. The first mistake ends the start, with the line and in Redis's words.
 */
import { readFileSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from './config.ts'
import { contradiction, defaultValues } from './config.ts'
import { quoted, Refused } from './setting.ts'
import type { SettingName, Values } from './settings.ts'
import { findSetting, settingOf } from './settings.ts'
import { splitWords } from './words.ts'

/** The configuration cannot be used; the message is to be printed as it is. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export interface LoadedConfig {
  readonly values: Values
  /** Absolute path of the configuration file, if one was named. */
  readonly path: string | undefined
}

export interface CommandLine {
  readonly path: string | undefined
  /** Settings as lines of a configuration file. */
  readonly lines: readonly string[]
}

/** `[path] [--name value …] …`, as Redis reads it. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const rest = [...argv]
  const path = rest[0] !== undefined && !rest[0].startsWith('-') ? rest.shift() : undefined
  const lines: string[] = []
  for (const word of rest) {
    if (word.startsWith('--')) lines.push(word.slice(2))
    else if (lines.length > 0) lines.push(`${lines.pop()} ${quoted(word)}`)
    else throw new ConfigError(`Expected a configuration file or --name value, found '${word}'. Try --help.`)
  }
  return { path, lines }
}

/** Reads the command line and the file it names. `version` is for the error's head line. Throws `ConfigError`. */
export function loadConfig(argv: readonly string[], version: string, readText = readTextFile): LoadedConfig {
  const { path, lines } = parseCommandLine(argv)
  const reader = new ConfigReader(version, readText)
  const fileLines = path === undefined ? [] : reader.linesOf(path)
  reader.read([...fileLines, ...lines])
  return { values: reader.finish(), path: path === undefined ? undefined : resolve(path) }
}

/** CONFIG REWRITE on disk: the new text replaces the file in one step or not at all. */
export async function rewriteConfigFile(config: Config, path: string): Promise<void> {
  const text = config.rewrite(await readFile(path, 'utf8'))
  const temporary = `${path}.rewrite`
  try {
    const file = await open(temporary, 'w', 0o644)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (failure) {
    await rm(temporary, { force: true })
    throw failure
  }
}

class ConfigReader {
  readonly #values: Record<SettingName, unknown> = { ...defaultValues() }
  readonly #seen = new Set<SettingName>()
  readonly #version: string
  readonly #readText: (path: string) => string
  #depth = 0

  constructor(version: string, readText: (path: string) => string) {
    this.#version = version
    this.#readText = readText
  }

  linesOf(path: string): string[] {
    try {
      return this.#readText(path).split('\n')
    } catch (failure) {
      throw new ConfigError(`Fatal error, can't open config file '${path}': ${reason(failure)}`)
    }
  }

  read(lines: readonly string[]): void {
    for (const [at, line] of lines.entries()) {
      const trimmed = line.trim()
      if (trimmed === '' || trimmed.startsWith('#')) continue
      const problem = this.#readLine(trimmed)
      if (problem === undefined) continue
      const head = `*** FATAL CONFIG FILE ERROR (Moraine ${this.#version}) ***`
      throw new ConfigError(`${head}\nReading the configuration file, at line ${at + 1}\n>>> '${trimmed}'\n${problem}`)
    }
  }

  finish(): Values {
    // Absolute, so that CONFIG GET tells tools where the files are.
    const values = { ...(this.#values as unknown as Values), dir: resolve(String(this.#values.dir)) }
    const problem = contradiction(values)
    if (problem !== undefined) throw new ConfigError(`*** FATAL CONFIG FILE ERROR (Moraine ${this.#version}) ***\n${problem.text}`)
    return values
  }

  /** Applies one line; the answer says what is wrong with it. */
  #readLine(line: string): string | undefined {
    const words = splitWords(line)
    if (words === undefined) return 'Unbalanced quotes in configuration line'
    const given = words.shift() ?? ''
    if (given.toLowerCase() === 'include' && words.length === 1) return this.#include(words[0])
    const name = findSetting(given)
    if (name === undefined) return 'Bad directive or wrong number of arguments'
    const setting = settingOf(name)
    if (setting.manyWords ? words.length === 0 && name !== 'bind' : words.length !== 1) return 'wrong number of arguments'
    try {
      this.#values[name] = setting.parse(words, this.#values[name], this.#seen.has(name))
    } catch (problem) {
      if (problem instanceof Refused) return problem.message
      throw problem
    }
    this.#seen.add(name)
    return undefined
  }

  #include(path: string): string | undefined {
    if (this.#depth === 16) return 'Includes are nested too deeply'
    this.#depth++
    this.read(this.linesOf(path))
    this.#depth--
    return undefined
  }
}

function readTextFile(path: string): string {
  return readFileSync(path, 'utf8')
}

/** A failure of the file system in the words of the C library, as Redis prints it. */
function reason(failure: unknown): string {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined
  if (code === 'ENOENT') return 'No such file or directory'
  if (code === 'EACCES') return 'Permission denied'
  if (code === 'EISDIR') return 'Is a directory'
  return failure instanceof Error ? failure.message : String(failure)
}
