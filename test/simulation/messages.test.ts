/** What subscribers hear, and when: never of a write that could still be lost. */
import { describe, expect, it } from 'vitest'
import { chance } from '../chance.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const config = { 'notify-keyspace-events': 'KEA', appendfsync: 'always' }

async function subscriber(scene: Scene, ...patterns: string[]): Promise<PlainClient> {
  const client = await scene.plainClient()
  await client.ask('HELLO', '3')
  client.send('PSUBSCRIBE', ...patterns)
  for (const _ of patterns) await client.receive()
  return client
}

/** Bulk strings of a reply. */
const wordsOf = (raw: string): string[] => raw.split('\r\n').filter((_, i) => i > 0 && i % 2 === 0)

/** All that has arrived and that nobody has received. */
async function arrived(client: PlainClient): Promise<string[]> {
  const messages: string[] = []
  while (client.hasReply)
    messages.push(
      wordsOf(await client.receive())
        .slice(2)
        .join(' '),
    )
  return messages
}

describe('messages', () => {
  it('of writes that a crash undoes were never delivered', async () => {
    let delivered = 0
    let lost = 0
    for (let seed = 1; seed <= 12; seed++) {
      const random = chance(40 + seed)
      // The disk is slow enough for messages to be faster, if they did not wait.
      const scene = new Scene(seed, { config, diskMsMax: 60 })
      await scene.startUnobserved()
      const listeners = [await subscriber(scene, '__keyevent@0__:set'), await subscriber(scene, 'told')]
      const writers = [await scene.plainClient(), await scene.plainClient()]
      const count = 20 + (random.nextUint32() % 20)
      for (let i = 0; i < count; i++) {
        const writer = writers[i % 2] as PlainClient
        writer.sendTogether(
          ['SET', `k${i}`, 'v'],
          ['MULTI'],
          ['PUBLISH', 'told', `m${i}`],
          ['SET', `m${i}`, 'v'],
          ['EXEC'],
          ['PUBLISH', 'told', `k${i}`],
        )
        await scene.pass(random.nextUint32() % 20)
      }
      await scene.pass(3)
      const heard = (await Promise.all(listeners.map(arrived))).flat().map((message) => message.split(' ').at(-1) as string)
      scene.machine.crash()
      await scene.startUnobserved()
      const reader = await scene.plainClient()
      for (const key of heard) expect([seed, key, await reader.ask('EXISTS', key)]).toEqual([seed, key, ':1\r\n'])
      delivered += heard.length
      lost += 2 * count - Number((await reader.ask('DBSIZE')).slice(1))
    }
    // The crashes came in time: there was something to deliver, and something to lose.
    expect(delivered).toBeGreaterThan(100)
    expect(lost).toBeGreaterThan(5)
  })

  it('come in the order of the changes, those of a transaction together', async () => {
    const scene = new Scene(1, { config: { ...config, 'notify-keyspace-events': 'KA' }, diskMsMax: 5 })
    await scene.startUnobserved()
    const listener = await subscriber(scene, '__key*', 'news')
    const [one, two] = [await scene.plainClient(), await scene.plainClient()]
    one.sendTogether(
      ['SET', 'a', '1'],
      ['MULTI'],
      ['INCR', 'a'],
      ['PUBLISH', 'news', 'x'],
      ['DEL', 'a'],
      ['EXEC'],
      ['PUBLISH', 'news', 'y'],
    )
    for (let i = 0; i < 7; i++) await one.receive()
    await two.ask('PUBLISH', 'news', 'z')
    await scene.pass(20)
    expect(await arrived(listener)).toEqual([
      ...['__keyspace@0__:a set', '__keyspace@0__:a incrby', 'news x', '__keyspace@0__:a del', 'news y', 'news z'],
    ])
  })

  it('of what another one publishes do not wait for writes that are under way', async () => {
    const scene = new Scene(1, { config, diskMsMax: 1000 })
    await scene.startUnobserved()
    const listener = await subscriber(scene, 'news')
    const [one, two] = [await scene.plainClient(), await scene.plainClient()]
    one.sendTogether(['SET', 'a', '1'], ['PUBLISH', 'news', 'after the write'])
    two.send('PUBLISH', 'news', 'at once')
    expect(await two.receive()).toBe(':1\r\n')
    expect(one.hasReply).toBe(false)
    await one.receive()
    await one.receive()
    await scene.pass(5)
    expect((await arrived(listener)).sort()).toEqual(['news after the write', 'news at once'])
  })

  it('tell of keys that expire and are deleted by the server itself, once that is committed', async () => {
    const scene = new Scene(1, { config: { ...config, 'notify-keyspace-events': 'Ex' } })
    await scene.startUnobserved()
    const listener = await subscriber(scene, '__key*')
    const client = await scene.plainClient()
    await client.ask('SET', 'a', '1', 'PX', '50')
    await scene.pass(1000)
    expect(await arrived(listener)).toEqual(['__keyevent@0__:expired a'])
  })

  it('go on after the data were read again, and stop with UNSUBSCRIBE, RESET and the end of a connection', async () => {
    const scene = new Scene(1, { config: { ...config, 'notify-keyspace-events': 'E$', 'enable-debug-command': 'yes' } })
    await scene.startUnobserved()
    const listener = await subscriber(scene, '__key*')
    const second = await subscriber(scene, '__key*', 'x')
    const client = await scene.plainClient()
    await client.ask('DEBUG', 'RELOAD')
    await client.ask('SET', 'a', '1')
    await scene.pass(5)
    expect(await arrived(listener)).toEqual(['__keyevent@0__:set a'])
    const { pubsub } = scene.server
    expect([pubsub.count('patterns'), pubsub.bytes > 0]).toEqual([2, true])
    await second.ask('RESET')
    await listener.ask('QUIT')
    await scene.pass(5)
    expect([pubsub.count('patterns'), pubsub.bytes, pubsub.wanted]).toEqual([0, 0, 0])
  })
})
