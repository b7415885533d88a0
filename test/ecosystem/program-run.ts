/** Runs one program of `programs/` against a server, and reads the JSON lines that it prints (`check.mjs` writes them). */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'

export interface Check {
  readonly what: string
  readonly passed: boolean
  readonly ms: number
  readonly error?: string
}

export interface ProgramRun {
  readonly version: string
  /** A program that ended before its end has a failed check for that. */
  readonly checks: readonly Check[]
}

interface Line extends Partial<Check> {
  readonly version?: string
}

/** Debian's python3 before any other, because its packages are for that one. */
const interpreters: Readonly<Record<string, readonly string[]>> = {
  '.mjs': [process.execPath],
  '.py': ['/usr/bin/python3', 'python3'],
  '.rb': ['/usr/bin/ruby', 'ruby'],
  '.php': ['/usr/bin/php', 'php'],
}

/** What a program of another language needs: exits with 0 where it is there. */
const probes: Readonly<Record<string, readonly string[]>> = {
  'redis-py.py': ['-c', 'import redis'],
  'celery-tasks.py': ['-c', 'import celery, redis'],
  'redis-rb.rb': ['-e', 'require "redis"'],
  'sidekiq.rb': ['-e', 'require "sidekiq"'],
  'phpredis.php': ['-r', 'exit(extension_loaded("redis") ? 0 : 1);'],
}

const tools: Readonly<Record<string, string>> = { 'redis-cli.mjs': 'redis-cli', 'redis-benchmark.mjs': 'redis-benchmark' }

/** A program that hangs is ended after this. */
const limitMs = 540_000

export const programsFolder = join(import.meta.dirname, 'programs')

/** What runs the program here, if what it needs besides npm's packages is installed. */
export function interpreterOf(program: string): string | undefined {
  const tool = tools[program]
  if (tool !== undefined && spawnSync(tool, ['--version']).status !== 0) return undefined
  const probe = probes[program]
  return interpreters[extname(program)].find((path) => probe === undefined || spawnSync(path, [...probe]).status === 0)
}

/** Whether a program below `programs/` finds an npm package. */
export function packageIsInstalled(name: string): boolean {
  for (let folder = programsFolder; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'node_modules', name))) return true
  }
  return false
}

/** Runs the program, which stands in `folder`, against the server on that port of this machine. */
export function runProgram(interpreter: string, folder: string, program: string, port: number): Promise<ProgramRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(interpreter, [join(folder, program), `${port}`], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
    let output = ''
    let complaints = ''
    child.stdout.on('data', (bytes) => {
      output += bytes
    })
    child.stderr.on('data', (bytes) => {
      complaints += bytes
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve(readRun(output, code === 0 || code === 1 ? undefined : `ended with ${code ?? signal}\n${complaints}`, complaints))
    })
  })
}

function readRun(output: string, failure: string | undefined, complaints: string): ProgramRun {
  let version = ''
  const checks: Check[] = []
  for (const text of output.split('\n')) {
    if (!text.startsWith('{')) continue
    const line = JSON.parse(text) as Line
    if (line.version !== undefined) version = line.version.replace(/^v/, '')
    if (line.what !== undefined) checks.push(line as Check)
  }
  const error = failure ?? (checks.length === 0 ? `did nothing\n${complaints}` : undefined)
  if (error !== undefined) checks.push({ what: 'the program comes to its end', passed: false, ms: 0, error })
  return { version, checks }
}
