/** The listener on a simulated network: clients come, go, are refused, crash. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Connection, RequestHandler } from '../../server/network/connection.ts'
import { defaultLimits, Listener } from '../../server/network/listener.ts'
import type { ListeningPort, Pipe } from '../../server/network/network.ts'
import { Turn } from '../../server/network/turn.ts'
import { chance } from '../chance.ts'
import { ManualClock } from './manual-clock.ts'
import { SimulatedNetwork } from './simulated-network.ts'

class Client {
  readonly pipe: Pipe
  received = ''
  gone = false

  constructor(pipe: Pipe) {
    this.pipe = pipe
    pipe.start({
      onData: (bytes, start, end) => {
        this.received += bytes.toString('latin1', start, end)
      },
      onDrain: () => undefined,
      onEnd: () => pipe.end(),
      onClose: () => {
        this.gone = true
      },
    })
  }
}

describe('Listener', () => {
  let clock: ManualClock
  let network: SimulatedNetwork
  let listener: Listener
  let port: ListeningPort

  const echo: RequestHandler = {
    request(connection, args) {
      connection.reply.bulk(args.buffer, args.start(0), args.end(0))
      return 'next'
    },
    closed: () => undefined,
  }

  beforeEach(async () => {
    clock = new ManualClock()
    network = new SimulatedNetwork(chance(), clock, { pieceBytesMax: 50 })
    listener = new Listener(network.host('server'), new Turn(clock), clock, { ...defaultLimits(), clientsMax: 3 }, () => echo)
    port = await listener.listen({ host: 'server', port: 6379 })
  })

  afterEach(() => listener.close())

  async function run(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      clock.advance(1)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  async function client(host = 'laptop'): Promise<Client> {
    const pipe = network.host(host).connect({ host: 'server', port: port.port })
    await run(20)
    return new Client(await pipe)
  }

  it('serves clients side by side and counts', async () => {
    const [one, two] = [await client(), await client()]
    one.pipe.write([Buffer.from('*1\r\n$5\r\nhello\r\nagain\r\n')])
    two.pipe.write([Buffer.from(`${'y'.repeat(1000)}\r\n`)])
    await run(1000)
    expect(one.received).toBe('$5\r\nhello\r\n$5\r\nagain\r\n')
    expect(two.received).toBe(`$1000\r\n${'y'.repeat(1000)}\r\n`)
    expect(listener.counts).toMatchObject({ accepted: 2, rejected: 0, inputBytes: 1024, outputBytes: 1031, writes: 2 })
    expect([...listener.connections.keys()]).toEqual([1, 2])
    expect(listener.memoryBytes).toBe(0)
    one.pipe.end()
    await run(50)
    expect([...listener.connections.keys()]).toEqual([2])
    expect(one.gone).toBe(true)
  })

  it('refuses clients beyond the limit as Redis does', async () => {
    const clients = [await client(), await client(), await client(), await client()]
    await run(50)
    expect(clients.map(({ received, gone }) => [received, gone])).toEqual([
      ['', false],
      ['', false],
      ['', false],
      ['-ERR max number of clients reached\r\n', true],
    ])
    expect([listener.counts.accepted, listener.counts.rejected]).toEqual([3, 1])
    clients[0]!.pipe.destroy()
    await run(50)
    const late = await client()
    late.pipe.write([Buffer.from('hi\r\n')])
    await run(50)
    expect(late.received).toBe('$2\r\nhi\r\n')
  })

  it('closes silent clients, half-open ones among them', async () => {
    listener.limits.idleMs = 5000
    const vanished = await client('tablet')
    const alive = await client()
    network.crash('tablet', true)
    for (let second = 0; second < 10; second++) {
      alive.pipe.write([Buffer.from('x\r\n')])
      await run(1000)
    }
    expect(vanished.gone).toBe(false)
    expect([...listener.connections.keys()]).toEqual([2])
  })

  it('loses no byte to a line that is cut for a while, and drops a client whose host crashes', async () => {
    const one = await client()
    network.partition('laptop', 'server')
    one.pipe.write([Buffer.from('hello\r\n')])
    await run(100)
    expect(listener.counts.inputBytes).toBe(0)
    network.heal('laptop', 'server')
    await run(100)
    expect(one.received).toBe('$5\r\nhello\r\n')
    network.crash('laptop')
    await run(50)
    expect(listener.connections.size).toBe(0)
  })

  it('closes all clients when it closes', async () => {
    const left: Connection[] = [...(await Promise.all([client()])).map(() => listener.connections.get(1)!)]
    await listener.close()
    expect(left.map((connection) => connection.closed)).toEqual([true])
    await expect(Promise.all([network.host('laptop').connect({ host: 'server', port: 6379 }), run(20)])).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
  })
})
