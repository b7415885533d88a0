/** A process that the system gives only so much: what does not fit is refused, and everybody else is served. */
import { Redis } from 'ioredis'
import { afterEach, expect, it } from 'vitest'
import { builtMoraine, describeWith, linux } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraineWithin } from './processes.ts'

const addressKib = 4_000_000
const bitsMax = 2 ** 32

describeWith([builtMoraine, linux], 'a server with little memory to get', () => {
  let server: ServerProcess | undefined
  const clients: Redis[] = []

  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    await server?.stop()
    server = undefined
  })

  function connect(): Redis {
    const client = new Redis((server as ServerProcess).port, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
    client.on('error', () => undefined)
    clients.push(client)
    return client
  }

  it('refuses what does not fit, and goes on', async () => {
    // Nothing but the requests themselves shall need memory.
    server = await startMoraineWithin(addressKib, '--appendonly', 'no', '--tier-enabled', 'no')
    const client = connect()
    const other = connect()
    /** Makes strings of so many bits until one is refused; returns how many there are. */
    const fill = async (name: string, bits: number): Promise<number> => {
      for (let made = 0; made < 64; made++) {
        const refusal = await client.setbit(`${name}${made}`, bits - 1, 1).then(
          () => '',
          (failure: Error) => failure.message,
        )
        if (refusal === '') continue
        expect(refusal).toBe("OOM command not allowed when used memory > 'maxmemory'.")
        expect(await client.exists(`${name}${made}`)).toBe(0)
        return made
      }
      throw new Error('nothing was refused')
    }
    const large = await fill('k', bitsMax)
    expect(large).toBeGreaterThan(0)
    const made = large + (await fill('m', bitsMax / 8))
    expect(await other.dbsize()).toBe(made)

    await expect(client.set('large', Buffer.alloc(200 * 1024 * 1024))).rejects.toThrow()
    expect(await other.set('small', 'v')).toBe('OK')
    await other.del('k0')
    expect(await other.setbit('k0', bitsMax - 1, 1)).toBe(0)
    expect(await other.dbsize()).toBe(made + 1)
  })
})
