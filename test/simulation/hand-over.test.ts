/** The lead goes from one node to another, as planned or not: clients lose nothing, wait for a moment, and are told where they are. */
import { describe, expect, it } from 'vitest'
import type { MemoryLog } from '../../wal/memory-log.ts'
import { ClusterScene } from './cluster-scene.ts'

const ok = '+OK\r\n'
const readOnly = "-READONLY You can't write against a read only replica.\r\n"

describe('a planned hand-over', () => {
  it('gives the lead to the replica that is named, within a moment, and answers every request once', async () => {
    const scene = new ClusterScene(4)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const writer = await scene.client(former)
    await client.ask('SET', 'k', 'v')
    await scene.pass(1000)
    const target = scene.replicas[1]!
    const startMs = scene.loop.nowMs
    expect(await client.ask('FAILOVER', 'TO', target.name, `${target.server!.port}`)).toBe(ok)
    expect(await writer.ask('SET', 'k', 'too late')).toBe(readOnly)
    const next = await scene.primary()
    expect(next).toBe(target)
    expect(scene.loop.nowMs - startMs).toBeLessThan(200)
    const reader = await scene.client(next)
    expect(await reader.ask('GET', 'k')).toBe('$1\r\nv\r\n')
    expect(await reader.ask('SET', 'k', 'w')).toBe(ok)
    await scene.caughtUp()
    expect(await client.ask('GET', 'k')).toBe('$1\r\nw\r\n')
    expect(await client.ask('ROLE')).toContain(`$5\r\nslave\r\n$5\r\n${target.name}\r\n`)
  })

  it('is not disturbed by keys that expire while the log takes it', async () => {
    for (let delayMs = 0; delayMs < 100; delayMs += 10) {
      const scene = new ClusterScene(28)
      await scene.start()
      const former = await scene.primary()
      const client = await scene.client(former)
      await scene.pass(1000)
      const { roles } = former.server!
      const handOver = roles.handOver.bind(roles)
      roles.handOver = (successor) => {
        // The log takes its time: all keys expire meanwhile, and the server looks for them ten times a second.
        for (const machine of scene.machines) machine.diskMsMax = 200
        scene.loop.wallSkewMs += 10_000
        return handOver(successor)
      }
      for (let i = 0; i < 20; i++) await client.ask('SET', `k${i}`, 'v', 'PX', '5000')
      await scene.pass(delayMs)
      expect(await client.ask('FAILOVER')).toBe(ok)
      await scene.primaryOtherThan(former)
      expect(former.server!.failStop.failure).toBeUndefined()
    }
  })

  it('of which nobody knows whether the log has it makes the primary a replica at once', async () => {
    const scene = new ClusterScene(29)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    expect(await client.ask('SET', 'k', 'v')).toBe(ok)
    await scene.pass(1000)
    const { roles, shard } = former.server!
    const handOver = roles.handOver.bind(roles)
    roles.handOver = (successor) => {
      const handedOver = handOver(successor)
      ;(shard!.log as MemoryLog).store.failNext(new Error('told to'))
      return handedOver
    }
    const writer = await scene.client(former)
    client.send('FAILOVER')
    writer.send('SET', 'k', 'never acknowledged')
    const startMs = scene.loop.nowMs
    await scene.loop.run(() => roles.role === 'replica')
    expect(scene.loop.nowMs - startMs).toBeLessThan(200)
    const next = await scene.client(await scene.primary())
    expect(await next.ask('SET', 'k', 'w')).toBe(ok)
    await scene.caughtUp()
    expect(await (await scene.client(former)).ask('GET', 'k')).toBe('$1\r\nw\r\n')
    for (const { server } of scene.machines) expect(server!.failStop.failure).toBeUndefined()
  })

  it('is what a primary does that stops', async () => {
    const scene = new ClusterScene(5)
    await scene.start()
    const former = await scene.primary()
    await (await scene.client(former)).ask('SET', 'k', 'v')
    await scene.pass(1000)
    const startMs = scene.loop.nowMs
    await former.stop()
    const next = await scene.primary()
    expect(scene.loop.nowMs - startMs).toBeLessThan(500)
    expect(await (await scene.client(next)).ask('GET', 'k')).toBe('$1\r\nv\r\n')
  })

  it('is refused without replicas, to who is none, and by who is one', async () => {
    const scene = new ClusterScene(6, { nodes: 2 })
    await scene.startNode(scene.machines[0]!)
    const primary = await scene.primary()
    const client = await scene.client(primary)
    expect(await client.ask('FAILOVER')).toBe('-ERR FAILOVER requires connected replicas.\r\n')
    await scene.startNode(scene.machines[1]!)
    await scene.pass(1000)
    expect(await client.ask('FAILOVER', 'TO', 'nobody', '1')).toBe('-ERR FAILOVER target HOST and PORT is not a replica.\r\n')
    expect(await client.ask('FAILOVER', 'ABORT')).toBe('-ERR No failover in progress.\r\n')
    const replica = await scene.client(scene.machines[1]!)
    expect(await replica.ask('FAILOVER')).toBe('-ERR FAILOVER is not valid when server is a replica.\r\n')
  })
})

describe('a hand-over while clients go on writing', () => {
  it('is over within a moment, also when they write by scripts', async () => {
    const scene = new ClusterScene(16)
    await scene.start()
    const former = await scene.primary()
    await scene.pass(1000)
    const writers = await Promise.all([1, 2, 3, 4].map(() => scene.client(former)))
    let isOver = false
    const writing = writers.map(async (writer, i) => {
      while (!isOver) {
        const reply = await writer.ask(
          'EVAL',
          "redis.call('INCR', KEYS[1]) return redis.call('RPUSH', KEYS[2], KEYS[1])",
          '2',
          `c${i}`,
          'list',
        )
        if (!reply.startsWith(':')) return reply
      }
      return 'over'
    })
    await scene.pass(50)
    const startMs = scene.loop.nowMs
    expect(await (await scene.client(former)).ask('FAILOVER')).toBe(ok)
    await scene.primaryOtherThan(former)
    expect(scene.loop.nowMs - startMs).toBeLessThan(300)
    isOver = true
    for (const reply of await Promise.all(writing)) expect(reply).toContain('READONLY')
  })
})

describe('clients of a node whose part changes', () => {
  it('are told so when they wait for keys, and answered by the next primary', async () => {
    const scene = new ClusterScene(9)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const waiting = await scene.client(former)
    await scene.pass(1000)
    waiting.send('BLPOP', 'list', '0')
    await scene.pass(100)
    expect(await client.ask('FAILOVER')).toBe(ok)
    expect(await waiting.receive()).toBe(
      '-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n',
    )
    const next = await scene.primaryOtherThan(former)
    const other = await scene.client(next)
    other.send('BLPOP', 'list', '0')
    await scene.pass(10)
    expect(await (await scene.client(next)).ask('RPUSH', 'list', 'a')).toBe(':1\r\n')
    expect(await other.receive()).toBe('*2\r\n$4\r\nlist\r\n$1\r\na\r\n')
  })

  it('lose a script that had not ended when the lease did, with all that it had written', async () => {
    const scene = new ClusterScene(10, { config: { 'busy-reply-threshold': 0 } })
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const script = "redis.call('SET', KEYS[1], 'half') for i = 1, 1e9 do end"
    client.send('EVAL', script, '1', 'k')
    await scene.pass(20)
    former.server!.roles.demote('the test says so')
    expect(await client.receive()).toBe('closed')
    const next = await scene.primary()
    expect(await (await scene.client(next)).ask('GET', 'k')).toBe('$-1\r\n')
    await scene.caughtUp()
    expect(await (await scene.client(former)).ask('EVAL', 'return 7', '0')).toBe(':7\r\n')
  })

  it('see functions as the primary has them', async () => {
    const scene = new ClusterScene(11)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    const library = "#!lua name=l\nredis.register_function{function_name='f', callback=function() return 42 end, flags={'no-writes'}}"
    expect(await client.ask('FUNCTION', 'LOAD', library)).toBe('$1\r\nl\r\n')
    await scene.caughtUp()
    for (const replica of scene.replicas) expect(await (await scene.client(replica)).ask('FCALL_RO', 'f', '0')).toBe(':42\r\n')
    expect(await client.ask('FUNCTION', 'LOAD', 'REPLACE', library.replace('42', '43'))).toBe('$1\r\nl\r\n')
    await scene.caughtUp()
    for (const replica of scene.replicas) expect(await (await scene.client(replica)).ask('FCALL_RO', 'f', '0')).toBe(':43\r\n')
    former.crash()
    const next = await scene.primary()
    expect(await (await scene.client(next)).ask('FCALL', 'f', '0')).toBe(':43\r\n')
  })
})
