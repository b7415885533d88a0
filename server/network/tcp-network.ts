/**
 * TCP and Unix sockets by node:net. A write that the kernel takes whole (nearly always) is over when it returns, so its
 * memory is free again at once; several views go out as one writev.
 */
import { chmod, unlink } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { createConnection, createServer } from 'node:net'
import type { ConnectOptions, ListeningPort, ListenOptions, Network, Pipe, PipeOwner } from './network.ts'

export class TcpNetwork implements Network {
  /** A path that a process which was killed has left behind is taken over. */
  async listen(options: ListenOptions, onPipe: (pipe: Pipe) => void): Promise<ListeningPort> {
    const { path, mode } = options
    const port = await this.#listen(options, onPipe).catch(async (failure: NodeJS.ErrnoException) => {
      if (path === undefined || failure.code !== 'EADDRINUSE' || !(await this.#isAbandoned(path))) throw failure
      await unlink(path)
      return this.#listen(options, onPipe)
    })
    if (path !== undefined && mode !== undefined) await chmod(path, mode)
    return port
  }

  #listen(options: ListenOptions, onPipe: (pipe: Pipe) => void): Promise<ListeningPort> {
    const server = createServer(
      { allowHalfOpen: true, noDelay: true, keepAlive: (options.keepAliveMs ?? 0) > 0, keepAliveInitialDelay: options.keepAliveMs ?? 0 },
      (socket) => onPipe(new TcpPipe(socket, options.path)),
    )
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(listenTarget(options), () => {
        server.removeListener('error', reject)
        resolve(listening(server))
      })
    })
  }

  /** Whether there is a Unix socket that nobody listens on. */
  #isAbandoned(path: string): Promise<boolean> {
    return this.connect({ path }).then(
      (pipe) => {
        pipe.destroy()
        return false
      },
      (failure: NodeJS.ErrnoException) => failure.code === 'ECONNREFUSED',
    )
  }

  connect(options: ConnectOptions): Promise<Pipe> {
    const target = options.path === undefined ? { host: options.host ?? '127.0.0.1', port: options.port ?? 0 } : { path: options.path }
    const keepAliveMs = options.keepAliveMs ?? 0
    return new Promise((resolve, reject) => {
      const socket = createConnection({
        ...target,
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: keepAliveMs > 0,
        keepAliveInitialDelay: keepAliveMs,
      })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.removeListener('error', reject)
        resolve(new TcpPipe(socket, options.path))
      })
    })
  }
}

function listenTarget(options: ListenOptions): { path: string } | { host?: string; port: number; backlog?: number } {
  const backlog = options.backlog === undefined ? {} : { backlog: options.backlog }
  if (options.path !== undefined) return { path: options.path, ...backlog }
  return { port: options.port ?? 0, ...(options.host === undefined ? {} : { host: options.host }), ...backlog }
}

function listening(server: Server): ListeningPort {
  const bound = server.address()
  const tcp = bound !== null && typeof bound !== 'string'
  return {
    address: tcp ? joined(bound.address, bound.port) : String(bound),
    port: tcp ? bound.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close()
        resolve()
      }),
  }
}

/** As Redis shows addresses: IPv6 in brackets, and an IPv4 address that came through an IPv6 socket as what it is. */
function joined(host: string | undefined, port: number | undefined): string {
  const plain = (host ?? '').replace(/^::ffff:(?=\d+\.)/, '')
  return plain.includes(':') ? `[${plain}]:${port ?? 0}` : `${plain}:${port ?? 0}`
}

class TcpPipe implements Pipe {
  readonly remoteAddress: string
  readonly localAddress: string
  readonly #socket: Socket
  #owner: PipeOwner | undefined
  #failure: string | undefined
  /** A write is under way that the kernel did not take at once. */
  #draining = false

  constructor(socket: Socket, path: string | undefined) {
    this.#socket = socket
    this.remoteAddress = path === undefined ? joined(socket.remoteAddress, socket.remotePort) : `${path}:0`
    this.localAddress = path === undefined ? joined(socket.localAddress, socket.localPort) : `${path}:0`
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure = error.code ?? error.message
    })
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  start(owner: PipeOwner): void {
    this.#owner = owner
    const socket = this.#socket
    if (socket.destroyed) {
      process.nextTick(() => owner.onClose(this.#failure))
      return
    }
    socket.on('data', (bytes: Buffer) => owner.onData(bytes, 0, bytes.length))
    socket.on('end', () => owner.onEnd())
    socket.on('close', () => owner.onClose(this.#failure))
  }

  write(views: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return true
    const last = views.length - 1
    if (last < 0) return socket.writableLength === 0
    if (last > 0) socket.cork()
    for (let i = 0; i < last; i++) socket.write(views[i]!)
    socket.write(views[last]!)
    if (last > 0) socket.uncork()
    if (socket.writableLength === 0) return true
    if (!this.#draining) {
      this.#draining = true
      this.#awaitDrain()
    }
    return false
  }

  /** An empty write is called back when everything before it has been taken. */
  #awaitDrain(): void {
    this.#socket.write('', () => {
      if (this.#socket.writableLength > 0) {
        this.#awaitDrain()
        return
      }
      this.#draining = false
      if (!this.#socket.destroyed) this.#owner?.onDrain()
    })
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
