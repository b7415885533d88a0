/** A shard that is closed and opened again while its clients stay: DEBUG RELOAD, DEBUG LOADAOF, CONFIG SET appendonly. */
import { describe, expect, it, vi } from 'vitest'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const keys = 120
const ok = '+OK\r\n'

async function begin(seed: number, config: Readonly<Record<string, unknown>> = {}) {
  const scene = new Scene(seed, {
    config: { 'enable-debug-command': 'yes', 'tier-cool-start-percent': 0, 'tier-min-value-size': 0, ...config },
    sizes: { batchBytes: 2000, treeLeafBytes: 200 },
  })
  await scene.startUnobserved()
  return { scene, client: await scene.plainClient() }
}

async function fill(client: PlainClient): Promise<void> {
  for (let i = 0; i < keys; i++)
    await client.ask('SET', `k${i}`, `<${i}> ${'v'.repeat(i * 5)}`, ...(i % 3 === 0 ? ['PX', '100000000'] : []))
  for (let i = 0; i < 100; i++) await client.ask('HSET', 'large', `f${i}`, 'w'.repeat(70))
  await client.ask('CONFIG', 'SET', 'hash-max-listpack-value', '64')
  await client.ask('HSET', 'small', 'f', 'v')
  await client.ask('APPEND', 'raw', 'text')
  await client.ask('APPEND', 'raw', 'text')
  await client.ask('SWAPDB', '2', '5')
  await client.ask('SELECT', '2')
  await client.ask('SET', 'other', '17')
  await client.ask('SELECT', '0')
}

async function requireAll(client: PlainClient): Promise<void> {
  for (let i = 0; i < keys; i++) {
    const text = `<${i}> ${'v'.repeat(i * 5)}`
    expect(await client.ask('GET', `k${i}`)).toBe(`$${text.length}\r\n${text}\r\n`)
    const left = Number((await client.ask('PTTL', `k${i}`)).slice(1))
    if (i % 3 === 0) expect(left).toBeGreaterThan(99_000_000)
    else expect(left).toBe(-1)
  }
  expect(await client.ask('HLEN', 'large')).toBe(':100\r\n')
  expect(await client.ask('HGET', 'large', 'f99')).toContain('w'.repeat(70))
  expect(await client.ask('HGET', 'small', 'f')).toBe('$1\r\nv\r\n')
  expect(await client.ask('OBJECT', 'ENCODING', 'raw')).toBe('$3\r\nraw\r\n')
  expect(await client.ask('OBJECT', 'ENCODING', 'large')).toBe('$9\r\nhashtable\r\n')
  await client.ask('SELECT', '2')
  expect(await client.ask('GET', 'other')).toBe('$2\r\n17\r\n')
  await client.ask('SELECT', '0')
}

/** Lets everything become cold that may. */
async function makeCold(scene: Scene): Promise<void> {
  await scene.checkpoint()
  const { settings } = scene.server.shard!.budget
  const before = settings.dropPercent
  settings.dropPercent = 0
  await scene.pass(1000)
  settings.dropPercent = before
  expect(scene.server.primary.keyspace.coldCount).toBeGreaterThan(keys / 2)
}

function info(text: string, name: string): number {
  return Number(new RegExp(`${name}:(-?\\d+)`).exec(text)?.[1])
}

describe('a shard opened again in the process', () => {
  it('has all data, hot and cold, with their times to live, and INFO counts on', async () => {
    const { scene, client } = await begin(1)
    await fill(client)
    await makeCold(scene)
    await client.ask('SET', 'k1', `<1> ${'v'.repeat(5)}`)
    await client.ask('GET', 'k2')
    const before = await client.ask('INFO')
    expect(await client.ask('DEBUG', 'RELOAD')).toBe(ok)
    expect(scene.server.shard?.recoveredRecords).toBe(0)
    const after = await client.ask('INFO')
    for (const name of ['keyspace_hits', 'keyspace_misses', 'db0:keys=', 'log_committed_lsn', 'tier_cold_reads']) {
      if (Number.isNaN(info(before, name))) continue
      expect([name, info(after, name)]).toEqual([name, info(before, name)])
    }
    expect(info(after, 'checkpoints')).toBe(info(before, 'checkpoints') + 1)
    expect(info(after, 'rdb_changes_since_last_save')).toBe(0)
    expect(info(after, 'rdb_last_save_time')).toBeGreaterThanOrEqual(info(before, 'rdb_last_save_time'))
    await requireAll(client)
  })

  it('leaves no timer, no file and no store behind, however often', async () => {
    const { scene, client } = await begin(2)
    await fill(client)
    await makeCold(scene)
    await client.ask('DEBUG', 'RELOAD')
    await scene.pass(5000)
    const { machine, loop } = scene
    const open = [loop.pending, machine.openStores, machine.disk.openFiles]
    for (let i = 0; i < 5; i++) {
      await client.ask('SET', 'again', `${i}`)
      expect(await client.ask('DEBUG', i % 2 === 0 ? 'RELOAD' : 'LOADAOF')).toBe(ok)
    }
    await scene.pass(5000)
    expect([loop.pending, machine.openStores, machine.disk.openFiles]).toEqual(open)
    await machine.stop()
    expect([machine.openStores, machine.disk.openFiles]).toEqual([0, 0])
  })

  it('replays the log when no checkpoint is wanted', async () => {
    const { scene, client } = await begin(3)
    await fill(client)
    expect(await client.ask('DEBUG', 'RELOAD', 'NOSAVE')).toBe(ok)
    expect(scene.server.shard?.recoveredRecords).toBeGreaterThan(keys)
    await requireAll(client)
  })

  it('lets every other request wait, whatever it was waiting for before', async () => {
    const { scene, client } = await begin(4)
    await fill(client)
    await makeCold(scene)
    scene.machine.coldDelayMsMax = 50
    const others = await Promise.all(Array.from({ length: 6 }, () => scene.plainClient()))
    const asked = [
      others[0]!.ask('GET', 'k100'),
      others[1]!.ask('HGETALL', 'large'),
      others[2]!.ask('APPEND', 'k101', '!'),
      others[3]!.ask('COPY', 'large', 'copied'),
      others[4]!.ask('WAITAOF', '1', '0', '0'),
      others[5]!.ask('INCR', 'counter'),
    ]
    expect(await client.ask('DEBUG', 'RELOAD')).toBe(ok)
    const replies = await Promise.all(asked)
    expect(replies[0]).toContain(`<100> ${'v'.repeat(500)}`)
    expect(replies[1]?.match(/w{70}/g)).toHaveLength(100)
    expect(replies.slice(2)).toEqual([`:${7 + 505}\r\n`, ':1\r\n', '*2\r\n:1\r\n:0\r\n', ':1\r\n'])
    expect(await client.ask('HLEN', 'copied')).toBe(':100\r\n')
  })

  it('goes on as it was when the checkpoint fails', async () => {
    const { scene, client } = await begin(5)
    await fill(client)
    const noSpace = Object.assign(new Error('no space'), { code: 'ENOSPC' })
    vi.spyOn(scene.server.shard!.checkpointer!, 'run').mockRejectedValueOnce(noSpace)
    expect(await client.ask('DEBUG', 'RELOAD')).toBe('-ERR The data could not be reloaded: no space\r\n')
    await requireAll(client)
    expect(await client.ask('SET', 'k1', `<1> ${'v'.repeat(5)}`)).toBe(ok)
  })

  it('says so when it cannot be opened, closes what it had opened, and can be opened later', async () => {
    const { scene, client } = await begin(6)
    await fill(client)
    const { machine } = scene
    const open = [machine.openStores, machine.disk.openFiles]
    vi.spyOn(scene.server.ports, 'openColdStore').mockRejectedValueOnce(new Error('no such device'))
    expect(await client.ask('DEBUG', 'RELOAD')).toBe('-ERR The data could not be reloaded: no such device\r\n')
    expect([machine.openStores, machine.disk.openFiles]).toEqual([0, 0])
    expect(await client.ask('GET', 'k1')).toBe('-MISCONF The data could not be opened again: no such device\r\n')
    expect(await client.ask('CONFIG', 'GET', 'appendonly')).toContain('yes')
    expect(scene.server.trouble).toContain('no such device')
    expect(await client.ask('DEBUG', 'RELOAD', 'NOSAVE')).toBe(ok)
    expect(scene.server.trouble).toBeUndefined()
    expect([machine.openStores, machine.disk.openFiles]).toEqual(open)
    await requireAll(client)
  })

  it('lets a server that is told to stop meanwhile stop behind it', async () => {
    const { scene, client } = await begin(7)
    await fill(client)
    void scene.server.shardSwitch.reopen(true)
    await scene.machine.stop()
    expect(scene.machine.failure).toBeUndefined()
    expect([scene.machine.openStores, scene.machine.disk.openFiles]).toEqual([0, 0])
    await scene.startUnobserved()
    await requireAll(await scene.plainClient())
  })
})

describe('DEBUG DIGEST', () => {
  it('is the same hot, cold, in part, and after a reload', async () => {
    const { scene, client } = await begin(8)
    await fill(client)
    const hot = await client.ask('DEBUG', 'DIGEST')
    const values = await client.ask('DEBUG', 'DIGEST-VALUE', 'k100', 'large', 'small', 'none')
    await makeCold(scene)
    expect(await client.ask('DEBUG', 'DIGEST')).toBe(hot)
    expect(await client.ask('DEBUG', 'DIGEST-VALUE', 'k100', 'large', 'small', 'none')).toBe(values)
    expect(await client.ask('DEBUG', 'OBJECT', 'k110')).toContain('encoding:raw')
    await client.ask('GET', 'k50')
    await client.ask('HSET', 'large', 'f7', 'w'.repeat(70))
    expect(await client.ask('DEBUG', 'DIGEST')).toBe(hot)
    await client.ask('DEBUG', 'RELOAD')
    expect(await client.ask('DEBUG', 'DIGEST')).toBe(hot)
    await client.ask('HSET', 'large', 'f7', 'x')
    expect(await client.ask('DEBUG', 'DIGEST')).not.toBe(hot)
  })

  it('sees one moment: writes wait for it', async () => {
    const { scene, client } = await begin(9)
    await fill(client)
    await makeCold(scene)
    const before = await client.ask('DEBUG', 'DIGEST')
    scene.machine.coldDelayMsMax = 50
    const other = await scene.plainClient()
    const digest = client.ask('DEBUG', 'DIGEST')
    const written = other.ask('SET', 'k119', 'new')
    expect([await digest, await written]).toEqual([before, ok])
    expect(await client.ask('DEBUG', 'DIGEST')).not.toBe(before)
  })
})
