/** Random mutations, applied to a keyspace through the mutator and to a model of maps. Keys and limits are few and small. A type joins as a row of `types`. */
import fc from 'fast-check'
import { footerBytes } from '../../engine/dump/dump-footer.ts'
import { writeDump } from '../../engine/dump/dump-work.ts'
import { RestoreWork } from '../../engine/dump/restore-work.ts'
import { defaultEngineLimits } from '../../engine/engine-limits.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { databaseCount } from '../../engine/keyspace/keyspace.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import { keepTtl } from '../../engine/mutation/mutator.ts'
import type { KeyState } from './keyspace-check.ts'
import type { Choices, MutatedType, MutationOf, Target } from './mutated-type.ts'
import { bytesOf, expireAt, text } from './mutated-type.ts'
import { hashMutations } from './mutated-types/hash-mutations.ts'
import { listMutations } from './mutated-types/list-mutations.ts'
import { setMutations } from './mutated-types/set-mutations.ts'
import { sortedSetMutations } from './mutated-types/sorted-set-mutations.ts'
import { streamMutations } from './mutated-types/stream-mutations.ts'
import { stringMutations } from './mutated-types/string-mutations.ts'

const types = [stringMutations, hashMutations, listMutations, setMutations, sortedSetMutations, streamMutations] as const
type TypesMutation = MutationOf<(typeof types)[number]['choices']>

type AnyType = MutatedType<unknown, Choices>
const rows = types as unknown as readonly AnyType[]
const rowOf: ReadonlyMap<string, AnyType> = new Map(rows.flatMap((row) => Object.keys(row.choices).map((name) => [name, row])))

interface ModelKey {
  readonly row: AnyType
  readonly value: unknown
  readonly expireAt: number
}

/** What keys hold, by database as clients number them. Encodings are not the model's. */
export class KeyspaceModel {
  readonly databases: Map<string, ModelKey>[]

  constructor(databases?: readonly ReadonlyMap<string, ModelKey>[]) {
    this.databases = Array.from({ length: databaseCount }, (_, i) => new Map(databases?.[i]))
  }

  copy(): KeyspaceModel {
    return new KeyspaceModel(this.databases)
  }

  contents(): Map<string, Omit<KeyState, 'encoding'>> {
    const contents = new Map<string, Omit<KeyState, 'encoding'>>()
    for (const [number, database] of this.databases.entries()) {
      for (const [key, { row, value, expireAt }] of database)
        contents.set(`${number}/${key}`, { type: row.number, expireAt, length: row.length(value), value: row.shown(value) })
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
const other = { toDb: db, to: key }

/** On keys of any type. */
const keyChoices = {
  put: { weight: 8, drawn: { text, expireAt: fc.constantFrom(0, 0, keepTtl, 5_000_000_000_000) } },
  delete: { weight: 4, drawn: {} },
  expire: { weight: 4, drawn: { expireAt } },
  move: { weight: 6, drawn: other },
  copy: { weight: 3, drawn: other },
  restore: { weight: 3, drawn: other },
}
type KeyMutation = MutationOf<typeof keyChoices>
type Transfer = Extract<KeyMutation, { toDb: number }>
type DatabaseMutation =
  | { readonly do: 'flush'; readonly db: 0 | 1 | 2 }
  | { readonly do: 'swap'; readonly db: 0 | 1 | 2; readonly other: 0 | 1 | 2 }

export type Mutation = TypesMutation | KeyMutation | DatabaseMutation

function arbitrariesOf(choices: Choices): { weight: number; arbitrary: fc.Arbitrary<Mutation> }[] {
  return Object.entries(choices).map(([name, { weight, drawn }]) => ({
    weight,
    arbitrary: fc.record({ do: fc.constant(name), db, key, ...drawn }) as unknown as fc.Arbitrary<Mutation>,
  }))
}

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  ...arbitrariesOf(keyChoices),
  ...rows.flatMap(({ choices }) => arbitrariesOf(choices)),
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const), db }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('swap' as const), db, other: fc.constantFrom<0 | 1 | 2>(0, 1, 2) }) },
)

/** Does what a handler would: checks the type, then changes through the mutator. Both sides or none. */
export function mutate(keyspace: Keyspace, mutator: Mutator, model: KeyspaceModel, m: Mutation): void {
  const physical = keyspace.logical[m.db] as number
  const database = model.databases[m.db] as Map<string, ModelKey>
  keyspace.forgetLookUp()
  if (m.do === 'flush') {
    mutator.flush(physical)
    database.clear()
    return
  }
  if (m.do === 'swap') {
    mutator.swap(m.db, m.other)
    model.databases[m.db] = model.databases[m.other] as Map<string, ModelKey>
    model.databases[m.other] = database
    return
  }
  const bytes = bytesOf(m.key)
  const known = database.get(m.key)
  const entry = keyspace.find(physical, bytes, 0, bytes.length)
  if ((entry === 0) !== (known === undefined)) throw new Error(`${m.key}: there in one of keyspace and model only`)
  const target = { keyspace, mutator, db: physical, key: bytes, entry }
  if (isOnAnyType(m)) mutateKey(target, model, known, m)
  else editValue(target, database, known, m)
}

function isOnAnyType(m: Exclude<Mutation, DatabaseMutation>): m is KeyMutation {
  return m.do in keyChoices
}

function editValue(target: Target, database: Map<string, ModelKey>, known: ModelKey | undefined, m: TypesMutation): void {
  const row = rowOf.get(m.do) as AnyType
  if (known !== undefined && known.row !== row) return
  const value = row.change(target, known?.value, m)
  if (value === undefined) database.delete(m.key)
  else database.set(m.key, { row, value, expireAt: known?.expireAt ?? 0 })
}

function mutateKey(
  { mutator, db: physical, key: bytes, entry }: Target,
  model: KeyspaceModel,
  known: ModelKey | undefined,
  m: KeyMutation,
): void {
  const database = model.databases[m.db] as Map<string, ModelKey>
  if (m.do === 'put') {
    const value = bytesOf(m.text)
    mutator.putString(physical, bytes, 0, bytes.length, value, 0, value.length, m.expireAt)
    const until = m.expireAt === keepTtl ? (known?.expireAt ?? 0) : m.expireAt
    database.set(m.key, { row: stringMutations as unknown as AnyType, value: m.text, expireAt: until })
  } else if (known === undefined) return
  else if (m.do === 'delete') {
    mutator.delete(physical, bytes, 0, bytes.length)
    database.delete(m.key)
  } else if (m.do === 'expire') {
    mutator.expire(entry, m.expireAt)
    database.set(m.key, { ...known, expireAt: m.expireAt })
  } else if (m.db !== m.toDb || m.key !== m.to) transfer(mutator, model, known, entry, m)
}

/** Whole values under other keys: what RENAME, MOVE, COPY and RESTORE do. */
function transfer(mutator: Mutator, model: KeyspaceModel, known: ModelKey, entry: number, m: Transfer): void {
  const to = bytesOf(m.to)
  const toDb = mutator.keyspace.logical[m.toDb] as number
  const target = model.databases[m.toDb] as Map<string, ModelKey>
  if (m.do === 'restore') {
    restore(mutator, entry, toDb, to)
    target.set(m.to, { ...known, expireAt: 0 })
    return
  }
  if (m.do === 'move') mutator.move(entry, toDb, to, 0, to.length)
  else mutator.copy(entry, toDb, to, 0, to.length)
  target.set(m.to, known)
  if (m.do === 'move') model.databases[m.db]?.delete(m.key)
}

function restore(mutator: Mutator, entry: number, toDb: number, to: Buffer): void {
  const { keyspace } = mutator
  const written = writeDump(keyspace, entry)
  const dump = Buffer.from(written.bytes.subarray(0, written.end))
  const work = new RestoreWork({ keyspace, mutator, limits: defaultEngineLimits, form: 0, seed: 1 }, dump, 0, dump.length)
  work.finishAll()
  const { string } = work
  if (string !== undefined) mutator.putString(toDb, to, 0, to.length, string.bytes, string.start, string.end, 0)
  else mutator.restore(toDb, to, 0, to.length, work.take(), 0, { bytes: dump, start: 0, end: dump.length - footerBytes })
}
