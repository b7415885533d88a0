/** The RDB that a running Moraine gives `redis-cli --rdb`, `moraine export` and `moraine import --from`: loaded by redis-server, as of one moment, larger than memory. */
import { spawn } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RespClient } from '../../server/tools/rdb/resp-client.ts'
import { chance } from '../chance.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { dumpedKinds, randomValue } from '../property/dump-values.ts'
import type { ServerProcess } from './processes.ts'
import { moraineMain, startMoraine, startRedis } from './processes.ts'

const library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
const pairs = 50

let directory: string
const servers: ServerProcess[] = []
const clients: RespClient[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moraine-transfer-'))
})
afterAll(async () => {
  for (const client of clients) client.destroy()
  await Promise.all(servers.map((server) => server.stop()))
  await rm(directory, { recursive: true, force: true })
})

async function clientOf({ port }: ServerProcess): Promise<RespClient> {
  const client = await RespClient.open({ host: '127.0.0.1', port, user: undefined, password: undefined })
  clients.push(client)
  return client
}

async function moraine(...flags: readonly string[]): Promise<{ server: ServerProcess; client: RespClient }> {
  const server = await startMoraine('--appendfsync', 'no', ...flags)
  servers.push(server)
  return { server, client: await clientOf(server) }
}

/** A redis-server that has loaded a file. */
async function loaded(file: string): Promise<RespClient> {
  const server = await startRedis('--dbfilename', 'loaded.rdb')
  servers.push(server)
  await copyFile(file, join(server.directory, 'loaded.rdb'))
  const client = await clientOf(server)
  await client.must('DEBUG', 'RELOAD', 'NOSAVE')
  return client
}

function run(program: string, ...argv: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      output += bytes
    })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}

const runMoraine = (...argv: readonly string[]) => run(process.execPath, moraineMain, ...argv)

/** Data of all types, several times what memory takes. */
async function fill(client: RespClient): Promise<void> {
  const random = chance(61)
  await client.must('FUNCTION', 'LOAD', library)
  for (let i = 0; i < 60; i++) {
    if (i === 40) await client.must('SELECT', 3)
    for (const command of randomValue(random, random.pick(dumpedKinds), `key ${i}`)) await client.must(...command)
    if (random.once(4)) await client.must('PEXPIREAT', `key ${i}`, 4_102_444_800_000)
  }
  await client.must('SELECT', 0)
  const fields = (i: number) => Array.from({ length: 500 }, (_, j) => [`field ${i * 500 + j}`, 'v'.repeat(100)]).flat()
  for (let i = 0; i < 10; i++) {
    await client.must('HSET', 'large hash', ...fields(i))
    await client.must('RPUSH', 'large list', ...fields(i))
    await client.must('XADD', 'large stream', '*', ...fields(0).slice(0, 200))
  }
  await client.must('XGROUP', 'CREATE', 'large stream', 'g', '0')
  await client.must('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 8, 'STREAMS', 'large stream', '>')
  await client.must('SETRANGE', 'large string', 5_000_000, 'x')
}

/** Writes pairs of keys in transactions until it is told to stop. */
async function write(client: RespClient, stopped: () => boolean): Promise<number> {
  let written = 0
  for (; !stopped(); written++) {
    const value = String(written)
    const requests = [['MULTI'], ...['a', 'b'].map((name) => ['SET', `${name}:${written % pairs}`, value])]
    for (const name of ['large hash', 'second hash']) requests.push(['HSET', name, 'field 7', value])
    await Promise.all([...requests, ['EXEC']].map((words) => client.must(...words)))
  }
  return written
}

async function expectOneMoment(client: RespClient): Promise<void> {
  const names = (kind: string) => Array.from({ length: pairs }, (_, i) => `${kind}:${i}`)
  expect(await client.must('MGET', ...names('a'))).toEqual(await client.must('MGET', ...names('b')))
  expect(await client.must('HGET', 'large hash', 'field 7')).toEqual(await client.must('HGET', 'second hash', 'field 7'))
  for (const name of [...names('a'), ...names('b'), 'second hash']) await client.must('DEL', name)
  await client.must('HSET', 'large hash', 'field 7', 'v')
}

/** A server whose values are on disk, and whose keys are written to while something is fetched. */
async function whileWritten(fetch: (port: number) => Promise<void>): Promise<string> {
  const { server, client } = await served()
  const writer = await clientOf(server)
  let isOver = false
  const writing = write(writer, () => isOver)
  try {
    await fetch(server.port)
  } finally {
    isOver = true
    expect(await writing).toBeGreaterThan(0)
  }
  await expectOneMoment(client)
  return String(await client.must('DEBUG', 'DIGEST'))
}

let filled: ReturnType<typeof moraine> | undefined

function served(): ReturnType<typeof moraine> {
  const start = async () => {
    const started = await moraine('--maxmemory', '40mb', '--tier-cool-start-percent', '0', '--tier-drop-percent', '1')
    await fill(started.client)
    return started
  }
  filled ??= start()
  return filled
}

async function expectLoads(file: string, digest: string): Promise<void> {
  const redis = await loaded(file)
  await expectOneMoment(redis)
  expect(String(await redis.must('FUNCTION', 'LIST', 'WITHCODE'))).toContain('register_function')
  expect(String(await redis.must('DEBUG', 'DIGEST'))).toEqual(digest)
}

describeWith([redisServer, builtMoraine], 'an RDB of a running server', () => {
  it('is of one moment for redis-cli --rdb, values on disk too, and redis-server loads it', async () => {
    const { client } = await served()
    await expect.poll(async () => String(await client.must('INFO', 'tiering'))).toMatch(/tier_cold_values:[1-9]/)
    const file = join(directory, 'cli.rdb')
    const digest = await whileWritten(async (port) => {
      expect(await run('redis-cli', '-p', `${port}`, '--rdb', file)).toMatchObject({ code: 0 })
    })
    await expectLoads(file, digest)
  })

  it('is of one moment for moraine export', async () => {
    const file = join(directory, 'export.rdb')
    const digest = await whileWritten(async (port) => {
      expect(await runMoraine('export', file, '--from', `127.0.0.1:${port}`)).toMatchObject({ code: 0 })
    })
    await expectLoads(file, digest)
  })

  it('is of one moment for moraine import into another Moraine', async () => {
    const second = await moraine()
    const digest = await whileWritten(async (port) => {
      const [from, to] = [`redis://127.0.0.1:${port}`, `127.0.0.1:${second.server.port}`]
      expect(await runMoraine('import', '--from', from, '--to', to)).toMatchObject({ code: 0 })
    })
    await expectOneMoment(second.client)
    expect(String(await second.client.must('DEBUG', 'DIGEST'))).toEqual(digest)
  })

  it('has functions alone for redis-cli --functions-rdb', async () => {
    const { server, client } = await moraine()
    await client.must('FUNCTION', 'LOAD', library)
    await client.must('SET', 'k', 'v')
    const file = join(directory, 'functions.rdb')
    expect(await run('redis-cli', '-p', `${server.port}`, '--functions-rdb', file)).toMatchObject({ code: 0 })
    const redis = await loaded(file)
    expect(await redis.must('DBSIZE')).toBe(0)
    expect(String(await redis.must('FUNCTION', 'LIST', 'WITHCODE'))).toContain('register_function')
  })

  it('is all that there is for a replica of Redis, which is told so and keeps what it has', async () => {
    const { server, client } = await moraine()
    await client.must('SET', 'k', 'v')
    const replica = await startRedis('--loglevel', 'notice')
    servers.push(replica)
    const asking = await clientOf(replica)
    await asking.must('SET', 'own', '1')
    await asking.must('REPLICAOF', '127.0.0.1', server.port)
    for (const told of ['PSYNC', 'MASTER aborted replication with an error']) {
      const isTold = () =>
        replica.lines.some((line) => line.includes(told) && line.includes('Moraine sends replicas no stream of commands'))
      while (!isTold()) await asking.must('PING')
    }
    expect(String(await asking.must('INFO', 'replication'))).toContain('master_link_status:down')
    expect(await asking.must('EXISTS', 'own')).toBe(1)
    const { code, output } = await runMoraine('import', '--from', `127.0.0.1:${server.port}`, '--follow', '--dir', join(directory, 'none'))
    expect(code).toBe(1)
    expect(output).toContain('Moraine sends replicas no stream of commands')
  })
})
