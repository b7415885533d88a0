/** Removals and additions of many elements, and changes of what many entries of a stream have pending, that are made in slices: crashes, clients that write the same key meanwhile, clients that are closed, a log that is replayed. */
import { describe, expect, it } from 'vitest'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const config = { 'tier-min-value-size': 0n, 'log-segment-bytes': 8192 } as const
const sizes = { treeLeafBytes: 200, slicedValueBytes: 10 * 512, batchEntries: 2 }
const members = 400
/** Of the stream, and those that are pending. */
const entries = 90
const delivered = 60
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
  await client.ask('RPUSH', 'l', ...numbers.map((i) => `element ${i}`))
  client.sendTogether(...Array.from({ length: entries }, (_, i) => ['XADD', 'x', `${i + 1}-1`, 'field', `value ${i}`]))
  for (let i = 0; i < entries; i++) await client.receive()
  await client.ask('XGROUP', 'CREATE', 'x', 'g', '0')
  await client.ask('XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', `${delivered}`, 'STREAMS', 'x', '>')
  return { scene, client }
}

const gone = Array.from({ length: 150 }, (_, i) => `m${i + 100}`)
const come = Array.from({ length: 150 }, (_, i) => `new${i}`)
const ids = Array.from({ length: 30 }, (_, i) => `${i + 11}-1`)

type Words = readonly string[]

/** What is asked; what tells how many elements there are, or entries pending; how many there are before and after. */
const requests: readonly (readonly [words: Words, tells: Words, before: number, after: number])[] = [
  [['SREM', 's', ...gone], ['SCARD', 's'], members, members - 150],
  [['ZREM', 'z', ...gone], ['ZCARD', 'z'], members, members - 150],
  [['HDEL', 'h', ...gone], ['HLEN', 'h'], members, members - 150],
  [['ZREMRANGEBYSCORE', 'z', '100', '249'], ['ZCARD', 'z'], members, members - 150],
  [['ZPOPMIN', 'z', '150'], ['ZCARD', 'z'], members, members - 150],
  [['SPOP', 's', '150'], ['SCARD', 's'], members, members - 150],
  [['SADD', 's', ...come], ['SCARD', 's'], members, members + 150],
  [['ZADD', 'z', ...come.flatMap((name, i) => [`${i * 2}`, name])], ['ZCARD', 'z'], members, members + 150],
  [['HSET', 'h', ...come.flatMap((name) => [name, 'value'])], ['HLEN', 'h'], members, members + 150],
  [['RPUSH', 'l', ...come], ['LLEN', 'l'], members, members + 150],
  [['LPUSH', 'l', ...come, 'x'.repeat(9000)], ['LLEN', 'l'], members, members + 151],
  [['RPUSH', 'new', ...come], ['LLEN', 'new'], 0, 150],
  [['RPOP', 'l', '250'], ['LLEN', 'l'], members, members - 250],
  [['XREADGROUP', 'GROUP', 'g', 'bob', 'STREAMS', 'x', '>'], ['XPENDING', 'x', 'g'], delivered, entries],
  [['XACK', 'x', 'g', ...ids], ['XPENDING', 'x', 'g'], delivered, delivered - ids.length],
  [['XCLAIM', 'x', 'g', 'bob', '0', ...ids], ['XPENDING', 'x', 'g', '-', '+', '100', 'bob'], 0, ids.length],
  [['XAUTOCLAIM', 'x', 'g', 'bob', '0', '-', 'COUNT', '40'], ['XPENDING', 'x', 'g', '-', '+', '100', 'bob'], 0, 40],
  [['XGROUP', 'DELCONSUMER', 'x', 'g', 'alice'], ['XPENDING', 'x', 'g'], delivered, 0],
]

/** What a reply tells: an integer that it is, or begins with, or how many items it has. */
function numberIn(reply: string): number {
  return Number((/^(?:\*4\r\n)?:(\d+)/.exec(reply) ?? /^\*(\d+)/.exec(reply))?.[1])
}

describe.each(requests.map(([words, tells, before, after]) => ({ name: `${words[0]} ${words[1]}`, words, tells, before, after })))(
  '$name',
  ({ words, tells, before, after }) => {
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
        const found = numberIn(await again.ask(...tells))
        expect([before, after]).toContain(found)
        if (isAcknowledged) expect(found).toBe(after)
        if (isAcknowledged) break
      }
    })
  },
)

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

describe('what waits for a list or a stream', () => {
  it('is woken once by a push in slices, and gets the first element', async () => {
    const { scene, client } = await sceneWith(4)
    const [first, second] = [await scene.plainClient(), await scene.plainClient()]
    first.send('BLPOP', 'new', '0')
    second.send('BLMPOP', '0', '1', 'new', 'RIGHT', 'COUNT', '2')
    await scene.pass(20)
    expect(await client.ask('RPUSH', 'new', ...come)).toBe(':150\r\n')
    expect(await first.receive()).toBe('*2\r\n$3\r\nnew\r\n$4\r\nnew0\r\n')
    expect(await second.receive()).toBe('*2\r\n$3\r\nnew\r\n*2\r\n$6\r\nnew149\r\n$6\r\nnew148\r\n')
    expect(await client.ask('LLEN', 'new')).toBe(':147\r\n')
  })

  it('is served while a change of the stream is made, which then begins anew', async () => {
    const { scene, client } = await sceneWith(5)
    const [reader, writer, third] = [await scene.plainClient(), await scene.plainClient(), await scene.plainClient()]
    await client.ask('XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 'x', '>')
    reader.send('XREADGROUP', 'GROUP', 'g', 'bob', 'BLOCK', '0', 'STREAMS', 'x', '>')
    await scene.pass(20)
    const waits = countWaits(scene)
    const goOn = stopAtOnce(scene)
    client.send('XACK', 'x', 'g', ...ids)
    await scene.pass(20)
    // It names the key and waits; a script that does not name it does not.
    writer.send('XADD', 'x', '1000-1', 'field', 'written')
    await scene.pass(20)
    expect([waits(), writer.hasReply, reader.hasReply]).toEqual([1, false, false])
    expect(await third.ask('EVAL', "return redis.call('XADD', 'x', '999-1', 'field', 'by a script')", '0')).toBe('$5\r\n999-1\r\n')
    expect(await reader.receive()).toContain('999-1')
    goOn()
    expect(await client.receive()).toBe(`:${ids.length}\r\n`)
    expect(await writer.receive()).toBe('$6\r\n1000-1\r\n')
    expect(numberIn(await client.ask('XPENDING', 'x', 'g'))).toBe(entries - ids.length + 1)
  })
})
