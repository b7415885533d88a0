/** MEMORY: where the server's memory is. MEMORY USAGE looks at a key and is in `engine/commands/memory-usage.ts`. */
import { noKeys } from '../../engine/command.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import type { DatabaseFigures } from '../figures.ts'
import { databaseFigures, memoryFigures } from '../figures.ts'
import type { ServerView } from '../server-view.ts'
import type { Session, SessionCommand } from '../session.ts'
import { humanBytes, percentText } from '../text-lines.ts'
import { container, replyHelp } from './requests.ts'

const about = { keys: noKeys, categories: [], flags: [], group: 'server', since: '4.0.0', complexity: 'O(1)' } as const

export const memoryCommands = {
  MEMORY: {
    ...about,
    arity: -2,
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Tells where memory is.',
    handler: container,
  },
  'MEMORY DOCTOR': { ...about, arity: 2, syntax: '', summary: 'Says in words what is wrong with memory.', handler: doctor },
  'MEMORY HELP': { ...about, arity: 2, flags: ['loading', 'stale'], syntax: '', summary: 'Describes the subcommands.', handler: help },
  'MEMORY MALLOC-STATS': { ...about, arity: 2, syntax: '', summary: 'Tells about the memory of keys and values.', handler: mallocStats },
  'MEMORY PURGE': { ...about, arity: 2, syntax: '', summary: 'Gives memory back that can be had at once.', handler: purge },
  'MEMORY STATS': { ...about, arity: 2, syntax: '', summary: 'Tells where memory is, in figures.', handler: stats },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'DOCTOR',
  '    Return memory problems reports.',
  'MALLOC-STATS',
  '    Return internal statistics report from the memory allocator.',
  'PURGE',
  '    Attempt to purge dirty pages for reclamation by the allocator.',
  'STATS',
  '    Return information about the memory usage of the server.',
  'USAGE <key> [SAMPLES <count>]',
  '    Return memory in bytes used by <key> and its value. A value on disk takes',
  '    none; SAMPLES is accepted and changes nothing.',
]

function doctor({ server, reply }: Session): void {
  const memory = memoryFigures(server)
  const { shard } = server
  const notes: string[] = []
  if (shard?.budget.isExhausted) notes.push('Memory is full and nothing can move to disk: maxmemory-policy decides what happens.')
  else if (shard?.budget.isShort) notes.push('Memory is short: writers wait until values have moved to disk.')
  if (memory.arenaActiveBytes > memory.arenaLiveBytes * 1.5 + 64 * 1024 * 1024) {
    notes.push(
      `Keys and values take ${humanBytes(memory.arenaLiveBytes)} in slabs of ${humanBytes(memory.arenaActiveBytes)}: the rest waits for values of like size.`,
    )
  }
  if (memory.residentBytes > memory.usedBytes * 1.5 + 256 * 1024 * 1024) {
    notes.push(
      `The process holds ${humanBytes(memory.residentBytes)}, far more than the ${humanBytes(memory.usedBytes)} that count towards maxmemory.`,
    )
  }
  if (memory.clientBytes > 64 * 1024 * 1024)
    notes.push(`Buffers of clients take ${humanBytes(memory.clientBytes)}: some do not read their replies.`)
  if (notes.length === 0) notes.push('There is nothing wrong with memory.')
  reply.verbatim('txt', `${notes.join('\n')}\n`)
}

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function mallocStats({ server, reply }: Session): void {
  const { arenaLiveBytes, arenaActiveBytes, heapBytes, residentBytes } = memoryFigures(server)
  reply.verbatim(
    'txt',
    `Slabs of keys and values: ${arenaActiveBytes} bytes reserved, ${arenaLiveBytes} in use (${percentText(arenaLiveBytes, arenaActiveBytes)})\n` +
      `JavaScript heap: ${heapBytes} bytes in use\nProcess: ${residentBytes} bytes resident\n`,
  )
}

/** Making room is what the end of every turn does; it is only asked to begin now. */
/** In the next turn: what makes room changes keys by itself, and must not do so in the middle of a transaction. */
function purge({ server, reply }: Session): void {
  if (!server.isLoading) server.clock.afterTurn(() => server.maintenance.turnEnded())
  reply.ok()
}

function stats({ server, reply }: Session): void {
  const figures = [...figuresOf(server)]
  reply.map(figures.length)
  for (const [name, value, kind] of figures) {
    reply.text(name)
    if (kind === 'database') writeDatabase(reply, value)
    else if (kind === 'share') reply.double(value)
    else reply.integer(value)
  }
}

function writeDatabase(reply: ReplyWriter, { indexBytes, expiringBytes }: DatabaseFigures): void {
  reply.map(3)
  reply.text('overhead.hashtable.main')
  reply.integer(indexBytes)
  reply.text('overhead.hashtable.expires')
  reply.integer(expiringBytes)
  // Keys are found by their slot without a table of their own.
  reply.text('overhead.hashtable.slot-to-keys')
  reply.integer(0)
}

type Figure = readonly [name: string, value: number, kind?: 'share'] | readonly [name: string, value: DatabaseFigures, kind: 'database']

/** The names that Redis has, then Moraine's own. */
function* figuresOf(server: ServerView): Generator<Figure> {
  const memory = memoryFigures(server)
  const { cache, libraries } = server.scripting
  const keys = server.shard?.keyspace.size ?? 0
  const overhead = memory.usedBytes - memory.datasetBytes
  yield ['peak.allocated', memory.peakBytes]
  yield ['total.allocated', memory.usedBytes]
  yield ['startup.allocated', memory.startupBytes]
  yield ['replication.backlog', 0]
  yield ['clients.slaves', 0]
  yield ['clients.normal', memory.clientBytes]
  yield ['cluster.links', 0]
  yield ['aof.buffer', memory.logBytes]
  yield ['lua.caches', cache.bytes]
  yield ['functions.caches', libraries.bytes]
  for (const database of databaseFigures(server)) yield [`db.${database.number}`, database, 'database']
  yield ['overhead.total', overhead]
  yield ['keys.count', keys]
  yield ['keys.bytes-per-key', keys === 0 ? 0 : Math.round((memory.keyspaceBytes + memory.tierBytes) / keys)]
  yield ['dataset.bytes', memory.datasetBytes]
  yield ['dataset.percentage', share(memory.datasetBytes, memory.usedBytes) * 100, 'share']
  yield ['peak.percentage', share(memory.usedBytes, memory.peakBytes) * 100, 'share']
  yield ['allocator.allocated', memory.arenaLiveBytes]
  yield ['allocator.active', memory.arenaActiveBytes]
  yield ['allocator.resident', memory.residentBytes]
  yield ['allocator-fragmentation.ratio', share(memory.arenaActiveBytes, memory.arenaLiveBytes), 'share']
  yield ['allocator-fragmentation.bytes', memory.arenaActiveBytes - memory.arenaLiveBytes]
  yield ['allocator-rss.ratio', share(memory.residentBytes, memory.arenaActiveBytes), 'share']
  yield ['allocator-rss.bytes', memory.residentBytes - memory.arenaActiveBytes]
  // The allocator's part of what is resident is not told apart from the rest of the process.
  yield ['rss-overhead.ratio', 1, 'share']
  yield ['rss-overhead.bytes', 0]
  yield ['fragmentation', share(memory.residentBytes, memory.usedBytes), 'share']
  yield ['fragmentation.bytes', memory.residentBytes - memory.usedBytes]
  yield ['keyspace.bytes', memory.keyspaceBytes]
  yield ['tier.bytes', memory.tierBytes]
  yield ['store.bytes', memory.storeBytes]
  yield ['heap.bytes', memory.heapBytes]
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
