/** Large strings, from the request to the log, without being copied: whose memory they lie in, and what may change it when. */
import { describe, expect, it } from 'vitest'
import { ChunkPool } from '../../engine/chunk-pool.ts'
import { RequestParser } from '../../server/resp/request-parser.ts'
import { Scene } from '../simulation/scene.ts'

const sizes = { largeValueBytes: 100, digestBytes: 64 }
const value = (mark: string, length = 3000): string => `${mark}${'.'.repeat(length)}`

async function begin(seed: number, diskMsMax = 5) {
  const scene = new Scene(seed, { sizes, diskMsMax, pieceBytesMax: 400 })
  await scene.start()
  return { scene, client: await scene.client() }
}

/** Arguments as they are when a request has arrived in two pieces. */
function arrived(...words: string[]) {
  const parser = new RequestParser(new ChunkPool(), { bulkBytesMax: 1 << 29, queryBytesMax: 1 << 30, largeBulkBytes: 100 })
  const bytes = Buffer.from(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`)
  parser.feed(bytes, 0, bytes.length - 500)
  parser.next()
  parser.retain(false)
  parser.feed(bytes, bytes.length - 500, bytes.length)
  expect(parser.next()).toBe('request')
  return parser.args
}

describe('a large string', () => {
  it('lies in the memory that it arrived in, which the record refers to', async () => {
    const scene = new Scene(1, { sizes, pieceBytesMax: 400 })
    await scene.startUnobserved()
    await (await scene.plainClient()).ask('SET', 'other', 'small')
    const { primary, commands, sessions } = scene.server
    const [session] = sessions.values()
    const args = arrived('SET', 'key', value('a'))
    const { buffer } = args
    const { keyspace, mutator } = primary
    const reservedBefore = keyspace.arena.activeBytes
    const command = commands.find(args, 0) as NonNullable<ReturnType<typeof commands.find>>
    primary.run(command, args, (session as NonNullable<typeof session>).reply, 0)
    const ref = keyspace.find(0, Buffer.from('key'), 0, 3)
    const slot = keyspace.entries.value(ref)
    expect(keyspace.values.bytes(slot).buffer === buffer.buffer).toBe(true)
    expect(mutator.record.references.map(({ bytes }) => bytes.buffer === buffer.buffer)).toEqual([true])
    expect(mutator.record.end).toBeLessThan(20)
    expect(keyspace.arena.activeBytes - reservedBefore).toBeGreaterThanOrEqual(buffer.buffer.byteLength)
    expect(args.string(2)).toBe(value('a'))
    primary.log.flush()
    await scene.pass(500)
    expect(primary.log.committed).toBe(primary.log.appended)
    mutator.begin(primary.log.appended + 1)
    mutator.delete(0, Buffer.from('key'), 0, 3)
    primary.log.append(mutator.record.bytes, 0, mutator.record.end)
    // Of what was used for a moment small slots stay begun.
    expect(keyspace.arena.activeBytes - reservedBefore).toBeLessThan(1024)
  })

  it('may be changed in place again once its record is committed, not before', async () => {
    const { scene, client } = await begin(2)
    const { keyspace } = scene.server.primary
    const slotOf = (): number => keyspace.entries.value(keyspace.find(0, Buffer.from('k'), 0, 1))
    const memoryOf = (): ArrayBufferLike => keyspace.values.bytes(slotOf()).buffer
    client.send('SET', 'k', value('a'))
    await scene.loop.run(() => keyspace.size === 1)
    const arrivedIn = memoryOf()
    expect(keyspace.arena.isLarge(slotOf())).toBe(true)
    client.send('SETRANGE', 'k', '0', 'b')
    await scene.loop.run(() => client.raw.waiting.length === 0)
    expect(memoryOf() === arrivedIn).toBe(false)
    await client.ask('SET', 'k', value('c'))
    const again = memoryOf()
    await client.ask('SETRANGE', 'k', '0', 'd')
    expect(memoryOf() === again).toBe(true)
    expect(await client.ask('GETRANGE', 'k', '0', '1')).toBe('$2\r\nd.\r\n')
  })

  it.each([
    ['overwritten', ['SET', 'k', value('b')]],
    ['overwritten with a small one', ['SET', 'k', 'small']],
    ['deleted', ['DEL', 'k']],
    ['appended to', ['APPEND', 'k', 'more']],
    ['appended to with much', ['APPEND', 'k', value('c', 400)]],
    ['overwritten in part', ['SETRANGE', 'k', '1', 'xyz']],
    ['padded', ['SETRANGE', 'k', '4000', 'xyz']],
    ['renamed', ['RENAME', 'k', 'other']],
    ['copied', ['COPY', 'k', 'other', 'DB', '0', 'REPLACE']],
    ['flushed', ['FLUSHDB']],
  ])('can be %s while its record is on the way to disk', async (_what, change) => {
    for (let seed = 1; seed <= 12; seed++) {
      const { scene, client } = await begin(seed)
      await client.ask('SET', 'k', value('old', 500))
      client.send('SET', 'k', value('a'))
      client.send(...change)
      client.send('GET', 'k')
      client.send('GET', 'other')
      client.send('SET', 'k', value('last', 700))
      await scene.loop.run(() => client.raw.waiting.length === 0 || client.raw.failure !== undefined)
      expect(client.raw.failure).toBeUndefined()
      expect(scene.machine.log.errors).toEqual([])
      await scene.crashAndStart()
      const again = await scene.client()
      await again.ask('GET', 'k')
      await again.ask('GET', 'other')
    }
  })

  it('is set in a transaction from the memory it arrived in', async () => {
    const { scene, client } = await begin(3)
    const { keyspace } = scene.server.primary
    await client.ask('MULTI')
    await client.ask('SET', 'k', value('a'))
    const [session] = scene.server.sessions.values()
    const queued = session?.transaction.queued[0]?.args.buffer
    await client.ask('APPEND', 'other', value('b'))
    await client.ask('HSET', 'h', 'f', value('c', 1000))
    await client.ask('EXEC')
    const slot = keyspace.entries.value(keyspace.find(0, Buffer.from('k'), 0, 1))
    expect(keyspace.values.bytes(slot).buffer === queued?.buffer).toBe(true)
    await client.ask('GET', 'k')
    await scene.crashAndStart()
    const again = await scene.client()
    for (const key of ['k', 'other']) await again.ask('GET', key)
    await again.ask('HGETALL', 'h')
  })

  it('is there as a whole or not at all after a crash at any operation', async () => {
    for (let operation = 1; operation <= 60; operation++) {
      const { scene, client } = await begin(operation, 1)
      const { disk } = scene.machine
      disk.crashAt(disk.operations + operation)
      for (let i = 0; i < 12; i++) client.send('SET', `k${i % 3}`, value(`<${i}>`, 500 + 700 * i))
      await scene.loop.run(() => disk.isOff || client.raw.waiting.length === 0)
      await scene.crashAndStart()
      const again = await scene.client()
      for (let i = 0; i < 3; i++) await again.ask('GET', `k${i}`)
    }
  })
})
