/** A primary whose shard is closed, opened anew or given up while others may take the lead: nobody waits for ever, and nothing stale is told. */
import { describe, expect, it } from 'vitest'
import type { MemoryLog } from '../../wal/memory-log.ts'
import { Fenced } from '../../wal/transaction-log.ts'
import { ClusterScene } from './cluster-scene.ts'
import type { Machine } from './machine.ts'

const ok = '+OK\r\n'
const cold = { 'tier-cool-start-percent': 0, 'tier-drop-percent': 100, 'tier-min-value-size': 0 }

function logOf({ server }: Machine): MemoryLog {
  return server!.shard!.log as MemoryLog
}

/** Whether it could be opened again, or why not. */
function reopened({ server }: Machine): Promise<string> {
  return server!.shardSwitch.reopen(false).then(
    () => 'opened',
    (failure: Error) => failure.message,
  )
}

describe('a primary whose shared log refuses an entry', () => {
  it('gives up the lead, says why, and can lead again when the log takes entries', async () => {
    const scene = new ClusterScene(27, { nodes: 1 })
    await scene.start()
    const node = await scene.primary()
    const client = await scene.client(node)
    expect(await client.ask('SET', 'k', 'v')).toBe(ok)
    logOf(node).store.failNext(new Error('etcd refuses: permission denied'))
    client.send('SET', 'k', 'refused')
    await scene.loop.run(() => node.server!.roles.role === 'replica')
    expect(node.log.errors).toEqual([expect.stringContaining('permission denied')])
    await scene.primary()
    const again = await scene.client(node)
    expect(await again.ask('GET', 'k')).toBe('$1\r\nv\r\n')
    expect(await again.ask('SET', 'k', 'taken')).toBe(ok)
    expect(node.server!.trouble).toBeUndefined()
  })
})

describe('a primary whose data are opened anew', () => {
  it('waits for a commit no longer than until another one leads', async () => {
    const scene = new ClusterScene(21)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    expect(await client.ask('SET', 'k', 'committed')).toBe(ok)
    const log = logOf(former)
    log.store.holdCommits()
    client.send('SET', 'k', 'never committed')
    await scene.loop.run(() => log.appended > log.committed)
    const outcome = reopened(former)
    await scene.loop.run(() => scene.logDisk.leader!.epoch > 1)
    log.store.letCommit()
    expect(await scene.settled(outcome)).not.toBe('opened')
    await scene.loop.run(() => former.server!.shard !== undefined && former.server!.roles.isLinkUp)
    await scene.caughtUp()
    expect(await (await scene.client(former)).ask('GET', 'k')).toBe('$9\r\ncommitted\r\n')
  })

  it('waits for a commit no longer than its lease when the log does not answer', async () => {
    const scene = new ClusterScene(29, { nodes: 1 })
    await scene.start()
    const node = await scene.primary()
    const client = await scene.client(node)
    expect(await client.ask('SET', 'k', 'committed')).toBe(ok)
    const log = logOf(node)
    log.store.holdCommits()
    client.send('SET', 'k', 'never committed')
    await scene.loop.run(() => log.appended > log.committed)
    let outcome = ''
    void reopened(node).then((text) => {
      outcome = text
    })
    await scene.pass(2100)
    expect(outcome).toBe('the leadership was given up')
    expect(await client.receive()).toBe('closed')
    await scene.primary()
    expect(await (await scene.client(node)).ask('GET', 'k')).toBe('$9\r\ncommitted\r\n')
  })

  it('waits for a sign of life on its way no longer than its lease, and not for one that is there', async () => {
    const scene = new ClusterScene(30, { nodes: 1 })
    await scene.start()
    const node = await scene.primary()
    const client = await scene.client(node)
    expect(await client.ask('SET', 'k', 'v')).toBe(ok)
    const log = logOf(node)
    log.store.holdCommits()
    log.renew()
    let outcome = ''
    void reopened(node).then((text) => {
      outcome = text
    })
    await scene.pass(2100)
    expect(outcome).toBe('opened')
    await scene.primary()
    expect(await (await scene.client(node)).ask('GET', 'k')).toBe('$1\r\nv\r\n')
    const { changes } = node.server!.roles
    const again = await scene.client(node)
    expect(await scene.settled(reopened(node))).toBe('opened')
    await scene.pass(5000)
    expect(await again.ask('GET', 'k')).toBe('$1\r\nv\r\n')
    expect(node.server!.roles.changes).toBe(changes + 1)
  })

  it('and cannot be, because the log is out of reach, comes back by itself', async () => {
    const scene = new ClusterScene(22)
    await scene.start()
    const former = await scene.primary()
    expect(await (await scene.client(former)).ask('SET', 'k', 'v')).toBe(ok)
    scene.logDisk.exists = false
    expect(await scene.settled(reopened(former))).toContain('the shared log is another one')
    await scene.pass(2500)
    expect(former.server!.shard).toBeUndefined()
    scene.logDisk.exists = true
    await scene.loop.run(() => former.server!.shard !== undefined)
    await scene.primary()
    await scene.caughtUp()
    expect(await (await scene.client(former)).ask('GET', 'k')).toBe('$1\r\nv\r\n')
  })

  it('has lost nothing when all of them are committed, and another one has claimed the log before it is closed', async () => {
    const scene = new ClusterScene(23)
    await scene.start()
    const former = await scene.primary()
    expect(await (await scene.client(former)).ask('SET', 'k', 'v')).toBe(ok)
    const log = logOf(former)
    const close = log.close.bind(log)
    log.close = async () => {
      await close()
      throw new Fenced('another process has claimed the log')
    }
    expect(await scene.settled(reopened(former))).toBe('opened')
    expect(former.log.errors).toEqual([])
    expect(await (await scene.client(await scene.primary())).ask('GET', 'k')).toBe('$1\r\nv\r\n')
  })

  it('has lost nothing when all of them are committed, and its lease runs out before they are closed', async () => {
    const scene = new ClusterScene(23)
    await scene.start()
    const former = await scene.primary()
    expect(await (await scene.client(former)).ask('SET', 'k', 'v')).toBe(ok)
    const outcome = reopened(former)
    former.server!.roles.demote('told to')
    expect(await scene.settled(outcome)).toBe('opened')
    await scene.pass(1000)
    expect(former.log.errors).toEqual([])
    expect(await (await scene.client(await scene.primary())).ask('GET', 'k')).toBe('$1\r\nv\r\n')
  })

  it('lets no answer leave that was on its way when its process was stopped, once another one leads', async () => {
    const scene = new ClusterScene(24)
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    expect(await client.ask('SET', 'k', 'before')).toBe(ok)
    const { primary } = former.server!
    const run = primary.run.bind(primary)
    let outcome: Promise<string> | undefined
    primary.run = (...request) => {
      const lsn = run(...request)
      // The answer is made, and leaves at the end of the turn.
      outcome ??= reopened(former)
      former.stopProcess()
      return lsn
    }
    client.send('GET', 'k')
    await scene.loop.run(() => outcome !== undefined)
    const next = await scene.primaryOtherThan(former)
    expect(await (await scene.client(next)).ask('SET', 'k', 'after')).toBe(ok)
    former.continueProcess()
    expect(await client.receive()).toBe('closed')
    await scene.caughtUp()
    expect(await (await scene.client(former)).ask('GET', 'k')).toBe('$5\r\nafter\r\n')
  })
})

describe('a primary that loses the lead', () => {
  it('while it writes out values, and waits for their commit, is stopped by nothing', async () => {
    const scene = new ClusterScene(25, { config: cold })
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    expect(await client.ask('SET', 'k', 'committed')).toBe(ok)
    logOf(former).store.holdCommits()
    for (let i = 0; i < 20; i++) client.send('SET', `k${i}`, 'v'.repeat(1000))
    await scene.loop.run(() => logOf(former).appended >= 21)
    // It cools values ten times a second.
    await scene.pass(300)
    former.server!.roles.demote('the test says so')
    await scene.primary()
    await scene.caughtUp()
    expect(former.server!.failStop.failure).toBeUndefined()
    expect(await (await scene.client(former)).ask('GET', 'k')).toBe('$9\r\ncommitted\r\n')
  })

  it('while it stops, and a checkpoint is due, does not try that again and again', async () => {
    const scene = new ClusterScene(27, { nodes: 2, config: { 'leader-lease-ms': 500 } })
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    expect(await client.ask('SET', 'k', 'committed')).toBe(ok)
    await scene.pass(1000)
    logOf(former).store.holdCommits()
    client.send('SET', 'k', 'never committed')
    await scene.loop.run(() => logOf(former).appended > logOf(former).committed)
    // A checkpoint waits for that commit, and the next one is due.
    const values = former.server!.config.values as Record<string, unknown>
    values['checkpoint-log-bytes'] = 0n
    await scene.loop.run(() => former.server!.maintenance.checkpointRunning)
    // No replica has what it has, so it has nobody to hand over to before the lease is over.
    await former.stop()
    const next = await scene.primary()
    expect(await (await scene.client(next)).ask('GET', 'k')).toBe('$9\r\ncommitted\r\n')
  })

  it('while it stops waits for a sign of life on its way no longer than a lease', async () => {
    const scene = new ClusterScene(31, { nodes: 1 })
    await scene.start()
    const former = await scene.primary()
    expect(await (await scene.client(former)).ask('SET', 'k', 'v')).toBe(ok)
    logOf(former).store.holdCommits()
    logOf(former).renew()
    let isStopped = false
    void former.stop().then(() => {
      isStopped = true
    })
    await scene.pass(3000)
    expect(isStopped).toBe(true)
    expect(former.openStores).toBe(0)
  })

  it('while it stops waits for its last commit no longer than a lease', async () => {
    const scene = new ClusterScene(26, { nodes: 1 })
    await scene.start()
    const former = await scene.primary()
    const client = await scene.client(former)
    logOf(former).store.holdCommits()
    client.send('SET', 'k', 'never committed')
    await scene.loop.run(() => logOf(former).appended === 1)
    const startMs = scene.loop.nowMs
    await former.stop()
    expect(scene.loop.nowMs - startMs).toBeLessThan(5000)
    expect(former.failure?.message).toBe('the leadership was given up')
    expect(former.openStores).toBe(0)
  })
})
