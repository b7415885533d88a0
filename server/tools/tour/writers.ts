/**
 * Clients that write entries and remember which of them the server acknowledged. Each has a connection of its own with
 * some requests under way; one that loses its server stops, and what it had not been told of counts as unknown.
 */
import { Redis } from 'ioredis'
import type { DataEntry, Found } from '../real-data/entry.ts'
import { judge, lookingRequest, storingRequests } from '../real-data/entry.ts'

export const connectionCount = 8
const requestsUnderWay = 64

/** Without ioredis's own second tries: the tour wants to know what happened to each request. */
export async function connect(port: number): Promise<Redis> {
  const client = new Redis({
    port,
    enableReadyCheck: false,
    host: '127.0.0.1',
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

export interface Written {
  /** The server said that it has them. */
  readonly acknowledged: DataEntry[]
  /** Sent, and never answered. */
  readonly unanswered: DataEntry[]
  /** An error reply: there should be none. */
  refusal: Error | undefined
}

/** Writes entries from one source through several connections; ends when the source does, or the server. */
export async function writeAll(port: number, source: Iterator<DataEntry>, onAcknowledged: (count: number) => void): Promise<Written> {
  const written: Written = { acknowledged: [], unanswered: [], refusal: undefined }
  const clients = await Promise.all(Array.from({ length: connectionCount }, () => connect(port)))
  const lanes = clients.flatMap((client) =>
    Array.from({ length: requestsUnderWay }, () => writeLane(client, source, written, onAcknowledged)),
  )
  await Promise.all(lanes)
  for (const client of clients) client.disconnect()
  return written
}

async function writeLane(
  client: Redis,
  source: Iterator<DataEntry>,
  written: Written,
  onAcknowledged: (count: number) => void,
): Promise<void> {
  while (client.status === 'ready' && written.refusal === undefined) {
    const { value: entry, done } = source.next()
    if (done === true) return
    try {
      await store(client, entry)
      written.acknowledged.push(entry)
      onAcknowledged(written.acknowledged.length)
    } catch (failure) {
      if ((failure as Error).name === 'ReplyError') written.refusal = failure as Error
      else written.unanswered.push(entry)
      return
    }
  }
}

/** One request, or one transaction. */
async function store(client: Redis, entry: DataEntry): Promise<void> {
  const [request, ...others] = storingRequests(entry)
  if (request === undefined) return
  if (others.length === 0) await client.call(...request)
  else await client.multi([request, ...others].map((words) => ['call', ...words])).exec()
}

/** An entry is there as a whole or not at all; anything between is `different`. */
export async function look(client: Redis, entry: DataEntry): Promise<Found> {
  const replies = await Promise.all(entry.parts.map((part) => client.call(...lookingRequest(part))))
  const [first, ...rest] = entry.parts.map((part, i) => judge(part, replies[i]))
  return first !== undefined && rest.every((found) => found === first) ? first : 'different'
}

export interface Checked {
  whole: number
  absent: number
  different: number
  /** One that is not whole, to tell. */
  example: string | undefined
}

/** Looks all entries up, through several connections. */
export async function checkAll(port: number, entries: readonly DataEntry[], onChecked: (count: number) => void): Promise<Checked> {
  const checked: Checked = { whole: 0, absent: 0, different: 0, example: undefined }
  const source = entries[Symbol.iterator]()
  const clients = await Promise.all(Array.from({ length: connectionCount }, () => connect(port)))
  const lane = async (client: Redis): Promise<void> => {
    for (const entry of source) {
      const found = await look(client, entry)
      checked[found]++
      if (found !== 'whole') checked.example ??= entry.key
      onChecked(checked.whole + checked.absent + checked.different)
    }
  }
  await Promise.all(clients.flatMap((client) => Array.from({ length: requestsUnderWay }, () => lane(client))))
  for (const client of clients) client.disconnect()
  return checked
}
