/**
 * The servers under measurement, as processes: started on a free port of 127.0.0.1 with a directory of their own, their
 * log lines kept, ended by their id. Whatever still runs when this process ends is killed with it.
 */
import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { createConnection, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const moraineMain = fileURLToPath(new URL('../dist/server/moraine.cjs', import.meta.url))
const readyMsMax = 180_000
const stopMsMax = 120_000
const readyPollMs = 5
const linesKept = 2000
const linesShown = 15

export interface RunningServer {
  readonly name: 'Moraine' | 'Redis' | 'memcached'
  readonly port: number
  readonly pid: number
  /** Port of Moraine's metrics; 0 for none. */
  readonly metricsPort: number
  readonly directory: string
  /** From exec until it could be spoken to. */
  readonly readyMs: number
  /** What it printed, newest last, bounded. */
  readonly lines: readonly string[]
  /** Ends the process and answers how long that took in ms; SIGKILL after two minutes of another signal, then it rejects. */
  stop(signal?: NodeJS.Signals): Promise<number>
}

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

/** Moraine as built in `dist`, with its metrics on. */
export async function startMoraine(
  directory: string,
  flags: readonly string[] = [],
  nodeFlags: readonly string[] = [],
): Promise<RunningServer> {
  const metricsPort = await freePort()
  const defaults = ['--port', '0', '--bind', '127.0.0.1', '--dir', directory, '--metrics-port', `${metricsPort}`]
  const child = spawnServer(process.execPath, [...nodeFlags, moraineMain, ...defaults, ...flags])
  return running('Moraine', child, directory, metricsPort, async (lines) => {
    const ready = lines.find((line) => line.includes('Ready to accept connections'))
    return ready === undefined ? 0 : (JSON.parse(ready) as { port: number }).port
  })
}

export async function startRedis(directory: string, flags: readonly string[] = []): Promise<RunningServer> {
  const port = await freePort()
  const child = spawnServer('redis-server', ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...flags])
  return running('Redis', child, directory, 0, async (lines) =>
    lines.some((line) => line.includes('Ready to accept connections')) ? port : 0,
  )
}

export async function startMemcached(directory: string, memoryMb: number, flags: readonly string[] = []): Promise<RunningServer> {
  const port = await freePort()
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : []
  const child = spawnServer('memcached', ['-l', '127.0.0.1', '-p', `${port}`, '-U', '0', '-m', `${memoryMb}`, ...user, ...flags])
  return running('memcached', child, directory, 0, async () => ((await accepts(port)) ? port : 0))
}

/** What redis-cli prints; rejects with it when that is an error. */
export async function redisCli(port: number, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', `${port}`, ...args], { maxBuffer: 2 ** 26 })
  const said = stdout.trim()
  if (/^(\(error\) )?(ERR|MISCONF|OOM|LOADING|NOAUTH|WRONGTYPE)\b/.test(said)) throw new Error(`${args[0]}: ${said}`)
  return said
}

/** A number of INFO, undefined when the server does not tell it. */
export async function infoNumber(port: number, field: string): Promise<number | undefined> {
  const info = await redisCli(port, 'INFO', 'all').catch(() => '')
  const found = new RegExp(`^${field}:([\\d.]+)`, 'm').exec(info)
  return found === null ? undefined : Number(found[1])
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

function spawnServer(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  child.once('error', () => alive.delete(child))
  return child
}

async function running(
  name: RunningServer['name'],
  child: ChildProcess,
  directory: string,
  metricsPort: number,
  portWhenReady: (lines: readonly string[]) => Promise<number>,
): Promise<RunningServer> {
  const startedMs = performance.now()
  const lines = keepLines(child)
  let failure: Error | undefined
  child.once('error', (error) => (failure = error))
  let port = await portWhenReady(lines)
  while (port === 0) {
    if (child.exitCode !== null || child.signalCode !== null) failure ??= new Error(`ended with ${child.exitCode ?? child.signalCode}`)
    if (performance.now() - startedMs > readyMsMax) failure ??= new Error(`not ready within ${readyMsMax / 1000} s`)
    if (failure !== undefined) {
      child.kill('SIGKILL')
      throw new Error(`${name}: ${failure.message}\n${lines.slice(-linesShown).join('\n')}`)
    }
    await pause(readyPollMs)
    port = await portWhenReady(lines)
  }
  const readyMs = performance.now() - startedMs
  let asked = false
  child.once('exit', (code, signal) => {
    if (!asked) console.error(`${name} ended by itself with ${code ?? signal}. Its last lines:\n${lines.slice(-linesShown).join('\n')}`)
  })
  return {
    name,
    port,
    pid: child.pid as number,
    metricsPort,
    directory,
    readyMs,
    lines,
    async stop(signal = 'SIGKILL') {
      asked = true
      const fromMs = performance.now()
      if (!(await ended(child, signal, stopMsMax))) {
        await ended(child, 'SIGKILL', stopMsMax)
        throw new Error(
          `${name} did not end within ${stopMsMax / 1000} s of ${signal}. Its last lines:\n${lines.slice(-linesShown).join('\n')}`,
        )
      }
      return performance.now() - fromMs
    },
  }
}

function keepLines(child: ChildProcess): string[] {
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      if (lines.length > linesKept) lines.splice(0, lines.length - linesKept)
    })
  }
  return lines
}

/** Sends the signal and answers whether the process ended in time. */
async function ended(child: ChildProcess, signal: NodeJS.Signals, withinMs: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return true
  const exit = new Promise<boolean>((resolve) => child.once('exit', () => resolve(true)))
  child.kill(signal)
  const timeUp = new AbortController()
  const late = pause(withinMs, false, { signal: timeUp.signal }).catch(() => false)
  const inTime = await Promise.race([exit, late])
  timeUp.abort()
  return inTime
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
