/**
 * The client of etcd against a real member: each call, watches, values of the largest size, a full database, users, TLS. What
 * becomes of calls while members fail is in `etcd-faults.test.ts`.
 */
import { readFileSync } from 'node:fs'
import { status as codes } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { alarms, defragment, disarm, status } from '../../wal/etcd/cluster-methods.ts'
import type { EtcdEndpoint } from '../../wal/etcd/etcd-endpoint.ts'
import { EtcdToken } from '../../wal/etcd/etcd-token.ts'
import { compact, deleteRange, prefixRange, range, txn } from '../../wal/etcd/kv-methods.ts'
import { RangePages } from '../../wal/etcd/range-pages.ts'
import { describeWith, etcdServer, openssl } from '../needs.ts'
import { answer, closeEndpoints, open, put, putSlot, replyOf, until, Watching } from './etcd-calls.ts'
import type { EtcdCluster } from './etcd-cluster.ts'
import { changeRootPassword, startEtcd } from './etcd-cluster.ts'

afterEach(closeEndpoints)

describeWith([etcdServer], 'a member', () => {
  let cluster: EtcdCluster

  beforeAll(async () => {
    cluster = await startEtcd()
  })
  afterAll(() => cluster?.stop())

  const first = (): EtcdEndpoint => open({ address: cluster.addresses[0] })

  describe('transactions', () => {
    it('do one thing when the compares hold and another when they do not', async () => {
      const endpoint = first()
      const taken = await answer(endpoint, txn, putSlot('txn/slot', 'mine'))
      expect(taken).toEqual({ revision: taken.revision, succeeded: true, replies: [{ kind: 'put' }] })
      const refused = await answer(endpoint, txn, putSlot('txn/slot', 'theirs'))
      expect(refused).toMatchObject({ revision: taken.revision, succeeded: false, replies: [{ kind: 'range', count: 1, more: false }] })
      const [found] = refused.replies
      expect(found.kind === 'range' && found.pairs.map(({ value }) => value.toString())).toEqual(['mine'])
    })

    it('do several things in one revision, in their order', async () => {
      const endpoint = first()
      const [a, b] = [Buffer.from('ops/a'), Buffer.from('ops/b')]
      await answer(endpoint, txn, put('ops/a', '1'))
      const all = await answer(endpoint, txn, {
        compares: [],
        success: [
          { kind: 'deleteRange', key: a },
          { kind: 'put', key: b, value: Buffer.from('2') },
          { kind: 'range', ...prefixRange(Buffer.from('ops/')) },
        ],
      })
      expect(all.replies.map(({ kind }) => kind)).toEqual(['deleteRange', 'put', 'range'])
      expect(all.replies[0]).toEqual({ kind: 'deleteRange', deleted: 1 })
      expect(all.replies[2]).toMatchObject({ pairs: [{ key: b, value: Buffer.from('2'), createRevision: all.revision }] })
    })

    it('compare both revisions in every way', async () => {
      const endpoint = first()
      const key = Buffer.from('compare')
      const created = (await answer(endpoint, txn, put('compare', '1'))).revision
      const modified = (await answer(endpoint, txn, put('compare', '2'))).revision
      const holds = async (target: 'createRevision' | 'modRevision', is: 'equal' | 'greater' | 'less' | 'different', revision: number) =>
        (await answer(endpoint, txn, { compares: [{ key, target, is, revision }], success: [] })).succeeded
      for (const [target, revision] of [
        ['createRevision', created],
        ['modRevision', modified],
      ] as const) {
        const results = await Promise.all(
          (['equal', 'greater', 'less', 'different'] as const).map((is) =>
            Promise.all([revision - 1, revision, revision + 1].map((other) => holds(target, is, other))),
          ),
        )
        expect(results).toEqual([
          [false, true, false],
          [true, false, false],
          [false, false, true],
          [true, false, true],
        ])
      }
    })

    it('carry values of a mebibyte, and refuse more than etcd takes', async () => {
      const endpoint = first()
      const value = Buffer.alloc(1 << 20, 'abcdefghij')
      await answer(endpoint, txn, put('large', value))
      const { pairs } = await answer(endpoint, range, { key: Buffer.from('large') })
      expect(pairs[0].value.equals(value)).toBe(true)
      const large = await endpoint.call(txn, put('large', Buffer.alloc(1.6 * 2 ** 20)))
      expect(large).toMatchObject({ kind: 'refused', why: 'tooLarge', code: codes.INVALID_ARGUMENT })
      const tooLargeToRead = await endpoint.call(txn, put('large', Buffer.alloc(3 << 20)))
      expect(tooLargeToRead).toMatchObject({ kind: 'refused', why: 'tooLarge', code: codes.RESOURCE_EXHAUSTED })
    })
  })

  describe('ranges', () => {
    it('have a limit, a count, keys without values, and the past', async () => {
      const endpoint = first()
      for (const n of [1, 2, 3]) await answer(endpoint, txn, put(`range/${n}`, `${n}`))
      const before = (await answer(endpoint, txn, put('range/4', '4'))).revision
      await answer(endpoint, txn, put('range/1', 'new'))
      const all = prefixRange(Buffer.from('range/'))
      const page = await answer(endpoint, range, { ...all, limit: 2 })
      expect(page).toMatchObject({ more: true, count: 4, revision: before + 1 })
      expect(page.pairs.map(({ key, value }) => `${key}=${value}`)).toEqual(['range/1=new', 'range/2=2'])
      const keys = await answer(endpoint, range, { ...all, keysOnly: true })
      expect(keys.pairs.map(({ key, value }) => `${key}=${value}`)).toEqual(['range/1=', 'range/2=', 'range/3=', 'range/4='])
      expect(await answer(endpoint, range, { ...all, countOnly: true })).toMatchObject({ pairs: [], count: 4 })
      const past = await answer(endpoint, range, { key: Buffer.from('range/1'), revision: before })
      expect(past.pairs[0].value.toString()).toBe('1')
    })

    it('come in pages of one revision while others write', async () => {
      const endpoint = first()
      for (let n = 0; n < 7; n++) await answer(endpoint, txn, put(`pages/${n}`, 'old'))
      const pages = new RangePages({ ...prefixRange(Buffer.from('pages/')), limit: 3 })
      const found: string[] = []
      while (!pages.isDone) {
        const page = replyOf(await pages.next((request) => endpoint.call(range, request)))
        found.push(...page.map(({ key, value }) => `${key}=${value}`))
        await answer(endpoint, txn, put(`pages/${found.length}`, 'new'))
        await answer(endpoint, txn, put(`pages/9${found.length}`, 'new'))
      }
      expect(found).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => `pages/${n}=old`))
    })

    it('are deleted', async () => {
      const endpoint = first()
      for (const n of [1, 2, 3]) await answer(endpoint, txn, put(`delete/${n}`, ''))
      const request = { key: Buffer.from('delete/1'), end: Buffer.from('delete/3') }
      expect(await answer(endpoint, deleteRange, request)).toMatchObject({ deleted: 2 })
      expect(await answer(endpoint, range, prefixRange(Buffer.from('delete/')))).toMatchObject({ count: 1 })
    })

    it('lose their past by compaction', async () => {
      const endpoint = first()
      const past = (await answer(endpoint, txn, put('compact', '1'))).revision
      const { revision } = await answer(endpoint, txn, put('compact', '2'))
      expect(await answer(endpoint, compact, { revision, physical: true })).toEqual({ revision })
      const key = Buffer.from('compact')
      expect(await endpoint.call(range, { key, revision: past })).toMatchObject({
        kind: 'refused',
        why: 'compacted',
        code: codes.OUT_OF_RANGE,
      })
      expect(await endpoint.call(compact, { revision: past, physical: false })).toMatchObject({ kind: 'refused', why: 'compacted' })
      expect((await answer(endpoint, range, { key })).pairs[0].value.toString()).toBe('2')
    })
  })

  describe('watches', () => {
    it('tell all changes of a revision together, from any revision on', async () => {
      const endpoint = first()
      const prefix = prefixRange(Buffer.from('watch/'))
      const startRevision = (await answer(endpoint, txn, put('watch/a', '1'))).revision
      const past = new Watching(endpoint, { ...prefix, startRevision })
      const present = new Watching(endpoint, prefix)
      await until(() => present.isStarted)
      await answer(endpoint, txn, {
        compares: [],
        success: [
          { kind: 'put', key: Buffer.from('watch/b'), value: Buffer.from('2') },
          { kind: 'deleteRange', key: Buffer.from('watch/a') },
        ],
      })
      await answer(endpoint, txn, put('elsewhere', ''))
      await answer(endpoint, txn, put('watch/c', '3'))
      await until(() => past.events.length === 4 && present.events.length === 3)
      expect(past.story).toEqual(['put watch/a=1', 'put watch/b=2', 'delete watch/a', 'put watch/c=3'])
      expect(present.story).toEqual(past.story.slice(1))
      expect(present.batches.some((batch) => batch.length === 2 && batch[0].pair.modRevision === batch[1].pair.modRevision)).toBe(true)
      expect(past.events[2].pair.modRevision).toBe(startRevision + 1)
    })

    it('put fragments of a large response together', async () => {
      const endpoint = first()
      const key = (n: number): Buffer => Buffer.from(`fragments/${n}`)
      const value = Buffer.alloc(64 << 10)
      const puts = Array.from({ length: 22 }, (_, n) => ({ kind: 'put' as const, key: key(n), value }))
      const startRevision = (await answer(endpoint, txn, { compares: [], success: puts })).revision
      await answer(endpoint, txn, { compares: [], success: puts })
      const watching = new Watching(endpoint, { ...prefixRange(Buffer.from('fragments/')), startRevision })
      await until(() => watching.events.length === 44)
      for (const batch of watching.batches) expect(batch.length % 22).toBe(0)
    })

    it('show signs of life when asked', async () => {
      const watching = new Watching(first(), { key: Buffer.from('quiet') })
      await until(() => watching.isStarted)
      watching.watch.requestProgress()
      await until(() => watching.progress.length === 1)
      expect(watching.progress[0]).toBeGreaterThan(0)
      expect(watching.events).toEqual([])
    })

    it('can be paused, and closed', async () => {
      const endpoint = first()
      const request = { key: Buffer.from('pause') }
      const [paused, closed, other] = [1, 2, 3].map(() => new Watching(endpoint, request))
      await until(() => paused.isStarted && closed.isStarted && other.isStarted)
      paused.watch.pause()
      closed.watch.close()
      await answer(endpoint, txn, put('pause', '1'))
      await answer(endpoint, txn, put('pause', '2'))
      await until(() => other.events.length === 2)
      expect(paused.events).toEqual([])
      paused.watch.resume()
      await until(() => paused.events.length === 2)
      expect(closed.events).toEqual([])
      expect(closed.end).toBeUndefined()
    })

    it('are cancelled by a compaction, which they name', async () => {
      const endpoint = first()
      const past = (await answer(endpoint, txn, put('cancel', '1'))).revision
      const { revision } = await answer(endpoint, txn, put('cancel', '2'))
      await answer(endpoint, compact, { revision, physical: false })
      const late = new Watching(endpoint, { key: Buffer.from('cancel'), startRevision: past })
      await until(() => late.end !== undefined)
      expect(late.end).toEqual({ kind: 'compacted', compactRevision: revision })
      const again = new Watching(endpoint, { key: Buffer.from('cancel'), startRevision: revision })
      await until(() => again.events.length === 1)
    })

    it('end with the connection', async () => {
      const endpoint = first()
      const watching = new Watching(endpoint, { key: Buffer.from('gone') })
      await until(() => watching.isStarted)
      const underWay = endpoint.call(range, { key: Buffer.from('gone') })
      endpoint.close()
      await until(() => watching.end !== undefined)
      expect(watching.end).toMatchObject({ kind: 'ambiguous', code: codes.CANCELLED })
      expect(await underWay).toMatchObject({ kind: 'ambiguous', code: codes.CANCELLED })
      expect(await endpoint.call(range, { key: Buffer.from('gone') })).toMatchObject({ kind: 'ambiguous' })
      const late = new Watching(endpoint, { key: Buffer.from('gone') })
      expect(late.end).toMatchObject({ kind: 'ambiguous' })
    })
  })
})

describeWith([etcdServer], 'a member with a small quota', () => {
  let cluster: EtcdCluster

  beforeAll(async () => {
    cluster = await startEtcd({ quotaBytes: 1 << 20 })
  })
  afterAll(() => cluster?.stop())

  it('refuses to put when its database is full, and takes more once there is room and the alarm is over', async () => {
    const endpoint = open({ address: cluster.addresses[0] })
    const value = Buffer.alloc(64 << 10)
    let outcome = await endpoint.call(txn, put('fill/0', value))
    for (let n = 1; outcome.kind === 'answered'; n++) outcome = await endpoint.call(txn, put(`fill/${n}`, value))
    expect(outcome).toMatchObject({ kind: 'refused', why: 'noSpace', code: codes.RESOURCE_EXHAUSTED })
    const { member, errors } = await answer(endpoint, status, undefined)
    const alarm = { member, kind: 'noSpace' as const }
    expect(await answer(endpoint, alarms, undefined)).toEqual([alarm])
    expect(errors.join()).toContain('NOSPACE')
    const { revision } = await answer(endpoint, deleteRange, prefixRange(Buffer.from('fill/')))
    await answer(endpoint, compact, { revision, physical: true })
    // The quota bounds the file, and compaction leaves its size as it is.
    await answer(endpoint, disarm, alarm)
    expect(await endpoint.call(txn, put('early', value))).toMatchObject({ kind: 'refused', why: 'noSpace' })
    await answer(endpoint, defragment, undefined)
    expect(await answer(endpoint, disarm, alarm)).toEqual([alarm])
    expect(await answer(endpoint, alarms, undefined)).toEqual([])
    await answer(endpoint, txn, put('again', value))
  })
})

describeWith([etcdServer], 'a member with users', () => {
  const password = 'correct horse'
  let cluster: EtcdCluster

  beforeAll(async () => {
    cluster = await startEtcd({ rootPassword: password })
  })
  afterAll(() => cluster?.stop())

  const as = (token: EtcdToken | undefined): EtcdEndpoint => open({ address: cluster.addresses[0], token })
  const root = (): EtcdToken => new EtcdToken({ name: 'root', password })

  it('answers to a user, many calls at once too', async () => {
    const endpoint = as(root())
    await Promise.all(Array.from({ length: 10 }, (_, n) => answer(endpoint, txn, put(`user/${n}`, ''))))
    const watching = new Watching(endpoint, { ...prefixRange(Buffer.from('user/')), startRevision: 1 })
    await until(() => watching.events.length === 10)
  })

  it('refuses a wrong password, and nobody', async () => {
    const request = { key: Buffer.from('user') }
    const stranger = as(new EtcdToken({ name: 'root', password: 'wrong' }))
    expect(await stranger.call(range, request)).toMatchObject({ kind: 'refused', why: 'denied' })
    const watching = new Watching(stranger, request)
    await until(() => watching.end !== undefined)
    expect(watching.end).toMatchObject({ kind: 'refused', why: 'denied' })
    expect(await as(undefined).call(range, request)).toMatchObject({ kind: 'refused', why: 'badToken' })
  })

  it('may take as long for a token as for a call', async () => {
    const [member] = cluster.members
    const endpoint = as(root())
    member.stop()
    const outcome = endpoint.call(range, { key: Buffer.from('slow') })
    // Longer than a token is waited for where calls have little time.
    await new Promise((resolve) => setTimeout(resolve, 3500))
    member.continue()
    expect(await outcome).toMatchObject({ kind: 'answered' })
  })

  it('gets a new token when it refuses one', async () => {
    const endpoint = as(root())
    await answer(endpoint, txn, put('token', '1'))
    await changeRootPassword(cluster.members[0], password, password)
    await answer(endpoint, txn, put('token', '2'))
    await changeRootPassword(cluster.members[0], password, password)
    const refused = new Watching(endpoint, { key: Buffer.from('token') })
    await until(() => refused.end !== undefined)
    expect(refused.end).toMatchObject({ kind: 'refused' })
    const next = new Watching(endpoint, { key: Buffer.from('token') })
    await until(() => next.isStarted)
  })
})

describeWith([etcdServer, openssl], 'a member with TLS', () => {
  let cluster: EtcdCluster

  beforeAll(async () => {
    cluster = await startEtcd({ tls: true })
  })
  afterAll(() => cluster?.stop())

  it('serves clients with a certificate of its authority, and no others', async () => {
    const [address] = cluster.addresses
    const { authority, client } = cluster.certificates as NonNullable<EtcdCluster['certificates']>
    const authorities = readFileSync(authority)
    const known = { authorities, certificate: readFileSync(client.certificate), key: readFileSync(client.key) }
    await answer(open({ address, tls: known }), txn, put('tls', '1'))
    const watching = new Watching(open({ address, tls: known }), { key: Buffer.from('tls'), startRevision: 1 })
    await until(() => watching.events.length === 1)
    const request = { key: Buffer.from('tls') }
    for (const tls of [{ authorities }, undefined, { ...known, authorities: readFileSync(client.certificate) }]) {
      expect(await open({ address, tls }).call(range, request)).toMatchObject({ kind: 'ambiguous' })
    }
  })
})
