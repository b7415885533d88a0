/** What is more than the server can hold or record is refused before anything changes: arena, log record, and structures that V8 limits. */
import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { UncommittedDeletions } from '../../engine/keyspace/uncommitted-deletions.ts'
import { MonitorFeed } from '../../server/monitor-feed.ts'
import type { Session } from '../../server/session.ts'
import { IdList } from '../../storage/id-list.ts'
import type { Sizes } from '../../storage/sizes.ts'
import type { PlainClient } from '../simulation/scene.ts'
import { Scene } from '../simulation/scene.ts'

const oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
const tooLarge = '-ERR the change is too large for one record of the log\r\n'
const aborted = (text: string): string => `-EXECABORT Transaction discarded because of: ${text.replace(/^-(ERR )?/, '')}`

async function begin(sizes: Partial<Sizes>, config: Record<string, string | number> = {}): Promise<{ scene: Scene; client: PlainClient }> {
  const scene = new Scene(1, { sizes, config })
  await scene.startUnobserved()
  return { scene, client: await scene.plainClient() }
}

/** Writes small keys until one is refused; returns how many there are. */
async function fill(client: PlainClient): Promise<number> {
  for (let i = 0; ; i++) {
    const reply = await client.ask('SET', `fill:${i}`, 'v'.repeat(20_000))
    if (reply === '+OK\r\n') continue
    expect(reply).toBe(oom)
    return i
  }
}

describe('an arena that is full', () => {
  const arenaBytes = 12 * 1024 * 1024

  it('takes nothing new, and everything else goes on', async () => {
    const { client } = await begin({ arenaBytes })
    await client.ask('SET', 'k', 'v')
    await client.ask('HSET', 'h', 'f', 'v')
    const count = await fill(client)
    expect(count).toBeGreaterThan(300)
    for (const request of [
      ['SET', 'new', 'v'.repeat(20_000)],
      ['HSET', 'h', 'f', 'changed'],
      ['COPY', 'fill:0', 'other'],
      ['MSET', 'a', '1', 'b', '2'],
    ])
      expect([request[0], await client.ask(...request)]).toEqual([request[0], oom])
    expect(await client.ask('DBSIZE')).toBe(`:${count + 2}\r\n`)
    expect(await client.ask('HGET', 'h', 'f')).toBe('$1\r\nv\r\n')
    expect(await client.ask('RENAME', 'k', 'renamed')).toBe('+OK\r\n')
    expect(await client.ask('EXPIRE', 'renamed', '100')).toBe(':1\r\n')
    expect(await client.ask('GET', 'renamed')).toBe('$1\r\nv\r\n')
    for (let i = 0; i < 40; i++) expect(await client.ask('DEL', `fill:${i}`)).toBe(':1\r\n')
    expect(await client.ask('SET', 'new', 'v'.repeat(20_000))).toBe('+OK\r\n')
  })

  it('runs no transaction that might fill it half-way', async () => {
    const { client } = await begin({ arenaBytes })
    const count = await fill(client)
    for (let i = 0; i < 8; i++) await client.ask('DEL', `fill:${i}`)
    expect(await client.ask('MULTI')).toBe('+OK\r\n')
    for (let i = 0; i < 40; i++) expect(await client.ask('SET', `t:${i}`, 'v'.repeat(20_000))).toBe('+QUEUED\r\n')
    expect(await client.ask('EXEC')).toBe(aborted(oom))
    expect(await client.ask('DBSIZE')).toBe(`:${count - 8}\r\n`)
    await client.ask('MULTI')
    await client.ask('DEL', 'fill:9')
    expect(await client.ask('EXEC')).toBe('*1\r\n:1\r\n')
  })
})

describe('a record that would be too large', () => {
  const sizes = { recordBytesMax: 100_000 }
  const half = 'v'.repeat(60_000)

  it.each<[string, string[]]>([
    ['SET', ['SET', 'k', half + half]],
    ['MSET', ['MSET', 'a', half, 'b', half]],
    ['APPEND', ['APPEND', 'k', half + half]],
    ['SETRANGE', ['SETRANGE', 'k', '5', half + half]],
    ['HSET', ['HSET', 'h', 'a', half, 'b', half]],
    ['DEL', ['DEL', half, half]],
  ])('is not made: %s', async (_name, request) => {
    const { scene, client } = await begin(sizes)
    expect(await client.ask('SET', 'k', 'old')).toBe('+OK\r\n')
    const { appended } = scene.server.primary.log
    expect(await client.ask(...request)).toBe(tooLarge)
    expect([await client.ask('GET', 'k'), await client.ask('DBSIZE')]).toEqual(['$3\r\nold\r\n', ':1\r\n'])
    expect(scene.server.primary.log.appended).toBe(appended)
    expect(await client.ask('SET', 'k', half)).toBe('+OK\r\n')
  })

  it('is not made for a value that grew, which can be renamed and copied', async () => {
    const { scene, client } = await begin(sizes)
    await client.ask('SET', 'k', half)
    await client.ask('APPEND', 'k', half)
    const { appended } = scene.server.primary.log
    expect(await client.ask('BITOP', 'NOT', 'other', 'k')).toBe(tooLarge)
    expect([await client.ask('EXISTS', 'other'), scene.server.primary.log.appended]).toEqual([':0\r\n', appended])
    expect(await client.ask('RENAME', 'k', 'other')).toBe('+OK\r\n')
    expect(await client.ask('COPY', 'other', 'copy')).toBe(':1\r\n')
    for (const key of ['other', 'copy']) expect(await client.ask('STRLEN', key)).toBe(':120000\r\n')
  })

  it('is small when a large hash gets another name, or is copied', async () => {
    const { scene, client } = await begin(sizes)
    for (let i = 0; i < 3; i++) await client.ask('HSET', 'h', `f${i}`, half)
    const { writtenBytes } = scene.server.primary.log.stats()
    expect(await client.ask('RENAME', 'h', 'other')).toBe('+OK\r\n')
    expect(await client.ask('COPY', 'other', 'copy')).toBe(':1\r\n')
    expect(scene.server.primary.log.stats().writtenBytes - writtenBytes).toBeLessThan(5000)
    for (const key of ['other', 'copy']) expect(await client.ask('HLEN', key)).toBe(':3\r\n')
  })

  it('is not made of a transaction; a command that only shows to be too much on the way fails alone', async () => {
    const { client } = await begin(sizes)
    await client.ask('MULTI')
    await client.ask('SET', 'a', half)
    await client.ask('SET', 'b', half)
    expect(await client.ask('EXEC')).toBe(aborted(tooLarge))
    expect(await client.ask('DBSIZE')).toBe(':0\r\n')
    await client.ask('MULTI')
    await client.ask('SET', 'a', half)
    await client.ask('BITOP', 'NOT', 'b', 'a')
    await client.ask('SET', 'c', 'small')
    expect(await client.ask('EXEC')).toBe(`*3\r\n+OK\r\n${tooLarge}+OK\r\n`)
    expect(await client.ask('EXISTS', 'a', 'b', 'c')).toBe(':2\r\n')
  })
})

describe('an argument longer than a text can be', () => {
  it('is cut where it is shown', () => {
    const lines: string[] = []
    const monitor = { reply: { status: (line: string) => lines.push(line) }, connection: { wrote() {} } } as unknown as Session
    const session = { database: 0, redacted: [], connection: { pipe: { remoteAddress: 'a' } } } as unknown as Session
    new MonitorFeed().send(new Set([monitor]), session, Arguments.of('SET', 'k', Buffer.alloc(1024 * 1024 + 3, 1)), 0, false)
    expect(lines[0]?.slice(0, 34)).toBe('0.000000 [0 a] "SET" "k" "\\x01\\x01')
    expect(lines[0]?.slice(-22)).toBe('x01"... (3 more bytes)')
    expect(Arguments.of(Buffer.alloc(17 * 1024 * 1024)).string(0).length).toBe(16 * 1024 * 1024)
  })
})

describe('deletions that are not committed', () => {
  it('become one when they are too many, and none is forgotten before it is committed', () => {
    const deletions = new UncommittedDeletions(100)
    for (let i = 0; i < 100; i++) deletions.add(1, i, 5)
    expect([deletions.lsnOf(1, 3), deletions.lsnOf(0, 3)]).toEqual([5, 0])
    deletions.add(1, 100, 6)
    expect([deletions.size, deletions.lsnOf(1, 3), deletions.lsnOf(1, 100), deletions.lsnOf(0, 7)]).toEqual([0, 6, 6, 6])
    deletions.add(0, 7, 8)
    expect([deletions.lsnOf(0, 7), deletions.lsnOf(0, 8)]).toEqual([8, 6])
    deletions.committed(6)
    expect([deletions.lsnOf(1, 3), deletions.lsnOf(0, 7)]).toEqual([0, 8])
    deletions.committed(8)
    expect([deletions.size, deletions.lsnOf(0, 7)]).toEqual([0, 0])
  })
})

describe('a list of ids', () => {
  it('grows, takes another in, and shrinks from its end', () => {
    const list = new IdList()
    const other = new IdList()
    for (let i = 1; i <= 10_000; i++) list.push(i)
    for (let i = 10_001; i <= 10_003; i++) other.push(i)
    list.take(other)
    expect([list.length, other.length, [...list].length, list.bytes]).toEqual([10_003, 0, 10_003, 4 * 4096 * 8])
    const seen = new Set<number>()
    while (list.length > 0) {
      const ids = list.last(1000)
      expect(ids.length).toBeGreaterThan(0)
      for (const id of ids) seen.add(id)
      list.drop(ids.length)
    }
    expect([seen.size, list.last(5), list.bytes]).toEqual([10_003, [], 0])
    expect(() => list.drop(1)).toThrow(RangeError)
  })
})
