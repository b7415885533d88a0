/** XGROUP: making consumer groups and consumers, and removing them. */
import type { EngineCommand } from '../command.ts'
import { keyAt, noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { streamEvent } from '../messages.ts'
import { StreamId } from '../types/stream-id.ts'
import { firstUnit } from '../types/stream-meta.ts'
import { putGroupEdit, removeConsumerEdit, removeGroupEdit } from '../types/stream-type.ts'
import { stageConsumerRemoval } from './consumer-removal-work.ts'
import { notAnInteger, shownInC } from './errors.ts'
import { firstId, putId, putUint64, readAnyId, readStrictId, streamsOf } from './stream-arguments.ts'
import { madeChange } from './stream-change.ts'
import { createConsumer, findConsumer, findGroup, unknownCount } from './stream-groups.ts'
import { wantsConsumer, wantsConsumers } from './stream-needs.ts'

const group = { categories: ['stream'], group: 'stream', since: '5.0.0', complexity: 'O(1)' } as const

export const streamGroupCommands = {
  XGROUP: {
    ...group,
    categories: [],
    arity: -2,
    flags: [],
    keys: noKeys,
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Makes and removes consumer groups.',
    handler: xgroup,
  },
  'XGROUP CREATE': {
    ...group,
    arity: -5,
    flags: ['write', 'denyoom'],
    keys: keyAt(2, 'RW', 'insert'),
    syntax: 'key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]',
    summary: 'Makes a consumer group.',
    needs: wantsConsumers,
    handler: create,
  },
  'XGROUP CREATECONSUMER': {
    ...group,
    arity: 5,
    flags: ['write', 'denyoom'],
    keys: keyAt(2, 'RW', 'insert'),
    since: '6.2.0',
    syntax: 'key group consumer',
    summary: 'Makes a consumer in a group.',
    needs: wantsConsumer,
    handler: createOne,
  },
  'XGROUP DELCONSUMER': {
    ...group,
    arity: 5,
    flags: ['write'],
    keys: keyAt(2, 'RW', 'delete'),
    complexity: 'O(N) where N is the number of entries pending for the consumer',
    syntax: 'key group consumer',
    summary: 'Removes a consumer of a group, with what is pending for it.',
    needs: wantsConsumer,
    stages: stageConsumerRemoval,
    handler: deleteConsumer,
  },
  'XGROUP DESTROY': {
    ...group,
    arity: 4,
    flags: ['write'],
    keys: keyAt(2, 'RW', 'delete'),
    complexity: 'O(N) where N is the number of entries pending in the group',
    syntax: 'key group',
    summary: 'Removes a consumer group.',
    needs: wantsConsumers,
    handler: destroy,
  },
  'XGROUP HELP': {
    ...group,
    arity: 2,
    flags: ['loading', 'stale'],
    keys: noKeys,
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'XGROUP SETID': {
    ...group,
    arity: -5,
    flags: ['write'],
    keys: keyAt(2, 'RW', 'update'),
    syntax: 'key group <id | $> [ENTRIESREAD entries-read]',
    summary: 'Sets the last id that a group has delivered.',
    needs: wantsConsumers,
    handler: setId,
  },
} as const satisfies Record<string, EngineCommand>

const missingKey =
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.'

const helpLines = [
  'XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'CREATE <key> <groupname> <id|$> [option]',
  '    Create a new consumer group. Options are:',
  '    * MKSTREAM',
  '      Create the empty stream if it does not exist.',
  '    * ENTRIESREAD entries_read',
  "      Set the group's entries_read counter (internal use).",
  'CREATECONSUMER <key> <groupname> <consumer>',
  '    Create a new consumer in the specified group.',
  'DELCONSUMER <key> <groupname> <consumer>',
  '    Remove the specified consumer.',
  'DESTROY <key> <groupname>',
  '    Remove the specified group.',
  'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
  '    Set the current group ID and entries_read counter.',
  'HELP',
  '    Prints this help.',
]

function xgroup(x: Execution): void {
  x.reply.error(`ERR unknown subcommand '${x.args.string(1, 'latin1').slice(0, 128)}'. Try XGROUP HELP.`)
}

function help(x: Execution): void {
  x.reply.array(helpLines.length)
  for (const line of helpLines) x.reply.status(line)
}

/** What CREATE and SETID say behind the id; undefined when the error is written. */
function readOptions(x: Execution, isCreate: boolean): { makesStream: boolean; read: bigint } | undefined {
  const { args, reply } = x
  let makesStream = false
  let read = unknownCount
  for (let i = 5; i < args.count; i++) {
    if (isCreate && args.is(i, 'MKSTREAM')) makesStream = true
    else if (i + 1 < args.count && args.is(i, 'ENTRIESREAD')) {
      i++
      const value = args.bigInteger(i)
      if (value === undefined) {
        reply.error(notAnInteger)
        return undefined
      }
      if (value < 0n && value !== unknownCount) {
        reply.error('ERR value for ENTRIESREAD must be positive or -1')
        return undefined
      }
      read = value
    } else {
      unknownSubcommand(x)
      return undefined
    }
  }
  return { makesStream, read }
}

function unknownSubcommand(x: Execution): void {
  const name = x.args.string(1, 'latin1').slice(0, 128)
  x.reply.error(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XGROUP HELP.`)
}

/** The entry of the stream, which has to exist; `wrongType` when an error is written. */
function existing(x: Execution): number {
  const entry = x.findType(2, streamType)
  if (entry !== 0) return entry
  x.reply.error(missingKey)
  return wrongType
}

function noGroup(x: Execution): void {
  x.reply.error(`NOGROUP No such consumer group '${shownInC(x.args, 3)}' for key name '${shownInC(x.args, 2)}'`)
}

const id = new StreamId()

/** Sets `id` to argument 4, by `read` if it names one; false when the error is written. */
function readPosition(x: Execution, entry: number, read: typeof readAnyId): boolean {
  const { args } = x
  if (!args.is(4, '$')) return read(x, 4, id)
  if (entry === 0) id.copy(firstId)
  else streamsOf(x).entries.meta(entry).lastId(id)
  return true
}

function create(x: Execution): void {
  const options = readOptions(x, true)
  if (options === undefined) return
  const entry = options.makesStream ? x.findType(2, streamType) : existing(x)
  if (entry === wrongType || !readPosition(x, entry, readStrictId)) return
  if (entry !== 0 && findGroup(x, entry, 3) !== undefined) {
    x.reply.error('BUSYGROUP Consumer Group name already exists')
    return
  }
  put(x, entry === 0 ? firstUnit : streamsOf(x).entries.meta(entry).nextUnit, options.read)
  x.reply.ok()
  x.notify(streamEvent, 'xgroup-create', 2)
}

function put(x: Execution, unit: number, read: bigint): void {
  const { args } = x
  const payload = x.mutator.payload()
  payload.u32(x.random.nextUint32())
  payload.u32(unit)
  putId(payload, id)
  putUint64(payload, read)
  payload.range(args.buffer, args.starts[3], args.ends[3])
  x.edit(streamsOf(x), putGroupEdit, 2)
}

function setId(x: Execution): void {
  const options = readOptions(x, false)
  if (options === undefined) return
  const entry = existing(x)
  if (entry === wrongType) return
  const found = findGroup(x, entry, 3)
  if (found === undefined) {
    noGroup(x)
    return
  }
  if (!readPosition(x, entry, readAnyId)) return
  put(x, found.unit, options.read)
  x.reply.ok()
  x.notify(streamEvent, 'xgroup-setid', 2)
}

function destroy(x: Execution): void {
  const entry = existing(x)
  if (entry === wrongType) return
  const found = findGroup(x, entry, 3)
  if (found === undefined) {
    x.reply.integer(0)
    return
  }
  const { args } = x
  const payload = x.mutator.payload()
  payload.u32(found.unit)
  payload.range(args.buffer, args.starts[3], args.ends[3])
  x.edit(streamsOf(x), removeGroupEdit, 2)
  x.reply.integer(1)
  x.notify(streamEvent, 'xgroup-destroy', 2)
}

function createOne(x: Execution): void {
  const entry = existing(x)
  if (entry === wrongType) return
  const found = findGroup(x, entry, 3)
  if (found === undefined) {
    noGroup(x)
    return
  }
  const { unit } = found
  const isNew = findConsumer(x, entry, unit, 4) === 0
  if (isNew) createConsumer(x, entry, unit, 4, 2)
  x.reply.integer(isNew ? 1 : 0)
}

function deleteConsumer(x: Execution): void {
  const entry = existing(x)
  if (entry === wrongType) return
  const found = findGroup(x, entry, 3)
  if (found === undefined) {
    noGroup(x)
    return
  }
  const { unit } = found
  const consumer = findConsumer(x, entry, unit, 4)
  if (consumer === 0) {
    x.reply.integer(0)
    return
  }
  const change = madeChange(x)
  const { args } = x
  const payload = x.mutator.payload()
  payload.u32(unit)
  payload.u32(consumer)
  payload.range(args.buffer, args.starts[4], args.ends[4])
  const edit = (): void => x.reply.integer(x.edit(streamsOf(x), removeConsumerEdit, 2))
  if (change === undefined) edit()
  else streamsOf(x).withExchange(change.exchange, edit)
  x.notify(streamEvent, 'xgroup-delconsumer', 2)
}
