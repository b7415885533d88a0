/**
 * Broken invariants: an exception that nobody foresaw, in a request, in work staged for it, behind a cold read, or in the
 * background. The client is told, nothing half-done reaches the log, no checkpoint is made of it, and the server stops.
 */
import { describe, expect, it } from 'vitest'
import type { Execution } from '../../engine/execution.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import type { Command } from '../../server/command-table.ts'
import { internalError } from '../../server/fail-stop.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const told = `-${internalError}\r\n`
const broken = new Error('an invariant is broken')

/** A server without traffic, and a command of it that a test can spoil. */
async function started(config: Readonly<Record<string, unknown>> = {}) {
  const scene = new Scene(1, { config })
  await scene.startUnobserved()
  let isStopped = false
  scene.server.failStop.onStopped = () => {
    isStopped = true
  }
  const spoil = (name: string, change: Partial<Command>): void => {
    Object.assign(scene.server.commands.named(name) as Command, change)
  }
  const stopped = () => scene.loop.run(() => isStopped)
  return { scene, spoil, stopped, client: await scene.plainClient() }
}

/** The next start is a sound one: it has the log, and the program without the test's fault. */
async function restarted(scene: Scene): Promise<PlainClient> {
  scene.machine.crash()
  await scene.startUnobserved()
  return scene.plainClient()
}

/** Changes a key, then throws. */
function changesAndThrows(x: Execution): void {
  const { buffer, starts, ends } = x.args
  x.putString(1, buffer, starts[1] as number, ends[1] as number, 0)
  x.reply.array(3)
  throw broken
}

describe('a broken invariant in a request', () => {
  it('is told to its client instead of a reply; what came before is done, what comes after is not, and the server stops', async () => {
    const { scene, spoil, stopped, client } = await started()
    spoil('getset', { runs: changesAndThrows })
    const bystander = await scene.plainClient()
    expect(await bystander.ask('SET', 'other', '1')).toBe('+OK\r\n')
    const { appended } = scene.server.primary.log
    client.sendTogether(['SET', 'before', '1'], ['GETSET', 'broken', '1'], ['SET', 'after', '1'])
    await stopped()
    expect([await client.receive(), await client.receive(), await client.receive()]).toEqual(['+OK\r\n', told, 'closed'])
    expect(await bystander.receive()).toBe('closed')
    expect([scene.server.primary.log.appended, scene.server.primary.log.committed]).toEqual([appended + 1, appended + 1])
    expect(scene.machine.log.errors.join('\n')).toMatch(/Internal error: the server stops.*an invariant is broken\n +at /s)
    const again = await restarted(scene)
    expect(await again.ask('MGET', 'other', 'before', 'broken', 'after')).toBe('*4\r\n$1\r\n1\r\n$1\r\n1\r\n$-1\r\n$-1\r\n')
  })

  it('takes the whole transaction with it', async () => {
    const { scene, spoil, stopped, client } = await started()
    spoil('getset', { runs: changesAndThrows })
    client.sendTogether(['MULTI'], ['SET', 'k', '1'], ['GETSET', 'broken', '1'], ['SET', 'k', '2'], ['EXEC'])
    await stopped()
    const replies = [await client.receive(), await client.receive(), await client.receive(), await client.receive(), await client.receive()]
    expect(replies).toEqual(['+OK\r\n', '+QUEUED\r\n', '+QUEUED\r\n', '+QUEUED\r\n', told])
    expect(await (await restarted(scene)).ask('EXISTS', 'k', 'broken')).toBe(':0\r\n')
  })

  it('in a handler of the session is told as well', async () => {
    const { spoil, stopped, client } = await started()
    spoil('echo', {
      serves: () => {
        throw broken
      },
    })
    client.send('ECHO', 'x')
    await stopped()
    expect([await client.receive(), await client.receive()]).toEqual([told, 'closed'])
  })

  it('in work that is staged for it is told as well', async () => {
    const { spoil, stopped, client } = await started()
    let steps = 0
    const work: StagedWork = {
      memoryBytes: 0,
      step: () => {
        if (++steps === 3) throw broken
        return true
      },
    }
    spoil('strlen', { stages: () => work })
    client.send('STRLEN', 'x')
    await stopped()
    expect([await client.receive(), await client.receive(), steps]).toEqual([told, 'closed', 3])
  })

  it('after a cold read is told as well', async () => {
    const { scene, spoil, stopped, client } = await started({ 'tier-min-value-size': 0 })
    await client.ask('SET', 'k', 'x'.repeat(100))
    await scene.settled(scene.server.maintenance.checkpoint())
    scene.server.primary.tier.demoteOne()
    expect(await client.ask('OBJECT', 'TIER', 'k')).toContain('cold')
    spoil('get', { runs: changesAndThrows })
    client.send('GET', 'k')
    await stopped()
    expect([await client.receive(), await client.receive()]).toEqual([told, 'closed'])
  })

  it('leaves the checkpoint as it was, also one that was under way', async () => {
    const { scene, spoil, stopped, client } = await started()
    spoil('getset', { runs: changesAndThrows })
    await client.ask('SET', 'k', '1')
    await scene.settled(scene.server.maintenance.checkpoint())
    const checkpointer = scene.server.shard?.checkpointer
    const { lastLsn } = checkpointer as NonNullable<typeof checkpointer>
    for (let i = 0; i < 50; i++) await client.ask('SET', `k${i}`, 'x'.repeat(1000))
    scene.machine.coldDelayMsMax = 2000
    const saver = await scene.plainClient()
    saver.send('SAVE')
    await scene.loop.run(() => scene.server.maintenance.checkpointRunning)
    client.send('GETSET', 'broken', '1')
    await stopped()
    expect(await client.receive()).toBe(told)
    expect(checkpointer?.lastLsn).toBe(lastLsn)
    expect(await saver.receive()).not.toBe('+OK\r\n')
    await expect(scene.server.maintenance.checkpoint()).rejects.toThrow('stopping')
    expect(await (await restarted(scene)).ask('DBSIZE')).toBe(':51\r\n')
  })
})

describe('a broken invariant in the background', () => {
  it('of a checkpoint stops the server; a failure of the disk does not', async () => {
    const { scene, stopped, client } = await started()
    await client.ask('SET', 'k', 'x'.repeat(1000))
    scene.machine.coldDisk.fail('write', 'EIO', 1)
    await expect(scene.settled(scene.server.maintenance.checkpoint())).rejects.toThrow('EIO')
    expect(scene.server.failStop.failure).toBeUndefined()
    const { writeOut } = scene.server.shard as NonNullable<typeof scene.server.shard>
    Object.assign(writeOut as object, {
      recordDeletions: () => {
        throw new TypeError('an invariant is broken')
      },
    })
    await expect(scene.settled(scene.server.maintenance.checkpoint())).rejects.toThrow()
    await stopped()
    expect(scene.server.failStop.failure).toBeInstanceOf(TypeError)
    expect(await client.ask('GET', 'k')).toBe('closed')
    expect(await (await restarted(scene)).ask('STRLEN', 'k')).toBe(':1000\r\n')
  })

  it('of a reply that leaves is no failure of the log', async () => {
    const { scene, stopped, client } = await started()
    scene.server.observers.commit = () => {
      throw broken
    }
    client.send('SET', 'k', '1')
    await stopped()
    expect([scene.server.failStop.failure, scene.server.logFailure]).toEqual([broken, undefined])
    expect(scene.server.trouble).toBe('internal error: an invariant is broken')
    expect(await (await restarted(scene)).ask('GET', 'k')).toBe('$1\r\n1\r\n')
  })

  it('comes to an end though nothing can be committed or closed', async () => {
    const { scene, spoil, stopped, client } = await started()
    spoil('getset', { runs: changesAndThrows })
    await client.ask('SET', 'k', '1')
    const forEver = () => new Promise<void>(() => undefined)
    Object.assign(scene.server.shard?.waiters as object, { wait: forEver })
    Object.assign(scene.server.primary.log, { close: forEver })
    client.sendTogether(['SET', 'k', '2'], ['GETSET', 'broken', '1'])
    await stopped()
    expect([await client.receive(), await client.receive()]).toEqual(['+OK\r\n', told])
    expect(await (await restarted(scene)).ask('GET', 'k')).toBe('$1\r\n2\r\n')
  })
})
