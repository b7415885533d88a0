/** Random mutations, applied to a keyspace through the mutator and to a model of maps. Keys and limits are few and small. */
import fc from 'fast-check'
import { hashType, leafForm, listType, stringType, treeForm } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { databaseCount } from '../../engine/keyspace/keyspace.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import type { HashForm } from '../../engine/mutation/hash-operations.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import { keepTtl } from '../../engine/mutation/string-operations.ts'
import { expireFieldsEdit } from '../../engine/types/hash-type.ts'
import {
  atTail,
  becomesTree,
  insertEdit,
  popEdit,
  pushEdit,
  removeEachEdit,
  removeRangeEdit,
  setEdit,
} from '../../engine/types/list-type.ts'
import { stringElementBytes } from '../../engine/types/listpack-size.ts'
import type { KeyState } from './keyspace-check.ts'
import { expiringText } from './keyspace-check.ts'

/** A large hash begins early, and so does another leaf. */
export const leafBytesMax = 160
const packedFieldsMax = 6

interface ModelKey {
  value: string | Map<string, string> | string[]
  expireAt: number
}

/** What keys hold, by database as clients number them. Encodings are not the model's. */
export class KeyspaceModel {
  databases: Map<string, ModelKey>[] = Array.from({ length: databaseCount }, () => new Map())

  contents(): Map<string, Omit<KeyState, 'encoding'>> {
    const contents = new Map<string, Omit<KeyState, 'encoding'>>()
    for (const [number, database] of this.databases.entries()) {
      for (const [key, { value, expireAt }] of database) {
        const type = typeof value === 'string' ? stringType : Array.isArray(value) ? listType : hashType
        const length = value instanceof Map ? value.size : value.length
        const copy = value instanceof Map ? new Map([...value].sort()) : typeof value === 'string' ? value : [...value]
        contents.set(`${number}/${key}`, { type, expireAt, length, value: copy })
      }
    }
    return contents
  }
}

export function withoutEncodings(contents: ReadonlyMap<string, KeyState>): Map<string, Omit<KeyState, 'encoding'>> {
  return new Map([...contents].map(([key, { type, expireAt, length, value }]) => [key, { type, expireAt, length, value }]))
}

const db = fc.constantFrom<0 | 1 | 2>(0, 0, 0, 0, 1, 1, 2)
const key = fc.oneof(
  { weight: 9, arbitrary: fc.nat(12).map((n) => `key:${n}`) },
  { weight: 1, arbitrary: fc.constantFrom('', 'k'.repeat(400), 'l'.repeat(33_000), 'm'.repeat(66_000)) },
)
const text = fc.oneof(
  { weight: 8, arbitrary: fc.nat(60).map((n) => 'abcdefghij'.repeat(6).slice(0, n)) },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(3000), 'y'.repeat(33_000)) },
)
const field = fc.nat(25).map((n) => `f${n}`)
const expireAt = fc.constantFrom(0, 0, 5_000_000_000_000, 6_000_000_000_001)
const when = <T extends string>(what: T) => fc.constant(what)

export const mutation = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: when('put'), db, key, text, expireAt: fc.constantFrom(0, 0, keepTtl, 5_000_000_000_000) }) },
  { weight: 4, arbitrary: fc.record({ do: when('delete'), db, key }) },
  { weight: 4, arbitrary: fc.record({ do: when('expire'), db, key, expireAt }) },
  { weight: 4, arbitrary: fc.record({ do: when('append'), db, key, text }) },
  { weight: 2, arbitrary: fc.record({ do: when('setRange'), db, key, text, offset: fc.nat(80) }) },
  {
    weight: 10,
    arbitrary: fc.record({ do: when('hashSet'), db, key, fields: fc.array(fc.tuple(field, text), { minLength: 1, maxLength: 12 }) }),
  },
  { weight: 5, arbitrary: fc.record({ do: when('hashDelete'), db, key, fields: fc.array(field, { minLength: 1, maxLength: 12 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: when('hashExpire'), db, key, fields: fc.array(field, { minLength: 1, maxLength: 12 }), expireAt }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: when('push'), db, key, tail: fc.boolean(), elements: fc.array(text, { minLength: 1, maxLength: 8 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: when('pop'), db, key, tail: fc.boolean(), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ do: when('setElement'), db, key, rank: fc.nat(20), text }) },
  { weight: 2, arbitrary: fc.record({ do: when('insert'), db, key, rank: fc.nat(20), behind: fc.boolean(), text }) },
  { weight: 2, arbitrary: fc.record({ do: when('removeRange'), db, key, rank: fc.nat(20), count: fc.integer({ min: 1, max: 30 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: when('removeEach'), db, key, ranks: fc.uniqueArray(fc.nat(25), { minLength: 1, maxLength: 6 }) }),
  },
  { weight: 6, arbitrary: fc.record({ do: when('move'), db, key, toDb: db, to: key }) },
  { weight: 3, arbitrary: fc.record({ do: when('copy'), db, key, toDb: db, to: key }) },
  { weight: 1, arbitrary: fc.record({ do: when('flush'), db }) },
  { weight: 1, arbitrary: fc.record({ do: when('swap'), db, other: fc.constantFrom<0 | 1 | 2>(0, 1, 2) }) },
)
export type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

class Pairs implements FieldSource {
  readonly #pairs: readonly (readonly [Buffer, Buffer])[]

  constructor(pairs: readonly (readonly [string, string])[]) {
    this.#pairs = pairs.map(([name, value]) => [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')])
  }

  get count(): number {
    return this.#pairs.length
  }

  /** Field and value stand in one buffer, as the contract wants. */
  buffer(index: number): Buffer {
    return Buffer.concat(this.#pairs[index] as readonly Buffer[])
  }

  fieldStart(): number {
    return 0
  }

  fieldEnd(index: number): number {
    return (this.#pairs[index] as readonly [Buffer, Buffer])[0].length
  }

  valueStart(index: number): number {
    return this.fieldEnd(index)
  }

  valueEnd(index: number): number {
    const [name, value] = this.#pairs[index] as readonly [Buffer, Buffer]
    return name.length + value.length
  }
}

/** Does what a handler would: checks the type, then changes through the mutator. Both sides or none. */
export function mutate(keyspace: Keyspace, mutator: Mutator, model: KeyspaceModel, m: Mutation): void {
  const physical = keyspace.logical[m.db] as number
  const database = model.databases[m.db] as Map<string, ModelKey>
  keyspace.forgetLookUp()
  if (m.do === 'flush') {
    mutator.flush(physical)
    database.clear()
  } else if (m.do === 'swap') {
    mutator.swap(m.db, m.other)
    model.databases[m.db] = model.databases[m.other] as Map<string, ModelKey>
    model.databases[m.other] = database
  } else if (m.do === 'move' || m.do === 'copy') transfer(keyspace, mutator, model, m)
  else mutateKey(keyspace, mutator, database, physical, m)
}

/** Whole values under other keys: what RENAME, MOVE and COPY do. */
function transfer(keyspace: Keyspace, mutator: Mutator, model: KeyspaceModel, m: Extract<Mutation, { do: 'move' | 'copy' }>): void {
  const from = Buffer.from(m.key, 'latin1')
  const to = Buffer.from(m.to, 'latin1')
  const database = model.databases[m.db] as Map<string, ModelKey>
  const toDatabase = model.databases[m.toDb] as Map<string, ModelKey>
  const known = database.get(m.key)
  const ref = keyspace.find(keyspace.logical[m.db] as number, from, 0, from.length)
  if ((ref === 0) !== (known === undefined)) throw new Error(`${m.key}: there in one of keyspace and model only`)
  if (known === undefined || (m.db === m.toDb && m.key === m.to)) return
  const toDb = keyspace.logical[m.toDb] as number
  if (m.do === 'move') {
    mutator.move(ref, toDb, to, 0, to.length)
    toDatabase.set(m.to, known)
    database.delete(m.key)
    return
  }
  mutator.copy(ref, toDb, to, 0, to.length)
  const { value, expireAt } = known
  toDatabase.set(m.to, { value: typeof value === 'string' ? value : Array.isArray(value) ? [...value] : new Map(value), expireAt })
}

/** The form that a hash has once fields are set: what commands decide, in the rough. */
function formOf(keyspace: Keyspace, ref: number, fields: readonly (readonly [string, string])[]): HashForm {
  const { entries } = keyspace
  if (ref !== 0 && entries.isTree(ref)) return 0
  const before = ref === 0 ? 0 : entries.length(ref)
  if (before + fields.length <= packedFieldsMax && (ref === 0 || entries.encoding(ref) !== leafForm)) return 0
  const bytes = fields.reduce((sum, [name, text]) => sum + name.length + text.length + 8, before * 20)
  return bytes > leafBytesMax ? treeForm : leafForm
}

type KeyMutation = Exclude<Mutation, { do: 'flush' | 'swap' | 'move' | 'copy' }>

function mutateKey(keyspace: Keyspace, mutator: Mutator, database: Map<string, ModelKey>, physical: number, m: KeyMutation): void {
  const bytes = Buffer.from(m.key, 'latin1')
  const known = database.get(m.key)
  const ref = keyspace.find(physical, bytes, 0, bytes.length)
  if ((ref === 0) !== (known === undefined)) throw new Error(`${m.key}: there in one of keyspace and model only`)
  if (m.do === 'put') {
    const text = Buffer.from(m.text, 'latin1')
    mutator.putString(physical, bytes, 0, bytes.length, text, 0, text.length, m.expireAt)
    database.set(m.key, { value: m.text, expireAt: m.expireAt === keepTtl ? (known?.expireAt ?? 0) : m.expireAt })
  } else if (m.do === 'hashSet') {
    const value = known?.value ?? new Map<string, string>()
    if (typeof value === 'string' || Array.isArray(value)) return
    mutator.hashSet(physical, bytes, 0, bytes.length, new Pairs(m.fields), formOf(keyspace, ref, m.fields), m.fields.length)
    for (const [name, text] of m.fields) value.set(name, text)
    database.set(m.key, { value, expireAt: known?.expireAt ?? 0 })
  } else if (isListMutation(m)) mutateList(keyspace, mutator, database, physical, ref, m)
  else if (known === undefined) return
  else if (m.do === 'delete') {
    mutator.delete(physical, bytes, 0, bytes.length)
    database.delete(m.key)
  } else if (m.do === 'expire') {
    mutator.expire(ref, m.expireAt)
    known.expireAt = m.expireAt
  } else if (m.do === 'hashExpire') expireFields(mutator, known, physical, m)
  else mutateValue(mutator, database, known, ref, m)
}

/** In the model a value shows its expiry as contents do. */
function expireFields(mutator: Mutator, { value }: ModelKey, physical: number, m: Extract<KeyMutation, { do: 'hashExpire' }>): void {
  if (!(value instanceof Map) || !m.fields.some((name) => value.has(name))) return
  const key = Buffer.from(m.key, 'latin1')
  const payload = mutator.payload()
  payload.varint(m.fields.length)
  for (const name of m.fields) {
    const bytes = Buffer.from(name, 'latin1')
    payload.u48(m.expireAt)
    payload.range(bytes, 0, bytes.length)
  }
  mutator.edit(mutator.types.hashes, expireFieldsEdit, physical, key, 0, key.length)
  for (const name of m.fields) {
    const text = value.get(name)?.replace(/ until \d+$/, '')
    if (text !== undefined) value.set(name, expiringText(text, m.expireAt))
  }
}

function mutateValue(
  mutator: Mutator,
  database: Map<string, ModelKey>,
  known: ModelKey,
  ref: number,
  m: Extract<KeyMutation, { do: 'append' | 'setRange' | 'hashDelete' }>,
): void {
  const { value } = known
  if (m.do === 'hashDelete') {
    if (!(value instanceof Map) || !m.fields.some((name) => value.has(name))) return
    mutator.hashDelete(ref, new Pairs(m.fields.map((name) => [name, ''])))
    for (const name of m.fields) value.delete(name)
    if (value.size === 0) database.delete(m.key)
  } else if (typeof value !== 'string' || m.text === '') return
  else if (m.do === 'append') {
    const text = Buffer.from(m.text, 'latin1')
    mutator.append(ref, text, 0, text.length)
    known.value = value + m.text
  } else {
    const text = Buffer.from(m.text, 'latin1')
    mutator.setRange(ref, m.offset, text, 0, text.length)
    known.value = value.slice(0, m.offset).padEnd(m.offset, '\0') + m.text + value.slice(m.offset + m.text.length)
  }
}

const listMutations = ['push', 'pop', 'setElement', 'insert', 'removeRange', 'removeEach'] as const
type ListMutation = Extract<Mutation, { do: (typeof listMutations)[number] }>

function isListMutation(m: Mutation): m is ListMutation {
  return (listMutations as readonly string[]).includes(m.do)
}

/** Edits of lists, with the form that commands would choose. */
function mutateList(
  keyspace: Keyspace,
  mutator: Mutator,
  database: Map<string, ModelKey>,
  physical: number,
  ref: number,
  m: ListMutation,
): void {
  const known = database.get(m.key)
  const list = known?.value ?? []
  if (!Array.isArray(list) || (known === undefined && m.do !== 'push')) return
  const after = changedList(list, m)
  if (after === undefined) return
  const { entries } = keyspace
  const bytesAfter = after.reduce((sum, text) => sum + stringElementBytes(Buffer.from(text, 'latin1'), 0, text.length), 4)
  const form = bytesAfter > leafBytesMax && !(ref !== 0 && entries.isTree(ref)) ? becomesTree : 0
  const payload = mutator.payload()
  const element = (text: string): void => payload.range(Buffer.from(text, 'latin1'), 0, text.length)
  if (m.do === 'push') {
    payload.byte((m.tail ? atTail : 0) | form)
    payload.varint(m.elements.length)
    for (const text of m.elements) element(text)
  } else if (m.do === 'pop') {
    payload.byte(m.tail ? atTail : 0)
    payload.varint(m.count)
  } else if (m.do === 'setElement' || m.do === 'insert') {
    payload.byte((m.do === 'insert' && m.behind ? atTail : 0) | form)
    payload.varint(m.rank)
    element(m.text)
  } else if (m.do === 'removeRange') {
    payload.varint(m.rank)
    payload.varint(m.count)
  } else {
    const ranks = ranksIn(list, m.ranks)
    payload.varint(ranks.length)
    for (const [i, rank] of ranks.entries()) payload.varint(rank - (ranks[i - 1] ?? 0))
  }
  const bytes = Buffer.from(m.key, 'latin1')
  mutator.edit(mutator.types.lists, editNumbers[m.do], physical, bytes, 0, bytes.length)
  if (after.length === 0) database.delete(m.key)
  else database.set(m.key, { value: after, expireAt: known?.expireAt ?? 0 })
}

const editNumbers = {
  push: pushEdit,
  pop: popEdit,
  setElement: setEdit,
  insert: insertEdit,
  removeRange: removeRangeEdit,
  removeEach: removeEachEdit,
} as const

function ranksIn(list: readonly string[], ranks: readonly number[]): number[] {
  return ranks.filter((rank) => rank < list.length).sort((a, b) => a - b)
}

/** What an edit makes of a list; undefined when it would change nothing. */
function changedList(list: readonly string[], m: ListMutation): string[] | undefined {
  switch (m.do) {
    case 'push':
      return m.tail ? [...list, ...m.elements] : [...m.elements.toReversed(), ...list]
    case 'pop':
      return m.tail ? list.slice(0, Math.max(0, list.length - m.count)) : list.slice(m.count)
    case 'setElement':
      return m.rank < list.length ? list.with(m.rank, m.text) : undefined
    case 'insert':
      return m.rank < list.length ? list.toSpliced(m.behind ? m.rank + 1 : m.rank, 0, m.text) : undefined
    case 'removeRange':
      return m.rank < list.length ? list.toSpliced(m.rank, m.count) : undefined
    case 'removeEach': {
      const ranks = ranksIn(list, m.ranks)
      return ranks.length === 0 ? undefined : list.filter((_, rank) => !ranks.includes(rank))
    }
  }
}
