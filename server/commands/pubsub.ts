/** Subscribing, and what PUBSUB tells about it. PUBLISH is an engine command: transactions and scripts use it. */
import { keysFrom, noKeys } from '../../engine/command.ts'
import type { Kind } from '../pubsub/pubsub.ts'
import type { Session, SessionCommand } from '../session.ts'
import { container, replyHelp, unknownOrWrongArity } from './requests.ts'

const subscribing = { keys: noKeys, categories: [], group: 'pubsub', flags: ['pubsub', 'noscript', 'loading', 'stale'] } as const
const sharded = { ...subscribing, keys: keysFrom(1, 1, 'not_key'), since: '7.0.0' } as const
const asking = { keys: noKeys, categories: [], group: 'pubsub', flags: ['pubsub', 'loading', 'stale'] } as const
const eachChannel = 'O(N) where N is the number of channels'
const eachName = 'O(N) where N is the number of channels that are looked at'

export const pubsubCommands = {
  SUBSCRIBE: {
    ...subscribing,
    arity: -2,
    since: '2.0.0',
    complexity: eachChannel,
    syntax: 'channel [channel ...]',
    summary: 'Listens to channels.',
    handler: (session) => subscribe(session, 'channels', 'subscribe'),
  },
  UNSUBSCRIBE: {
    ...subscribing,
    arity: -1,
    since: '2.0.0',
    complexity: eachChannel,
    syntax: '[channel [channel ...]]',
    summary: 'Stops listening to channels.',
    handler: (session) => unsubscribe(session, 'channels', 'unsubscribe'),
  },
  PSUBSCRIBE: {
    ...subscribing,
    arity: -2,
    since: '2.0.0',
    complexity: 'O(N) where N is the number of patterns',
    syntax: 'pattern [pattern ...]',
    summary: 'Listens to all channels whose names match patterns.',
    handler: (session) => subscribe(session, 'patterns', 'psubscribe'),
  },
  PUNSUBSCRIBE: {
    ...subscribing,
    arity: -1,
    since: '2.0.0',
    complexity: 'O(N) where N is the number of patterns',
    syntax: '[pattern [pattern ...]]',
    summary: 'Stops listening to patterns.',
    handler: (session) => unsubscribe(session, 'patterns', 'punsubscribe'),
  },
  SSUBSCRIBE: {
    ...sharded,
    arity: -2,
    complexity: eachChannel,
    syntax: 'shardchannel [shardchannel ...]',
    summary: 'Listens to shard channels.',
    handler: (session) => subscribe(session, 'shardChannels', 'ssubscribe'),
  },
  SUNSUBSCRIBE: {
    ...sharded,
    arity: -1,
    complexity: eachChannel,
    syntax: '[shardchannel [shardchannel ...]]',
    summary: 'Stops listening to shard channels.',
    handler: (session) => unsubscribe(session, 'shardChannels', 'sunsubscribe'),
  },
  PUBSUB: {
    ...asking,
    arity: -2,
    flags: [],
    since: '2.8.0',
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Tells about channels and their subscribers.',
    handler: container,
  },
  'PUBSUB CHANNELS': {
    ...asking,
    arity: -2,
    since: '2.8.0',
    complexity: eachName,
    syntax: '[pattern]',
    summary: 'Lists the channels that have subscribers.',
    handler: (session) => channels(session, 'channels'),
  },
  'PUBSUB HELP': {
    ...asking,
    arity: 2,
    flags: ['loading', 'stale'],
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'PUBSUB NUMPAT': {
    ...asking,
    arity: 2,
    since: '2.8.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Counts the patterns that have subscribers.',
    handler: numpat,
  },
  'PUBSUB NUMSUB': {
    ...asking,
    arity: -2,
    since: '2.8.0',
    complexity: eachName,
    syntax: '[channel [channel ...]]',
    summary: 'Counts the subscribers of channels.',
    handler: (session) => numsub(session, 'channels'),
  },
  'PUBSUB SHARDCHANNELS': {
    ...asking,
    arity: -2,
    since: '7.0.0',
    complexity: eachName,
    syntax: '[pattern]',
    summary: 'Lists the shard channels that have subscribers.',
    handler: (session) => channels(session, 'shardChannels'),
  },
  'PUBSUB SHARDNUMSUB': {
    ...asking,
    arity: -2,
    since: '7.0.0',
    complexity: eachName,
    syntax: '[shardchannel [shardchannel ...]]',
    summary: 'Counts the subscribers of shard channels.',
    handler: (session) => numsub(session, 'shardChannels'),
  },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'CHANNELS [<pattern>]',
  "    Return the currently active channels matching a <pattern> (default: '*').",
  'NUMPAT',
  '    Return number of subscriptions to patterns.',
  'NUMSUB [<channel> ...]',
  '    Return the number of subscribers for the specified channels, excluding',
  '    pattern subscriptions(default: no channels).',
  'SHARDCHANNELS [<pattern>]',
  "    Return the currently active shard level channels matching a <pattern> (default: '*').",
  'SHARDNUMSUB [<shardchannel> ...]',
  '    Return the number of subscribers for the specified shard level channel(s)',
]

function subscribe(session: Session, kind: Kind, word: string): void {
  const { args, server, subscriptions } = session
  session.connection.subscribed = true
  for (let i = 1; i < args.count; i++) {
    const name = args.string(i, 'latin1')
    server.pubsub.subscribe(session, subscriptions, kind, name)
    confirm(session, kind, word, name)
  }
}

function unsubscribe(session: Session, kind: Kind, word: string): void {
  const { args, server, subscriptions } = session
  const names = args.count > 1 ? Array.from({ length: args.count - 1 }, (_, i) => args.string(i + 1, 'latin1')) : [...subscriptions[kind]]
  for (const name of names) {
    server.pubsub.unsubscribe(session, subscriptions, kind, name)
    confirm(session, kind, word, name)
  }
  if (names.length === 0) confirm(session, kind, word, undefined)
  if (!subscriptions.any) session.connection.subscribed = false
}

/** A confirmation is a message: a client that wants no replies gets it, too. */
function confirm({ reply, connection, subscriptions }: Session, kind: Kind, word: string, name: string | undefined): void {
  const { output } = connection
  const { discarding } = output
  output.discarding = false
  reply.push(3)
  reply.text(word)
  if (name === undefined) reply.nil()
  else {
    const bytes = Buffer.from(name, 'latin1')
    reply.bulk(bytes, 0, bytes.length)
  }
  reply.integer(kind === 'shardChannels' ? subscriptions.shardChannels.size : subscriptions.count)
  output.discarding = discarding
}

function channels(session: Session, kind: Kind): void {
  const { args, reply, server } = session
  if (args.count > 3) {
    unknownOrWrongArity(session)
    return
  }
  const names = [...server.pubsub.names(kind, args.count === 3 ? args.bytes(2) : undefined)]
  reply.array(names.length)
  for (const name of names) reply.bulk(name, 0, name.length)
}

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function numpat({ reply, server }: Session): void {
  reply.integer(server.pubsub.count('patterns'))
}

function numsub({ args, reply, server }: Session, kind: Kind): void {
  reply.array(2 * (args.count - 2))
  for (let i = 2; i < args.count; i++) {
    reply.bulk(args.buffer, args.start(i), args.end(i))
    reply.integer(server.pubsub.subscriberCount(kind, args.string(i, 'latin1')))
  }
}
