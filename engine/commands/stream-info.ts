/** XINFO: what a stream, its groups and their consumers are. */
import type { EngineCommand } from '../command.ts'
import { keyAt, noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { noSuchKey, shownInC } from './errors.ts'
import { consumersOf, groupsOf, replyAbout, replyProgress } from './stream-about.ts'
import { firstId, greatestId, readCount, replyEntry, streamsOf, walkOf } from './stream-arguments.ts'
import { findGroup } from './stream-groups.ts'
import { replyFull, shownByDefault, stageFull } from './stream-info-full.ts'
import { wantsConsumers, wantsEdges, wantsGroups } from './stream-needs.ts'

const about = { flags: ['readonly'], categories: ['stream'], group: 'stream', since: '5.0.0', complexity: 'O(1)' } as const

export const streamInfoCommands = {
  XINFO: {
    ...about,
    arity: -2,
    flags: [],
    keys: noKeys,
    categories: [],
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Tells about streams, groups and consumers.',
    handler: xinfo,
  },
  'XINFO CONSUMERS': {
    ...about,
    arity: 4,
    keys: keyAt(2, 'RO', 'access'),
    complexity: 'O(N) where N is the number of consumers',
    syntax: 'key group',
    summary: 'Returns the consumers of a group.',
    needs: wantsConsumers,
    handler: infoConsumers,
  },
  'XINFO GROUPS': {
    ...about,
    arity: 3,
    keys: keyAt(2, 'RO', 'access'),
    complexity: 'O(N) where N is the number of groups',
    syntax: 'key',
    summary: 'Returns the groups of a stream.',
    needs: wantsGroups,
    handler: infoGroups,
  },
  'XINFO HELP': {
    ...about,
    arity: 2,
    flags: ['loading', 'stale'],
    keys: noKeys,
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'XINFO STREAM': {
    ...about,
    arity: -3,
    keys: keyAt(2, 'RO', 'access'),
    syntax: 'key [FULL [COUNT count]]',
    summary: 'Tells about a stream; FULL shows entries, groups and what is pending.',
    needs: wantsEdges,
    stages: stageFull,
    handler: infoStream,
  },
} as const satisfies Record<string, EngineCommand>

const helpLines = [
  'XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'CONSUMERS <key> <groupname>',
  '    Show consumers of <groupname>.',
  'GROUPS <key>',
  '    Show the stream consumer groups.',
  'STREAM <key> [FULL [COUNT <count>]',
  '    Show information about the stream.',
  'HELP',
  '    Prints this help.',
]

function xinfo(x: Execution): void {
  x.reply.error(`ERR unknown subcommand '${x.args.string(1, 'latin1').slice(0, 128)}'. Try XINFO HELP.`)
}

function help(x: Execution): void {
  x.reply.array(helpLines.length)
  for (const line of helpLines) x.reply.status(line)
}

/** The entry of the stream, which has to exist; `wrongType` when an error is written. */
function existing(x: Execution): number {
  const entry = x.readType(2, streamType)
  if (entry !== 0) return entry
  x.reply.error(noSuchKey)
  return wrongType
}

function infoConsumers(x: Execution): void {
  const { args, reply } = x
  const entry = existing(x)
  if (entry === wrongType) return
  const group = findGroup(x, entry, 3)
  if (group === undefined) {
    reply.error(`NOGROUP No such consumer group '${shownInC(args, 3)}' for key name '${shownInC(args, 2)}'`)
    return
  }
  const consumers = consumersOf(x, entry, group.unit)
  const root = streamsOf(x).rootOf(entry)
  reply.array(consumers.length)
  for (const { name, unit, seenAt } of consumers) {
    reply.map(3)
    reply.text('name')
    reply.bulk(name, 0, name.length)
    reply.text('pending')
    reply.integer(streamsOf(x).pending.count(root, unit))
    reply.text('idle')
    reply.integer(Math.max(0, x.now - seenAt))
  }
}

function infoGroups(x: Execution): void {
  const { reply } = x
  const entry = existing(x)
  if (entry === wrongType) return
  const groups = groupsOf(x, entry)
  const root = streamsOf(x).rootOf(entry)
  reply.array(groups.length)
  for (const group of groups) {
    let consumers = 0
    streamsOf(x).groups.eachConsumer(root, group.unit, () => consumers++)
    reply.map(6)
    reply.text('name')
    reply.bulk(group.name, 0, group.name.length)
    reply.text('consumers')
    reply.integer(consumers)
    reply.text('pending')
    reply.integer(streamsOf(x).pending.count(root, group.unit))
    replyProgress(x, reply, entry, group)
  }
}

function unknownSubcommand(x: Execution): void {
  const name = x.args.string(1, 'latin1').slice(0, 128)
  x.reply.error(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XINFO HELP.`)
}

function infoStream(x: Execution): void {
  const { args, reply } = x
  let count = shownByDefault
  const isFull = args.count > 3
  const entry = existing(x)
  if (entry === wrongType) return
  if (isFull) {
    if ((args.count !== 4 && args.count !== 6) || !args.is(3, 'FULL') || (args.count === 6 && !args.is(4, 'COUNT'))) {
      unknownSubcommand(x)
      return
    }
    if (args.count === 6) {
      count = readCount(x, 5)
      if (Number.isNaN(count)) return
      if (count < 0) count = shownByDefault
    }
    replyFull(x, entry, count)
    return
  }
  reply.map(10)
  replyAbout(x, reply, entry)
  reply.text('groups')
  reply.integer(groupsOf(x, entry).length)
  reply.text('first-entry')
  replyEdge(x, entry, false)
  reply.text('last-entry')
  replyEdge(x, entry, true)
}

function replyEdge(x: Execution, entry: number, isLast: boolean): void {
  const walk = walkOf(x).begin(entry, firstId, greatestId, isLast)
  if (walk.next()) replyEntry(x.reply, walk.entry)
  else x.reply.nil()
}
