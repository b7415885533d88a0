/** Moraine as a child process that serves one data directory to this process alone, while it imports or exports. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const keptLines = 20
const readyText = 'Ready to accept connections'

export interface LocalServer {
  readonly port: number
  /** Ends the process in order; rejects when it does not end well. */
  stop(): Promise<void>
}

/** `flags` are settings of the server. Rejects, with its last words, when it does not become ready. */
export function startLocalServer(directory: string, flags: readonly string[]): Promise<LocalServer> {
  const own = ['--port', '0', '--bind', '127.0.0.1', '--metrics-port', '0', '--logfile', '', '--dir', directory]
  const program = [...process.execArgv, process.argv[1] as string]
  const child = spawn(process.execPath, [...program, ...flags, ...own], { stdio: ['ignore', 'pipe', 'pipe'] })
  const lastWords: string[] = []
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const code = await ended
    if (code !== 0) throw new Error(`the server ended with ${code}\n${lastWords.join('\n')}`)
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    void ended.then((code) => reject(new Error(`the server of ${directory} ended with ${code}\n${lastWords.join('\n')}`)))
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (lastWords.push(line) > keptLines) lastWords.shift()
        if (line.includes(readyText)) resolve({ port: (JSON.parse(line) as { port: number }).port, stop })
      })
    }
  })
}
