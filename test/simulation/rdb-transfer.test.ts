/** The RDB that SYNC sends, on a simulated server: of one moment, whatever is written meanwhile; to slow clients, to some who leave, to replicas that get none. */
import { describe, expect, it, vi } from 'vitest'
import { CopiedShard } from '../../server/copy/copied-shard.ts'
import { chance, testRuns } from '../chance.ts'
import { notesOf } from '../property/dump-model.ts'
import { dumpedKinds, randomValue } from '../property/dump-values.ts'
import { contentOf, RdbReceiver, shown } from './rdb-receiver.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'

const sizes = { batchBytes: 2000, treeLeafBytes: 200 }
const library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"

async function begin(seed: number, config: Readonly<Record<string, unknown>> = {}) {
  const scene = new Scene(seed, { config: { 'tier-cool-start-percent': 0, 'tier-min-value-size': 0, ...config }, sizes })
  await scene.startUnobserved()
  return { scene, client: await scene.plainClient() }
}

async function dropValues(scene: Scene): Promise<void> {
  const { settings } = scene.server.shard!.budget
  settings.dropPercent = 0
  await scene.pass(1000)
  settings.dropPercent = 85
}

function bulkOf(reply: string): Buffer {
  return Buffer.from(reply.slice(reply.indexOf('\r\n') + 2, -2), 'latin1')
}

/** What the server holds, as `contentOf` shows it. */
async function contents(client: PlainClient): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const db of [0, 3]) {
    await client.ask('SELECT', `${db}`)
    for (const key of (await client.ask('KEYS', '*')).split('\r\n').filter((line) => line.startsWith('key'))) {
      const expireAt = Number((await client.ask('PEXPIRETIME', key)).slice(1))
      found.set(`${db} ${key}`, shown(notesOf(bulkOf(await client.ask('DUMP', key))), Math.max(0, expireAt)))
    }
  }
  await client.ask('SELECT', '0')
  return found
}

type Words = string[]

describe('SYNC', () => {
  it('sends all data, cold or not, functions, and nothing behind', async () => {
    const { scene, client } = await begin(1)
    const random = chance(51)
    await client.ask('FUNCTION', 'LOAD', library)
    for (let i = 0; i < 60; i++) {
      if (i === 30) await client.ask('SELECT', '3')
      for (const words of randomValue(random, random.pick(dumpedKinds), `key${i}`)) await client.ask(...latin(words))
      if (random.once(4)) await client.ask('PEXPIREAT', `key${i}`, '2700000000000')
    }
    await dropValues(scene)
    expect(scene.server.primary.keyspace.coldCount).toBeGreaterThan(0)
    const expected = await contents(client)
    await dropValues(scene)
    for (const capabilities of [['eof'], []]) {
      const receiver = await RdbReceiver.connect(scene)
      await receiver.prepare(...capabilities)
      receiver.send('SYNC')
      await receiver.end()
      const content = contentOf(receiver.rdb())
      expect(content.libraries).toEqual([library])
      expect(content.keys).toEqual(expected)
    }
    expect(scene.server.transfers.memoryBytes).toBe(0)
  })

  it('sends functions alone, after PSYNC of which history they are', async () => {
    const { scene, client } = await begin(2)
    await client.ask('FUNCTION', 'LOAD', library)
    await client.ask('SET', 'k', 'v')
    const receiver = await RdbReceiver.connect(scene)
    await receiver.prepare('eof', 'psync2')
    expect(await receiver.ask('REPLCONF', 'rdb-filter-only', 'functions')).toBe('+OK')
    receiver.send('PSYNC', '?', '-1')
    await receiver.end()
    const { replicationId, primary } = scene.server
    expect(receiver.bytes.toString('latin1')).toMatch(new RegExp(`^\\n*\\+FULLRESYNC ${replicationId} ${primary.log.committed}\r\n`))
    expect(contentOf(receiver.rdb())).toEqual({ keys: new Map(), libraries: [library] })
  })

  it.each(Array.from({ length: testRuns(4) }, (_, i) => i))('sends one moment while much is changed (%i)', async (run) => {
    const { scene, client } = await begin(100 + run)
    const random = chance(52 + run)
    const states = new Map<string, Map<string, string>>()
    let version = 0
    const key = () => `key${random.below(30)}`
    const change = async (): Promise<void> => {
      const all: Words[] = []
      for (let i = random.below(4); i >= 0; i--) all.push(...randomChange(key, random))
      // Last, so that it is there whatever was emptied: the greatest tells which state this is.
      all.push(['SET', 'keyversion', `${++version}`])
      await client.ask('SELECT', random.once(3) ? '3' : '0')
      await client.ask('MULTI')
      for (const words of all) await client.ask(...words)
      await client.ask('EXEC')
      await client.ask('SELECT', '0')
      states.set(`${version}`, await contents(client))
    }
    for (let i = 0; i < 40; i++) {
      await change()
      if (random.once(15)) await scene.checkpoint()
      if (random.once(10)) await dropValues(scene)
    }
    for (let syncs = 0; syncs < 3; syncs++) {
      const receiver = await RdbReceiver.connect(scene)
      await receiver.prepare('eof')
      receiver.send('SYNC')
      while (!receiver.closed) await change()
      const { keys } = contentOf(receiver.rdb())
      const seen = Math.max(...[...keys].filter(([name]) => name.endsWith('keyversion')).map(([, value]) => versionOf(value)))
      expect(keys).toEqual(states.get(`${seen}`))
    }
  })

  it('has all of a transaction or nothing, also when the checkpoint met its keys at different times', async () => {
    const { scene, client } = await begin(10, { 'tier-cool-start-percent': 70 })
    const pairs = 200
    const value = (n: number) => `${n} ${'v'.repeat(200)}`
    // All of the first keys are written out before the second ones.
    for (const name of ['a', 'b']) for (let i = 0; i < pairs; i++) await client.ask('SET', `key${name}${i}`, value(0))
    const receiver = await RdbReceiver.connect(scene)
    await receiver.prepare('eof')
    receiver.send('SYNC')
    for (let n = 1; !receiver.closed; n++) {
      const pair = (n * 7) % pairs
      client.sendTogether(['MULTI'], ...['a', 'b'].map((name) => ['SET', `key${name}${pair}`, value(n)]), ['EXEC'])
      for (let replies = 0; replies < 4; replies++) await client.receive()
    }
    const { keys } = contentOf(receiver.rdb())
    for (let i = 0; i < pairs; i++) expect(keys.get(`0 keya${i}`)).toBe(keys.get(`0 keyb${i}`))
    expect([...keys.values()].some((each) => each !== keys.get('0 keya199'))).toBe(true)
  })

  it('has the length that it says, whatever is set between counting it and sending it', async () => {
    const { scene, client } = await begin(11)
    for (let i = 0; i < 10; i++) await client.ask('SET', `key${i}`, 'v'.repeat(5000))
    const receiver = await RdbReceiver.connect(scene)
    await receiver.prepare()
    let looks = 0
    Object.defineProperty(scene.server.config.values, 'rdbcompression', { configurable: true, get: () => looks++ % 2 === 0 })
    receiver.send('SYNC')
    await receiver.end()
    expect(contentOf(receiver.rdb()).keys.size).toBe(10)
  })

  it('looks after each long string whether others have waited for long enough', async () => {
    const { scene, client } = await begin(12)
    const strings = 30
    for (let i = 0; i < strings; i++) await client.ask('SET', `key${i}`, 'v'.repeat(20_000))
    const pause = vi.spyOn(CopiedShard.prototype, 'pause')
    const receiver = await RdbReceiver.connect(scene)
    await receiver.prepare('eof')
    receiver.send('SYNC')
    await receiver.end()
    expect(contentOf(receiver.rdb()).keys.size).toBe(strings)
    expect(pause.mock.calls.length).toBeGreaterThanOrEqual(strings)
    pause.mockRestore()
  })

  it('waits for a client that does not read, holds little for it, and closes it in the end', async () => {
    const { scene, client } = await begin(3, { 'repl-timeout': 5 })
    for (let i = 0; i < 40; i++) await client.ask('SET', `key${i}`, 'v'.repeat(60_000))
    const receiver = await RdbReceiver.connect(scene)
    await receiver.prepare('eof')
    await client.ask('CONFIG', 'SET', 'rdbcompression', 'no')
    receiver.pause()
    receiver.send('SYNC')
    await scene.pass(3000)
    const connection = [...scene.server.sessions.values()].find(({ flags }) => flags.includes('S'))!.connection
    expect(connection.leavingBytes).toBeGreaterThan(0)
    expect(connection.leavingBytes).toBeLessThan(500_000)
    expect(await client.ask('GET', 'key3')).toContain('vvv')
    await scene.pass(6000)
    expect(connection.closed).toBe(true)
    expect(scene.server.transfers.memoryBytes).toBe(0)
  })

  it('lets go of everything when its client leaves, and serves the next one', async () => {
    const { scene, client } = await begin(4)
    for (let i = 0; i < 200; i++) await client.ask('SET', `key${i}`, 'v'.repeat(1000))
    const [first, second] = [await RdbReceiver.connect(scene), await RdbReceiver.connect(scene)]
    for (const receiver of [first, second]) {
      await receiver.prepare('eof')
      receiver.send('SYNC')
    }
    await scene.pass(1)
    first.leave()
    await second.end()
    expect(contentOf(second.rdb()).keys.size).toBe(200)
    expect(scene.server.transfers.memoryBytes).toBe(0)
    await scene.settled(scene.server.stop())
  })

  it('ends when the data are opened anew', async () => {
    const { scene, client } = await begin(5, { 'enable-debug-command': 'yes' })
    for (let i = 0; i < 40; i++) await client.ask('SET', `key${i}`, 'v'.repeat(60_000))
    await client.ask('CONFIG', 'SET', 'rdbcompression', 'no')
    const receiver = await RdbReceiver.connect(scene)
    await receiver.prepare('eof')
    receiver.pause()
    receiver.send('SYNC')
    await scene.pass(3000)
    expect(await client.ask('DEBUG', 'RELOAD')).toBe('+OK\r\n')
    receiver.resume()
    await receiver.end()
    expect(() => receiver.rdb()).toThrow('the mark is missing')
  })

  it('keeps the log until the copy has it', async () => {
    const { scene, client } = await begin(6, { 'log-segment-bytes': 65_536 })
    for (let i = 0; i < 100; i++) await client.ask('SET', `key${i}`, 'v'.repeat(1000))
    const release = scene.server.shard!.logHolds.hold(50)
    await scene.checkpoint()
    expect(scene.server.primary.log.first).toBeLessThanOrEqual(51)
    release()
    await scene.checkpoint()
    expect(scene.server.primary.log.first).toBeGreaterThan(51)
  })

  it('refuses who wants to follow, and who cannot be served', async () => {
    const { scene } = await begin(7)
    const receiver = await RdbReceiver.connect(scene)
    await receiver.ask('REPLCONF', 'listening-port', '6380')
    await receiver.ask('REPLCONF', 'capa', 'eof', 'capa', 'psync2')
    expect(await receiver.ask('PSYNC', '?', '-1')).toMatch(/^-ERR Moraine sends replicas no stream of commands/)
    expect(await receiver.ask('SYNC')).toMatch(/^-ERR Moraine sends replicas no stream of commands/)
    const volatile = await begin(8, { appendonly: false })
    const other = await RdbReceiver.connect(volatile.scene)
    await other.prepare('eof')
    expect(await other.ask('SYNC')).toMatch(/^-ERR There is no log/)
    const small = await begin(9)
    vi.spyOn(small.scene.server.shard!.budget, 'hasPlaceFor').mockReturnValue(false)
    const third = await RdbReceiver.connect(small.scene)
    await third.prepare('eof')
    expect(await third.ask('SYNC')).toBe('-ERR there is no memory for a copy of all keys')
    expect(await third.ask('PING')).toBe('+PONG')
  })
})

function versionOf(value: string): number {
  return Number(Buffer.from(value.split(' ').at(-1)!, 'hex').toString())
}

function latin(words: readonly (string | Buffer)[]): Words {
  return words.map((word) => (typeof word === 'string' ? word : word.toString('latin1')))
}

function randomChange(key: () => string, random: ReturnType<typeof chance>): Words[] {
  const choice = random.below(14)
  if (choice < 5) {
    const name = key()
    return [['DEL', name], ...randomValue(random, random.pick(dumpedKinds), name).map(latin)]
  }
  if (choice === 5) return [['DEL', key()]]
  if (choice === 6) return [['RENAME', key(), key()]]
  if (choice === 7) return [['COPY', key(), key(), 'REPLACE']]
  if (choice === 8) return [['MOVE', key(), random.once(2) ? '3' : '0']]
  if (choice === 9) return [['PEXPIREAT', key(), '2700000000000']]
  if (choice === 10) return random.once(5) ? [['FLUSHDB']] : [['APPEND', key(), 'more']]
  if (choice === 11) return random.once(3) ? [['SWAPDB', '0', '3']] : [['PERSIST', key()]]
  return [
    ['HSET', key(), `f${random.below(50)}`, 'v'.repeat(random.below(60))],
    ['RPUSH', key(), 'e'.repeat(random.below(60))],
    ['ZADD', key(), `${random.below(9)}`, `m${random.below(50)}`],
    ['SADD', key(), `m${random.below(90)}`],
  ]
}
