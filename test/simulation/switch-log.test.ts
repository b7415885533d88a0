/** CONFIG SET appendonly: the log switched on and off under a running server, and what a crash then leaves. */
import { describe, expect, it, vi } from 'vitest'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const ok = '+OK\r\n'
const sizes = { batchBytes: 2000, hashChunkBytes: 200 }

async function begin(seed: number, appendonly: boolean) {
  const config = { 'enable-debug-command': 'yes', 'tier-cool-start-percent': 0, 'tier-min-value-size': 0, appendonly }
  const scene = new Scene(seed, { config, sizes })
  await scene.startUnobserved()
  return { scene, client: await scene.plainClient() }
}

async function fill(client: PlainClient): Promise<void> {
  for (let i = 0; i < 80; i++) await client.ask('SET', `k${i}`, 'v'.repeat(i * 9), ...(i % 3 === 0 ? ['PXAT', '2700000000000'] : []))
  for (let i = 0; i < 60; i++) await client.ask('HSET', 'large', `f${i}`, 'w'.repeat(70))
  await client.ask('HSET', 'small', 'f', 'v')
  await client.ask('APPEND', 'raw', 'te')
  await client.ask('APPEND', 'raw', 'xt')
  await client.ask('INCRBYFLOAT', 'sum', '3')
  await client.ask('SELECT', '3')
  await client.ask('SET', 'other', '17')
  await client.ask('SELECT', '0')
}

/** The digest, and what it does not cover. */
async function stateOf(client: PlainClient): Promise<string[]> {
  const state = [await client.ask('DEBUG', 'DIGEST'), await client.ask('DBSIZE'), await client.ask('PEXPIRETIME', 'k3')]
  for (const key of ['raw', 'sum', 'large', 'small', 'k1', 'k70']) state.push(await client.ask('OBJECT', 'ENCODING', key))
  return state
}

async function dropValues(scene: Scene): Promise<void> {
  const { settings } = scene.server.shard!.budget
  settings.dropPercent = 0
  await scene.pass(1000)
  settings.dropPercent = 85
}

describe('the log switched on', () => {
  it('has everything on disk before anything is acknowledged again', async () => {
    const { scene, client } = await begin(1, false)
    await fill(client)
    await dropValues(scene)
    expect(scene.server.primary.keyspace.coldCount).toBeGreaterThan(0)
    const state = await stateOf(client)
    expect(await client.ask('CONFIG', 'SET', 'appendonly', 'yes')).toBe(ok)
    expect(await client.ask('CONFIG', 'GET', 'appendonly')).toContain('yes')
    expect(await stateOf(client)).toEqual(state)
    expect(await client.ask('SET', 'k1', 'changed')).toBe(ok)
    const changed = await stateOf(client)
    scene.machine.crash()
    const again = await restarted(scene, true)
    expect(await stateOf(again)).toEqual(changed)
  })

  it('replaces what the directory held, and is as it was when the power goes before it is done', async () => {
    const { scene, client } = await begin(2, true)
    await client.ask('SET', 'former', 'x')
    await client.ask('SAVE')
    expect(await client.ask('CONFIG', 'SET', 'appendonly', 'no')).toBe(ok)
    await client.ask('DEL', 'former')
    await fill(client)
    const state = await stateOf(client)
    vi.spyOn(scene.server, 'openShard').mockImplementationOnce(() => Promise.reject(new Error('no space')))
    expect(await client.ask('CONFIG', 'SET', 'appendonly', 'yes')).toContain("'appendonly') - Unable to turn on AOF. Check server logs.")
    expect(await client.ask('CONFIG', 'GET', 'appendonly')).toContain('no')
    expect(await stateOf(client)).toEqual(state)
    expect(await client.ask('CONFIG', 'SET', 'appendonly', 'yes')).toBe(ok)
    expect(await stateOf(client)).toEqual(state)
    expect(await client.ask('EXISTS', 'former')).toBe(':0\r\n')
    scene.machine.crash()
    const again = await restarted(scene, true)
    expect(await stateOf(again)).toEqual(state)
  })

  it.each([5, 20, 40, 80, 160, 320])('keeps the former state whole when the power goes after %i operations', async (operations) => {
    const { scene, client } = await begin(3, true)
    for (let i = 0; i < 30; i++) await client.ask('SET', `former${i}`, 'x'.repeat(50))
    const former = await client.ask('DEBUG', 'DIGEST')
    expect(await client.ask('CONFIG', 'SET', 'appendonly', 'no')).toBe(ok)
    await client.ask('FLUSHALL')
    await fill(client)
    const next = await client.ask('DEBUG', 'DIGEST')
    const { disk } = scene.machine
    disk.crashAt(disk.operations + operations)
    let isSet = false
    void scene.server.config.set([['appendonly', 'yes']])
    await scene.loop.run(() => {
      isSet = scene.server.config.values.appendonly && !scene.server.shardSwitch.isRunning
      return disk.isOff || isSet
    })
    scene.machine.crash()
    const again = await restarted(scene, true)
    const digest = await again.ask('DEBUG', 'DIGEST')
    if (isSet) expect(digest).toBe(next)
    else expect([former, next]).toContain(digest)
  })
})

describe('the log switched off', () => {
  it('keeps the data in memory, says so loudly, and leaves on disk what was acknowledged before', async () => {
    const { scene, client } = await begin(4, true)
    await fill(client)
    const state = await stateOf(client)
    const warned = vi.spyOn(scene.server.log, 'warn')
    expect(await client.ask('CONFIG', 'SET', 'appendonly', 'no')).toBe(ok)
    expect(warned).toHaveBeenCalledWith(expect.stringContaining('THE LOG IS OFF'))
    expect(await stateOf(client)).toEqual(state)
    expect(await client.ask('INFO', 'persistence')).toContain('aof_enabled:0')
    expect(await client.ask('SAVE')).toContain('the server keeps no log')
    expect(await client.ask('SET', 'k1', 'lost')).toBe(ok)
    scene.machine.crash()
    const again = await restarted(scene, true)
    expect(await stateOf(again)).toEqual(state)
  })

  it('leaves nothing behind, however often', async () => {
    const { scene, client } = await begin(5, true)
    await fill(client)
    const state = await stateOf(client)
    const { machine, loop } = scene
    await scene.pass(3000)
    const open = [loop.pending, machine.openStores, machine.disk.openFiles]
    for (let i = 0; i < 3; i++) {
      expect(await client.ask('CONFIG', 'SET', 'appendonly', 'no')).toBe(ok)
      expect(await client.ask('CONFIG', 'SET', 'appendonly', 'yes')).toBe(ok)
    }
    await scene.pass(3000)
    expect([loop.pending, machine.openStores, machine.disk.openFiles]).toEqual(open)
    expect(await stateOf(client)).toEqual(state)
  })

  it('touches watched keys, and is refused in a transaction', async () => {
    const { scene, client } = await begin(6, true)
    await client.ask('SET', 'k', '1')
    await client.ask('WATCH', 'k')
    const other = await scene.plainClient()
    await other.ask('CONFIG', 'SET', 'appendonly', 'no')
    await client.ask('MULTI')
    expect(await client.ask('EXEC')).toBe('*-1\r\n')
    await client.ask('MULTI')
    await client.ask('CONFIG', 'SET', 'appendonly', 'yes')
    expect(await client.ask('EXEC')).toContain("isn't allowed in a transaction")
  })
})

/** Starts again on what the disks hold, with the configuration of the beginning but for the log. */
async function restarted(scene: Scene, appendonly: boolean): Promise<PlainClient> {
  scene.config.appendonly = appendonly
  await scene.startUnobserved()
  return scene.plainClient()
}
