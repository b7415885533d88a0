/**
 * A cluster in which everything works: soon there is one primary, everybody has what it has, all nodes hold the same data, all that
 * clients were promised can be read, and the lead goes from one node to another within a moment.
 */
import type { Server } from '../../server/server.ts'
import { datasetDigest } from '../../server/shard/dataset-digest.ts'
import type { PrimaryClient } from './cluster-client.ts'
import { recordedLists, recordedStrings } from './cluster-history.ts'
import { databases } from './draw.ts'
import type { EventLoop } from './event-loop.ts'
import type { Machine } from './machine.ts'
import type { Observer } from './observer.ts'
import type { Operator } from './operator.ts'
import type { LogEngine } from './shared-log-engine.ts'
import { allKeys, types } from './types.ts'

const attemptsMax = 4
/** A planned hand-over takes so long, and so many ways to the log and back. */
const handOverMs = 100
const handOverWays = 20
const settleMs = 600

export interface QuietCluster {
  readonly loop: EventLoop
  readonly engine: LogEngine
  readonly machines: readonly Machine[]
  readonly clients: readonly PrimaryClient[]
  readonly operator: Operator
  readonly linkMsMax: number
  /** No key expires. */
  readonly isTimeless: boolean
  /** Some nodes are of the newer version, and others not yet. */
  readonly isUpgrading: boolean
  observerOf(machine: Machine): Observer
  /** Ends all faults, and an upgrade that was begun. */
  endFaults(): void
  until(done: () => boolean): Promise<void>
  pass(ms: number): Promise<void>
}

/** Ends all faults, and throws when not everything is as it should be then. */
export async function requireQuiet(cluster: QuietCluster): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await becomeCalm(cluster)
    if (await isSame(cluster, attempt)) break
  }
  if (!cluster.isTimeless) await audit(cluster)
  const client = cluster.clients[2] as PrimaryClient
  await cluster.until(() => client.isReady)
  for (const key of recordedStrings) client.send(['GET', key])
  for (const key of recordedLists) client.send(['LRANGE', key, '0', '-1'])
  await cluster.until(() => client.waiting === 0 && client.isReady)
}

/** Until every node is where the log is, and of the same version. */
async function becomeCalm(cluster: QuietCluster): Promise<void> {
  do {
    cluster.endFaults()
    // Faults that were scheduled to end may have begun again by a restart, upgrades among them.
    await cluster.until(() => isCalm(cluster) || cluster.isUpgrading)
  } while (cluster.isUpgrading)
}

/** The lead is handed over by command, in the quiet: nobody waits for a lease. */
export async function handOver(cluster: QuietCluster): Promise<void> {
  const { engine, loop, operator, linkMsMax } = cluster
  // What nodes were telling each other when their ways were cut is given up.
  await cluster.pass(settleMs)
  await becomeCalm(cluster)
  const primary = primaryOf(cluster)
  if (primary === undefined) return
  const epoch = engine.leader?.epoch ?? 0
  const startMs = loop.nowMs
  let refusal: string | undefined
  operator.command(primary.name, ['FAILOVER'], (reply) => {
    if (reply !== '+OK\r\n') refusal = reply
  })
  const isOver = (): boolean => (engine.leader?.epoch ?? 0) > epoch
  await cluster.until(() => isOver() || refusal !== undefined)
  const ms = loop.nowMs - startMs
  if (isOver() && ms > handOverMs + handOverWays * linkMsMax)
    throw new Error(`a planned hand-over has taken ${ms.toFixed(0)} ms, on ways of at most ${linkMsMax} ms`)
  await becomeCalm(cluster)
}

function primaryOf({ machines }: QuietCluster): Machine | undefined {
  return machines.find(({ server }) => server?.roles.role === 'primary')
}

function isCalm({ engine, machines, clients }: QuietCluster): boolean {
  const { lastLsn } = engine
  let primaries = 0
  for (const { server } of machines) {
    if (server?.shard === undefined || server.shardSwitch.isRunning) return false
    const { log, replay } = server.shard
    const isPrimary = server.roles.role === 'primary'
    if (isPrimary) primaries++
    if (isPrimary ? log.committed < log.appended || log.committed !== lastLsn : replay.applied !== lastLsn) return false
  }
  return primaries === 1 && clients.every(({ isReady, waiting }) => isReady && waiting === 0)
}

/** Whether all nodes hold the same. False when something has come in between, or a field expired here earlier than there. */
async function isSame(cluster: QuietCluster, attempt: number): Promise<boolean> {
  const { engine, machines } = cluster
  const { lastLsn } = engine
  const servers = machines.map(({ server }) => server as Server)
  const resume = servers.map(({ maintenance }) => maintenance.holdChanges())
  const digests: string[] = []
  let failed: Error | undefined
  for (const { shard, clock } of servers) {
    datasetDigest({ ...(shard as NonNullable<typeof shard>), clock }).then(
      (digest) => digests.push(digest),
      (failure: Error) => {
        failed = failure
      },
    )
  }
  const isThere = (): boolean => servers.every((server, i) => server === machines[i]?.server && !server.shardSwitch.isRunning)
  await cluster.until(() => digests.length === servers.length || failed !== undefined || !isThere())
  for (const each of resume) each()
  const isUntouched = engine.lastLsn === lastLsn && isThere()
  if (failed === undefined && isUntouched && digests.length === servers.length && new Set(digests).size === 1) return true
  if (attempt === attemptsMax) throw failed ?? new Error(`nodes hold different data at record ${lastLsn}: ${digests.join(', ')}`)
  await cluster.pass(500)
  return false
}

/** Reads everything there is from the primary, and compares. */
async function audit(cluster: QuietCluster): Promise<void> {
  const client = cluster.clients[0] as PrimaryClient
  const primary = primaryOf(cluster)
  // A fault that was begun before may have ended just now.
  if (primary === undefined || !client.isReady) return
  const { model } = cluster.observerOf(primary)
  for (let db = 0; db < databases; db++) {
    client.send(['SELECT', `${db}`])
    client.send(['KEYS', '*'])
    for (const key of allKeys) {
      const kind = model.get(db, key)?.kind
      const type = types.find((each) => each.kind === kind)
      if (type === undefined) continue
      for (const words of [['TYPE', key], ['PTTL', key], ...type.reads(key)]) client.send(words)
    }
  }
  await cluster.until(() => client.waiting === 0 && client.isReady)
}
