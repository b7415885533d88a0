/** PUBLISH and SPUBLISH. They neither read nor change a key; subscribing belongs to the session. */
import type { EngineCommand } from '../command.ts'
import { keyAt, noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'

const publishing = {
  arity: 3,
  flags: ['pubsub', 'loading', 'stale', 'fast'],
  categories: [],
  group: 'pubsub',
  needs: 'none',
} as const

export const publishCommands = {
  PUBLISH: {
    ...publishing,
    keys: noKeys,
    since: '2.0.0',
    complexity: 'O(N+M) where N is the number of subscribers of the channel and M that of all patterns',
    syntax: 'channel message',
    summary: 'Sends a message to the subscribers of a channel.',
    handler: publish,
  },
  SPUBLISH: {
    ...publishing,
    keys: keyAt(1, 'not_key'),
    since: '7.0.0',
    complexity: 'O(N) where N is the number of subscribers of the channel',
    syntax: 'shardchannel message',
    summary: 'Sends a message to the subscribers of a shard channel.',
    handler: spublish,
  },
} as const satisfies Record<string, EngineCommand>

function publish(x: Execution): void {
  send(x, false)
}

function spublish(x: Execution): void {
  send(x, true)
}

function send({ args, messages, reply }: Execution, sharded: boolean): void {
  reply.integer(messages.publish(args.bytes(1), args.bytes(2), args.ownsBuffer, sharded))
}
