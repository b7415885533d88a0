/** Sums over the whole server that INFO, MEMORY and the metrics show alike. */
import { valueHeaderBytes } from '../engine/keyspace/values.ts'
import type { ServerView } from './server-view.ts'

export interface MemoryFigures {
  /** What counts towards maxmemory. */
  readonly usedBytes: number
  readonly peakBytes: number
  readonly residentBytes: number
  readonly heapBytes: number
  /** Used when nothing is stored: the buffers of the log and the store. */
  readonly startupBytes: number
  /** Keys and values, without indexes and buffers. */
  readonly datasetBytes: number
  readonly keyspaceBytes: number
  readonly tierBytes: number
  readonly storeBytes: number
  readonly logBytes: number
  readonly clientBytes: number
  readonly arenaLiveBytes: number
  readonly arenaActiveBytes: number
}

/** Zeros while loading. */
export function memoryFigures(server: ServerView): MemoryFigures {
  const { shard, listener } = server
  const residentBytes = server.ports.residentBytes()
  const heapBytes = process.memoryUsage().heapUsed
  const clientBytes = listener.memoryBytes
  if (shard === undefined) return { ...nothing, residentBytes, heapBytes, clientBytes }
  const { keyspace, tier, log } = shard
  const storeBytes = (shard.store?.stats().memoryBytes ?? 0) + (shard.writeOut?.memoryBytes ?? 0)
  const usedBytes = shard.budget.usedBytes
  const keyspaceBytes = keyspace.memoryBytes
  const tierBytes = tier.memoryBytes
  return {
    usedBytes,
    peakBytes: shard.budget.peakBytes,
    residentBytes,
    heapBytes,
    startupBytes: Math.max(0, usedBytes - keyspaceBytes - tierBytes - clientBytes - log.pendingBytes),
    datasetBytes: keyspace.arena.liveBytes,
    keyspaceBytes,
    tierBytes,
    storeBytes,
    logBytes: Math.max(0, usedBytes - keyspaceBytes - tierBytes - clientBytes - storeBytes),
    clientBytes,
    arenaLiveBytes: keyspace.arena.liveBytes,
    arenaActiveBytes: keyspace.arena.activeBytes,
  }
}

const nothing: MemoryFigures = {
  usedBytes: 0,
  peakBytes: 0,
  residentBytes: 0,
  heapBytes: 0,
  startupBytes: 0,
  datasetBytes: 0,
  keyspaceBytes: 0,
  tierBytes: 0,
  storeBytes: 0,
  logBytes: 0,
  clientBytes: 0,
  arenaLiveBytes: 0,
  arenaActiveBytes: 0,
}

export interface DatabaseFigures {
  /** As clients know it. */
  readonly number: number
  /** Of the index of all keys, and of the list of those that expire. */
  readonly indexBytes: number
  readonly expiringBytes: number
}

/** Of the databases that have keys. */
export function* databaseFigures({ shard }: ServerView): Generator<DatabaseFigures> {
  if (shard === undefined) return
  const { logical, databases } = shard.keyspace
  for (const [number, db] of logical.entries()) {
    const { index, expiring } = databases[db]
    if (index.size > 0) yield { number, indexBytes: index.bytes, expiringBytes: expiring.bytes }
  }
}

export interface ValuePlaces {
  /** In memory, and changed since the last write-out. */
  readonly hot: number
  /** In memory and on disk. */
  readonly cool: number
  readonly cold: number
  /** Of values in memory that could leave it. */
  readonly residentBytes: number
  /** Of the store on disk. */
  readonly diskBytes: number
}

/** How many values are where. A large hash counts as in memory. */
export function valuePlaces({ shard }: ServerView): ValuePlaces {
  if (shard === undefined) return { hot: 0, cool: 0, cold: 0, residentBytes: 0, diskBytes: 0 }
  const { keyspace, tier } = shard
  const cold = keyspace.coldCount
  const inMemory = keyspace.size - cold
  const hot = shard.store === undefined ? inMemory : Math.min(inMemory, tier.lag.dirty.length)
  const residentBytes = Math.max(0, tier.residency.bytes - tier.residency.count * valueHeaderBytes)
  return { hot, cool: inMemory - hot, cold, residentBytes, diskBytes: shard.store?.stats().diskBytes ?? 0 }
}

/** When the last checkpoint ended, or the server started, in ms since the epoch. */
export function lastSaveWallMs({ shard, startedWallMs }: ServerView): number {
  const lastMs = shard?.checkpointer?.lastWallMs ?? 0
  return lastMs === 0 ? startedWallMs : lastMs
}
