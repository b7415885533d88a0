/**
 * Clients that write entries and remember which of them the server acknowledged. Each has a connection of its own with
 * some requests under way; one that loses its server stops, and what it had not been told of counts as unknown.
 */
import { Redis } from 'ioredis'
import type { DataEntry } from '../real-data/entry.ts'
import { storingRequest } from '../real-data/entry.ts'

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
      await client.call(...storingRequest(entry))
      written.acknowledged.push(entry)
      onAcknowledged(written.acknowledged.length)
    } catch (failure) {
      if ((failure as Error).name === 'ReplyError') written.refusal = failure as Error
      else written.unanswered.push(entry)
      return
    }
  }
}

/** How an entry is found again. */
export type Found = 'whole' | 'absent' | 'different'

export async function look(client: Redis, entry: DataEntry): Promise<Found> {
  if (typeof entry.value === 'string') {
    const value = await client.get(entry.key)
    return value === entry.value ? 'whole' : value === null ? 'absent' : 'different'
  }
  const fields = entry.value.filter((_, i) => i % 2 === 0)
  const values = await client.hmget(entry.key, ...fields)
  if (values.every((value) => value === null)) return 'absent'
  return values.every((value, i) => value === (entry.value as readonly string[])[i * 2 + 1]) ? 'whole' : 'different'
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
