/** The checkpoint at the end of a server has a limit of time; what it leaves is replayed. */
import { describe, expect, it, vi } from 'vitest'
import { Scene } from './scene.ts'

const keys = 300

/** A server whose cold store is slow, with some keys that only the log has. */
async function begin(seed: number, timeoutSeconds: number) {
  const scene = new Scene(seed, {
    config: { 'shutdown-checkpoint-timeout': timeoutSeconds },
    sizes: { batchBytes: 2000 },
  })
  await scene.start()
  const client = await scene.client()
  for (let i = 0; i < keys; i++) client.send('SET', `k${i}`, `<${i}> ${'v'.repeat(400)}`)
  await scene.loop.run(() => client.raw.waiting.length === 0)
  const warned = vi.spyOn(scene.server.log, 'warn')
  const failed = vi.spyOn(scene.server.log, 'error')
  return { scene, client, warned, failed }
}

async function readAll(scene: Scene): Promise<void> {
  const client = await scene.client()
  for (let i = 0; i < keys; i++) expect(await client.ask('GET', `k${i}`)).toContain(`<${i}> `)
}

describe('the checkpoint at the end', () => {
  it('leaves nothing to replay', async () => {
    const { scene, warned } = await begin(1, 60)
    await scene.machine.stop()
    expect(warned).not.toHaveBeenCalled()
    await scene.start()
    expect(scene.server.shard?.recoveredRecords).toBe(0)
    await readAll(scene)
  })

  it('is given up when it takes too long, and the log is replayed', async () => {
    const { scene, warned, failed } = await begin(2, 5)
    scene.machine.coldDelayMsMax = 2000
    const { clock } = scene.server
    const before = clock.monotonicMs()
    await scene.machine.stop()
    expect(clock.monotonicMs() - before).toBeGreaterThanOrEqual(5000)
    expect(clock.monotonicMs() - before).toBeLessThan(15_000)
    expect(warned.mock.calls).toEqual([[expect.stringContaining('given up'), { seconds: 5, records: keys }]])
    expect(failed).not.toHaveBeenCalled()
    scene.machine.coldDelayMsMax = 1
    await scene.start()
    expect(scene.server.shard?.recoveredRecords).toBe(keys)
    await readAll(scene)
    await scene.machine.stop()
    await scene.start()
    expect(scene.server.shard?.recoveredRecords).toBe(0)
    await readAll(scene)
  })

  it('is not made after SHUTDOWN NOSAVE', async () => {
    const { scene, client } = await begin(5, 60)
    let ends = false
    scene.server.onShutdown = () => {
      ends = true
    }
    client.send('SHUTDOWN', 'NOSAVE')
    await scene.loop.run(() => ends)
    await scene.machine.stop()
    await scene.start()
    expect(scene.server.shard?.recoveredRecords).toBe(keys)
    await readAll(scene)
  })

  it('has no limit when that is 0', async () => {
    const { scene, warned } = await begin(3, 0)
    scene.machine.coldDelayMsMax = 2000
    const { clock } = scene.server
    const before = clock.monotonicMs()
    await scene.machine.stop()
    expect(clock.monotonicMs() - before).toBeGreaterThan(15_000)
    expect(warned).not.toHaveBeenCalled()
  })

  it('is given up together with one that has begun before', async () => {
    const { scene, client, warned } = await begin(4, 5)
    scene.machine.coldDelayMsMax = 2000
    const earlier = scene.server.maintenance.checkpoint().then(
      () => 'done',
      () => 'given up',
    )
    client.send('SET', 'k0', '<0> last')
    await scene.loop.run(() => client.raw.waiting.length === 0)
    const { clock } = scene.server
    const before = clock.monotonicMs()
    await scene.machine.stop()
    expect(await earlier).toBe('given up')
    expect(clock.monotonicMs() - before).toBeLessThan(15_000)
    expect(warned).toHaveBeenCalledTimes(1)
    scene.machine.coldDelayMsMax = 1
    await scene.start()
    await readAll(scene)
  })
})
