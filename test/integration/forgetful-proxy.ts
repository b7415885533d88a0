/**
 * Stands between a client and a server on 127.0.0.1, and can forget the connections that it has: nothing passes on them any
 * more and nobody is told, as when a firewall between two machines has been restarted. New connections work.
 */
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

export class ForgetfulProxy {
  /** `host:port`. */
  readonly address: string
  /** How many it has taken since the start. */
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #generation = 0

  private constructor(server: Server, target: string) {
    const [host, port] = target.split(':')
    this.#server = server
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', (near) => this.#join(near, connect(Number(port), host)))
  }

  static start(target: string): Promise<ForgetfulProxy> {
    return new Promise((resolve, reject) => {
      const server = createServer()
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => resolve(new ForgetfulProxy(server, target)))
    })
  }

  /** From now on nothing passes on the connections that there are. */
  forget(): void {
    this.#generation++
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #join(near: Socket, far: Socket): void {
    this.connections++
    const generation = this.#generation
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(from)
      from.on('data', (bytes) => {
        if (generation === this.#generation) to.write(bytes)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        if (generation === this.#generation) to.destroy()
      })
    }
  }
}
