/** Clients that vanish without a word, stop reading, have said all, or take too much: what the server still does for them, and for how long. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { encodeRequest, formatInline, splitArguments } from '../commands/notation.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine } from './processes.ts'

const megabyte = 1024 * 1024
const foreverMs = 120_000

describeWith([builtMoraine], 'a client that', () => {
  let server: ServerProcess
  let watcher: SocketTarget
  let watchers = 0
  const sockets: Socket[] = []
  beforeAll(async () => {
    server = await startMoraine('--maxmemory', '24mb', '--tier-min-value-size', '0', '--tier-cache', '256kb', '--tier-write-buffer', '1mb')
    watcher = new SocketTarget('moraine', server.port)
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await run('CONFIG SET timeout 0 maxmemory-clients 0')
    await until('clients', 'connected_clients', (clients) => clients === 1)
  })
  afterAll(async () => {
    await watcher?.close()
    await server?.stop()
  })

  /** Over a new connection when this process was held up for so long that the server has closed the one before: a request is the same when it happens twice. */
  async function run(line: string): Promise<string> {
    for (;;) {
      await watcher.send(`watcher ${watchers}`, encodeRequest(splitArguments(line)))
      const received = await watcher.receive(`watcher ${watchers}`)
      if (received !== 'closed') return formatInline(received.reply)
      watchers++
    }
  }

  async function figure(section: string, name: string): Promise<number> {
    return Number(new RegExp(`${name}:(\\d+)`).exec(await run(`INFO ${section}`))?.[1])
  }

  /** Asks again and again: the watcher itself is not idle meanwhile. */
  async function until(section: string, name: string, wanted: (value: number) => boolean): Promise<void> {
    const deadline = performance.now() + foreverMs
    for (let value = Number.NaN; !wanted(value); value = await figure(section, name)) {
      if (performance.now() > deadline) throw new Error(`${name} stays at ${value}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async function open(): Promise<Socket> {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => undefined)
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }

  it('vanishes in the middle of a request is closed by the timeout, and its memory given back', async () => {
    const before = await figure('memory', 'mem_clients_normal')
    const socket = await open()
    socket.pause()
    socket.write(`*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$${4 * megabyte}\r\n${'x'.repeat(3 * megabyte)}`)
    await until('memory', 'mem_clients_normal', (bytes) => bytes > before + 3 * megabyte)
    expect(await figure('clients', 'connected_clients')).toBe(2)
    expect(await run('CONFIG SET timeout 1')).toBe('+OK')
    await until('clients', 'connected_clients', (clients) => clients === 1)
    expect(await figure('memory', 'mem_clients_normal')).toBeLessThan(before + megabyte)
    expect(await run('EXISTS half')).toBe(':0')
  })

  it('asks and never reads is closed by the timeout, and its memory given back', async () => {
    await run(`SET large ${'x'.repeat(megabyte)}`)
    const before = await figure('memory', 'mem_clients_normal')
    const socket = await open()
    socket.pause()
    // Before the first reply: what the system takes of them may be all that ever comes.
    const sent = await figure('stats', 'total_net_output_bytes')
    socket.write('GET large\r\n'.repeat(100))
    await until('stats', 'total_net_output_bytes', (bytes) => bytes > sent + megabyte)
    expect(await run('CONFIG SET timeout 1')).toBe('+OK')
    await until('clients', 'connected_clients', (clients) => clients === 1)
    expect(await figure('memory', 'mem_clients_normal')).toBeLessThan(before + megabyte)
    await run('DEL large')
  })

  it('has the most of too much memory is closed, though not one that must stay', async () => {
    const half = (bytes: number): string => `*2\r\n$4\r\nECHO\r\n$${bytes}\r\n${'x'.repeat(bytes - 1)}`
    expect(await run('CONFIG SET maxmemory-clients 50%')).toBe('+OK')
    const [small, spared, large] = [await open(), await open(), await open()]
    small.write(half(300_000))
    spared.write(`CLIENT NO-EVICT on\r\n${half(8 * megabyte)}`)
    await until('memory', 'mem_clients_normal', (bytes) => bytes > 8 * megabyte + 300_000)
    expect(await figure('stats', 'evicted_clients')).toBe(0)
    large.write(half(6 * megabyte))
    await until('stats', 'evicted_clients', (clients) => clients === 1)
    await until('clients', 'connected_clients', (clients) => clients === 3)
    // Commands that wait for EXEC count as well.
    const queuing = await open()
    queuing.write(`MULTI\r\n${`*2\r\n$4\r\nECHO\r\n$${megabyte}\r\n${'x'.repeat(megabyte)}\r\n`.repeat(4)}`)
    queuing.resume()
    await until('stats', 'evicted_clients', (clients) => clients === 2)
    await until('clients', 'connected_clients', (clients) => clients === 3)
    expect(await run('CLIENT LIST')).toContain(' flags=e ')
    const answer = once(small, 'data')
    small.write('x\r\n')
    expect(String((await answer)[0])).toMatch(/^\$300000/)
  })

  it('has said all gets every reply: of writes, of more than it reads at once, and of values that are cold', async () => {
    const count = 1500
    const value = (i: number): string => `${i}:`.padEnd(8000, `${i}`)
    const writer = await open()
    writer.end(
      Buffer.concat(
        Array.from({ length: count }, (_, i) => encodeRequest([Buffer.from('SET'), Buffer.from(`k${i}`), Buffer.from(value(i))])),
      ),
    )
    expect(await all(writer)).toBe('+OK\r\n'.repeat(count))
    await run('SAVE')
    expect(await run('CONFIG SET tier-cool-start-percent 1 tier-drop-percent 1')).toBe('+OK')
    await until('tiering', 'tier_cold_values', (cold) => cold > count / 2)
    const reader = await open()
    reader.end(Array.from({ length: count }, (_, i) => `GET k${i}\r\n`).join(''))
    expect(await all(reader)).toBe(Array.from({ length: count }, (_, i) => `$${value(i).length}\r\n${value(i)}\r\n`).join(''))
  })

  /** All that comes until the server ends the connection. */
  async function all(socket: Socket): Promise<string> {
    const pieces: Buffer[] = []
    for await (const piece of socket) pieces.push(piece as Buffer)
    return Buffer.concat(pieces).toString('latin1')
  }
})
