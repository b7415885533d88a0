/** SUNIONSTORE and its like of large collections, in slices, each a record of its own: crashes, clients that leave, keys that change, a log that is replayed. */
import { describe, expect, it } from 'vitest'
import { ownDatabase } from '../../engine/keyspace/keyspace.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const config = { 'tier-min-value-size': 0n, 'log-segment-bytes': 8192 } as const
const sizes = { treeLeafBytes: 200, slicedValueBytes: 40, batchEntries: 2 }
const members = 200
const former = 'what there was'
/** Operations of the disk between the crashes that are tried. */
const operationsApart = 7

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

describe.each(requests)('%s', (request, stored) => {
  const words = request.split(' ')
  const card = { SUNIONSTORE: 'SCARD', ZUNIONSTORE: 'ZCARD', SORT: 'LLEN' }[words[0] as string] as string

  it('leaves the destination as it was or as it will be, whenever the power goes', async () => {
    let crashes = 0
    let leftovers = 0
    for (let operations = 1; ; operations += operationsApart) {
      const { scene, client } = await sceneWith(operations)
      const { machine } = scene
      machine.disk.crashAt(machine.disk.operations + operations)
      client.send(...words)
      if (operations % 2 === 0) scene.server.maintenance.checkpoint().catch(() => undefined)
      await scene.loop.run(() => machine.isOff || client.hasReply)
      const isAcknowledged = !machine.isOff
      if (!machine.isOff) expect(await client.receive()).toBe(`:${stored}\r\n`)
      if (machine.isOff) crashes++
      machine.crash()
      await scene.startUnobserved()
      const again = await scene.plainClient()
      const isStored = (await again.ask('SISMEMBER', 'd', former)) !== ':1\r\n'
      if (isAcknowledged) expect(isStored).toBe(true)
      if (isStored) expect(await again.ask(card, 'd')).toBe(`:${stored}\r\n`)
      else expect(await again.ask('SCARD', 'd')).toBe(':1\r\n')
      expect(await again.ask('DBSIZE')).toBe(':5\r\n')
      expect(unfinished(scene)).toBe(0)
      if (scene.server.shard!.recoveredRecords > 8) leftovers++
      if (isAcknowledged) break
    }
    expect(crashes).toBeGreaterThan(3)
    expect(leftovers).toBeGreaterThan(1)
  })
})

describe('what is stored in slices', () => {
  it('is many small records, and holds up nobody', async () => {
    const { scene, client } = await sceneWith(1)
    const other = await scene.plainClient()
    const { log } = scene.server.primary
    const before = log.appended
    client.send('SUNIONSTORE', 'd', 'a', 'b')
    let others = 0
    while (!client.hasReply) {
      expect(await other.ask('SCARD', 'd')).toMatch(/^:(1|300)\r\n$/)
      others++
    }
    expect(others).toBeGreaterThan(3)
    expect(log.appended - before).toBeGreaterThan(10)
    expect(await client.receive()).toBe(':300\r\n')
  })

  it('has what was written meanwhile', async () => {
    const { scene, client } = await sceneWith(2)
    const other = await scene.plainClient()
    client.send('SINTERSTORE', 'd', 'a', 'b')
    for (let i = 0; !client.hasReply; i++) {
      await other.ask('SADD', 'a', `m${members + i}`, 'new')
      await other.ask('SREM', 'b', `m${members - 1 - i}`)
      await other.ask('SADD', 'b', 'new')
    }
    await client.receive()
    await client.ask('SINTERSTORE', 'now', 'a', 'b')
    expect(await client.ask('SISMEMBER', 'd', 'new')).toBe(':1\r\n')
    // What the other client has done since is little: it waits for each of its replies.
    const missing = await client.ask('SDIFF', 'd', 'now')
    expect(missing.startsWith('*0') || missing.startsWith('*1')).toBe(true)
  })

  it('is given up when its client leaves', async () => {
    const { scene, client } = await sceneWith(3)
    client.send('SUNIONSTORE', 'd', 'a', 'b')
    await scene.loop.run(() => unfinished(scene) > 0)
    client.leave()
    await scene.loop.run(() => unfinished(scene) === 0)
    const other = await scene.plainClient()
    expect(await other.ask('SMEMBERS', 'd')).toContain(former)
    expect(scene.server.primary.mutator.interest.active).toBe(0)
  })

  it('begins anew with another shard in the place of the one that served', async () => {
    const { scene, client } = await sceneWith(4)
    client.send('SUNIONSTORE', 'd', 'a', 'b')
    await scene.loop.run(() => unfinished(scene) > 0)
    await scene.settled(scene.server.shardSwitch.reopen(true))
    expect(await client.receive()).toBe(':300\r\n')
    await scene.loop.run(() => unfinished(scene) === 0)
  })
})
