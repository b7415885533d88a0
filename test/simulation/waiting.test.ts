/** Clients that wait while others act: what they get in the end, and that nobody's wait gets into another one's record. */
import { describe, expect, it, vi } from 'vitest'
import { Scene } from './scene.ts'

async function twoClients(config: Record<string, unknown> = {}, diskMsMax = 1) {
  const scene = new Scene(1, { config, diskMsMax })
  await scene.startUnobserved()
  const [one, other] = [await scene.plainClient(), await scene.plainClient()]
  return { scene, one, other, log: scene.server.primary.log }
}

describe('a client that needs memory', () => {
  const fields = Array.from({ length: 6000 }, (_, i) => [`field:${i}`, `<${i}>${'x'.repeat(200)}`])

  it('does not wait for what was made for itself, however large it is', async () => {
    const { scene, one, other } = await twoClients({ maxmemory: 4n << 20n })
    one.send('HSET', 'h', ...fields.flat())
    await scene.pass(5000)
    expect(one.hasReply).toBe(true)
    expect(await one.receive()).toBe(`:${fields.length}\r\n`)
    other.send('SET', 'k', 'v')
    await scene.pass(5000)
    expect(other.hasReply).toBe(true)
    expect(scene.server.primary.keyspace.hasPlaceFor(2 ** 40)).toBe(false)
  })

  it('keeps what was read for it, though it is more than there is room for', async () => {
    const { scene, one } = await twoClients({ maxmemory: 4n << 20n })
    for (let i = 0; i < fields.length; i += 1000) await one.ask('HSET', 'h', ...fields.slice(i, i + 1000).flat())
    for (let i = 0; i < 600; i++) await one.ask('SET', `k${i}`, 'x'.repeat(2000))
    const { trees, entries } = scene.server.primary.keyspace
    const entry = scene.server.primary.keyspace.find(0, Buffer.from('h'), 0, 1)
    expect(trees.roots.coldLeaves(entries.value(entry))).toBeGreaterThan(200)
    one.send('HSET', 'h', ...fields.filter((_, i) => i % 6 === 0).flatMap(([name]) => [name as string, 'new']))
    await scene.pass(5000)
    expect(one.hasReply).toBe(true)
    expect(await one.receive()).toBe(':0\r\n')
    expect(await one.ask('HGET', 'h', 'field:12')).toBe('$3\r\nnew\r\n')
  })

  it('is not refused for what was made for itself, when there is not enough for others', async () => {
    const { scene, one } = await twoClients({ 'tier-enabled': false })
    const { budget } = scene.server.shard as NonNullable<typeof scene.server.shard>
    one.send('HSET', 'h', ...fields.flat())
    await scene.loop.run(() => scene.server.stagedWork.count > 0)
    const exhausted = vi.spyOn(budget, 'isExhausted', 'get').mockReturnValue(true)
    expect(await one.receive()).toBe(`:${fields.length}\r\n`)
    expect(await one.ask('SET', 'k', 'v')).toMatch(/^-OOM /)
    exhausted.mockRestore()
  })
})

describe('a client that waits', () => {
  it('gets no answer that was meant for a wait of its own that is over', async () => {
    const { scene, one, other } = await twoClients({ appendfsync: 'everysec' }, 200)
    await one.ask('SET', 'k', 'v')
    const id = (await one.ask('CLIENT', 'ID')).slice(1).trim()
    // The disk has the record only after the time is over, when the client waits for something else.
    expect(await one.ask('WAITAOF', '1', '0', '1')).toBe('*2\r\n:0\r\n:0\r\n')
    one.send('WAIT', '1', '0')
    await scene.pass(1000)
    expect(one.hasReply).toBe(false)
    expect(await other.ask('CLIENT', 'UNBLOCK', id)).toBe(':1\r\n')
    expect(await one.receive()).toBe(':0\r\n')
    expect(await one.ask('WAITAOF', '1', '0', '0')).toBe('*2\r\n:1\r\n:0\r\n')
  })

  it('can be unblocked with an error, and goes on with what it had sent meanwhile', async () => {
    const { scene, one, other } = await twoClients()
    const id = (await one.ask('CLIENT', 'ID')).slice(1).trim()
    expect(await other.ask('CLIENT', 'UNBLOCK', id)).toBe(':0\r\n')
    one.send('WAIT', '1', '0')
    one.send('SET', 'k', 'v')
    await scene.pass(10)
    expect(await other.ask('EXISTS', 'k')).toBe(':0\r\n')
    expect(await other.ask('INFO', 'clients')).toContain('blocked_clients:1\r\n')
    expect(await other.ask('CLIENT', 'UNBLOCK', id, 'ERROR')).toBe(':1\r\n')
    expect([await one.receive(), await one.receive()]).toEqual(['-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n', '+OK\r\n'])
  })

  it('for the end of a pause is not let into the transaction that ends it', async () => {
    const { scene, one, other, log } = await twoClients({}, 20)
    await one.ask('CLIENT', 'PAUSE', '100000', 'WRITE')
    other.send('SET', 'theirs', 'v')
    await scene.pass(5)
    const before = log.appended
    await one.ask('MULTI')
    await one.ask('CLIENT', 'UNPAUSE')
    await one.ask('EXISTS', 'theirs')
    await one.ask('HELLO')
    const replies = await one.ask('EXEC')
    expect(replies).toMatch(/^\*3\r\n\+OK\r\n:0\r\n/)
    expect(await other.receive()).toBe('+OK\r\n')
    expect([log.appended, log.committed]).toEqual([before + 1, before + 1])
  })

  it('finds all of a transaction in its record, which asked for memory to be made free in the middle', async () => {
    const { scene, one, other } = await twoClients({ maxmemory: 14n << 20n, 'maxmemory-policy': 'allkeys-random', 'tier-enabled': false })
    for (let i = 0; i < 3; i++) await other.ask('SET', `large${i}`, 'x'.repeat(1 << 20))
    await one.ask('MULTI')
    await one.ask('SET', 'first', 'x'.repeat(12 << 20))
    await one.ask('MEMORY', 'PURGE')
    await one.ask('SET', 'second', 'v')
    expect(await one.ask('EXEC')).toBe('*3\r\n+OK\r\n+OK\r\n+OK\r\n')
    await scene.pass(1000)
    expect(scene.server.maintenance.evictedKeys).toBeGreaterThan(0)
    const present = async (client = other): Promise<string[]> => [await client.ask('EXISTS', 'first'), await client.ask('EXISTS', 'second')]
    const before = await present()
    scene.machine.crash()
    await scene.startUnobserved()
    expect(await present(await scene.plainClient())).toEqual(before)
  })
})
