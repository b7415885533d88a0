/**
 * A redis-server of our own to ask how Redis behaves: on a free port, without persistence, gone when stopped.
 * Where redis-server is not installed, `redisInstalled` is false and comparisons are skipped.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { Redis } from 'ioredis'

export const redisInstalled = spawnSync('redis-server', ['--version']).status === 0

export interface ReferenceServer {
  readonly port: number
  readonly client: Redis
  stop(): Promise<void>
}

/** Starts redis-server with further arguments, and waits until it answers. */
export async function startReferenceServer(...settings: readonly string[]): Promise<ReferenceServer> {
  const port = await freePort()
  const child = spawn(
    'redis-server',
    [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--daemonize',
      'no',
      '--dir',
      tmpdir(),
      ...settings,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  await ready(child)
  const client = new Redis({ port, host: '127.0.0.1', protocol: 2 })
  await client.ping()
  const stop = async () => {
    client.disconnect()
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }
  return { port, client, stop }
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = ''
    child.stdout?.on('data', (bytes: Buffer) => {
      seen += bytes.toString()
      if (seen.includes('Ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`redis-server did not start: ${seen}`)))
  })
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no address'))))
    })
  })
}
