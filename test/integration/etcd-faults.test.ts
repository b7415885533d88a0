/**
 * The client of etcd and a cluster of three members: who they are, a change of their leader, and what becomes of calls while
 * members are killed, stopped or not there.
 */
import { status as codes } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { alarms, members, moveLeader, status } from '../../wal/etcd/cluster-methods.ts'
import type { EtcdEndpoint } from '../../wal/etcd/etcd-endpoint.ts'
import { EtcdEndpoints } from '../../wal/etcd/etcd-endpoints.ts'
import { prefixRange, range, txn } from '../../wal/etcd/kv-methods.ts'
import { describeWith, etcdServer } from '../needs.ts'
import { answer, closeEndpoints, open, patientMs, put, putSlot, replyOf, until, Watching } from './etcd-calls.ts'
import type { EtcdCluster, EtcdMember } from './etcd-cluster.ts'
import { startEtcd } from './etcd-cluster.ts'
import { ForgetfulProxy } from './forgetful-proxy.ts'

/** Nobody listens there. */
const nowhere = '127.0.0.1:1'
/** A member that a busy machine holds up must not lose the lead between two steps of a test. */
const electionMs = 3000

afterEach(closeEndpoints)

describeWith([etcdServer], 'a cluster of three', () => {
  let cluster: EtcdCluster

  beforeAll(async () => {
    cluster = await startEtcd({ size: 3, electionMs })
  })
  afterAll(() => cluster?.stop())

  const first = (): EtcdEndpoint => open({ address: cluster.addresses[0] })

  async function follower(): Promise<EtcdMember> {
    const leader = await cluster.leader()
    return cluster.members.find((member) => member !== leader) as EtcdMember
  }

  describe('the cluster', () => {
    it('tells who it is and how it is', async () => {
      const endpoint = first()
      const found = await answer(endpoint, members, undefined)
      expect(found.map(({ name }) => name).toSorted()).toEqual(['m0', 'm1', 'm2'])
      const here = await answer(endpoint, status, undefined)
      expect(found.find(({ id }) => id === here.member)).toMatchObject({ name: 'm0', clientUrls: [`http://${cluster.addresses[0]}`] })
      expect(found.find(({ id }) => id === here.leader)?.name).toBe((await cluster.leader()).name)
      expect(here.version).toMatch(/^3\./)
      expect(here.databaseBytes).toBeGreaterThanOrEqual(here.databaseBytesInUse)
      expect(Math.min(here.databaseBytesInUse, here.raftTerm, here.raftIndex, here.raftAppliedIndex)).toBeGreaterThan(0)
      expect(here.errors).toEqual([])
      expect(await answer(endpoint, alarms, undefined)).toEqual([])
    })

    it('changes its leader when the leader is asked to', async () => {
      const leader = await cluster.leader()
      const other = cluster.members.find((member) => member !== leader) as EtcdMember
      const id = (await answer(open({ address: other.address }), status, undefined)).member
      expect(await open({ address: other.address }).call(moveLeader, id)).toMatchObject({ kind: 'refused', why: 'notLeader' })
      await answer(open({ address: leader.address }), moveLeader, id)
      expect(await cluster.leader()).toBe(other)
    })
  })

  describe('faults', () => {
    afterEach(() => cluster.heal())

    it('of an address where nobody listens are told at once, and the next endpoint is asked', async () => {
      const endpoints = new EtcdEndpoints([open({ address: nowhere }), first()])
      const request = { key: Buffer.from('absent') }
      // At the deadline it would be another code.
      expect(await endpoints.call(range, request)).toMatchObject({ kind: 'ambiguous', code: codes.UNAVAILABLE })
      expect(endpoints).toMatchObject({ current: endpoints.all[1], answeredLast: undefined, failures: 1 })
      expect(await endpoints.call(range, request)).toMatchObject({ kind: 'answered' })
      expect(endpoints).toMatchObject({ current: endpoints.all[1], answeredLast: endpoints.all[1], failures: 0 })
    })

    it('of many calls together move on once', async () => {
      const endpoints = new EtcdEndpoints([open({ address: nowhere }), first(), open({ address: nowhere })])
      await Promise.all([1, 2, 3, 4].map(() => endpoints.call(range, { key: Buffer.from('absent') })))
      expect(endpoints.current).toBe(endpoints.all[1])
    })

    it('of a member that is stopped end at the deadline', async () => {
      const stopped = await follower()
      const endpoint = open({ address: stopped.address, deadlineMs: undefined })
      const request = { key: Buffer.from('stopped') }
      await answer(open({ address: stopped.address }), range, request)
      replyOf(await endpoint.call(range, request, patientMs))
      stopped.stop()
      const started = performance.now()
      expect(await endpoint.call(range, request)).toMatchObject({ kind: 'ambiguous', code: codes.DEADLINE_EXCEEDED })
      expect(performance.now() - started).toBeGreaterThan(450)
      const others = cluster.members.filter((member) => member !== stopped).map(({ address }) => open({ address }))
      await answer(others[0], txn, put('stopped', ''))
      stopped.continue()
      // It may not know of the leader at once.
      await until(async () => (await endpoint.call(range, request, patientMs)).kind === 'answered')
    })

    it('of a connection that the network has forgotten are over once a new one is made', async () => {
      const proxy = await ForgetfulProxy.start(cluster.addresses[0])
      onTestFinished(() => proxy.stop())
      const endpoint = open({ address: proxy.address, deadlineMs: 250 })
      const watching = new Watching(endpoint, { key: Buffer.from('forgotten') })
      await until(() => watching.isStarted)
      proxy.forget()
      const request = { key: Buffer.from('forgotten') }
      let failed = 0
      while (proxy.connections === 1) if ((await endpoint.call(range, request)).kind === 'ambiguous') failed++
      // Each takes its deadline at least. Pings alone would notice after eight seconds, the system after minutes.
      expect(failed).toBeGreaterThan(0)
      expect(failed).toBeLessThan(20)
      await until(async () => (await endpoint.call(range, request, patientMs)).kind === 'answered')
      await until(() => watching.end !== undefined)
      expect(watching.end).toMatchObject({ kind: 'ambiguous' })
    })

    it('of a leader that is killed leave no slot lost, doubled or changed', async () => {
      const endpoints = new EtcdEndpoints(cluster.addresses.map((address) => open({ address, deadlineMs: 500 })))
      const before = (await answer(first(), range, { key: Buffer.from('none') })).revision
      const slots = Array.from({ length: 60 }, (_, n) => [`kill/${String(n).padStart(4, '0')}`, `value ${n}`] as const)
      let ambiguous = 0
      let ended: Promise<void> | undefined
      const leader = await cluster.leader()
      // Four writers, so that some calls are under way at whatever moment the leader dies.
      await Promise.all(
        [0, 1, 2, 3].map(async (writer) => {
          for (let n = writer; n < slots.length; n += 4) {
            if (n >= 20) ended ??= leader.kill()
            const [key, value] = slots[n]
            for (;;) {
              const outcome = await endpoints.call(txn, putSlot(key, value))
              if (outcome.kind === 'refused') throw new Error(outcome.message)
              if (outcome.kind === 'ambiguous') {
                ambiguous++
                if (endpoints.failures >= endpoints.all.length) await new Promise((resolve) => setTimeout(resolve, 20))
                continue
              }
              if (outcome.reply.succeeded) break
              // It has happened, in one of the attempts whose outcome was left open.
              const [there] = outcome.reply.replies
              if (there.kind === 'range' && there.pairs[0].value.toString() === value) break
              throw new Error(`${key} has been taken`)
            }
          }
        }),
      )
      await ended
      expect(ambiguous).toBeGreaterThan(0)
      const survivor = open({ address: cluster.members.find(({ isRunning }) => isRunning)?.address as string })
      const { pairs, revision } = await answer(survivor, range, prefixRange(Buffer.from('kill/')))
      expect(pairs.map(({ key, value }) => [key.toString(), value.toString()])).toEqual(slots)
      expect(revision - before).toBe(slots.length)
      await cluster.heal()
      expect((await answer(open({ address: leader.address }), range, prefixRange(Buffer.from('kill/')))).count).toBe(slots.length)
    })

    it('of a majority are told by the member that is left, and end its watches', async () => {
      const [left, ...others] = cluster.members
      const endpoint = open({ address: left.address, deadlineMs: 500 })
      // Over a connection of its own: that of the calls is replaced when none of them is answered for long, which ends what watches on it.
      const watching = new Watching(open({ address: left.address }), { key: Buffer.from('lonely') })
      await until(() => watching.isStarted)
      await Promise.all(others.map((member) => member.kill()))
      await until(async () => {
        const outcome = await endpoint.call(range, { key: Buffer.from('lonely') })
        return outcome.kind === 'ambiguous' && outcome.message === 'etcdserver: no leader'
      })
      await until(() => watching.end !== undefined)
      expect(watching.end).toMatchObject({ kind: 'ambiguous', message: 'etcdserver: no leader' })
      expect(await endpoint.call(status, undefined, patientMs)).toMatchObject({ kind: 'answered', reply: { leader: 0n } })
    })

    it('of all members leave every call open', async () => {
      const endpoints = new EtcdEndpoints(cluster.addresses.map((address) => open({ address, deadlineMs: 500 })))
      const watching = new Watching(endpoints.current, { key: Buffer.from('down') })
      await until(() => watching.isStarted)
      await Promise.all(cluster.members.map((member) => member.kill()))
      await until(() => watching.end !== undefined)
      expect(watching.end).toMatchObject({ kind: 'ambiguous' })
      for (let n = 0; n < 3; n++) expect(await endpoints.call(txn, put('down', ''))).toMatchObject({ kind: 'ambiguous' })
      expect(endpoints.failures).toBe(3)
      await cluster.heal()
      // The connections come back by themselves.
      await until(async () => (await endpoints.call(txn, put('down', ''))).kind === 'answered')
    })
  })
})
