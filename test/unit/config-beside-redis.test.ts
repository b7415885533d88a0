/** The same CONFIG SET and GET to us and to redis-server: same errors, same values. */
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Config } from '../../server/config/config.ts'
import { findSetting, settingNames, settingOf } from '../../server/config/settings.ts'
import { testRuns } from '../chance.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'

const runs = testRuns(500)

/** Where we differ on purpose: what Redis can do at run time and we cannot, the machine's limits, or what is refused here. */
const ours = new Set([
  'dir',
  'port',
  'bind',
  'appendonly',
  'maxclients',
  'requirepass',
  'tls-port',
  'tls-replication',
  'tls-cluster',
  'replicaof',
  'min-replicas-to-write',
])
// Redis checks these in ways that do not matter without their effect.
const looser = new Set([
  'proc-title-template',
  'oom-score-adj-values',
  'shutdown-on-sigterm',
  'shutdown-on-sigint',
  'oom-score-adj',
  'activedefrag',
  'repl-backlog-size',
])

describeWith([redisServer], 'configuration beside redis-server', () => {
  let redis: ServerProcess
  let client: Redis
  let known: Map<string, string>

  beforeAll(async () => {
    redis = await startRedis('--enable-debug-command', 'no')
    client = new Redis({ port: redis.port, protocol: 2 })
    known = await getRedis('*')
  })
  afterAll(async () => {
    client?.disconnect()
    await redis?.stop()
  })

  async function getRedis(...patterns: string[]): Promise<Map<string, string>> {
    const flat = (await client.call('CONFIG', 'GET', ...patterns)) as string[]
    return new Map(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]] as const] : [])))
  }

  async function setRedis(pairs: readonly (readonly [string, string])[]): Promise<string | undefined> {
    try {
      await client.call('CONFIG', 'SET', ...pairs.flat())
      return undefined
    } catch (problem) {
      return (problem as Error).message
    }
  }

  const isMemory = (name: string) => {
    const found = findSetting(name)
    return found !== undefined && settingOf(found).accepts.startsWith('memory')
  }
  const shared = () => settingNames.filter((name) => (known.has(name) || settingOf(name).hidden) && !ours.has(name) && !looser.has(name))

  it('has the same defaults, but for what is better here', () => {
    const differing = shared().filter((name) => known.has(name) && known.get(name) !== settingOf(name).format(settingOf(name).default))
    expect(differing.sort()).toEqual(['appendfsync'])
  })

  it('knows every setting of Redis', () => {
    expect([...known.keys()].filter((name) => findSetting(name) === undefined)).toEqual([])
  })

  it('knows the same older names', () => {
    for (const name of shared()) for (const alias of settingOf(name).aliases) expect(known.has(alias)).toBe(true)
    const older = [...known.keys()].filter((name) => (settingNames as readonly string[]).includes(name.replace('slave', 'replica')))
    expect(older.filter((name) => findSetting(name) === undefined)).toEqual([])
  })

  it('answers CONFIG SET alike and ends with the same values', async () => {
    const config = new Config()
    await setRedis([['appendfsync', 'always']])
    const values = [
      '',
      '0',
      '1',
      '-1',
      '5',
      '100',
      '101',
      '0x1',
      '01',
      '5%',
      '101%',
      '1k',
      '64MB',
      '1.5gb',
      'x',
      'yes',
      'NO',
      'lz4',
      'KEA',
      'g$l',
      'Kxq',
      'Kn',
      'nxE',
      'AKEmn',
    ]
    const long = [
      '9223372036854775807',

      '2147483648',
      'allkeys-LRU',
      'no',
      'local',
      'normal 1 2',
      'normal 1mb 2kb 3',
    ]
    const longer = [
      'pubsub 1 1 1 slave 2 2 2',
      'master 1 1 1',
      'normal 1 x 1',
      '900 1',
      '900 1 60',
      '0 1',
      '50 99.5',
      '50 x',
      '50 101',
      'everysec',
      'debug',
    ]
    const pair = () => fc.tuple(fc.constantFrom(...shared(), 'nosuch', 'HZ', 'Timeout'), fc.constantFrom(...values, ...long, ...longer))
    await fc.assert(
      fc.asyncProperty(fc.array(pair(), { minLength: 1, maxLength: 3 }), async (pairs) => {
        // Redis takes no digits at all for 0 bytes; we take it for a mistake.
        fc.pre(pairs.every(([name, value]) => value !== '' || !isMemory(name)))
        const expected = await setRedis(pairs)
        expect([pairs, config.set(pairs)]).toEqual([pairs, expected])
        for (const [name] of pairs) expect([pairs, new Map(config.get([name]))]).toEqual([pairs, await getRedis(name)])
      }),
      { numRuns: runs },
    )
  })

  it('answers CONFIG GET alike, whatever the case', async () => {
    const config = new Config()
    for (const pattern of [
      'HASH-MAX-*',
      'hash-max-[lz]i*-entries',
      'h?',
      'nosuch',
      'MAXMEMORY-samples',
      'Hash-Max-Ziplist-Value',
      'lfu*',
      'key-load-*',
      'Key-Load-Delay',
      'w*-period',
      'watchdog-period',
    ]) {
      expect(new Set(config.get([pattern]).map(([name]) => name))).toEqual(new Set((await getRedis(pattern)).keys()))
    }
  })
})
