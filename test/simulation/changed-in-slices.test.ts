/** Removals and additions of many elements that are made in slices: crashes, clients that write the same key meanwhile, clients that are closed, a log that is replayed. */
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

const come = Array.from({ length: 150 }, (_, i) => `new${i}`)
const left = members - gone.length
const more = members + come.length

/** What is asked, and how many elements there are then. */
const requests: readonly (readonly [words: readonly string[], after: number])[] = [
  [['SREM', 's', ...gone], left],
  [['ZREM', 'z', ...gone], left],
  [['HDEL', 'h', ...gone], left],
  [['ZREMRANGEBYSCORE', 'z', '100', '249'], left],
  [['ZPOPMIN', 'z', '150'], left],
  [['SPOP', 's', '150'], left],
  [['SADD', 's', ...come], more],
  [['ZADD', 'z', ...come.flatMap((name, i) => [`${i * 2}`, name])], more],
  [['HSET', 'h', ...come.flatMap((name) => [name, 'value'])], more],
]

describe.each(requests.map(([words, after]) => ({ name: words[0], words, after })))('$name', ({ words, after }) => {
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
      const found = await again.ask(card, key)
      expect([`:${members}\r\n`, `:${after}\r\n`]).toContain(found)
      if (isAcknowledged) expect(found).toBe(`:${after}\r\n`)
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

/** Lets what is staged from now on do one step and no more, until the returned function is called: as work that is recorded waits for room. */
function stopAtOnce({ server }: Scene): () => void {
  const { stagedWork } = server
  const add = stagedWork.add.bind(stagedWork)
  stagedWork.add = (job) => {
    job.work.step()
    return add({ ...job, work: Object.assign(job.work, { isRecorded: true }) })
  }
  const { hasRoom } = stagedWork
  stagedWork.hasRoom = () => false
  return () => {
    stagedWork.hasRoom = hasRoom
  }
}

describe('a removal in slices', () => {
  it('is followed by those who write the same key, not by those who read it or write another', async () => {
    const { scene, client } = await sceneWith(1)
    const others = [await scene.plainClient(), await scene.plainClient(), await scene.plainClient()] as const
    const waits = countWaits(scene)
    const goOn = stopAtOnce(scene)
    const { log } = scene.server.primary
    const before = log.appended
    client.send('ZREM', 'z', ...gone)
    await scene.pass(20)
    others[0].send('ZADD', 'z', '7', gone[0] as string)
    await others[1].ask('MULTI')
    await others[1].ask('ZADD', 'z', '8', gone[1] as string)
    others[1].send('EXEC')
    await scene.pass(20)
    expect(await others[2].ask('SADD', 's', 'another')).toBe(':1\r\n')
    expect(await others[2].ask('ZCARD', 'z')).toBe(`:${members}\r\n`)
    expect([waits(), others[0].hasReply, others[1].hasReply]).toEqual([2, false, false])
    goOn()
    expect(await client.receive()).toBe(`:${gone.length}\r\n`)
    expect(await others[0].receive()).toBe(':1\r\n')
    expect(await others[1].receive()).toBe('*1\r\n:1\r\n')
    expect(log.appended - before).toBe(4)
    expect(await client.ask('ZCARD', 'z')).toBe(`:${members - gone.length + 2}\r\n`)
    expect(await client.ask('ZMSCORE', 'z', gone[0] as string, gone[1] as string)).toBe('*2\r\n$1\r\n7\r\n$1\r\n8\r\n')
  })

  it('lets those go on who wait for it when its client is closed', async () => {
    const { scene, client } = await sceneWith(2)
    const [other, third] = [await scene.plainClient(), await scene.plainClient()]
    const id = (await client.ask('CLIENT', 'ID')).slice(1, -2)
    const goOn = stopAtOnce(scene)
    client.send('SREM', 's', ...gone)
    await scene.pass(20)
    other.send('SADD', 's', 'new')
    await scene.pass(20)
    expect(other.hasReply).toBe(false)
    expect(await third.ask('CLIENT', 'KILL', 'ID', id)).toBe(':1\r\n')
    expect(await other.receive()).toBe(':1\r\n')
    expect(scene.server.stagedWork.count).toBe(0)
    goOn()
    expect(await other.ask('SCARD', 's')).toBe(`:${members + 1}\r\n`)
  })

  it('begins anew when a script changes the key that it did not name', async () => {
    const { scene, client } = await sceneWith(3)
    const other = await scene.plainClient()
    const goOn = stopAtOnce(scene)
    client.send('ZREMRANGEBYRANK', 'z', '100', '249')
    await scene.pass(20)
    expect(await other.ask('EVAL', "return redis.call('ZADD', 'z', '-1', 'first')", '0')).toBe(':1\r\n')
    goOn()
    expect(await client.receive()).toBe(':150\r\n')
    expect(await client.ask('ZRANGE', 'z', '99', '100')).toMatch(/m98\r\n\$4\r\nm249\r\n$/)
  })
})
