/**
 * `moraine import` and `moraine export` as programs: from a file, from a server as its replica, into a server and into a directory; the
 * file that is exported loaded by redis-server; damaged files refused.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Importer } from '../../server/tools/rdb/importer.ts'
import { FileSource } from '../../server/tools/rdb/rdb-source.ts'
import { RespClient } from '../../server/tools/rdb/resp-client.ts'
import { chance } from '../chance.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { notesOf } from '../property/dump-model.ts'
import type { DumpedKind } from '../property/dump-values.ts'
import { dumpedKinds, randomValue } from '../property/dump-values.ts'
import type { ServerProcess } from './processes.ts'
import { moraineMain, startMoraine, startRedis } from './processes.ts'

interface Ended {
  readonly code: number | null
  readonly output: string
}

let directory: string
const servers: ServerProcess[] = []
const clients: RespClient[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moraine-migration-'))
})
afterAll(async () => {
  for (const client of clients) client.destroy()
  await Promise.all(servers.map((server) => server.stop()))
  await rm(directory, { recursive: true, force: true })
})

async function connect(server: ServerProcess): Promise<RespClient> {
  const client = await RespClient.open({ host: '127.0.0.1', port: server.port, user: undefined, password: undefined })
  clients.push(client)
  return client
}

async function redis(...flags: readonly string[]): Promise<{ server: ServerProcess; client: RespClient }> {
  const server = await startRedis(...flags)
  servers.push(server)
  return { server, client: await connect(server) }
}

async function moraine(...flags: readonly string[]): Promise<{ server: ServerProcess; client: RespClient }> {
  const server = await startMoraine('--appendfsync', 'no', ...flags)
  servers.push(server)
  return { server, client: await connect(server) }
}

function run(...argv: readonly string[]): Promise<Ended> {
  return started(...argv).ended
}

function started(...argv: readonly string[]): {
  readonly ended: Promise<Ended>
  readonly said: (text: string) => Promise<void>
  interrupt(): void
} {
  const child = spawn(process.execPath, [moraineMain, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      output += bytes
      for (const listener of listeners) listener()
    })
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, output })))
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (output.includes(text)) resolve()
      }
      listeners.add(look)
      look()
      void ended.then(() => reject(new Error(output)))
    })
  return { ended, said, interrupt: () => child.kill('SIGINT') }
}

/** Fills a server with random values of some kinds, in two databases, some of which expire. */
async function fill(client: RespClient, kinds: readonly DumpedKind[], count: number, stream: number): Promise<void> {
  const random = chance(stream)
  for (let i = 0; i < count; i++) {
    if (i === Math.floor(count / 2)) await client.must('SELECT', 3)
    const key = `key ${i} ${'x'.repeat(random.below(60))}`
    for (const command of randomValue(random, random.pick(kinds), key)) await client.must(...command)
    if (random.once(3)) await client.must('PEXPIRE', key, 10_000_000 + random.below(1000))
  }
  await client.must('SELECT', 0)
}

/** The bytes of redis-server's RDB file, as SAVE writes it. */
async function savedFile(client: RespClient, name: string): Promise<string> {
  await client.must('SAVE')
  const [, from] = (await client.must('CONFIG', 'GET', 'dir')) as [Buffer, Buffer]
  const path = join(directory, name)
  await writeFile(path, await readFile(join(String(from), 'dump.rdb')))
  return path
}

/** What a server holds of strings and hashes, with the expiries, in comparable form. */
async function contents(client: RespClient): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>()
  for (const db of [0, 3]) {
    await client.must('SELECT', db)
    for (const key of (await client.must('KEYS', '*')) as Buffer[]) {
      const type = await client.must('TYPE', key)
      const value = type === 'hash' ? pairsOf((await client.must('HGETALL', key)) as Buffer[]) : String(await client.must('GET', key))
      found.set(`${db} ${key}`, { value, expireAt: await client.must('PEXPIRETIME', key) })
    }
  }
  await client.must('SELECT', 0)
  return found
}

/** What the dumps of all keys hold, in the order that matters; when a consumer was seen last is another time after commands. */
async function dumped(client: RespClient): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>()
  for (const db of [0, 3]) {
    await client.must('SELECT', db)
    for (const key of ((await client.must('KEYS', '*')) as Buffer[]).sort(Buffer.compare)) {
      const { kind, lines } = notesOf((await client.must('DUMP', key)) as Buffer)
      const value = kind === 'list' || kind === 'stream' ? lines.map((line) => line.replace(/^(consumer \S+) .*/, '$1')) : lines.sort()
      found.set(`${db} ${key}`, { value, expireAt: await client.must('PEXPIRETIME', key) })
    }
  }
  await client.must('SELECT', 0)
  return found
}

function pairsOf(all: readonly Buffer[]): string[] {
  const pairs: string[] = []
  for (let i = 0; i < all.length; i += 2) pairs.push(`${all[i]?.toString('hex')} ${all[i + 1]?.toString('hex')}`)
  return pairs.sort()
}

/** A file of database 0 without a checksum. */
function rdbOf(...keys: readonly string[]): Buffer {
  return Buffer.from(`REDIS0010\xfe\0${keys.join('')}\xff${'\0'.repeat(8)}`, 'latin1')
}

describeWith([redisServer, builtMoraine], 'migration', () => {
  it('imports a file into a server, and exports one that redis-server loads', async () => {
    const source = await redis()
    await fill(source.client, ['string', 'hash'], 300, 31)
    const file = await savedFile(source.client, 'all.rdb')
    const { server, client } = await moraine()
    await client.must('SET', 'key of before', 'x')
    const imported = await run('import', file, '--to', `127.0.0.1:${server.port}`)
    expect(imported).toMatchObject({ code: 0 })
    await client.must('DEL', 'key of before')
    const expected = await contents(source.client)
    expect(expected.size).toBe(300)
    expect(await contents(client)).toEqual(expected)

    const out = join(directory, 'out.rdb')
    expect(await run('export', out, '--from', `127.0.0.1:${server.port}`)).toMatchObject({ code: 0 })
    const loaded = await redis('--dbfilename', 'loaded.rdb')
    const [, to] = (await loaded.client.must('CONFIG', 'GET', 'dir')) as [Buffer, Buffer]
    await writeFile(join(String(to), 'loaded.rdb'), await readFile(out))
    await loaded.client.must('DEBUG', 'RELOAD', 'NOSAVE')
    expect(await contents(loaded.client)).toEqual(expected)
    expect(await loaded.client.must('DEBUG', 'DIGEST')).toEqual(await source.client.must('DEBUG', 'DIGEST'))
  })

  it('imports from a server as a replica, into a directory, and follows', async () => {
    for (const diskless of ['yes', 'no']) {
      const source = await redis('--repl-diskless-sync', diskless, '--repl-diskless-sync-delay', '0')
      await fill(source.client, ['string', 'hash'], 60, 32)
      const data = join(directory, `data-${diskless}`)
      const importing = started(
        'import',
        '--from',
        `redis://127.0.0.1:${source.server.port}`,
        '--follow',
        '--dir',
        data,
        '--maxmemory',
        '100mb',
      )
      await importing.said('Following')
      await source.client.must('SET', 'later', '1')
      await source.client.must('SELECT', 3)
      await source.client.must('HSET', 'later hash', 'f', 'v')
      await source.client.must('SELECT', 0)
      // Both have been passed on when the source hears of it.
      for (;;) {
        const info = String(await source.client.must('INFO', 'replication'))
        if (/master_repl_offset:(\d+)/.exec(info)?.[1] === /slave0:.*offset=(\d+)/.exec(info)?.[1]) break
      }
      importing.interrupt()
      expect(await importing.ended).toMatchObject({ code: 0 })
      const { client } = await moraine('--dir', data)
      expect(await contents(client)).toEqual(await contents(source.client))
    }
  })

  it('refuses damaged files with the offset', async () => {
    const source = await redis()
    await fill(source.client, ['hash'], 30, 33)
    const bytes = await readFile(await savedFile(source.client, 'sound.rdb'))
    const { server, client } = await moraine()
    const middle = Math.floor(bytes.length / 2)
    const flipped = Buffer.from(bytes)
    flipped[bytes.length - 3] = (flipped[bytes.length - 3] as number) ^ 1
    for (const [name, damaged, text] of [
      ['cut', bytes.subarray(0, middle), /offset \d+/],
      ['empty', Buffer.alloc(0), /offset 0/],
      ['other', Buffer.from('this is another kind of file'), /no RDB file \(at offset 0\)/],
      ['checksum', flipped, new RegExp(`the checksum is wrong \\(at offset ${bytes.length - 8}\\)`)],
      ['newer', Buffer.from('REDIS0099\xff', 'latin1'), /RDB version 99/],
      ['module', Buffer.from('REDIS0010\xf7\x00', 'latin1'), /module's data, .* \(at offset 9\)/],
      // The hash k is a listpack of seven bytes that says to have nine.
      ['value', rdbOf('\x10\x01k\x07\x09\0\0\0\0\0\xff'), /another length, .* \(at offset 14\)/],
    ] as const) {
      const path = join(directory, `${name}.rdb`)
      await writeFile(path, damaged)
      const { code, output } = await run('import', path, '--to', `127.0.0.1:${server.port}`)
      expect([name, code]).toEqual([name, 1])
      expect(output).toMatch(text)
    }
    expect(await client.must('PING')).toBe('PONG')
  })

  it('passes over values without elements', async () => {
    const { server, client } = await moraine()
    const path = join(directory, 'empty-set.rdb')
    // The set e has no members, the string k is v.
    await writeFile(path, rdbOf('\x02\x01e\0', '\0\x01k\x01v'))
    const { code, output } = await run('import', path, '--to', `127.0.0.1:${server.port}`)
    expect([code, output]).toEqual([0, expect.stringContaining('"keys":2,"empty":1')])
    expect(await client.must('KEYS', '*')).toEqual([Buffer.from('k')])
  })

  it('says what is wrong with the command line', async () => {
    for (const [argv, text] of [
      [['import'], 'needs a file'],
      [['export'], 'needs the name of a file'],
      [['import', 'a.rdb', '--to'], '--to needs a value'],
      [['import', 'a.rdb', '--to', 'h:1', '--dir', 'x'], 'Either a server or a directory'],
      [['import', 'a.rdb', '--follow'], '--follow goes with --from'],
      [['import', 'a.rdb', 'b.rdb'], "What is 'b.rdb'?"],
    ] as const) {
      const { code, output } = await run(...argv)
      expect([argv, code]).toEqual([argv, 1])
      expect(output).toContain(text)
    }
    expect((await run('import', '--help')).output).toContain('Usage: moraine import')
  })
})

describe('the importer', () => {
  describeWith([redisServer], 'beside redis-server', () => {
    it.each([
      ['as it is', undefined],
      ['as commands', 200],
    ])('loads all types %s', async (_, restoredBytesMax) => {
      const source = await redis()
      await fill(source.client, dumpedKinds, 200, 34)
      const file = await FileSource.open(await savedFile(source.client, 'types.rdb'))
      const target = await redis()
      const warnings: string[] = []
      const importer = new Importer({
        source: file,
        target: target.client,
        onProgress: () => undefined,
        warn: (text) => warnings.push(text),
        restoredBytesMax,
      })
      const figures = await importer.run()
      await file.close()
      expect(figures.keys).toBe(200)
      expect(figures.large > 0).toBe(restoredBytesMax !== undefined)
      expect(await dumped(target.client)).toEqual(await dumped(source.client))
    })
  })
})
