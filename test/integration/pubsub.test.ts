/** Publish and subscribe as applications use it, and subscribers that do not keep up, against a real process. */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine } from './processes.ts'

describeWith([builtMoraine], 'publish and subscribe', () => {
  let server: ServerProcess
  let client: Redis
  beforeAll(async () => {
    server = await startMoraine('--notify-keyspace-events', 'KEA', '--client-output-buffer-limit', 'pubsub', '1mb', '0', '0')
    client = new Redis({ host: '127.0.0.1', port: server.port })
  })
  afterAll(async () => {
    client.disconnect()
    await server.stop()
  })

  /** A connection that has subscribed to `channel` and of which `onData` hears what arrives. */
  function subscriber(channel: string, onData: (bytes: Buffer) => void = () => undefined): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: server.port }, () => socket.write(`SUBSCRIBE ${channel}\r\n`))
      socket.once('error', reject)
      socket.once('data', () => {
        socket.on('data', onData)
        resolve(socket)
      })
    })
  }

  it('serves ioredis: channels, patterns, shard channels, keyspace events', async () => {
    const listener = new Redis({ host: '127.0.0.1', port: server.port })
    const heard: string[] = []
    const all = new Promise<void>((resolve) => {
      const hear = (line: string): void => {
        heard.push(line)
        if (heard.length === 6) resolve()
      }
      listener.on('message', (channel: string, message: string) => hear(`${channel}: ${message}`))
      listener.on('pmessage', (pattern: string, channel: string, message: string) => hear(`${pattern} ${channel}: ${message}`))
      listener.on('smessage', (channel: string, message: string) => hear(`shard ${channel}: ${message}`))
    })
    expect(await listener.subscribe('news', 'weather')).toBe(2)
    expect(await listener.psubscribe('__keyevent@0__:*')).toBe(3)
    expect(await listener.ssubscribe('part')).toBe(1)
    expect(await client.publish('news', 'one')).toBe(1)
    expect(await client.spublish('part', 'two')).toBe(1)
    await client.multi().set('k', 'v', 'EX', 100).publish('weather', 'three').del('k').exec()
    await all
    expect(heard).toEqual([
      ...['news: one', 'shard part: two', '__keyevent@0__:* __keyevent@0__:set: k', '__keyevent@0__:* __keyevent@0__:expire: k'],
      ...['weather: three', '__keyevent@0__:* __keyevent@0__:del: k'],
    ])
    expect(await client.pubsub('NUMSUB', 'news')).toEqual(['news', 1])
    await listener.unsubscribe('news', 'weather')
    await listener.punsubscribe('__keyevent@0__:*')
    await listener.sunsubscribe('part')
    expect(await listener.get('k')).toBeNull()
    listener.disconnect()
  })

  it.each([2, 3] as const)('serves node-redis over RESP%i', async (RESP) => {
    const listener = createClient({ socket: { host: '127.0.0.1', port: server.port }, RESP })
    await listener.connect()
    const first = new Promise<string>((resolve) => {
      void listener.subscribe(`node:${RESP}`, (message) => resolve(message)).then(() => client.publish(`node:${RESP}`, 'hello'))
    })
    expect(await first).toBe('hello')
    await listener.unsubscribe(`node:${RESP}`)
    listener.destroy()
  })

  it('closes a subscriber that does not read, and serves the others', async () => {
    const slow = await subscriber('flood')
    slow.pause()
    let bytes = 0
    const quick = await subscriber('flood', ({ length }) => {
      bytes += length
    })
    const payload = 'x'.repeat(100_000)
    let receivers = 2
    let sent = 0
    // What the system's buffers take is not known.
    for (; receivers === 2 && sent < 2000; sent++) receivers = await client.publish('flood', payload)
    expect(receivers).toBe(1)
    const end = bytes
    await client.publish('flood', payload)
    await expect.poll(() => bytes).toBeGreaterThanOrEqual(Math.max(end, sent * payload.length))
    await expect.poll(() => server.lines.some((line) => line.includes('does not read what waits for it'))).toBe(true)
    slow.destroy()
    quick.destroy()
  })

  it('reaches a thousand subscribers, each with every message in order', async () => {
    const count = 1000
    const heard = new Array<string>(count).fill('')
    const listeners: Socket[] = []
    for (let i = 0; i < count; i++) {
      listeners.push(
        await subscriber('many', (bytes) => {
          heard[i] += bytes.toString('latin1')
        }),
      )
    }
    const pipeline = client.pipeline()
    for (let i = 0; i < 20; i++) pipeline.publish('many', `m${i}`)
    const replies = await pipeline.exec()
    expect(replies?.every(([error, receivers]) => error === null && receivers === count)).toBe(true)
    const expected = Array.from({ length: 20 }, (_, i) => `*3\r\n$7\r\nmessage\r\n$4\r\nmany\r\n$${`m${i}`.length}\r\nm${i}\r\n`).join('')
    await expect.poll(() => heard.filter((text) => text === expected).length).toBe(count)
    for (const listener of listeners) listener.destroy()
  })
})
