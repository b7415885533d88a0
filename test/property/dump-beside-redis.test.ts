/**
 * Dumps beside redis-server: what it dumps is decoded to what it says the value is, in one piece and in portions; what it dumps
 * of most types Moraine restores and dumps again, and redis-server takes that.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RdbInput, RdbShortage } from '../../engine/rdb/rdb-input.ts'
import { ValueDecoder } from '../../engine/rdb/value-decoder.ts'
import { engineTables } from '../../server/commands/tables.ts'
import { chance, testRuns } from '../chance.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { encodeRequest, formatInline } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { Notes, notesOf, sealed } from './dump-model.ts'
import type { DumpedKind } from './dump-values.ts'
import { dumpedKinds, randomValue } from './dump-values.ts'
import { olderDumps } from './older-dumps.ts'

type Part = string | Buffer

const runs = testRuns(40)
/** What redis-server is set to, each time another. */
const settings = [
  ['list-max-listpack-size', ['-2', '3', '128']],
  ['list-compress-depth', ['0', '1']],
  ['hash-max-listpack-entries', ['512', '4']],
  ['hash-max-listpack-value', ['64', '100000']],
  ['zset-max-listpack-entries', ['128', '4', '100000']],
  ['zset-max-listpack-value', ['64', '100000']],
  ['set-max-intset-entries', ['512', '4', '100000']],
  ['stream-node-max-entries', ['100', '3']],
  ['rdbcompression', ['yes', 'no']],
] as const

/** Those of them that say how Moraine keeps a value. */
const restoredSettings = [
  'hash-max-listpack-entries',
  'hash-max-listpack-value',
  'set-max-intset-entries',
  'zset-max-listpack-entries',
  'zset-max-listpack-value',
]

/** Small ones of all types. */
const smallValues: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'a string', command: ['SET', 'key', 'some text'] },
  { name: 'an integer', command: ['SET', 'key', '12'] },
  { name: 'a hash', command: ['HSET', 'key', 'f', 'v', 'g', '12'] },
  { name: 'a set', command: ['SADD', 'key', '3', '1', '70000'] },
  { name: 'a list', command: ['RPUSH', 'key', 'a', 'b', '12'] },
  { name: 'a sorted set', command: ['ZADD', 'key', '1.5', 'a', '-2', 'b'] },
  { name: 'a stream', command: ['XADD', 'key', '1-1', 'f', 'v'] },
]

describeWith([redisServer], 'dumps beside redis-server', () => {
  let server: ServerProcess
  let redis: SocketTarget
  beforeAll(async () => {
    server = await startRedis()
    redis = new SocketTarget('redis', server.port)
  })
  afterAll(async () => {
    await redis?.close()
    await server?.stop()
  })

  async function ask(...parts: readonly Part[]): Promise<Reply> {
    await redis.send('a', encodeRequest(parts.map((part) => Buffer.from(part as string))))
    const received = await redis.receive('a')
    if (received === 'closed') throw new Error('redis-server closed the connection')
    return received.reply
  }

  async function make(random: SeededRandom, kind: DumpedKind): Promise<Buffer> {
    for (const [name, values] of settings) await ask('CONFIG', 'SET', name, random.pick(values))
    await ask('DEL', 'key')
    for (const command of randomValue(random, kind, 'key')) {
      const reply = await ask(...command)
      if (reply.type === 'error') throw new Error(`${formatInline(reply)}: ${command.slice(0, 4).join(' ')}`)
    }
    return bytesOf(await ask('DUMP', 'key'))
  }

  it.each(dumpedKinds)('decode to what redis-server says: %s', async (kind) => {
    const random = chance(dumpedKinds.indexOf(kind))
    for (let run = 0; run < runs; run++) {
      const dump = await make(random, kind)
      const notes = notesOf(dump)
      expect(notes.ended).toBe(true)
      expect(notes.kind).toBe(kind)
      const lines = await linesOf(kind, ask)
      expect(inOrder(kind, withoutGroups(notes.lines))).toEqual(inOrder(kind, lines))
      expect(notesOf(dump, 1 + random.below(100)).lines).toEqual(notes.lines)
      expect(inPortions(dump, random).lines).toEqual(notes.lines)
    }
  })

  it.each(olderDumps)('of an older Redis: $name', async ({ kind, value }) => {
    const dump = sealed(value, 6)
    await ask('DEL', 'key')
    expect(formatInline(await ask('RESTORE', 'key', '0', dump))).toBe('+OK')
    expect(inOrder(kind, notesOf(dump).lines)).toEqual(inOrder(kind, await linesOf(kind, ask)))
  })

  /** Restores what redis-server has dumped, with its settings, and dumps that. */
  async function dumpedAgain(dump: Buffer, session: InProcessSession): Promise<Buffer> {
    for (const name of restoredSettings) {
      const [, value] = ((await ask('CONFIG', 'GET', name)) as { items: readonly { text: Buffer }[] }).items
      session.run(`CONFIG SET ${name} ${value?.text}`)
    }
    expect(formatInline(session.ask('RESTORE', 'key', '0', dump, 'REPLACE'))).toBe('+OK')
    return bytesOf(session.ask('DUMP', 'key'))
  }

  it.each(smallValues)('restored and dumped again to the same bytes: $name', async ({ command }) => {
    for (const [name, [usual]] of settings) await ask('CONFIG', 'SET', name, usual)
    await ask('DEL', 'key')
    await ask(...command)
    const dump = bytesOf(await ask('DUMP', 'key'))
    expect(await dumpedAgain(dump, new InProcessEngine(engineTables).connect())).toEqual(dump)
  })

  it.each(['string', 'hash', 'set', 'list', 'zset', 'stream'] as const)('restored and dumped again: %s', async (kind) => {
    const random = chance(10 + dumpedKinds.indexOf(kind))
    const session = new InProcessEngine(engineTables).connect()
    for (let run = 0; run < runs; run++) {
      const dump = await make(random, kind)
      const encoding = bytesOf(await ask('OBJECT', 'ENCODING', 'key'))
      const ours = await dumpedAgain(dump, session)
      expect(bytesOf(session.ask('OBJECT', 'ENCODING', 'key'))).toEqual(encoding)
      const lines = inOrder(kind, notesOf(dump).lines)
      // Groups and consumers are in the order of their hashes.
      const areSorted = kind === 'stream'
      expect(sortedIf(areSorted, inOrder(kind, notesOf(ours).lines))).toEqual(sortedIf(areSorted, lines))
      expect(formatInline(await ask('RESTORE', 'key', '0', ours, 'REPLACE'))).toBe('+OK')
      expect(inOrder(kind, await linesOf(kind, ask))).toEqual(withoutGroups(lines))
      await ask('CONFIG', 'SET', 'rdbcompression', 'yes')
      expect(inOrder(kind, notesOf(bytesOf(await ask('DUMP', 'key'))).lines)).toEqual(lines)
      // The order of a large hash or sorted set is not Redis's; everything else is the same to the byte.
      // Nor are the nodes of a list or a stream, whose size is set.
      if (!['hashtable', 'skiplist', 'quicklist', 'stream'].includes(`${encoding}`)) expect(bytesOf(await ask('DUMP', 'key'))).toEqual(ours)
    }
  })
})

function bytesOf(reply: Reply): Buffer {
  if (!('text' in reply) || reply.type === 'error') throw new Error(formatInline(reply))
  return reply.text
}

/** Lines of a kind for which redis-server is not asked. */
function withoutGroups(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => !/^(group|consumer|pending|has) /.test(line))
}

function sortedIf(areSorted: boolean, lines: readonly string[]): readonly string[] {
  return areSorted ? [...lines].sort() : lines
}

function inOrder(kind: DumpedKind, lines: readonly string[]): readonly string[] {
  return kind === 'list' || kind === 'stream' || kind === 'string' ? lines : [...lines].sort()
}

/** What redis-server says of the key, as `Notes` has it. */
async function linesOf(kind: DumpedKind, ask: (...parts: readonly Part[]) => Promise<Reply>): Promise<string[]> {
  const texts = async (...parts: readonly Part[]): Promise<string[]> => flat(await ask(...parts))
  const pairs = (all: readonly string[]): string[] => all.filter((_, i) => i % 2 === 0).map((text, i) => `${text} ${all[2 * i + 1]}`)
  if (kind === 'string') return texts('GET', 'key')
  if (kind === 'list') return texts('LRANGE', 'key', '0', '-1')
  if (kind === 'set') return texts('SMEMBERS', 'key')
  if (kind === 'hash') return pairs(await texts('HGETALL', 'key'))
  if (kind === 'zset') {
    const all = await texts('ZRANGE', 'key', '0', '-1', 'WITHSCORES')
    return pairs(all.map((text, i) => (i % 2 === 0 ? text : scoreText(Buffer.from(text, 'hex').toString()))))
  }
  const entries = (await ask('XRANGE', 'key', '-', '+')) as unknown as { items: readonly { items: readonly [Reply, Reply] }[] }
  const lines = entries.items.map(({ items: [id, fields] }) => `${bytesOf(id)} ${flat(fields).join(' ')}`)
  const info = (await texts('XINFO', 'STREAM', 'key')).map((text) => Buffer.from(text, 'hex').toString())
  const told = (name: string): string => info[info.indexOf(name) + 1] as string
  const first = told('recorded-first-entry-id')
  return [
    ...lines,
    `length ${told('length')} last ${told('last-generated-id')} first ${first} deleted ${told('max-deleted-entry-id')} added ${told('entries-added')}`,
  ]
}

function scoreText(text: string): string {
  const score = text === 'inf' ? Number.POSITIVE_INFINITY : text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text)
  return `${Object.is(score, -0) ? 0 : score}`
}

function flat(reply: Reply): string[] {
  if ('items' in reply) return reply.items.flatMap(flat)
  return 'text' in reply ? [reply.text.toString('hex')] : []
}

/** Decodes a dump that arrives in portions. */
function inPortions(dump: Buffer, random: SeededRandom): Notes {
  const notes = new Notes()
  const input = new RdbInput(dump, 0, 1, false)
  const decoder = new ValueDecoder(input, input.byte(), notes)
  for (;;) {
    try {
      if (!decoder.step(1 + random.below(1000))) return notes
    } catch (failure) {
      if (!(failure instanceof RdbShortage)) throw failure
      input.end = Math.min(dump.length - 10, Math.max(input.at + failure.needed, input.end + random.below(300)))
    }
  }
}
