/**
 * A stream with a consumer group while the server is killed: workers take cities as they arrive and acknowledge them.
 * What must hold afterwards: a stream entry for each city that is there, the leaderboard is the sum over the stream, what
 * a worker was told is acknowledged is not handed to anybody again, and everything else is handed to somebody, but for what
 * a worker was about to be told.
 */
import type { Redis } from 'ioredis'
import { leaderboardKey, streamKey } from '../real-data/cities.ts'
import { count, rows } from './tell.ts'
import { connect } from './writers.ts'

const group = 'gazetteers'
const workers = ['north', 'south']
const batch = 100
const waitForArrivalsMs = 1000
/** BLOCK 0 would wait for ever. */
const noWaitMs = 1
const page = 1000

type StreamEntry = [id: string, fields: string[]]

/** Ids of entries that workers have said to be done. */
export interface Acknowledged {
  /** The server has confirmed it. */
  readonly done: ReadonlySet<string>
  /** The server was killed before it answered: it may have noted them or not. */
  readonly unanswered: ReadonlySet<string>
}

/** Workers that take arrivals until they lose the server or are stopped. */
export interface Gazetteers extends Acknowledged {
  /** Resolves when no worker is at work any more. */
  stop(): Promise<void>
}

export async function startGazetteers(port: number): Promise<Gazetteers> {
  const done = new Set<string>()
  const unanswered = new Set<string>()
  let stopped = false
  const clients = await Promise.all(workers.map(() => connect(port)))
  await (clients[0] as Redis).xgroup('CREATE', streamKey, group, '0', 'MKSTREAM')
  const work = async (client: Redis, worker: string): Promise<void> => {
    while (!stopped && client.status === 'ready') {
      try {
        const ids = await take(client, worker, waitForArrivalsMs)
        for (const id of ids) unanswered.add(id)
        await acknowledge(client, ids)
        for (const id of ids) {
          unanswered.delete(id)
          done.add(id)
        }
      } catch (failure) {
        if ((failure as Error).name === 'ReplyError') throw failure
        return
      }
    }
  }
  const ended = Promise.all(clients.map((client, i) => work(client, workers[i] as string)))
  ended.catch(() => undefined)
  return {
    done,
    unanswered,
    async stop() {
      stopped = true
      await ended
      for (const client of clients) client.disconnect()
    },
  }
}

/** The ids of one batch; none when nothing came in time. */
async function take(client: Redis, worker: string, waitMs: number): Promise<string[]> {
  const reply = await client.xreadgroup('GROUP', group, worker, 'COUNT', batch, 'BLOCK', waitMs, 'STREAMS', streamKey, '>')
  return idsOf((reply as [string, StreamEntry[]][] | null)?.[0]?.[1] ?? [])
}

function idsOf(entries: readonly StreamEntry[]): string[] {
  return entries.map(([id]) => id)
}

async function acknowledge(client: Redis, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await client.xack(streamKey, group, ...ids)
}

export interface ArrivalsChecked {
  readonly good: boolean
}

/** Reads the whole stream, compares it with the `cities` that are there and with the leaderboard, and finishes what was under way. */
export async function checkArrivals(port: number, { done, unanswered }: Acknowledged, cities: number): Promise<ArrivalsChecked> {
  const client = await connect(port)
  const inhabitants = new Map<string, number>()
  const ids = new Set<string>()
  for await (const [id, fields] of streamEntries(client)) {
    ids.add(id)
    const [, , , country, , population] = fields as [string, string, string, string, string, string]
    inhabitants.set(country, (inhabitants.get(country) ?? 0) + Number(population))
  }
  const board = await client.zrange(leaderboardKey, '0', '-1', 'WITHSCORES')
  let sumsWrong = Math.abs(board.length / 2 - inhabitants.size)
  for (let i = 0; i < board.length; i += 2) if (inhabitants.get(board[i] as string) !== Number(board[i + 1])) sumsWrong++

  const again = new Set(await finish(client))
  const handedTwice = [...again].filter((id) => done.has(id)).length
  const noted = [...unanswered].filter((id) => !again.has(id)).length
  const never = [...ids].filter((id) => !done.has(id) && !unanswered.has(id) && !again.has(id)).length
  const [pending] = (await client.xpending(streamKey, group)) as [number]
  client.disconnect()
  rows([
    ['cities in the stream', `${count(ids.size)} of ${count(cities)}`],
    ['countries whose sum is not that of the stream', count(sumsWrong)],
    ['acknowledged by a worker before the kill', count(done.size)],
    ['handed out after the restart: new, or never acknowledged', count(again.size)],
    ['of these acknowledged before', count(handedTwice)],
    ['acknowledged, and the server killed before it answered', `${count(noted)} (allowed: they were noted, the answer had not left)`],
    ['handed to nobody', count(never + pending)],
  ])
  return { good: ids.size === cities && sumsWrong === 0 && handedTwice === 0 && never === 0 && pending === 0 }
}

async function* streamEntries(client: Redis): AsyncGenerator<StreamEntry, void> {
  for (let from = '-'; ; ) {
    const entries = (await client.xrange(streamKey, from, '+', 'COUNT', page)) as StreamEntry[]
    yield* entries
    const last = entries[entries.length - 1]
    if (last === undefined) return
    from = `(${last[0]}`
  }
}

/** Takes over what the workers had when the server died, then what nobody has had yet. The ids. */
async function finish(client: Redis): Promise<string[]> {
  const worker = workers[0] as string
  const handed: string[] = []
  for (let cursor = '0-0'; ; ) {
    const [next, claimed] = (await client.xautoclaim(streamKey, group, worker, 0, cursor, 'COUNT', page)) as [string, StreamEntry[]]
    const ids = idsOf(claimed)
    await acknowledge(client, ids)
    handed.push(...ids)
    if (next === '0-0') break
    cursor = next
  }
  for (;;) {
    const ids = await take(client, worker, noWaitMs)
    if (ids.length === 0) return handed
    await acknowledge(client, ids)
    handed.push(...ids)
  }
}
