/**
 * Moves the data of a stopped node from a log of its own to one that nodes share, or back. The history goes on: the same log id, and
 * LSNs that continue, so whatever was made of the former log belongs to the next one too.
 *
 * In both directions a checkpoint comes first, of everything; then the other log is made, empty, to begin behind it; the former one
 * goes last. So at each moment the data can be opened with one of the two, or with either, and a move that was cut short is repeated.
 */
import { openCatalog } from '../../storage/catalog-reader.ts'
import { hasLocalLog, removeLocalLog } from '../../wal/local-log-files.ts'
import { Fenced } from '../../wal/transaction-log.ts'
import type { SharedLogs } from '../ports.ts'
import { decodeClaim, encodeClaim } from '../shard/claim.ts'
import { claimAfterLeases, Lease } from '../shard/lease.ts'
import { createLocalLog, lastOwnRecord } from '../shard/own-log.ts'
import type { Shard } from '../shard/shard.ts'
import { moraineVersion } from '../version.ts'
import type { OfflineData } from './offline-shard.ts'
import { checkpointOf, withShard } from './offline-shard.ts'

/** The move makes no sense as things are; the message says why. */
export class MoveRefused extends Error {
  override readonly name = 'MoveRefused'
}

export interface Moved {
  /** The last record of the former log. */
  readonly lsn: number
  /** It had been done before. */
  readonly isOld: boolean
}

interface KnownData {
  readonly logId: bigint
  readonly checkpointLsn: number
}

/** Who leads the log while its data are moved away. */
const moverClaim = { node: 'moraine move', host: '', hostname: '', port: 0, version: moraineVersion }

/** From the directory's own log to the shared one. Rejects with `MoveRefused`, or `LogExists` when there is a shared one already. */
export async function moveToShared(data: OfflineData, shared: SharedLogs): Promise<Moved> {
  const { ports, values } = data
  const directory = `${values.dir}/log`
  if (!(await hasLocalLog(ports.files, directory))) {
    const isOld = (await dataOf(data)) !== undefined && (await shared.exists())
    if (!isOld) throw new MoveRefused(`${values.dir} has no log of its own`)
    return { lsn: await withShard(data, 'etcd', async ({ replay }) => replay.applied), isOld: true }
  }
  const { lsn, logId } = await withShard(data, 'local', async (shard) => ({ lsn: await checkpointOf(shard), logId: shard.log.logId }))
  await shared.create(logId, lsn)
  await removeLocalLog(ports.files, directory)
  return { lsn, isOld: false }
}

/**
 * From the shared log to one in the directory; the shared one is removed. Everything in it is applied first. Rejects with `MoveRefused`
 * while a node leads.
 */
export async function moveToLocal(data: OfflineData, shared: SharedLogs): Promise<Moved> {
  const { ports, values } = data
  const { files } = ports
  const directory = `${values.dir}/log`
  const known = await dataOf(data)
  if (known === undefined) throw new MoveRefused(`${values.dir} has no data`)
  const hasLocal = await hasLocalLog(files, directory)
  if (!(await shared.exists())) {
    if (!hasLocal) throw new MoveRefused('there is no shared log')
    return { lsn: known.checkpointLsn, isOld: true }
  }
  if (hasLocal && (await endsShared(data, known))) return { lsn: known.checkpointLsn, isOld: true }
  const lsn = await withShard(data, 'etcd', async (shard) => {
    const lease = await claimFor(data, shard)
    try {
      const at = await checkpointOf(shard)
      await removeLocalLog(files, directory)
      await createLocalLog(ports, values.dir, shard.log.logId, at, Number(values['log-segment-bytes']))
      await shard.log.leadership?.end()
      return at
    } catch (failure) {
      // Another node leads: the data go on there.
      if (failure instanceof Fenced) await removeLocalLog(files, directory)
      throw failure
    } finally {
      lease.stop()
    }
  })
  return { lsn, isOld: false }
}

/**
 * An earlier move had made the local log, and perhaps the node has used it since: then all that is left is to remove the shared one, which nobody has
 * claimed since the mover. False when the local log is older than what the directory holds, as in a backup that a node was started with.
 */
async function endsShared(data: OfflineData, { logId, checkpointLsn }: KnownData): Promise<boolean> {
  const { ports, values } = data
  const own = await lastOwnRecord(ports, values.dir, logId)
  const log = await ports.openSharedLog({ logId, knownCommitted: 0 })
  try {
    const { leadership } = log
    const isMovers = leadership?.leader !== undefined && decodeClaim(leadership.leader.claim)?.node === moverClaim.node
    if (!isMovers && own > checkpointLsn) throw new MoveRefused('both logs have gone on: decide by hand which of them counts')
    if (!isMovers || own < checkpointLsn || own < log.appended) return false
    await leadership.claim(log.appended, encodeClaim({ ...moverClaim, leaseMs: values['leader-lease-ms'] }))
    await leadership.end()
    return true
  } finally {
    await log.close().catch(() => undefined)
  }
}

/** Leads the log, so that nobody else writes to it. A node that leads now would have to be silent for longer than its lease. */
async function claimFor({ ports, values }: OfflineData, { log, replay }: Shard): Promise<Lease> {
  const { leadership } = log
  if (leadership === undefined) throw new MoveRefused('the log is not shared')
  const leaseMs = values['leader-lease-ms']
  if (leadership.leader !== undefined && leadership.leader.released === undefined) {
    await new Promise<void>((resolve) => ports.clock.after(leaseMs * claimAfterLeases, resolve))
  }
  try {
    await leadership.claim(replay.applied, encodeClaim({ ...moverClaim, leaseMs }), replay.checksum?.now)
  } catch (failure) {
    throw new MoveRefused(`a node leads the shared log: stop all nodes first (${(failure as Error).message})`, { cause: failure })
  }
  const lease = new Lease(leadership, ports.clock, leaseMs)
  lease.keep(() => undefined)
  return lease
}

/** What the directory's catalog says of its data; undefined when there are none. */
async function dataOf({ ports, values }: OfflineData): Promise<KnownData | undefined> {
  const reader = await openCatalog(ports.files, values.dir)
  if (reader === undefined) return undefined
  await reader.close()
  return { logId: reader.marker.logId.readBigUInt64LE(), checkpointLsn: reader.marker.checkpointLsn }
}
