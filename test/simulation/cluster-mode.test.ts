/** Clients of nodes that share a log find the primary: in cluster mode by MOVED, otherwise by what Sentinels publish. */
import { describe, expect, it } from 'vitest'
import { ClusterScene } from './cluster-scene.ts'
import type { Machine } from './machine.ts'
import type { PlainClient } from './scene.ts'

const ok = '+OK\r\n'
const down = '-CLUSTERDOWN The cluster is down\r\n'
const crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
const fooSlot = 12_182
const inCluster = { config: { 'cluster-enabled': true } }

function movedTo({ name, server }: Machine): string {
  return `-MOVED ${fooSlot} ${name}:${server!.port}\r\n`
}

async function started(seed: number): Promise<ClusterScene> {
  const scene = new ClusterScene(seed, inCluster)
  await scene.start()
  await scene.primary()
  // Long enough that all have told of themselves.
  await scene.pass(1500)
  return scene
}

/** Asks for the slots and returns the names of the nodes, the primary first. */
async function slotsOf(client: PlainClient): Promise<string[]> {
  const reply = await client.ask('CLUSTER', 'SLOTS')
  return [...reply.matchAll(/node\d/g)].map(([name]) => name)
}

describe('nodes in cluster mode', () => {
  it('serve everything on the primary, and on a replica what reads for who has sent READONLY', async () => {
    const scene = await started(31)
    const primary = await scene.primary()
    const client = await scene.client(primary)
    expect(await client.ask('SET', 'foo', 'v')).toBe(ok)
    expect(await client.ask('MSET', 'foo', 'v', 'bar', 'w')).toBe(crossSlot)
    await scene.caughtUp()
    const reader = await scene.client(scene.replicas[0]!)
    expect(await reader.ask('GET', 'foo')).toBe(movedTo(primary))
    expect(await reader.ask('READONLY')).toBe(ok)
    expect(await reader.ask('GET', 'foo')).toBe('$1\r\nv\r\n')
    expect(await reader.ask('SET', 'foo', 'w')).toBe(movedTo(primary))
    expect(await reader.ask('EVAL', "return redis.call('get', KEYS[1])", '1', 'foo')).toBe('$1\r\nv\r\n')
    expect(await reader.ask('EVAL', "return redis.call('set', KEYS[1], 'w')", '1', 'foo')).toContain('-READONLY')
    expect(await reader.ask('READWRITE')).toBe(ok)
    expect(await reader.ask('GET', 'foo')).toBe(movedTo(primary))
    expect(await reader.ask('EVAL', "return redis.call('get', 'foo')", '0')).toContain('non local key')
    expect(await reader.ask('DBSIZE')).toBe(':1\r\n')
    expect(await reader.ask('FLUSHALL')).toContain('-READONLY')
  })

  it('agree on who has the slots', async () => {
    const scene = await started(32)
    const primary = await scene.primary()
    for (const machine of scene.machines) {
      const client = await scene.client(machine)
      const names = await slotsOf(client)
      expect(names[0]).toBe(primary.name)
      expect([...names].sort()).toEqual(['node0', 'node1', 'node2'])
      expect(await client.ask('CLUSTER', 'INFO')).toContain('cluster_state:ok\r\n')
      const lines = (await client.ask('CLUSTER', 'NODES')).split('\n').filter((line) => line.includes(' connected'))
      expect(lines).toHaveLength(3)
      expect(lines.filter((line) => line.includes('master - ') && line.endsWith(' 0-16383'))).toHaveLength(1)
      expect(lines.filter((line) => line.includes('myself,'))).toEqual([expect.stringContaining(machine.name)])
    }
  })

  it('send clients on after a hand-over, without telling anybody that the cluster is down', async () => {
    const scene = await started(33)
    const former = await scene.primary()
    const target = scene.replicas[1]!
    const client = await scene.client(former)
    const inTransaction = await scene.client(former)
    await inTransaction.ask('MULTI')
    await inTransaction.ask('SET', 'foo', 'in a transaction')
    const writers = await Promise.all(Array.from({ length: 20 }, () => scene.client(former)))
    const readers = await Promise.all(Array.from({ length: 20 }, () => scene.client(former)))
    client.send('FAILOVER', 'TO', target.name, `${target.server!.port}`)
    for (const [i, writer] of writers.entries()) {
      writer.send('SET', 'foo', `${i}`)
      readers[i]!.send('GET', 'foo')
      await scene.pass(0.25)
    }
    expect(await client.receive()).toBe(ok)
    const answers: string[] = []
    for (const asker of [...writers, ...readers]) answers.push(await asker.receive())
    const others = answers.filter((answer) => answer !== movedTo(target) && answer !== ok && !answer.startsWith('$'))
    expect(others).toEqual([])
    expect(answers.filter((answer) => answer === movedTo(target)).length).toBeGreaterThan(0)
    expect(await scene.primary()).toBe(target)
    expect(await inTransaction.ask('EXEC')).toBe(movedTo(target))
    expect(await inTransaction.ask('EXEC')).toBe('-ERR EXEC without MULTI\r\n')
    expect((await slotsOf(client))[0]).toBe(target.name)
    expect(await (await scene.client(target)).ask('SET', 'foo', 'v')).toBe(ok)
  })

  it('hold requests back until the successor leads, also when its claim takes long', async () => {
    const scene = await started(41)
    const former = await scene.primary()
    const target = scene.replicas[1]!
    const writer = await scene.client(former)
    const leadership = target.server!.shard!.log.leadership!
    const claim = leadership.claim.bind(leadership)
    leadership.claim = async (...words) => {
      await new Promise<void>((resolve) => target.clock.after(900, resolve))
      return claim(...words)
    }
    expect(await (await scene.client(former)).ask('FAILOVER', 'TO', target.name, `${target.server!.port}`)).toBe(ok)
    expect(await writer.ask('SET', 'foo', 'v')).toBe(movedTo(target))
    expect(await scene.primary()).toBe(target)
  })

  it('tell what they announce to clients of a cluster', async () => {
    const scene = new ClusterScene(39, { config: { 'cluster-enabled': true, 'cluster-announce-ip': 'public', 'cluster-announce-port': 7 } })
    await scene.start()
    await scene.primary()
    await scene.caughtUp()
    const reader = await scene.client(scene.replicas[0]!)
    expect(await reader.ask('GET', 'foo')).toBe(`-MOVED ${fooSlot} public:7\r\n`)
    expect(await reader.ask('CLUSTER', 'SLOTS')).toContain('$6\r\npublic\r\n:7\r\n')
  })

  it('find the keys of a slot among many', async () => {
    const scene = await started(40)
    const client = await scene.client(await scene.primary())
    const among = Array.from({ length: 900 }, (_, i) => [`{foo}${i}`, 'v']).flat()
    await client.ask('MSET', ...among)
    await client.ask('MSET', ...Array.from({ length: 900 }, (_, i) => [`{bar}${i}`, 'v']).flat())
    await client.ask('PEXPIRE', '{foo}0', '1')
    await scene.pass(10)
    expect(await client.ask('CLUSTER', 'COUNTKEYSINSLOT', `${fooSlot}`)).toBe(':899\r\n')
    expect(await client.ask('CLUSTER', 'COUNTKEYSINSLOT', '0')).toBe(':0\r\n')
    const keys = [...(await client.ask('CLUSTER', 'GETKEYSINSLOT', `${fooSlot}`, '500')).matchAll(/\{foo\}\d+/g)].map(([key]) => key)
    expect(new Set(keys).size).toBe(500)
    await client.ask('MULTI')
    await client.ask('CLUSTER', 'COUNTKEYSINSLOT', `${fooSlot}`)
    expect(await client.ask('EXEC')).toContain("isn't allowed in a transaction or a script")
  })

  it('hand the lead over to the replica that is told to fail over', async () => {
    const scene = await started(34)
    const former = await scene.primary()
    const target = scene.replicas[1]!
    expect(await (await scene.client(former)).ask('CLUSTER', 'FAILOVER')).toBe('-ERR You should send CLUSTER FAILOVER to a replica\r\n')
    expect(await (await scene.client(target)).ask('CLUSTER', 'FAILOVER')).toBe(ok)
    expect(await scene.primaryOtherThan(former)).toBe(target)
  })

  it('say that the cluster is down from the end of a lease until another one leads, and let READONLY read', async () => {
    const scene = await started(35)
    const former = await scene.primary()
    await (await scene.client(former)).ask('SET', 'foo', 'v')
    await scene.caughtUp()
    const [replica] = scene.replicas
    const writer = await scene.client(replica!)
    const reader = await scene.client(replica!)
    await reader.ask('READONLY')
    const before = movedTo(former)
    former.crash()
    const told = new Set<string>()
    while (scene.primaries.length === 0) {
      const answer = await writer.ask('SET', 'foo', 'w')
      told.add(answer)
      if (answer !== ok) expect(await reader.ask('GET', 'foo')).toBe('$1\r\nv\r\n')
      await scene.pass(20)
    }
    told.delete(ok)
    told.delete(movedTo(scene.primaries[0]!))
    expect([...told]).toEqual([before, down])
    expect(await (await scene.client(await scene.primary())).ask('SET', 'foo', 'w')).toBe(ok)
  })
})

describe('subscribers to what Sentinels publish', () => {
  it('hear who leads, which replicas there are, and which nodes are silent', async () => {
    const scene = new ClusterScene(36)
    await scene.start()
    const former = await scene.primary()
    await scene.pass(1500)
    const listeners: PlainClient[] = []
    for (const replica of scene.replicas) {
      const listener = await scene.client(replica)
      await listener.ask('PSUBSCRIBE', '*')
      listeners.push(listener)
    }
    const address = ({ name, server }: Machine): string => `${name} ${server!.port}`
    const formerAddress = address(former)
    former.crash()
    const next = await scene.primary()
    const nextAddress = address(next)
    for (const listener of listeners) {
      const heard: [string, string][] = []
      while (!heard.some(([channel, text]) => channel === '+sdown' && text.startsWith('slave'))) {
        const [, channel, text] = [...(await listener.receive()).matchAll(/\$\d+\r\n([^\r]*)\r\n/g)]
          .slice(1)
          .map(([, word]) => word as string)
        heard.push([channel as string, text as string])
      }
      const ofNext = `@ mymaster ${nextAddress}`
      expect(heard).toContainEqual(['+switch-master', `mymaster ${formerAddress} ${nextAddress}`])
      expect(heard).toContainEqual(['+slave', `slave ${formerAddress.replace(' ', ':')} ${formerAddress} ${ofNext}`])
      expect(heard).toContainEqual(['+sdown', `slave ${formerAddress.replace(' ', ':')} ${formerAddress} ${ofNext}`])
    }
    await scene.startNode(former)
    const [listener] = listeners
    let heard = ''
    while (!heard.includes('-sdown') && !heard.includes('+slave')) heard = await listener!.receive()
    expect(heard).toContain(former.name)
  })

  it('find the same primary with every node, and can have the lead handed over by any', async () => {
    const scene = new ClusterScene(37)
    await scene.start()
    const former = await scene.primary()
    await scene.pass(1500)
    for (const machine of scene.machines) {
      const client = await scene.client(machine)
      const port = `${former.server!.port}`
      const address = `*2\r\n$5\r\n${former.name}\r\n$${port.length}\r\n${port}\r\n`
      expect(await client.ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')).toBe(address)
      expect(await client.ask('SENTINEL', 'REPLICAS', 'mymaster')).toMatch(/^\*2\r\n/)
      expect(await client.ask('SENTINEL', 'SENTINELS', 'mymaster')).toMatch(/^\*2\r\n/)
      expect(await client.ask('SENTINEL', 'MASTERS')).toContain('$5\r\nflags\r\n$6\r\nmaster\r\n')
    }
    expect(await (await scene.client(scene.replicas[0]!)).ask('SENTINEL', 'FAILOVER', 'mymaster')).toBe(ok)
    expect(await scene.primaryOtherThan(former)).not.toBe(former)
  })

  it('lose their connection at the first write that a former primary refuses, so that they look for the new one', async () => {
    const scene = new ClusterScene(38)
    await scene.start()
    const former = await scene.primary()
    await scene.pass(1500)
    const client = await scene.client(former)
    const writer = await scene.client(former)
    expect(await client.ask('FAILOVER')).toBe(ok)
    await scene.primaryOtherThan(former)
    expect(await writer.ask('SET', 'k', 'v')).toContain('-READONLY')
    expect(await writer.receive()).toBe('closed')
    // Who came later knows that it is a replica.
    const later = await scene.client(former)
    expect(await later.ask('SET', 'k', 'v')).toContain('-READONLY')
    expect(await later.ask('GET', 'k')).toBe('$-1\r\n')
  })
})
