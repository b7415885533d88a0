/**
 * Server processes for tests: redis-server where it is installed, and Moraine from `dist`. Each listens on 127.0.0.1 on
 * a port of its own, with a directory of its own that is removed at the end.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface ServerProcess {
  readonly port: number
  readonly pid: number
  readonly directory: string
  /** The fields of Moraine's log line that says it is ready; empty for redis-server. */
  readonly ready: Readonly<Record<string, unknown>>
  /** What it has printed: the first lines until it was ready, the latest after that. */
  readonly lines: readonly string[]
  /** Resolves when the process has ended and all that it printed is in `lines`, with its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** Ends the process (SIGKILL by default) and removes the directory. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export const moraineMain = new URL('../../dist/server/moraine.cjs', import.meta.url).pathname
export const moraineIsBuilt = existsSync(moraineMain)
const redisServer = 'redis-server'
export const redisIsInstalled = spawnSync(redisServer, ['--version']).status === 0

const startTimeoutMs = 100_000
const portAttemptsMax = 5
const linesMax = 200

/** redis-server without persistence, DEBUG allowed from this machine. `flags` follow the defaults and win over them. */
export async function startRedis(...flags: readonly string[]): Promise<ServerProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-redis-'))
  return withFreePort(async (port) => {
    const defaults = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no']
    const child = spawn(redisServer, [...defaults, '--enable-debug-command', 'local', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
    const lines: string[] = []
    await readyLine(child, lines, (line) => (line.includes('Ready to accept connections') ? port : undefined))
    return running(child, port, directory, {}, lines)
  })
}

/** redis-server as a cluster of one node with all slots. */
export async function startRedisCluster(): Promise<ServerProcess> {
  // The bus would be 10,000 above the port, which may be no port.
  return withFreePort((bus) => startRedis('--cluster-enabled', 'yes', '--cluster-port', `${bus}`))
}

/** redis-server as a Sentinel that watches a server under a name. */
export async function startRedisSentinel(name: string, watched: number): Promise<ServerProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-sentinel-'))
  return withFreePort(async (port) => {
    const path = join(directory, 'sentinel.conf')
    await writeFile(path, `port ${port}\nbind 127.0.0.1\ndir ${directory}\nsentinel monitor ${name} 127.0.0.1 ${watched} 1\n`)
    const child = spawn(redisServer, [path, '--sentinel'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const lines: string[] = []
    await readyLine(child, lines, (line) => (line.includes('+monitor master') ? port : undefined))
    return running(child, port, directory, {}, lines)
  })
}

/** Starts something on a port that was free a moment ago; on another one, should somebody have taken it meanwhile. */
export function withFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  return withFreePorts(1, ([port]) => start(port))
}

/** As `withFreePort`, with several different ports. */
export async function withFreePorts<T>(count: number, start: (ports: readonly number[]) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(count)
    try {
      return await start(ports)
    } catch (error) {
      if (attempt === portAttemptsMax) throw error
    }
  }
}

/** Moraine as built, on a free port of the system's choice. Pass `--dir` to keep the data across starts: then it is not removed. */
export function startMoraine(...flags: readonly string[]): Promise<ServerProcess> {
  return startBuilt([process.execPath, moraineMain], flags)
}

/** As `startMoraine`, with a limit of what the system lets the process have: so many KiB of addresses. */
export function startMoraineWithin(addressKib: number, ...flags: readonly string[]): Promise<ServerProcess> {
  return startBuilt(['bash', '-c', `ulimit -v ${addressKib}; exec "$0" "$@"`, process.execPath, moraineMain], flags)
}

/** How Moraine is started: variables of the environment besides this process's own, and what is run, `moraineMain` unless told. */
export interface Program {
  readonly environment: Readonly<Record<string, string>>
  readonly main?: string
}

/** As `startMoraine`. */
export function startMoraineWith({ environment, main }: Program, ...flags: readonly string[]): Promise<ServerProcess> {
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return startBuilt(['env', ...words, process.execPath, main ?? moraineMain], flags)
}

async function startBuilt(program: readonly [string, ...string[]], flags: readonly string[]): Promise<ServerProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-'))
  const defaults = ['--port', '0', '--bind', '127.0.0.1', '--dir', directory, '--enable-debug-command', 'local']
  const [name, ...words] = program
  const child = spawn(name, [...words, ...defaults, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  let ready: Readonly<Record<string, unknown>> = {}
  const lines: string[] = []
  const port = await readyLine(child, lines, (line) => {
    if (!line.includes('Ready to accept connections')) return undefined
    ready = JSON.parse(line) as Record<string, unknown>
    return ready.port as number
  }).catch(async (failure: unknown) => {
    await rm(directory, { recursive: true, force: true })
    throw failure
  })
  return running(child, port, directory, ready, lines)
}

function running(
  child: ChildProcess,
  port: number,
  directory: string,
  ready: Readonly<Record<string, unknown>>,
  lines: readonly string[],
): ServerProcess {
  return {
    ready,
    lines,
    exited: new Promise((resolve) => child.once('close', resolve)),
    port,
    pid: child.pid as number,
    directory,
    async stop(signal = 'SIGKILL') {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill(signal)
        await ended
      }
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Waits for the line of output in which `port` finds the port; rejects with all output if the process ends before. */
function readyLine(child: ChildProcess, output: string[], port: (line: string) => number | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    let isReady = false
    const timer = setTimeout(() => fail(`not ready within ${startTimeoutMs} ms`), startTimeoutMs)
    const fail = (reason: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`${child.spawnfile}: ${reason}\n${output.join('\n')}`))
    }
    child.once('error', (error) => fail(error.message))
    // By then all output has been read; at 'exit' the last lines may still be on their way.
    child.once('close', (code, signal) => fail(`ended with ${code ?? signal}`))
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        // All is read, so that the process never blocks on a full pipe.
        if (output.length === linesMax && isReady) output.shift()
        if (output.length < linesMax) output.push(line)
        const found = isReady ? undefined : port(line)
        if (found === undefined) return
        isReady = true
        clearTimeout(timer)
        resolve(found)
      })
    }
  })
}

/** All are held until the last one is found, so they differ. */
async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(Array.from({ length: count }, listenAnywhere))
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port)
  for (const probe of probes) probe.close()
  return ports
}

function listenAnywhere(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => resolve(probe))
  })
}
