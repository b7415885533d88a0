/**
 * Moraine as a child process of the tour: the compiled program, a port of the system's choice, a data directory that
 * outlives the process, and checkpoints every few seconds instead of minutes, so that there is one to start from. Its log is JSON lines, of which the tour needs one: that the server is ready.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../../dist/server/moraine.cjs', import.meta.url))
const startTimeoutMs = 30_000
const keptLines = 20

export interface ServerProcess {
  readonly port: number
  readonly pid: number
  /** What the server says of its start: keys found, records replayed, milliseconds. */
  readonly ready: { readonly keys: number; readonly replayed: number; readonly loadMs: number }
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>
  kill(signal: NodeJS.Signals): void
}

/** Rejects, with the server's last words, when it does not become ready. */
export function startServer(directory: string, maxmemory: string): Promise<ServerProcess> {
  if (!existsSync(program)) return Promise.reject(new Error(`${program} is missing: run "npm run build"`))
  const flags = ['--port', '0', '--bind', '127.0.0.1', '--dir', directory, '--maxmemory', maxmemory, '--checkpoint-log-bytes', '8mb']
  const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return new Promise((resolve, reject) => {
    const lastWords: string[] = []
    const fail = (reason: string): void => {
      child.kill('SIGKILL')
      reject(new Error(`the server ${reason}\n${lastWords.join('\n')}`))
    }
    const timer = setTimeout(() => fail(`was not ready after ${startTimeoutMs / 1000} seconds`), startTimeoutMs)
    child.once('error', (failure) => fail(`could not be started: ${failure.message}`))
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      fail(`ended with ${code ?? signal}`)
    })
    eachLine(child, (line) => {
      if (lastWords.push(line) > keptLines) lastWords.shift()
      if (!line.includes('Ready to accept connections')) return
      clearTimeout(timer)
      const { port, keys, replayed, loadMs } = JSON.parse(line) as ServerProcess['ready'] & { port: number }
      resolve({ port, pid: child.pid as number, ready: { keys, replayed, loadMs }, ended, kill: (signal) => child.kill(signal) })
    })
  })
}

function eachLine(child: ChildProcess, tell: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) createInterface({ input: stream }).on('line', tell)
}
