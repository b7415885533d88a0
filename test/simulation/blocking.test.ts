/** Clients that are blocked on lists: who gets what and when, what ends a wait, and that what is popped is logged and delivered, or neither. */
import { describe, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'
import { SeededRandom } from './seeded-random.ts'

async function begin(clients: number, config: Record<string, unknown> = {}) {
  const scene = new Scene(1, { config })
  await scene.startUnobserved()
  const made: PlainClient[] = []
  for (let i = 0; i < clients; i++) made.push(await scene.plainClient())
  const blocked = async (count: number, by: PlainClient): Promise<void> => {
    expect(await by.ask('INFO', 'clients')).toContain(`blocked_clients:${count}\r\n`)
  }
  return { scene, clients: made as [PlainClient, PlainClient, PlainClient, PlainClient], blocked, log: scene.server.primary.log }
}

function pair(key: string, element: string): string {
  return `*2\r\n$${key.length}\r\n${key}\r\n$${element.length}\r\n${element}\r\n`
}

describe('a client that is blocked on keys', () => {
  it('has its element in a record of its own, and the reply waits for that', async () => {
    const { clients, log, blocked } = await begin(2)
    const [one, other] = clients
    one.send('BLPOP', 'l', '0')
    await blocked(1, other)
    const { appended } = log
    expect(await other.ask('RPUSH', 'l', 'x', 'y')).toBe(':2\r\n')
    expect(await one.receive()).toBe(pair('l', 'x'))
    expect([log.appended, log.committed]).toEqual([appended + 2, appended + 2])
  })

  it('is unblocked as if its time were over, or with an error, and keeps no place', async () => {
    const { clients, blocked } = await begin(2)
    const [one, other] = clients
    const id = (await one.ask('CLIENT', 'ID')).slice(1).trim()
    one.send('BLPOP', 'l', 'm', '0')
    await blocked(1, other)
    expect(await other.ask('CLIENT', 'UNBLOCK', id, 'TIMEOUT')).toBe(':1\r\n')
    expect(await one.receive()).toBe('*-1\r\n')
    one.send('BLMOVE', 'l', 'm', 'LEFT', 'LEFT', '0')
    await blocked(1, other)
    expect(await other.ask('CLIENT', 'UNBLOCK', id, 'ERROR')).toBe(':1\r\n')
    expect(await one.receive()).toBe('-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n')
    expect(await other.ask('RPUSH', 'l', 'x')).toBe(':1\r\n')
    expect(await other.ask('LLEN', 'l')).toBe(':1\r\n')
  })

  it('that is unblocked gets nothing that comes in the same turn', async () => {
    const { clients, blocked } = await begin(2)
    const [one, other] = clients
    const id = (await one.ask('CLIENT', 'ID')).slice(1).trim()
    one.send('BLPOP', 'l', '0')
    await blocked(1, other)
    other.sendTogether(['CLIENT', 'UNBLOCK', id], ['RPUSH', 'l', 'x'], ['LLEN', 'l'])
    expect([await other.receive(), await other.receive(), await other.receive()]).toEqual([':1\r\n', ':1\r\n', ':1\r\n'])
    expect(await one.receive()).toBe('*-1\r\n')
  })

  it('is served once, in its turn, and counts as blocked no more within the same pipeline', async () => {
    const { clients, blocked } = await begin(3)
    const [one, two, other] = clients
    one.send('BLPOP', 'l', '0')
    await blocked(1, other)
    two.send('BLPOP', 'l', 'm', '0')
    await blocked(2, other)
    other.sendTogether(['RPUSH', 'l', 'x'], ['INFO', 'clients'], ['RPUSH', 'm', 'y'], ['EXISTS', 'l', 'm'])
    expect(await other.receive()).toBe(':1\r\n')
    expect(await other.receive()).toContain('blocked_clients:1\r\n')
    expect([await other.receive(), await other.receive()]).toEqual([':1\r\n', ':0\r\n'])
    expect([await one.receive(), await two.receive()]).toEqual([pair('l', 'x'), pair('m', 'y')])
  })

  it('waits no longer than it has said', async () => {
    const { scene, clients, blocked } = await begin(2)
    const [one, other] = clients
    one.send('BLPOP', 'l', '0.5')
    await scene.pass(490)
    await blocked(1, other)
    await scene.pass(20)
    expect(await one.receive()).toBe('*-1\r\n')
    await other.ask('RPUSH', 'l', 'x')
    expect(await other.ask('LLEN', 'l')).toBe(':1\r\n')
  })

  it('leaves its place to others when it leaves', async () => {
    const { scene, clients, blocked } = await begin(3)
    const [one, two, other] = clients
    one.send('BLPOP', 'l', '0')
    await blocked(1, other)
    two.send('BLPOP', 'l', '0')
    await blocked(2, other)
    one.leave()
    await scene.pass(10)
    await blocked(1, other)
    await other.ask('RPUSH', 'l', 'x')
    expect(await two.receive()).toBe(pair('l', 'x'))
    expect(scene.server.primary.mutator.interest.active).toBe(0)
  })

  it('gets an element of a list that comes to its key from the disk', async () => {
    const { scene, clients, blocked } = await begin(3, { 'tier-cool-start-percent': 0, 'tier-min-value-size': 0 })
    const [one, two, other] = clients
    await other.ask('RPUSH', 'source', 'x', 'y', 'z'.repeat(3000))
    await scene.checkpoint()
    const { tier, keyspace } = scene.server.primary
    while (tier.demoteOne() > 0);
    expect(keyspace.coldCount).toBe(1)
    one.send('BLPOP', 'l', '0')
    await blocked(1, other)
    two.send('BLPOP', 'l', '0')
    await blocked(2, other)
    expect(await other.ask('RENAME', 'source', 'l')).toBe('+OK\r\n')
    expect([await one.receive(), await two.receive()]).toEqual([pair('l', 'x'), pair('l', 'y')])
    expect(await other.ask('LLEN', 'l')).toBe(':1\r\n')
    expect(tier.counts.coldReads).toBe(1)
  })

  it('goes on waiting while the data are opened anew', async () => {
    const { clients, blocked } = await begin(2, { 'enable-debug-command': 'yes' })
    const [one, other] = clients
    one.send('BLPOP', 'l', '0')
    await blocked(1, other)
    expect(await other.ask('DEBUG', 'RELOAD')).toBe('+OK\r\n')
    await blocked(1, other)
    await other.ask('RPUSH', 'l', 'x')
    expect(await one.receive()).toBe(pair('l', 'x'))
  })
})

describe('what is popped by a client that waited', () => {
  it('is logged and delivered, or neither, whenever the power fails', async () => {
    const random = new SeededRandom(3)
    let delivered = 0
    let lost = 0
    for (let run = 0; run < testRuns(20); run++) {
      const { scene, clients, blocked } = await begin(4)
      const [one, two, three, other] = clients
      one.send('BLPOP', 'l', '0')
      await blocked(1, other)
      two.send('BLMOVE', 'm', 'l', 'LEFT', 'RIGHT', '0')
      await blocked(2, other)
      three.send('BRPOPLPUSH', 'n', 'm', '0')
      await blocked(3, other)
      other.send('RPUSH', 'n', 'x')
      await scene.pass(random.below(40) / 10)
      const got = [one, two, three].map((client) => client.hasReply)
      scene.machine.crash()
      await scene.startUnobserved()
      const reader = await scene.plainClient()
      const left = await reader.ask('EXISTS', 'l', 'm', 'n')
      // Whoever has got the element, it is not where it was before.
      if (got[0]) expect(left).toBe(':0\r\n')
      if (got[1]) expect(await reader.ask('EXISTS', 'm', 'n')).toBe(':0\r\n')
      if (got[2]) expect(await reader.ask('EXISTS', 'n')).toBe(':0\r\n')
      expect([':0\r\n', ':1\r\n']).toContain(left)
      if (got[0]) delivered++
      else lost++
    }
    expect([delivered > 0, lost > 0]).toEqual([true, true])
  })
})
