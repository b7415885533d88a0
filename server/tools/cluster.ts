/**
 * `npm run cluster`: the whole picture on one machine, for a first look. Three members of etcd hold the log, three nodes
 * share it; prints how to connect and what to kill, and who is the primary whenever that changes. Ends with everything
 * that it has started, and its data, on Ctrl-C.
 *
 *     npm run cluster                  ports 7001 to 7003
 *     npm run cluster -- --port 8000   ports from there on
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { startEtcdMembers } from './cluster/etcd-members.ts'

const program = fileURLToPath(new URL('../../dist/server/moraine.cjs', import.meta.url))
const nodes = 3
const host = '127.0.0.1'
const pollMs = 100

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '7001' } } })
  if (spawnSync('etcd', ['--version']).status !== 0) {
    console.error('etcd is not installed. On Debian: apt-get install etcd-server')
    process.exit(1)
  }
  const directory = await mkdtemp(join(tmpdir(), 'moraine-cluster-'))
  const children: ChildProcess[] = []
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  })
  process.once('SIGINT', () => process.exit(0))
  process.once('SIGTERM', () => process.exit(0))

  const members = startEtcdMembers(directory, await freePorts(2 * nodes))
  children.push(...members.map(({ child }) => child))
  const endpoints = members.map(({ address }) => address).join(',')
  const ports = Array.from({ length: nodes }, (_, i) => Number(values.port) + i)
  const started = ports.map((port, i) => {
    const flags = [
      '--port',
      `${port}`,
      '--bind',
      host,
      '--dir',
      join(directory, `node-${i + 1}`),
      '--log',
      'etcd',
      '--log-endpoints',
      endpoints,
    ]
    const child = spawn(process.execPath, [program, ...flags, '--loglevel', 'warning'], { stdio: ['ignore', 'ignore', 'inherit'] })
    children.push(child)
    return { port, child }
  })
  console.log(`Three members of etcd (${endpoints}) and three nodes; data in ${directory}\n`)
  for (const { port, child } of started)
    console.log(`  redis-cli -p ${port}      node, process ${child.pid}: kill -9 ${child.pid}, or kill -STOP and -CONT`)
  for (const { address, child } of members) console.log(`  ${address}           etcd, process ${child.pid}`)
  console.log(
    '\n  redis-cli -p <primary> FAILOVER      hands the lead over\n  redis-cli -p <any node> SENTINEL MASTERS      tells who leads\n  Ctrl-C                               ends everything\n',
  )
  await watch(started.map(({ port }) => port))
}

/** Tells who is the primary, for ever. */
async function watch(ports: readonly number[]): Promise<never> {
  const clients = ports.map((port) => {
    const client = new Redis({ port, host, maxRetriesPerRequest: 0, retryStrategy: () => 500, commandTimeout: 500 })
    client.on('error', () => undefined)
    return { port, client }
  })
  let told = ''
  let sinceMs = Date.now()
  for (;;) {
    const roles = await Promise.all(clients.map(({ client }) => client.call('ROLE').then(first, () => 'gone')))
    const primaries = ports.filter((_, i) => roles[i] === 'master')
    const text = primaries.length === 0 ? 'no primary' : `the primary is ${primaries.join(' and ')}`
    if (text !== told) {
      console.log(
        `${new Date().toISOString().slice(11, 23)}  ${text}${told === 'no primary' ? `, after ${Date.now() - sinceMs} ms without one` : ''}`,
      )
      told = text
      sinceMs = Date.now()
    }
    await pause(pollMs)
  }
}

function first(reply: unknown): string {
  return Array.isArray(reply) ? `${reply[0]}` : 'gone'
}

/** Ports that are free now, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, host, resolve))))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

main().catch((failure: Error) => {
  console.error(failure.message)
  process.exit(1)
})
