/**
 * What each program that uses a library against a server has in common. It is started with the server's port as its argument
 * and prints JSON lines: first the library's version, then what it did, and whether that went well. `runs.ts` reads them.
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const host = '127.0.0.1'
export const port = Number(process.argv[2])
export const url = `redis://${host}:${port}`

/** Several times what any check takes on a slow machine: a limit only for what hangs. */
const limitMs = 120_000
let failures = 0

/** Prints the version of the package that the program is about. */
export function about(name) {
  tell({ version: JSON.parse(readFileSync(join(folderOf(name), 'package.json'), 'utf8')).version })
}

export function aboutVersion(version) {
  tell({ version })
}

/** Does one thing with the library and prints whether it went well. Those after it are done all the same. */
export async function check(what, body) {
  const begun = performance.now()
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${limitMs} ms`)), limitMs)
  })
  try {
    await Promise.race([body(), limit])
    tell({ what, passed: true, ms: Math.round(performance.now() - begun) })
  } catch (error) {
    failures++
    tell({ what, passed: false, ms: Math.round(performance.now() - begun), error: `${error?.stack ?? error}` })
  } finally {
    clearTimeout(timer)
  }
}

/** Ends the process, whatever connections and timers the libraries have left. */
export function end() {
  process.exit(failures === 0 ? 0 : 1)
}

export function equal(found, expected) {
  deepStrictEqual(found, expected)
}

export function isTrue(condition, message) {
  ok(condition, message)
}

/** Waits until `condition` gives something true, and resolves with it. The limit is that of the check. */
export async function until(condition) {
  for (;;) {
    const found = await condition()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Resolves with the arguments of the emitter's next event of that name. */
export function nextEvent(emitter, name) {
  return new Promise((resolve) => emitter.once(name, (...args) => resolve(args)))
}

/** The folder of a package, in the nearest `node_modules`: not all packages let their package.json be imported. */
function folderOf(name) {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name)
    if (existsSync(path)) return path
    if (folder === dirname(folder)) throw new Error(`${name} is not installed`)
  }
}

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

process.on('unhandledRejection', (error) => {
  failures++
  tell({ what: 'no rejection is left unhandled', passed: false, ms: 0, error: `${error?.stack ?? error}` })
})
