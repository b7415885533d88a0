/** What goes wrong: each kind of fault brings itself about, lasts for a time, and is mended. */
import { setTimeout as pause } from 'node:timers/promises'
import type { FaultCluster } from './fault-cluster.ts'
import { etcdOf, nodeOf, zones } from './zoned-network.ts'

type Mend = () => void | Promise<void>

export interface FaultKind {
  /** As one says what is done: `kill the primary`. */
  readonly name: string
  /** For how long it lasts, in ms: between these. */
  readonly lastsMs: readonly [from: number, to: number]
  /** Members of etcd need disks of their own. */
  readonly fillsEtcdDisk?: boolean
  begin(cluster: FaultCluster): Promise<Mend>
}

const fillerBytes = 2 ** 20
const fillersMax = 200

export const faultKinds: readonly FaultKind[] = [
  {
    name: 'kill the primary',
    lastsMs: [3000, 5000],
    async begin(cluster) {
      const node = cluster.nodes[await cluster.primary()]
      await node?.kill()
      return () => node?.start()
    },
  },
  {
    name: 'kill everything',
    lastsMs: [0, 500],
    async begin({ nodes, members }) {
      await Promise.all([...nodes, ...members].map((each) => each.kill()))
      return () => {
        for (const each of [...members, ...nodes]) each.start()
      }
    },
  },
  {
    name: 'stop the primary',
    lastsMs: [2500, 6000],
    async begin(cluster) {
      const node = cluster.nodes[await cluster.primary()]
      node?.signal('SIGSTOP')
      return () => node?.signal('SIGCONT')
    },
  },
  {
    name: "cut the primary's zone off the others",
    lastsMs: [3000, 6000],
    begin: (cluster) => cutZone(cluster, (from, to) => cluster.network.cut(from, to)),
  },
  {
    name: "lose what the primary's zone sends to the others",
    lastsMs: [3000, 6000],
    begin: (cluster) => cutZone(cluster, (from, to) => cluster.network.cutOneWay(from, to)),
  },
  {
    name: "lose what the others send to the primary's zone",
    lastsMs: [3000, 6000],
    begin: (cluster) => cutZone(cluster, (from, to) => cluster.network.cutOneWay(to, from)),
  },
  {
    name: 'cut the primary off etcd',
    lastsMs: [3000, 6000],
    async begin(cluster) {
      const primary = await cluster.primary()
      for (const zone of zones) cluster.network.cut(nodeOf(primary), etcdOf(zone))
      return () => cluster.network.heal()
    },
  },
  {
    name: "cut the primary's zone off one other",
    lastsMs: [2000, 4000],
    async begin(cluster) {
      const primary = await cluster.primary()
      const other = (primary + 1) % zones.length
      for (const here of [nodeOf(primary), etcdOf(primary)])
        for (const there of [nodeOf(other), etcdOf(other)]) cluster.network.cut(here, there)
      return () => cluster.network.heal()
    },
  },
  {
    name: "kill etcd's leader",
    lastsMs: [2500, 4000],
    async begin(cluster) {
      const member = cluster.members[await cluster.etcdLeader()]
      await member?.kill()
      return () => member?.start()
    },
  },
  {
    name: "stop etcd's leader",
    lastsMs: [2500, 4000],
    async begin(cluster) {
      const member = cluster.members[await cluster.etcdLeader()]
      member?.signal('SIGSTOP')
      return () => member?.signal('SIGCONT')
    },
  },
  {
    name: "fill the primary's disk",
    lastsMs: [1500, 2500],
    async begin(cluster) {
      const primary = await cluster.primary()
      const free = cluster.fillDisk(nodeOf(primary))
      await cluster.ask(primary, 'BGSAVE')
      return free
    },
  },
  {
    name: "fill the disk of etcd's leader",
    lastsMs: [2000, 4000],
    fillsEtcdDisk: true,
    async begin(cluster) {
      // It ends when it cannot write, and is started again when there is room.
      return cluster.fillDisk(etcdOf(await cluster.etcdLeader()))
    },
  },
  { name: 'fill etcd', lastsMs: [500, 4000], begin: fillEtcd },
  {
    name: 'hand the lead over',
    lastsMs: [0, 0],
    async begin(cluster) {
      await cluster.ask(await cluster.primary(), 'FAILOVER')
      return () => undefined
    },
  },
]

async function cutZone(
  cluster: FaultCluster,
  cut: (here: ReturnType<typeof nodeOf>, there: ReturnType<typeof nodeOf>) => void,
): Promise<Mend> {
  const primary = await cluster.primary()
  for (const zone of zones) {
    if (zone === primary) continue
    for (const here of [nodeOf(primary), etcdOf(primary)]) for (const there of [nodeOf(zone), etcdOf(zone)]) cut(here, there)
  }
  return () => cluster.network.heal()
}

/** Other keys take all room in etcd's database; mended as an operator does it. */
async function fillEtcd(cluster: FaultCluster): Promise<Mend> {
  const value = Buffer.alloc(fillerBytes).toString('base64')
  const keyOf = (i: number): string => Buffer.from(`/filler/${i}`).toString('base64')
  for (let i = 0; i < fillersMax; i++) {
    const { ok } = await cluster.etcdCall(0, 'kv/put', { key: keyOf(i), value })
    if (!ok) break
  }
  return async () => {
    const range = { key: Buffer.from('/filler/').toString('base64'), range_end: Buffer.from('/filler0').toString('base64') }
    const deleted = await cluster.etcdCall(0, 'kv/deleterange', range)
    const { revision } = deleted.header as { revision: string }
    await cluster.etcdCall(0, 'kv/compaction', { revision, physical: true })
    for (const zone of zones) await cluster.etcdCall(zone, 'maintenance/defragment', {})
    await disarm(cluster)
    // A member may raise it again by what it had heard before.
    await pause(200)
    await disarm(cluster)
  }
}

async function disarm(cluster: FaultCluster): Promise<void> {
  const { alarms = [] } = (await cluster.etcdCall(0, 'maintenance/alarm', { action: 'GET' })) as { alarms?: readonly object[] }
  for (const alarm of alarms) await cluster.etcdCall(0, 'maintenance/alarm', { action: 'DEACTIVATE', ...alarm })
}
