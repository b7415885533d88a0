/** SUNIONSTORE and its like of large collections, in slices, each a record of its own: crashes, clients that are closed, keys that change, a log that is replayed. */
import { describe, expect, it } from 'vitest'
import { ownDatabase } from '../../engine/keyspace/keyspace.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const config = { 'tier-min-value-size': 0n, 'log-segment-bytes': 8192 } as const
const sizes = { treeLeafBytes: 200, slicedValueBytes: 40, batchEntries: 2 }
const members = 200
const former = 'what there was'
/** Operations of the disk between the crashes that are tried. */
const operationsApart = 3

/** Two sets that have half of their members in common, two such sorted sets, and a destination. */
async function sceneWith(seed: number): Promise<{ scene: Scene; client: PlainClient }> {
  const scene = new Scene(seed, { config, sizes })
  await scene.startUnobserved()
  const client = await scene.plainClient()
  const numbers = Array.from({ length: members }, (_, i) => i)
  await client.ask('SADD', 'a', ...numbers.map((i) => `m${i}`))
  await client.ask('SADD', 'b', ...numbers.map((i) => `m${i + members / 2}`))
  await client.ask('ZADD', 'y', ...numbers.flatMap((i) => [`${i}`, `m${i}`]))
  await client.ask('RPUSH', 'l', ...numbers.map((i) => `${(i * 61) % members}`))
  await client.ask('SADD', 'd', former)
  return { scene, client }
}

function unfinished({ server }: Scene): number {
  return server.primary.keyspace.databases[ownDatabase]?.index.size ?? 0
}

const requests: readonly (readonly [request: string, stored: number])[] = [
  ['SUNIONSTORE d a b', (members * 3) / 2],
  ['ZUNIONSTORE d 2 y b', (members * 3) / 2],
  ['SORT l STORE d', members],
]

/** Lets the server make so many records of what it stores, and no more until the returned function is called. */
function stopAfter({ server }: Scene, records: number): () => void {
  const { stagedWork, primary } = server
  const { hasRoom } = stagedWork
  const last = primary.log.appended + records
  stagedWork.hasRoom = () => primary.log.appended < last && hasRoom()
  return () => {
    stagedWork.hasRoom = hasRoom
  }
}

describe.each(requests)('%s', (request, stored) => {
  const words = request.split(' ')
  const card = { SUNIONSTORE: 'SCARD', ZUNIONSTORE: 'ZCARD', SORT: 'LLEN' }[words[0] as string] as string

  it.each([1, 40, 100])('leaves the destination as it was when the power goes after %d records', async (records) => {
    for (const makesCheckpoint of [false, true]) {
      const { scene, client } = await sceneWith(records)
      stopAfter(scene, records)
      client.send(...words)
      await scene.pass(100)
      const { log } = scene.server.primary
      expect([log.committed, client.hasReply]).toEqual([log.appended, false])
      expect(unfinished(scene)).toBe(1)
      if (makesCheckpoint) await scene.checkpoint()
      scene.machine.crash()
      await scene.startUnobserved()
      const again = await scene.plainClient()
      expect(await again.ask('SMEMBERS', 'd')).toBe(`*1\r\n$${former.length}\r\n${former}\r\n`)
      expect(await again.ask('DBSIZE')).toBe(':5\r\n')
      expect(unfinished(scene)).toBe(0)
    }
  })

  it('leaves the destination as it was or as it will be, whenever the power goes', async () => {
    for (let operations = 1; ; operations += operationsApart) {
      const { scene, client } = await sceneWith(operations)
      const { machine } = scene
      machine.disk.crashAt(machine.disk.operations + operations)
      client.send(...words)
      if (operations % 2 === 0) scene.server.maintenance.checkpoint().catch(() => undefined)
      await scene.loop.run(() => machine.isOff || client.hasReply)
      const isAcknowledged = !machine.isOff
      if (isAcknowledged) expect(await client.receive()).toBe(`:${stored}\r\n`)
      machine.crash()
      await scene.startUnobserved()
      const again = await scene.plainClient()
      const isStored = (await again.ask('SISMEMBER', 'd', former)) !== ':1\r\n'
      if (isAcknowledged) expect(isStored).toBe(true)
      expect(await again.ask(isStored ? card : 'SCARD', 'd')).toBe(isStored ? `:${stored}\r\n` : ':1\r\n')
      expect(await again.ask('DBSIZE')).toBe(':5\r\n')
      expect(unfinished(scene)).toBe(0)
      if (isAcknowledged) break
    }
  })
})

describe('what is stored in slices', () => {
  it('is many small records, between which others are served', async () => {
    const { scene, client } = await sceneWith(1)
    const other = await scene.plainClient()
    const { log } = scene.server.primary
    const before = log.appended
    const goOn = stopAfter(scene, 30)
    client.send('SUNIONSTORE', 'd', 'a', 'b')
    await scene.pass(20)
    expect(await other.ask('SCARD', 'd')).toBe(':1\r\n')
    goOn()
    expect(await client.receive()).toBe(':300\r\n')
    expect(log.appended - before).toBeGreaterThan(100)
    expect(await other.ask('SCARD', 'd')).toBe(':300\r\n')
  })

  it('has what was written meanwhile', async () => {
    const { scene, client } = await sceneWith(2)
    const other = await scene.plainClient()
    const goOn = stopAfter(scene, 30)
    client.send('SINTERSTORE', 'd', 'a', 'b')
    await scene.pass(20)
    for (let i = 0; i < 40; i++) {
      await other.ask('SADD', 'a', `m${members + i}`, 'new')
      await other.ask('SREM', 'b', `m${members - 1 - i}`)
      await other.ask('SADD', 'b', 'new')
    }
    goOn()
    expect(await client.receive()).toBe(':101\r\n')
    expect(await client.ask('SINTERSTORE', 'now', 'a', 'b')).toBe(':101\r\n')
    expect(await client.ask('SINTERCARD', '2', 'd', 'now')).toBe(':101\r\n')
  })

  it('is given up when its client is closed', async () => {
    const { scene, client } = await sceneWith(3)
    const other = await scene.plainClient()
    const id = (await client.ask('CLIENT', 'ID')).slice(1, -2)
    stopAfter(scene, 30)
    client.send('SUNIONSTORE', 'd', 'a', 'b')
    await scene.pass(20)
    expect(unfinished(scene)).toBe(1)
    expect(await other.ask('CLIENT', 'KILL', 'ID', id)).toBe(':1\r\n')
    await scene.pass(20)
    expect(unfinished(scene)).toBe(0)
    expect(await other.ask('SMEMBERS', 'd')).toContain(former)
    expect(scene.server.primary.mutator.interest.active).toBe(0)
  })

  it('begins anew with another shard in the place of the one that served', async () => {
    const { scene, client } = await sceneWith(4)
    const goOn = stopAfter(scene, 30)
    client.send('SUNIONSTORE', 'd', 'a', 'b')
    await scene.pass(20)
    expect(unfinished(scene)).toBe(1)
    goOn()
    await scene.settled(scene.server.shardSwitch.reopen(true))
    expect(await client.receive()).toBe(':300\r\n')
    await scene.pass(20)
    expect(unfinished(scene)).toBe(0)
  })
})
