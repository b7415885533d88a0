/** Removals of many elements that are made in slices: crashes, clients that write the same key meanwhile, clients that are closed, a log that is replayed. */
import { describe, expect, it } from 'vitest'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const config = { 'tier-min-value-size': 0n, 'log-segment-bytes': 8192 } as const
const sizes = { treeLeafBytes: 200, slicedValueBytes: 10 * 512, batchEntries: 2 }
const members = 400
/** Operations of the disk between the crashes that are tried. */
const operationsApart = 3

async function sceneWith(seed: number): Promise<{ scene: Scene; client: PlainClient }> {
  const scene = new Scene(seed, { config, sizes })
  await scene.startUnobserved()
  const client = await scene.plainClient()
  const numbers = Array.from({ length: members }, (_, i) => i)
  await client.ask('SADD', 's', ...numbers.map((i) => `m${i}`))
  await client.ask('ZADD', 'z', ...numbers.flatMap((i) => [`${i}`, `m${i}`]))
  await client.ask('HSET', 'h', ...numbers.flatMap((i) => [`m${i}`, `value ${i}`]))
  return { scene, client }
}

const gone = Array.from({ length: 150 }, (_, i) => `m${i + 100}`)
const cards: Readonly<Record<string, string>> = { s: 'SCARD', z: 'ZCARD', h: 'HLEN' }

const requests: readonly (readonly string[])[] = [
  ['SREM', 's', ...gone],
  ['ZREM', 'z', ...gone],
  ['HDEL', 'h', ...gone],
  ['ZREMRANGEBYSCORE', 'z', '100', '249'],
  ['ZPOPMIN', 'z', '150'],
  ['SPOP', 's', '150'],
]

describe.each(requests)('%s %s', (...words) => {
  const key = words[1] as string
  const card = cards[key] as string

  it('leaves the collection as it was or as it will be, whenever the power goes', async () => {
    for (let operations = 1; ; operations += operationsApart) {
      const { scene, client } = await sceneWith(operations)
      const { machine } = scene
      if (operations % 2 === 0) await scene.checkpoint()
      machine.disk.crashAt(machine.disk.operations + operations)
      client.send(...words)
      if (operations % 3 === 0) scene.server.maintenance.checkpoint().catch(() => undefined)
      await scene.loop.run(() => machine.isOff || client.hasReply)
      const isAcknowledged = !machine.isOff
      machine.crash()
      await scene.startUnobserved()
      const again = await scene.plainClient()
      const left = await again.ask(card, key)
      expect([`:${members}\r\n`, `:${members - gone.length}\r\n`]).toContain(left)
      if (isAcknowledged) expect(left).toBe(`:${members - gone.length}\r\n`)
      if (isAcknowledged) break
    }
  })
})

/** Counts how often a request finds that it has to wait for staged work of another one. */
function countWaits({ server }: Scene): () => number {
  const { stagedWork } = server
  const holderOf = stagedWork.holderOf.bind(stagedWork)
  let count = 0
  stagedWork.holderOf = (entry) => {
    const holder = holderOf(entry)
    if (holder !== undefined) count++
    return holder
  }
  return () => count
}

describe('a removal in slices', () => {
  it('is followed by those who write the same key, not by those who read it or write another', async () => {
    const { scene, client } = await sceneWith(1)
    const others = [await scene.plainClient(), await scene.plainClient(), await scene.plainClient()] as const
    const waits = countWaits(scene)
    const { log } = scene.server.primary
    const before = log.appended
    client.send('ZREM', 'z', ...gone)
    await scene.loop.run(() => scene.server.stagedWork.count > 0)
    others[0].send('ZADD', 'z', '7', gone[0] as string)
    await others[1].ask('MULTI')
    await others[1].ask('ZCARD', 'z')
    others[1].send('EXEC')
    others[2].send('SADD', 's', 'another')
    expect(await client.receive()).toBe(`:${gone.length}\r\n`)
    expect(await others[0].receive()).toBe(':1\r\n')
    expect(await others[1].receive()).toMatch(/^\*1\r\n:\d+\r\n$/)
    expect(await others[2].receive()).toBe(':1\r\n')
    expect(waits()).toBe(1)
    expect(log.appended - before).toBe(3)
    expect(await client.ask('ZCARD', 'z')).toBe(`:${members - gone.length + 1}\r\n`)
    expect(await client.ask('ZSCORE', 'z', gone[0] as string)).toBe('$1\r\n7\r\n')
  })

  it('lets those go on who wait for it when its client is closed', async () => {
    const { scene, client } = await sceneWith(2)
    const [other, third] = [await scene.plainClient(), await scene.plainClient()]
    const id = (await client.ask('CLIENT', 'ID')).slice(1, -2)
    const waits = countWaits(scene)
    client.send('SREM', 's', ...gone)
    await scene.loop.run(() => scene.server.stagedWork.count > 0)
    other.send('SADD', 's', 'new')
    await scene.loop.run(() => waits() > 0 || other.hasReply)
    expect(waits()).toBe(1)
    expect(await third.ask('CLIENT', 'KILL', 'ID', id)).toBe(':1\r\n')
    expect(await other.receive()).toBe(':1\r\n')
    expect(scene.server.stagedWork.count).toBe(0)
    // The removal had come to its end, or to nothing.
    expect([`:${members + 1}\r\n`, `:${members - gone.length + 1}\r\n`]).toContain(await other.ask('SCARD', 's'))
  })

  it('begins anew when a script changes the key that it did not name', async () => {
    const { scene, client } = await sceneWith(3)
    const other = await scene.plainClient()
    client.send('ZREMRANGEBYRANK', 'z', '100', '249')
    await scene.loop.run(() => scene.server.stagedWork.count > 0)
    expect(await other.ask('EVAL', "return redis.call('ZADD', 'z', '-1', 'first')", '0')).toBe(':1\r\n')
    expect(await client.receive()).toBe(':150\r\n')
    expect(await client.ask('ZRANGE', 'z', '99', '100')).toMatch(/m98\r\n\$4\r\nm249\r\n$/)
  })
})
