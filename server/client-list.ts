/** Clients as CLIENT LIST describes them, one line each with Redis 7.0's fields, and the filters that CLIENT LIST and CLIENT KILL share. */
import type { Clock } from '../storage/clock.ts'
import type { Client } from './client.ts'

export type ClientType = 'normal' | 'master' | 'replica' | 'pubsub'

/** The type of a client: there are `normal` ones and, once they have subscribed, `pubsub`. */
export function typeOf({ subscribed }: Client): ClientType {
  return subscribed ? 'pubsub' : 'normal'
}

/** The type that a word names, in any case; undefined when it names none. */
export function clientType(word: string): ClientType | undefined {
  switch (word.toLowerCase()) {
    case 'normal':
      return 'normal'
    case 'slave':
    case 'replica':
      return 'replica'
    case 'pubsub':
      return 'pubsub'
    case 'master':
      return 'master'
    default:
      return undefined
  }
}

/** What a client's buffers, queued commands and watched keys take. */
export function clientBytes({ connection, transaction }: Client): number {
  return connection.memoryBytes + transaction.memoryBytes
}

/** One client, without a line end. The file descriptor is not known here and told as 0. */
export function clientLine(client: Client, clock: Clock): string {
  const { connection, transaction, subscriptions } = client
  const { output, pipe } = connection
  const nowMs = clock.monotonicMs()
  const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / 1000))
  const outputBytes = output.pendingBytes + pipe.pendingBytes
  const redirect = client.tracked?.isOn === true ? client.tracked.options.redirect : -1
  const library =
    client.libraryName === '' && client.libraryVersion === '' ? '' : ` lib-name=${client.libraryName} lib-ver=${client.libraryVersion}`
  return (
    `id=${client.id} addr=${pipe.remoteAddress} laddr=${pipe.localAddress} fd=0 name=${client.name}` +
    ` age=${seconds(connection.openedMs)} idle=${seconds(connection.lastActiveMs)} flags=${client.flags} db=${client.database}` +
    ` sub=${subscriptions.channels.size} psub=${subscriptions.patterns.size} ssub=${subscriptions.shardChannels.size} multi=${transaction.open ? transaction.queued.length : -1}` +
    ` qbuf=${connection.queryBytes} qbuf-free=0 argv-mem=0 multi-mem=${transaction.queuedBytes} rbs=0 rbp=0` +
    ` obl=0 oll=0 omem=${outputBytes} tot-mem=${clientBytes(client)}` +
    ` events=r cmd=${client.lastCommandName} user=${client.user} redir=${redirect} resp=${client.reply.protocol}${library}`
  )
}
