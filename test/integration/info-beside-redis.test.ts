/** What monitoring tools read of redis-server is there to read of us: the names in INFO and MEMORY STATS, and figures that move as they should. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine, startRedis } from './processes.ts'

/** The sections of INFO by name, each with its fields. */
type Sections = Map<string, Map<string, string>>

describeWith([redisServer, builtMoraine], 'what is told beside redis-server', () => {
  const servers: ServerProcess[] = []
  const clients: Redis[] = []
  let redis: Redis
  let moraine: Redis

  const open = ({ port }: ServerProcess): Redis => {
    const client = new Redis({ port, protocol: 2 })
    clients.push(client)
    return client
  }

  beforeAll(async () => {
    servers.push(await startRedis('--appendonly', 'yes'), await startMoraine())
    redis = open(servers[0])
    moraine = open(servers[1])
    for (const client of [redis, moraine]) await client.mset('a', '1', 'b', '2')
  })
  afterAll(async () => {
    for (const client of clients) client.disconnect()
    for (const server of servers) await server.stop()
  })

  async function sectionsOf(client: Redis): Promise<Sections> {
    const sections: Sections = new Map()
    let fields = new Map<string, string>()
    for (const line of (await client.info('everything')).split('\r\n')) {
      if (line.startsWith('# ')) {
        fields = new Map()
        sections.set(line.slice(2), fields)
      } else if (line !== '') fields.set(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1))
    }
    return sections
  }

  async function figure(name: string, client = moraine): Promise<number> {
    for (const fields of (await sectionsOf(client)).values()) if (fields.has(name)) return Number(fields.get(name))
    return Number.NaN
  }

  const call = (...args: readonly [string, ...string[]]): Promise<unknown> => moraine.call(...args)

  it('has every field of INFO in its section', async () => {
    const ours = await sectionsOf(moraine)
    const missing: string[] = []
    for (const [title, fields] of await sectionsOf(redis)) {
      if (['Commandstats', 'Errorstats', 'Latencystats'].includes(title)) continue
      for (const name of fields.keys()) if (ours.get(title)?.has(name) !== true) missing.push(`${title}: ${name}`)
    }
    expect(missing).toEqual([])
  })

  it('has every name of MEMORY STATS', async () => {
    const names = async (client: Redis): Promise<string[]> =>
      ((await client.call('MEMORY', 'STATS')) as string[]).filter((_, i) => i % 2 === 0)
    const ours = await names(moraine)
    expect((await names(redis)).filter((name) => !ours.includes(name))).toEqual([])
    const stats = (await call('MEMORY', 'STATS')) as unknown[]
    const database = stats[stats.indexOf('db.0') + 1] as unknown[]
    expect(database.filter((_, i) => i % 2 === 0)).toEqual([
      'overhead.hashtable.main',
      'overhead.hashtable.expires',
      'overhead.hashtable.slot-to-keys',
    ])
    expect(database[1]).toBeGreaterThan(0)
  })

  it('counts scripts, functions and libraries', async () => {
    const before = await figure('used_memory_scripts')
    await call('EVAL', 'return 1', '0')
    const library =
      "#!lua name=l\nredis.register_function('f', function() return 1 end)\nredis.register_function('g', function() return 2 end)"
    await call('FUNCTION', 'LOAD', library)
    expect([await figure('number_of_cached_scripts'), await figure('number_of_libraries'), await figure('number_of_functions')]).toEqual([
      1, 1, 2,
    ])
    expect(await figure('used_memory_scripts')).toBeGreaterThan(before)
    expect(await figure('used_memory_vm_total')).toBeGreaterThan(0)
    await call('SCRIPT', 'FLUSH')
    await call('FUNCTION', 'FLUSH')
    expect(await figure('number_of_cached_scripts')).toBe(0)
    expect(await figure('used_memory_scripts')).toBe(0)
  })

  it('counts reads and writes of sockets, and CONFIG RESETSTAT forgets them', async () => {
    const [reads, writes] = [await figure('total_reads_processed'), await figure('total_writes_processed')]
    for (let i = 0; i < 10; i++) await call('PING')
    // Those of INFO itself come to it.
    expect(await figure('total_reads_processed')).toBeGreaterThanOrEqual(reads + 11)
    expect(await figure('total_writes_processed')).toBeGreaterThanOrEqual(writes + 11)
    await call('CONFIG', 'RESETSTAT')
    expect(await figure('total_reads_processed')).toBeLessThan(5)
  })

  it('counts what is freed lazily', async () => {
    const before = await figure('lazyfreed_objects')
    await call('FLUSHALL', 'ASYNC')
    while ((await figure('lazyfreed_objects')) < before + 2) await new Promise((resolve) => setImmediate(resolve))
    expect(await figure('lazyfree_pending_objects')).toBe(0)
  })

  it('counts blocked clients whose time runs', async () => {
    const [timed, untimed] = [open(servers[1]), open(servers[1])]
    const [first, second] = [timed.blpop('none', 100), untimed.blpop('none', 0)]
    while ((await figure('blocked_clients')) < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(await figure('clients_in_timeout_table')).toBe(1)
    await call('RPUSH', 'none', 'x', 'y')
    await Promise.all([first, second])
    expect(await figure('clients_in_timeout_table')).toBe(0)
  })

  it('counts rewrites', async () => {
    await call('BGREWRITEAOF')
    while ((await figure('aof_rewrite_in_progress')) === 1) await new Promise((resolve) => setImmediate(resolve))
    expect([await figure('aof_rewrites'), await figure('aof_rewrites_consecutive_failures')]).toEqual([1, 0])
  })

  it('tells how many keys it has loaded', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'moraine-info-'))
    const first = await startMoraine('--dir', directory)
    const writer = open(first)
    await writer.mset('a', '1', 'b', '2', 'c', '3')
    writer.disconnect()
    await first.stop()
    const second = await startMoraine('--dir', directory)
    servers.push(second)
    const reader = open(second)
    expect(await figure('rdb_last_load_keys_loaded', reader)).toBe(3)
    reader.disconnect()
    await second.stop()
    await rm(directory, { recursive: true, force: true })
  })

  it('measures for how long memory has exceeded its limit', async () => {
    const server = await startMoraine('--tier-enabled', 'no')
    servers.push(server)
    const client = open(server)
    await client.set('k', 'v')
    expect(await figure('total_eviction_exceeded_time', client)).toBe(0)
    await client.config('SET', 'maxmemory', '1')
    while ((await figure('current_eviction_exceeded_time', client)) === 0) await new Promise((resolve) => setImmediate(resolve))
    await client.config('SET', 'maxmemory', '0')
    while ((await figure('current_eviction_exceeded_time', client)) > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await figure('total_eviction_exceeded_time', client)).toBeGreaterThan(0)
  })
})
