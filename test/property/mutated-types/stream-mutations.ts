/**
 * Edits of streams: entries, groups, consumers and what is pending. Ids are numbers here, `n-0` in the stream. Which numbers groups and consumers have inside,
 * only the stream knows, as commands have to ask it.
 */
import fc from 'fast-check'
import { streamType, treeForm } from '../../../engine/keyspace/entries.ts'
import type { RecordBuffer } from '../../../engine/mutation/record-buffer.ts'
import { idBytes, StreamId } from '../../../engine/types/stream-id.ts'
import { firstUnit } from '../../../engine/types/stream-meta.ts'
import {
  acknowledgeEdit,
  appendEdit,
  beginsNode,
  deleteEdit,
  deliverEdit,
  hasPosition,
  hasSeed,
  putConsumerEdit,
  putGroupEdit,
  removeConsumerEdit,
  removeGroupEdit,
  setEdit,
  trimEdit,
} from '../../../engine/types/stream-type.ts'
import type { MutatedType, MutationOf, Target } from '../mutated-type.ts'
import { bytesOf, edit, formOf, leafBytesMax, putText, ranks, ranksIn, text } from '../mutated-type.ts'

interface Pending {
  readonly consumer: string
  readonly time: number
  readonly deliveries: number
}

interface Group {
  readonly last: number
  /** How many entries it has read, -1 if unknown. */
  readonly read: number
  /** When each was seen. */
  readonly consumers: ReadonlyMap<string, number>
  readonly pending: ReadonlyMap<number, Pending>
}

interface Stream {
  /** Fields and values by id. */
  readonly entries: ReadonlyMap<number, readonly string[]>
  readonly last: number
  readonly deleted: number
  readonly added: number
  readonly groups: ReadonlyMap<string, Group>
}

const group = fc.constantFrom('g', 'h')
const consumer = fc.constantFrom('alice', 'bob', 'c'.repeat(90))
const time = fc.nat(1000).map((ms) => 1_700_000_000_000 + ms)
const choices = {
  streamAppend: {
    weight: 9,
    drawn: { step: fc.integer({ min: 1, max: 3 }), begins: fc.boolean(), field: fc.constantFrom('f', 'of'), text },
  },
  streamDelete: { weight: 3, drawn: { ranks } },
  streamTrim: { weight: 2, drawn: { rank: fc.nat(12) } },
  streamSet: { weight: 1, drawn: { step: fc.nat(3), added: fc.nat(100) } },
  putGroup: { weight: 4, drawn: { group, back: fc.nat(8), read: fc.integer({ min: -1, max: 9 }) } },
  removeGroup: { weight: 1, drawn: { group } },
  putConsumer: { weight: 2, drawn: { group, consumer, time } },
  removeConsumer: { weight: 1, drawn: { group, consumer } },
  deliver: { weight: 6, drawn: { group, consumer, time, count: fc.integer({ min: 1, max: 6 }), read: fc.integer({ min: -1, max: 9 }) } },
  claim: { weight: 3, drawn: { group, consumer, time, ranks } },
  acknowledge: { weight: 3, drawn: { group, ranks } },
}
type StreamMutation = MutationOf<typeof choices>
type EntryMutation = Extract<StreamMutation, { do: `stream${string}` }>
type GroupMutation = Exclude<StreamMutation, EntryMutation>

const seed = 0x57e3
const empty: Stream = { entries: new Map(), last: 0, deleted: 0, added: 0, groups: new Map() }

export const streamMutations: MutatedType<Stream, typeof choices> = {
  number: streamType,
  choices,
  change(target, value, m) {
    if (isOfEntries(m)) return changeEntries(target, value, m)
    return m.do === 'putGroup' ? putGroup(target, value ?? empty, m) : value && changeGroup(target, value, m)
  },
  length: ({ entries }) => entries.size,
  shown: ({ entries, last, deleted, added, groups }) => [
    ...[...entries].map(([id, fields]) => `${id}-0 ${fields.join(' ')}`),
    `last ${last}-0 first ${entries.keys().next().value ?? 0}-0 deleted ${deleted}-0 added ${added}`,
    ...[...groups].flatMap(([name, each]) => shownGroup(name, each)).sort(),
  ],
}

function isOfEntries(m: StreamMutation): m is EntryMutation {
  return m.do.startsWith('stream')
}

function shownGroup(name: string, { last, read, consumers, pending }: Group): string[] {
  return [
    `group ${name} ${last}-0 ${read < 0 ? 'unknown' : read}`,
    ...[...consumers].map(([each, seenAt]) => `group ${name} consumer ${each} ${seenAt}`),
    ...[...pending].flatMap(([id, by]) => [
      `group ${name} pending ${id}-0 ${by.time} ${by.deliveries}`,
      `group ${name} consumer ${by.consumer} has ${id}-0`,
    ]),
  ]
}

function changeEntries(target: Target, value: Stream | undefined, m: EntryMutation): Stream | undefined {
  const { streams } = target.mutator.types
  const before = value ?? empty
  if (m.do === 'streamAppend') {
    const id = before.last + m.step
    const fields = [m.field, m.text]
    const bytes = [...before.entries.values(), fields].reduce((sum, each) => sum + 12 + each.join('').length, 0)
    // A small stream has one node.
    const begins = m.begins && before.entries.size > 0
    const grows = formOf(target) !== treeForm && (begins || bytes > leafBytesMax)
    edit(target, streams, appendEdit, (payload) => {
      payload.byte((begins ? beginsNode : 0) | (grows ? hasSeed : 0))
      if (grows) payload.u32(seed)
      putId(payload, id)
      payload.varint(1)
      for (const each of fields) putText(payload, each)
    })
    return { ...before, entries: new Map(before.entries).set(id, fields), last: id, added: before.added + 1 }
  }
  if (m.do === 'streamSet') {
    const last = before.last + m.step
    edit(target, streams, setEdit, (payload) => {
      putId(payload, last)
      putId(payload, before.deleted)
      putUint64(payload, BigInt(m.added))
    })
    return { ...before, last, added: m.added }
  }
  const ids = [...before.entries.keys()]
  const gone = m.do === 'streamTrim' ? ids.slice(0, m.rank) : ranksIn(ids.length, m.ranks).map((rank) => ids[rank] as number)
  if (gone.length === 0) return value
  const kept = new Map([...before.entries].filter(([id]) => !gone.includes(id)))
  if (m.do === 'streamDelete') {
    edit(target, streams, deleteEdit, (payload) => {
      payload.varint(gone.length)
      for (const id of gone) putId(payload, id)
    })
    return { ...before, entries: kept, deleted: Math.max(before.deleted, ...gone) }
  }
  edit(target, streams, trimEdit, (payload) => {
    payload.byte(kept.size === 0 ? 1 : 0)
    putId(payload, ids[m.rank] ?? 0)
  })
  return { ...before, entries: kept }
}

function putGroup(target: Target, value: Stream, m: Extract<GroupMutation, { do: 'putGroup' }>): Stream {
  const last = Math.max(0, value.last - m.back)
  edit(target, target.mutator.types.streams, putGroupEdit, (payload) => {
    payload.u32(seed)
    payload.u32(value.groups.has(m.group) ? groupUnit(target, m.group) : nextUnit(target))
    putId(payload, last)
    putUint64(payload, BigInt(m.read))
    putText(payload, m.group)
  })
  const former = value.groups.get(m.group) ?? { consumers: new Map(), pending: new Map() }
  return withGroup(value, m.group, { ...former, last, read: m.read })
}

function changeGroup(target: Target, value: Stream, m: Exclude<GroupMutation, { do: 'putGroup' }>): Stream {
  const { streams } = target.mutator.types
  const former = value.groups.get(m.group)
  if (former === undefined) return value
  const unit = groupUnit(target, m.group)
  if (m.do === 'removeGroup') {
    edit(target, streams, removeGroupEdit, (payload) => {
      payload.u32(unit)
      putText(payload, m.group)
    })
    return { ...value, groups: new Map([...value.groups].filter(([name]) => name !== m.group)) }
  }
  if (m.do === 'putConsumer') {
    edit(target, streams, putConsumerEdit, (payload) => putConsumer(payload, target, unit, m))
    return withGroup(value, m.group, { ...former, consumers: new Map(former.consumers).set(m.consumer, m.time) })
  }
  if (m.do === 'removeConsumer') {
    if (!former.consumers.has(m.consumer)) return value
    edit(target, streams, removeConsumerEdit, (payload) => {
      payload.u32(unit)
      payload.u32(consumerUnit(target, unit, m.consumer))
      putText(payload, m.consumer)
    })
    const consumers = new Map([...former.consumers].filter(([name]) => name !== m.consumer))
    return withGroup(value, m.group, { ...former, consumers, pending: without(former.pending, (each) => each.consumer === m.consumer) })
  }
  if (m.do === 'acknowledge') {
    const ids = pendingOf(former, m.ranks)
    if (ids.length === 0) return value
    edit(target, streams, acknowledgeEdit, (payload) => {
      payload.u32(unit)
      payload.varint(ids.length)
      for (const id of ids) {
        putId(payload, id)
        payload.u32(consumerUnit(target, unit, former.pending.get(id)?.consumer as string))
      }
    })
    return withGroup(value, m.group, { ...former, pending: without(former.pending, (_, id) => ids.includes(id)) })
  }
  return deliver(target, value, former, unit, m)
}

/** New entries, or what is pending already. */
function deliver(
  target: Target,
  value: Stream,
  former: Group,
  unit: number,
  m: Extract<GroupMutation, { do: 'deliver' | 'claim' }>,
): Stream {
  const isNew = m.do === 'deliver'
  const fresh = [...value.entries.keys()].filter((id) => id > former.last)
  const ids = isNew ? fresh.slice(0, m.count) : pendingOf(former, m.ranks)
  if (ids.length === 0) return value
  const position = isNew ? { last: ids.at(-1) as number, read: m.read } : {}
  const pending = new Map(former.pending)
  edit(target, target.mutator.types.streams, deliverEdit, (payload) => {
    payload.byte(isNew ? hasPosition : 0)
    if (isNew) {
      putId(payload, ids.at(-1) as number)
      putUint64(payload, BigInt(m.read))
      putText(payload, m.group)
    }
    putConsumer(payload, target, unit, m)
    payload.varint(ids.length)
    for (const id of ids) {
      const before = former.pending.get(id)
      const deliveries = (before?.deliveries ?? 0) + 1
      putId(payload, id)
      payload.u32(before === undefined ? 0 : consumerUnit(target, unit, before.consumer))
      payload.u48(m.time)
      putUint64(payload, BigInt(deliveries))
      pending.set(id, { consumer: m.consumer, time: m.time, deliveries })
    }
  })
  return withGroup(value, m.group, { ...former, ...position, consumers: new Map(former.consumers).set(m.consumer, m.time), pending })
}

function putConsumer(payload: RecordBuffer, target: Target, unit: number, m: { readonly consumer: string; readonly time: number }): void {
  payload.u32(unit)
  payload.u32(consumerUnit(target, unit, m.consumer))
  payload.u48(m.time)
  putText(payload, m.consumer)
}

function withGroup(stream: Stream, name: string, becomes: Group): Stream {
  return { ...stream, groups: new Map(stream.groups).set(name, becomes) }
}

function without(pending: Group['pending'], isGone: (each: Pending, id: number) => boolean): Group['pending'] {
  return new Map([...pending].filter(([id, each]) => !isGone(each, id)))
}

function pendingOf({ pending }: Group, some: readonly number[]): number[] {
  const ids = [...pending.keys()].sort((a, b) => a - b)
  return ranksIn(ids.length, some).map((rank) => ids[rank] as number)
}

function nextUnit({ mutator, entry }: Target): number {
  return entry === 0 ? firstUnit : mutator.types.streams.entries.meta(entry).nextUnit
}

/** The number of a group that is there. */
function groupUnit({ mutator, entry }: Target, name: string): number {
  const { streams } = mutator.types
  const bytes = bytesOf(name)
  if (!streams.groups.findGroup(streams.rootOf(entry), bytes, 0, bytes.length)) throw new Error(`group ${name} is missing`)
  return streams.groups.group.unit
}

/** The number of a consumer, or that of the next to come. */
function consumerUnit(target: Target, unit: number, name: string): number {
  const { streams } = target.mutator.types
  const bytes = bytesOf(name)
  const isThere = streams.groups.findConsumer(streams.rootOf(target.entry), unit, bytes, 0, bytes.length)
  return isThere ? streams.groups.consumer.unit : nextUnit(target)
}

const scratch = new StreamId()

function putId(payload: RecordBuffer, id: number): void {
  const at = payload.reserve(idBytes)
  scratch.setNumbers(id, 0).write(payload.bytes, at)
}

function putUint64(payload: RecordBuffer, value: bigint): void {
  const at = payload.reserve(8)
  payload.bytes.writeBigInt64BE(value, at)
}
