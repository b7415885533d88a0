/** What transcripts cannot show of the session commands: clients that leave while they wait, silence in pipelines, a server that sleeps or ends. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { encodeRequest, formatInline, splitArguments } from '../commands/notation.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine } from './processes.ts'

class Client {
  readonly #socket: Socket
  readonly #decoder = new RespDecoder()
  #wake: () => void = () => undefined
  closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.#decoder.push(bytes)
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  static async open(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    return new Client(socket)
  }

  /** Sends requests together. */
  send(...lines: readonly string[]): void {
    this.#socket.write(Buffer.concat(lines.map((line) => encodeRequest(splitArguments(line)))))
  }

  async receive(): Promise<string> {
    for (;;) {
      const decoded = this.#decoder.next()
      if (decoded !== undefined) return formatInline(decoded.reply)
      if (this.closed) return 'closed'
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async run(line: string): Promise<string> {
    this.send(line)
    return this.receive()
  }

  /** Asks again and again until INFO has the line. */
  async untilInfo(section: string, line: string): Promise<void> {
    while (!(await this.run(`INFO ${section}`)).includes(`${line}\\r\\n`)) await new Promise((resolve) => setImmediate(resolve))
  }

  close(): void {
    this.#socket.destroy()
  }
}

describeWith([builtMoraine], 'session commands', () => {
  let server: ServerProcess
  const clients: Client[] = []
  const open = async (port = server.port): Promise<Client> => {
    const client = await Client.open(port)
    clients.push(client)
    return client
  }
  beforeAll(async () => {
    server = await startMoraine('--appendfsync', 'everysec')
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })
  afterAll(async () => {
    await server?.stop()
  })

  it('forgets clients that leave while they wait', async () => {
    const watcher = await open()
    const waiting = await open()
    waiting.send('WAIT 1 0', 'SET k after')
    await watcher.untilInfo('clients', 'blocked_clients:1')
    waiting.close()
    await watcher.untilInfo('clients', 'blocked_clients:0')
    expect(await watcher.run('GET k')).toBe('nil')
  })

  it('forgets requests held back by a pause when their clients leave', async () => {
    const watcher = await open()
    await watcher.run('CLIENT PAUSE 3600000 WRITE')
    const paused = await open()
    paused.send('SET held 1')
    await watcher.untilInfo('clients', 'paused_requests:1')
    paused.close()
    await watcher.untilInfo('clients', 'paused_requests:0')
    expect(await watcher.run('CLIENT UNPAUSE')).toBe('+OK')
    expect(await watcher.run('GET held')).toBe('nil')
  })

  it('is silent in a pipeline exactly where it was asked to be', async () => {
    const client = await open()
    client.send('CLIENT REPLY OFF', 'PING', 'SET a 1', 'NOSUCH', 'CLIENT REPLY ON', 'GET a', 'CLIENT REPLY SKIP', 'SET a 2', 'GET a')
    expect([await client.receive(), await client.receive(), await client.receive()]).toEqual(['+OK', '"1"', '"2"'])
    client.send('CLIENT REPLY OFF', 'PING', 'RESET', 'ECHO end')
    expect([await client.receive(), await client.receive()]).toEqual(['+RESET', '"end"'])
  })

  it('holds everybody back while DEBUG SLEEP lasts', async () => {
    const sleeper = await open()
    const other = await open()
    await other.run('PING')
    const fromMs = performance.now()
    sleeper.send('MULTI', 'DEBUG SLEEP 0.2', 'EXEC')
    expect([await sleeper.receive(), await sleeper.receive(), await sleeper.receive()]).toEqual(['+OK', '+QUEUED', '[+OK]'])
    expect(await other.run('PING')).toBe('+PONG')
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(199)
    expect(await sleeper.run('DEBUG SLEEP 0.01')).toBe('+OK')
  })

  it('waits for the disk where the log does not', async () => {
    const client = await open()
    client.send('SET k v', 'WAITAOF 1 0 0')
    expect([await client.receive(), await client.receive()]).toEqual(['+OK', '[:1 :0]'])
    expect(await client.run('WAITAOF 1 1 10')).toBe('[:1 :0]')
  })

  it('fails EXEC when a missing key was there for a moment, in one transaction too', async () => {
    const watcher = await open()
    const other = await open()
    await watcher.run('WATCH brief')
    other.send('MULTI', 'SET brief 1', 'DEL brief', 'EXEC')
    for (let i = 0; i < 4; i++) await other.receive()
    watcher.send('MULTI', 'EXEC')
    expect([await watcher.receive(), await watcher.receive()]).toEqual(['+OK', 'nil-array'])
    await watcher.run('WATCH brief')
    await other.run('SET unrelated 1')
    watcher.send('MULTI', 'EXEC')
    expect([await watcher.receive(), await watcher.receive()]).toEqual(['+OK', '[]'])
  })

  it('samples rates', async () => {
    const client = await open()
    await client.run('CONFIG RESETSTAT')
    let info = ''
    while (!/instantaneous_ops_per_sec:[1-9]/.test(info)) info = await client.run('INFO stats')
    expect(info).toMatch(/instantaneous_input_kbps:\d+\.\d\d/)
  })

  it('hides passwords from SLOWLOG', async () => {
    const client = await open()
    await client.run('CONFIG SET slowlog-log-slower-than 0')
    await client.run('AUTH default sesame')
    await client.run('HELLO 2 AUTH default sesame')
    await client.run('CONFIG SET requirepass sesame')
    await client.run('CONFIG SET requirepass ""')
    const log = await client.run('SLOWLOG GET')
    await client.run('CONFIG SET slowlog-log-slower-than 10000')
    expect(log.match(/\(redacted\)/g)).toHaveLength(6)
    expect(log).not.toContain('sesame')
  })

  it('ends by SHUTDOWN with everything on disk, and DEBUG only where it is allowed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'moraine-shutdown-'))
    try {
      const first = await startMoraine('--dir', directory, '--enable-debug-command', 'no')
      const client = await open(first.port)
      expect(await client.run('DEBUG SLEEP 0')).toContain('DEBUG command not allowed.')
      await client.run('SET k v')
      expect(await client.run('SHUTDOWN')).toBe('closed')
      expect(await first.exited).toBe(0)
      await first.stop()
      const second = await startMoraine('--dir', directory)
      try {
        const again = await open(second.port)
        expect(await again.run('GET k')).toBe('"v"')
        expect(await again.run('INFO log')).toMatch(/checkpoint_lsn:[1-9]/)
      } finally {
        await second.stop()
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  it('ends by SHUTDOWN without a log, too', async () => {
    const volatile = await startMoraine('--appendonly', 'no')
    try {
      const client = await open(volatile.port)
      await client.run('SET k v')
      expect(await client.run('SAVE')).toContain('the server keeps no log')
      expect(await client.run('SHUTDOWN')).toBe('closed')
      expect(await volatile.exited).toBe(0)
    } finally {
      await volatile.stop()
    }
  })
})
