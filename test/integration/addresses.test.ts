/** CONFIG SET of `port` and `bind` on a running server: the listener moves, clients stay, and a mistake changes nothing. */
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine, startRedis, withFreePort } from './processes.ts'

const products = [
  ['moraine', builtMoraine, () => startMoraine('--appendonly', 'no')],
  ['redis-server', redisServer, () => startRedis()],
] as const

for (const [product, need, start] of products) {
  describeWith([need], `addresses of ${product}`, () => {
    let server: ServerProcess
    let client: Redis
    const clients: Redis[] = []

    function open(port: number): Redis {
      const made = new Redis({ port, lazyConnect: true, retryStrategy: () => null, protocol: 2 })
      made.on('error', () => undefined)
      clients.push(made)
      return made
    }

    const canConnect = (port: number): Promise<boolean> =>
      open(port)
        .connect()
        .then(
          () => true,
          () => false,
        )

    const set = (...words: string[]): Promise<unknown> => client.call('CONFIG', 'SET', ...words).catch((problem: Error) => problem.message)
    const get = async (name: string): Promise<unknown> => ((await client.call('CONFIG', 'GET', name)) as string[])[1]

    beforeEach(async () => {
      server = await start()
      client = open(server.port)
      await client.connect()
    })
    afterEach(async () => {
      for (const each of clients.splice(0)) each.disconnect()
      await server.stop()
    })

    it('moves to another port', async () => {
      const port = await withFreePort(async (free) => {
        expect(await set('port', String(free))).toBe('OK')
        return free
      })
      expect([await canConnect(port), await canConnect(server.port)]).toEqual([true, false])
      expect(await client.ping()).toBe('PONG')
      expect(await get('port')).toBe(String(port))
      expect(await client.info('server')).toContain(`tcp_port:${port}\r\n`)
    })

    it('stays where it is when another has the port', async () => {
      const other = await start()
      try {
        const before = await get('port')
        expect(await set('maxmemory', '123mb', 'port', String(other.port))).toBe(
          "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.",
        )
        expect([await get('port'), await get('maxmemory')]).toEqual([before, '0'])
        expect(await canConnect(server.port)).toBe(true)
      } finally {
        await other.stop()
      }
    })

    it('changes its addresses', async () => {
      for (const addresses of ['127.0.0.1 -10.254.254.254', '*', '127.0.0.1']) {
        expect(await set('bind', addresses)).toBe('OK')
        expect(await get('bind')).toBe(addresses)
        expect(await canConnect(server.port)).toBe(true)
      }
      expect(await client.ping()).toBe('PONG')
    })

    it('keeps its addresses when it cannot have others', async () => {
      for (const addresses of [
        '10.254.254.254',
        '127.0.0.1 no.such.name.invalid',
        '127.0.0.1 127.0.0.1',
        '127.0.0.1 -no.such.name.invalid',
      ]) {
        expect(await set('bind', addresses)).toBe(
          "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.",
        )
        expect([await get('bind'), await canConnect(server.port)]).toEqual(['127.0.0.1', true])
      }
      expect(await set('bind', Array.from({ length: 17 }, (_, i) => `127.0.0.${i + 1}`).join(' '))).toContain(
        'Too many bind addresses specified.',
      )
    })
  })
}
