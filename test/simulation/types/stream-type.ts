/** Streams in the simulation: entries with given and automatic ids, groups, and readers that wait. */
import type { Draw } from '../draw.ts'
import type { Group, Model, Pending, Stream } from '../model.ts'
import type { Expected, Handler, Judge } from '../model-replies.ts'
import { array, blocks, bulk, decoded, integer, itemsOf, list, nilArray, noSuchKey, ok, slicedMsMax, wrongType } from '../model-replies.ts'
import type { ModelType } from '../model-type.ts'
import { on } from '../model-type.ts'

/** Most entries of the first two have the ids that the server gives them, those of the others given ones. */
const keys = ['stream0', 'stream1', 'stream2', 'stream3']
const groups = ['g', 'h']
const consumers = ['alice', 'bob', 'carol']
const empty: Stream = { entries: new Map(), lastId: '0-0', groups: new Map() }
const countMax = '1000000'

const tooSmall = '-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n'
const missingKey =
  '-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.\r\n'
const keyIsGone = '-UNBLOCKED the stream key no longer exists\r\n'
const groupIsGone = '-NOGROUP the consumer group this client was blocked on no longer exists\r\n'

function add(draw: Draw, key: string): string[] {
  const isGiven = draw.once(20) !== ['stream2', 'stream3'].includes(key)
  const ms = draw.nextEntry()
  const id = isGiven ? draw.pick([`${ms}-*`, `${ms}-${draw.below(3)}`]) : '*'
  const limits = [['MAXLEN', '=', `${draw.below(60)}`], ['MINID', '=', `${draw.recentEntry()}-0`], ['NOMKSTREAM']]
  return ['XADD', key, ...(draw.once(6) ? draw.pick(limits) : []), id, ...draw.some(() => [draw.pick(['f', 'field']), draw.element()])]
}

function ids(draw: Draw): string[] {
  return [...new Set(draw.some(() => [`${draw.recentEntry()}-${draw.below(2)}`]))]
}

function readGroup(draw: Draw, options: readonly string[]): string[] {
  const from = draw.once(2) ? [draw.key(keys)] : [draw.key(keys), draw.key(keys)]
  const after = from.map(() => (draw.once(5) ? '0-0' : '>'))
  const start = ['XREADGROUP', 'GROUP', draw.pick(groups), draw.pick(consumers), 'COUNT', `${1 + draw.below(8)}`]
  return [...start, ...options, 'STREAMS', ...from, ...after]
}

function read(draw: Draw, options: readonly string[]): string[] {
  const from = draw.once(2) ? [draw.key(keys)] : [draw.key(keys), draw.key(keys)]
  const after = from.map(() => (draw.once(3) ? `${draw.recentEntry()}-0` : '$'))
  return ['XREAD', 'COUNT', `${1 + draw.below(8)}`, ...options, 'STREAMS', ...from, ...after]
}

const block = (draw: Draw): string[] => ['BLOCK', `${draw.pick([10, 50, 200, 400])}`]

export const streams: ModelType = {
  kind: 'stream',
  keys,
  weight: 15,
  request: (draw) => {
    const key = draw.key(keys)
    const group = draw.pick(groups)
    const consumer = draw.pick(consumers)
    return draw.oneOf([
      () => add(draw, key),
      () => add(draw, key),
      () => add(draw, key),
      () => ['XDEL', key, ...ids(draw)],
      () => [
        'XTRIM',
        key,
        ...draw.pick([
          ['MAXLEN', '=', `${draw.below(80)}`],
          ['MINID', '=', `${draw.recentEntry()}-0`],
        ]),
      ],
      () => ['XLEN', key],
      () => ['XRANGE', key, '-', '+'],
      () => ['XGROUP', 'CREATE', key, group, draw.pick(['$', '0-0']), 'MKSTREAM'],
      () => ['XGROUP', ...(draw.once(8) ? ['DESTROY', key, group] : ['CREATE', key, group, '0-0', 'MKSTREAM'])],
      () => (draw.once(3) ? ['XGROUP', 'DELCONSUMER', key, group, consumer] : ['XPENDING', key, group, '-', '+', countMax]),
      () => ['XGROUP', ...(draw.once(2) ? ['SETID', key, group, `${draw.recentEntry()}-0`] : ['CREATECONSUMER', key, group, consumer])],
      () => readGroup(draw, []),
      () => readGroup(draw, []),
      () => readGroup(draw, ['NOACK']),
      () => ['XACK', key, group, ...ids(draw)],
      () => ['XCLAIM', key, group, consumer, '0', ...ids(draw)],
      () => ['XAUTOCLAIM', key, group, consumer, '0', '0-0', 'COUNT', `${1 + draw.below(6)}`],
      () => read(draw, []),
    ])
  },
  waits: (draw) => (draw.once(2) ? read(draw, block(draw)) : readGroup(draw, [...block(draw), ...(draw.once(6) ? ['NOACK'] : [])])),
  reads: (key) => [
    ['XLEN', key],
    ['XRANGE', key, '-', '+'],
    ['XINFO', 'GROUPS', key],
    ...groups.map((group) => ['XPENDING', key, group, '-', '+', countMax]),
  ],
  handlers: {
    xadd: on('stream', (stream, { model, args, put }) => {
      const makesNone = args[0] === 'NOMKSTREAM'
      const limit = args[0] === 'MAXLEN' || args[0] === 'MINID' ? args.slice(0, 3) : []
      const [asked, ...fields] = args.slice(makesNone ? 1 : limit.length)
      if (stream === undefined && makesNone) return '$-1\r\n'
      const { entries, lastId, groups: of } = stream ?? empty
      const id = chosen(asked as string, lastId, model.nowMs)
      if (compare(id, lastId) <= 0) return tooSmall
      put({ entries: trimmed(new Map(entries).set(id, fields), limit), lastId: id, groups: of })
      return bulk(id)
    }),
    xdel: on('stream', (stream, { args, put }) => {
      const entries = new Map(stream?.entries)
      const deleted = args.filter((id) => entries.delete(id)).length
      if (stream !== undefined && deleted > 0) put({ ...stream, entries })
      return integer(deleted)
    }),
    xtrim: on('stream', (stream, { args, put }) => {
      if (stream === undefined) return integer(0)
      const entries = trimmed(stream.entries, args)
      const gone = stream.entries.size - entries.size
      if (gone > 0) put({ ...stream, entries })
      return integer(gone)
    }),
    xlen: on('stream', (stream) => integer(stream?.entries.size ?? 0)),
    xrange: on('stream', (stream) => list([...(stream?.entries ?? [])].map(entryReply))),
    xgroup: (model, db, [name, ...args]) => (groupCommands[name as string] as Handler)(model, db, args),
    xinfo: (model, db, [, ...args]) => infoGroups(model, db, args),
    xread: (model, db, args) => reads(model, db, args),
    xreadgroup: (model, db, args) => readsAsGroup(model, db, args),
    xack: on('stream', (stream, { args: [name, ...asked], put }) => {
      const group = stream?.groups.get(name as string)
      if (stream === undefined || group === undefined) return integer(0)
      const pending = new Map(group.pending)
      const acknowledged = asked.filter((id) => pending.delete(id)).length
      if (acknowledged > 0) put(withGroup(stream, name as string, { ...group, pending }))
      return integer(acknowledged)
    }),
    xpending: on('stream', (stream, { model, key, args: [name] }) => {
      const group = stream?.groups.get(name as string)
      if (group === undefined) return noGroup(key, name as string)
      return pendingItems(inOrder(group), model.nowMs)
    }),
    xclaim: on('stream', (stream, { model, key, args: [name, consumer, , ...asked], put }) => {
      const group = stream?.groups.get(name as string)
      if (stream === undefined || group === undefined) return noGroup(key, name as string)
      const { after, claimed, gone } = claim(stream, group, consumer as string, asked, model.nowMs)
      if (claimed.length + gone.length > 0) put(withGroup(stream, name as string, after))
      return list(claimed.map((id) => entryReply([id, stream.entries.get(id) as string[]])))
    }),
    xautoclaim: on('stream', (stream, { model, key, args: [name, consumer, , , , count], put }) => {
      const group = stream?.groups.get(name as string)
      if (stream === undefined || group === undefined) return noGroup(key, name as string)
      const all = inOrder(group).map(([id]) => id)
      const asked = all.slice(0, Number(count))
      const { after, claimed, gone } = claim(stream, group, consumer as string, asked, model.nowMs)
      if (claimed.length + gone.length > 0) put(withGroup(stream, name as string, after))
      const entries = claimed.map((id) => entryReply([id, stream.entries.get(id) as string[]]))
      return list([bulk(all[asked.length] ?? '0-0'), list(entries), array(gone)])
    }),
  },
}

const groupCommands: Readonly<Record<string, Handler>> = {
  CREATE: on('stream', (stream = empty, { args: [name, start], put }) => {
    if (stream.groups.has(name as string)) return '-BUSYGROUP Consumer Group name already exists\r\n'
    const lastId = start === '$' ? stream.lastId : (start as string)
    put(withGroup(stream, name as string, { lastId, consumers: new Set(), pending: new Map() }))
    return ok
  }),
  DESTROY: on('stream', (stream, { args: [name], put }) => {
    if (stream === undefined) return missingKey
    const rest = new Map(stream.groups)
    if (!rest.delete(name as string)) return integer(0)
    put({ ...stream, groups: rest })
    return integer(1)
  }),
  SETID: on('stream', (stream, { key, args: [name, lastId], put }) => {
    if (stream === undefined) return missingKey
    const group = stream.groups.get(name as string)
    if (group === undefined) return noNamedGroup(key, name as string)
    put(withGroup(stream, name as string, { ...group, lastId: lastId as string }))
    return ok
  }),
  CREATECONSUMER: on('stream', (stream, { key, args: [name, consumer], put }) => {
    if (stream === undefined) return missingKey
    const group = stream.groups.get(name as string)
    if (group === undefined) return noNamedGroup(key, name as string)
    if (group.consumers.has(consumer as string)) return integer(0)
    put(withGroup(stream, name as string, { ...group, consumers: new Set([...group.consumers, consumer as string]) }))
    return integer(1)
  }),
  DELCONSUMER: on('stream', (stream, { key, args: [name, consumer], put }) => {
    if (stream === undefined) return missingKey
    const group = stream.groups.get(name as string)
    if (group === undefined) return noNamedGroup(key, name as string)
    if (!group.consumers.has(consumer as string)) return integer(0)
    const rest = new Set(group.consumers)
    rest.delete(consumer as string)
    const pending = new Map([...group.pending].filter(([, each]) => each.consumer !== consumer))
    put(withGroup(stream, name as string, { ...group, consumers: rest, pending }))
    return integer(group.pending.size - pending.size)
  }),
}

function parts(id: string): [number, number] {
  const [ms, sequence] = id.split('-').map(Number)
  return [ms as number, sequence as number]
}

function compare(a: string, b: string): number {
  const [x, y] = [parts(a), parts(b)]
  return x[0] - y[0] || x[1] - y[1]
}

/** The id of the next entry. */
function chosen(asked: string, lastId: string, nowMs: number): string {
  const [ms, sequence] = parts(lastId)
  if (asked === '*') return nowMs > ms ? `${nowMs}-0` : `${ms}-${sequence + 1}`
  if (!asked.endsWith('-*')) return asked
  const given = Number(asked.slice(0, -2))
  return given === ms ? `${ms}-${sequence + 1}` : `${given}-0`
}

function trimmed(
  entries: ReadonlyMap<string, readonly string[]>,
  [how, , limit]: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  if (how === 'MAXLEN') return new Map([...entries].slice(Math.max(0, entries.size - Number(limit))))
  return how === 'MINID' ? new Map([...entries].filter(([id]) => compare(id, limit as string) >= 0)) : entries
}

function entryReply([id, fields]: readonly [string, readonly string[]]): string {
  return list([bulk(id), array(fields)])
}

function withGroup(stream: Stream, name: string, group: Group): Stream {
  return { ...stream, groups: new Map(stream.groups).set(name, group) }
}

function inOrder(group: Group): [string, Pending][] {
  return [...group.pending].sort(([a], [b]) => compare(a, b))
}

function noNamedGroup(key: string, name: string): string {
  return `-NOGROUP No such consumer group '${name}' for key name '${key}'\r\n`
}

function noGroup(key: string, name: string): string {
  return `-NOGROUP No such key '${key}' or consumer group '${name}'\r\n`
}

interface Claim {
  readonly after: Group
  readonly claimed: readonly string[]
  readonly gone: readonly string[]
}

/** What of some ids is pending becomes the consumer's; what of that has been deleted goes. */
function claim({ entries }: Stream, group: Group, consumer: string, asked: readonly string[], nowMs: number): Claim {
  const pending = new Map(group.pending)
  const known = asked.filter((id) => pending.has(id))
  const claimed = known.filter((id) => entries.has(id))
  const gone = known.filter((id) => !entries.has(id))
  for (const id of gone) pending.delete(id)
  for (const id of claimed) pending.set(id, { consumer, deliveredAt: nowMs, deliveries: (pending.get(id)?.deliveries ?? 0) + 1 })
  return {
    after: { ...group, pending, consumers: claimed.length > 0 ? new Set([...group.consumers, consumer]) : group.consumers },
    claimed,
    gone,
  }
}

/** What every reading command says: how many entries it wants, of which streams, behind which ids. */
function asked(args: readonly string[]): { count: number; waits: boolean; keys: string[]; after: string[] } {
  const at = args.indexOf('STREAMS') + 1
  const half = (args.length - at) / 2
  return {
    count: Number(args[args.indexOf('COUNT') + 1]),
    waits: args.includes('BLOCK'),
    keys: args.slice(at, at + half),
    after: args.slice(at + half),
  }
}

/** The reply of several streams, those left out of which there is nothing. */
function served(model: Model, replies: readonly (string | undefined)[], waits: boolean): Expected | typeof blocks {
  const some = replies.filter((each) => each !== undefined)
  if (some.length > 0) return list(some)
  return waits && model.mayBlock ? blocks : nilArray
}

function behind(stream: Stream, id: string, count: number): (readonly [string, readonly string[]])[] {
  return [...stream.entries].filter(([each]) => compare(each, id) > 0).slice(0, count)
}

function reads(model: Model, db: number, args: readonly string[]): Expected | typeof blocks {
  const { count, waits, keys: from, after } = asked(args)
  const { wokenFor } = model
  const items = from.map((key) => model.get(db, key))
  if (wokenFor === undefined) {
    if (items.some((item) => item !== undefined && item.kind !== 'stream')) return wrongType
    model.remembered = after.map((id, i) => (id !== '$' ? id : items[i]?.kind === 'stream' ? items[i].value.lastId : '0-0'))
  }
  const positions = model.remembered as readonly string[]
  const replies = from.map((key, i) => {
    const item = items[i]
    if (item?.kind !== 'stream' || (wokenFor !== undefined && key !== wokenFor)) return undefined
    const entries = behind(item.value, positions[i] as string, count)
    return entries.length === 0 ? undefined : list([bulk(key), list(entries.map(entryReply))])
  })
  return served(model, replies, waits)
}

function readsAsGroup(model: Model, db: number, args: readonly string[]): Expected | typeof blocks {
  const [, name, consumer] = args as readonly [string, string, string]
  const { count, waits, keys: from, after } = asked(args)
  const { wokenFor } = model
  for (const key of wokenFor === undefined ? from : []) {
    const item = model.get(db, key)
    if (item !== undefined && item.kind !== 'stream') return wrongType
    if (item?.value.groups.has(name) !== true)
      return `-NOGROUP No such key '${key}' or consumer group '${name}' in XREADGROUP with GROUP option\r\n`
  }
  const replies: (string | undefined)[] = []
  for (const [i, key] of from.entries()) {
    if (wokenFor !== undefined && key !== wokenFor) continue
    const item = model.get(db, key)
    if (item?.kind !== 'stream') return keyIsGone
    const { value, expireAt } = item
    const group = value.groups.get(name)
    if (group === undefined) return groupIsGone
    const put = (becomes: Group): void => model.put(db, key, 'stream', withGroup(value, name, becomes), expireAt)
    if (after[i] !== '>') replies.push(list([bulk(key), history(value, group, consumer, count, model.nowMs, put)]))
    else {
      const entries = behind(value, group.lastId, count)
      if (entries.length === 0) continue
      const pending = new Map(group.pending)
      if (!args.includes('NOACK')) for (const [id] of entries) pending.set(id, { consumer, deliveredAt: model.nowMs, deliveries: 1 })
      put({ lastId: entries.at(-1)?.[0] as string, consumers: new Set([...group.consumers, consumer]), pending })
      replies.push(list([bulk(key), list(entries.map(entryReply))]))
    }
  }
  return served(model, replies, waits)
}

/** What a consumer has pending; that counts as delivered once more. */
function history(stream: Stream, group: Group, consumer: string, count: number, nowMs: number, put: (becomes: Group) => void): string {
  const own = inOrder(group)
    .filter(([, each]) => each.consumer === consumer)
    .slice(0, count)
  const again = own.filter(([id]) => stream.entries.has(id))
  const pending = new Map(group.pending)
  for (const [id, each] of again) pending.set(id, { ...each, deliveredAt: nowMs, deliveries: each.deliveries + 1 })
  if (again.length > 0 || !group.consumers.has(consumer)) put({ ...group, consumers: new Set([...group.consumers, consumer]), pending })
  return list(
    own.map(([id]) => {
      const fields = stream.entries.get(id)
      return fields === undefined ? list([bulk(id), nilArray]) : entryReply([id, fields])
    }),
  )
}

/** A long list is made in slices, and idle times are as of its beginning; so is what many entries were delivered and claimed with. */
function pendingItems(pending: readonly [string, Pending][], nowMs: number): Judge {
  return (raw) => {
    const found = itemsOf(raw)
    if (found.length !== pending.length) return `${found.length} instead of ${pending.length}`
    for (const [i, [id, { consumer, deliveredAt, deliveries }]] of pending.entries()) {
      const idleMs = nowMs - deliveredAt
      const told = Number(/:(\d+)\r\n:\d+\r\n$/.exec(found[i] as string)?.[1])
      const expected = list([bulk(id), bulk(consumer), integer(told), integer(deliveries)])
      const isAsOfBefore = told <= idleMs + slicedMsMax && told >= Math.max(0, idleMs - slicedMsMax)
      if (found[i] !== expected || !isAsOfBefore) return `expected ${JSON.stringify(expected)}, idle for about ${idleMs} ms`
    }
    return undefined
  }
}

/** XINFO GROUPS, but for what it counts of entries read: that is for the comparison with Redis. */
const infoGroups = on('stream', (stream): Expected => {
  if (stream === undefined) return noSuchKey
  const expected = [...stream.groups].map(
    ([name, { consumers: all, pending, lastId }]) =>
      `name ${name} consumers ${all.size} pending ${pending.size} last-delivered-id ${lastId}`,
  )
  const judge: Judge = (raw) => {
    const found = decoded(raw).items.map((group) =>
      ('items' in group ? group.items : []).slice(0, 8).map((each) => ('text' in each ? each.text.toString('latin1') : '')),
    )
    const shown = found.map((words) => words.join(' ')).sort()
    return shown.join() === expected.sort().join() ? undefined : `not ${expected.join()}`
  }
  return judge
})
