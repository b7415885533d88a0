/** A log in an etcd that has little room: once the alarm is raised, trimming, compaction and defragmentation let the log go on. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { realClock } from '../../server/real-clock.ts'
import { EtcdEndpoint } from '../../wal/etcd/etcd-endpoint.ts'
import { EtcdEndpoints } from '../../wal/etcd/etcd-endpoints.ts'
import { openEtcdLog } from '../../wal/etcd/etcd-log.ts'
import { chance } from '../chance.ts'
import { committed } from '../contract/transaction-log.ts'
import { describeWith, etcdServer } from '../needs.ts'
import type { EtcdCluster } from './etcd-cluster.ts'
import { startEtcd } from './etcd-cluster.ts'

const mib = 1 << 20
const deadlineMs = 20_000

describeWith([etcdServer], 'a log in an etcd with a quota of 16 MiB', () => {
  let cluster: EtcdCluster

  beforeAll(async () => {
    cluster = await startEtcd({ quotaBytes: 16 * mib })
  })

  afterAll(() => cluster?.stop())

  it('takes several times as much, as long as it is trimmed', async () => {
    const endpoints = new EtcdEndpoints(cluster.addresses.map((address) => new EtcdEndpoint({ address, clock: realClock, deadlineMs })))
    const log = await openEtcdLog({ endpoints, clock: realClock, random: chance(11), prefix: '/moraine-test/space' })
    await log.claim(0, Buffer.from('test'))
    const record = Buffer.alloc(60_000, 'x')
    let failed: Error | undefined
    while (log.committed < 700) {
      for (let i = 0; i < 20; i++) log.append(record, 0, record.length)
      await committed(log, log.appended).catch((failure: Error) => {
        failed = failure
      })
      expect(failed).toBeUndefined()
      await log.trim(log.committed - 20)
    }
    expect(log.first).toBeGreaterThan(600)
    await log.close()
  })
})
