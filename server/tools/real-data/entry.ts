/** Real data as a server takes it: an entry is what is written by one request, or by one transaction, and how it is found again. */

/** A request as words. */
export type Words = readonly [string, ...string[]]

/** How an entry is found again: as written, not at all, or as it never was. */
export type Found = 'whole' | 'absent' | 'different'

/** One value of one type under one key; `values` are a text, `field, value, …`, members, `score, member, …`, or `longitude, latitude, member, …`. */
export interface Part {
  readonly kind: Kind
  readonly key: string
  readonly values: readonly string[]
}

export type Kind = 'string' | 'hash' | 'set' | 'sorted set' | 'positions'

export interface DataEntry {
  /** Names the entry, and is the key of its first part. */
  readonly key: string
  /** What is there when the entry is, and not there when it is not. */
  readonly parts: readonly Part[]
  /** What is counted or noted in the same transaction and cannot be looked up entry by entry. */
  readonly effects?: readonly Words[]
}

/** How a type is written and asked for. The answer is judged value by value: what should be there beside what is. */
interface KindOfPart {
  readonly store: string
  readonly look: string
  /** Names what is asked for; none for a key that has one value. */
  asked(values: readonly string[]): readonly string[]
  /** What the answer should be, flat. */
  expected(values: readonly string[]): readonly string[]
}

const every = (step: number, offset: number) => (values: readonly string[]) => values.filter((_, i) => i % step === offset)

const kinds: Readonly<Record<Kind, KindOfPart>> = {
  string: { store: 'SET', look: 'GET', asked: () => [], expected: (values) => values },
  hash: { store: 'HSET', look: 'HMGET', asked: every(2, 0), expected: every(2, 1) },
  set: { store: 'SADD', look: 'SMISMEMBER', asked: (values) => values, expected: (values) => values.map(() => '1') },
  'sorted set': { store: 'ZADD', look: 'ZMSCORE', asked: every(2, 1), expected: every(2, 0) },
  positions: { store: 'GEOADD', look: 'GEOPOS', asked: every(3, 2), expected: (values) => values.filter((_, i) => i % 3 !== 2) },
}

/** An entry that is one value under one key. */
export function entryOf(kind: Kind, key: string, values: readonly string[]): DataEntry {
  return { key, parts: [{ kind, key, values }] }
}

/** The requests that store an entry; several belong into one transaction. */
export function storingRequests(entry: DataEntry): readonly Words[] {
  const stores = entry.parts.map(({ kind, key, values }): Words => [kinds[kind].store, key, ...values])
  return entry.effects === undefined ? stores : [...stores, ...entry.effects]
}

/** The request that looks a part up. */
export function lookingRequest({ kind, key, values }: Part): Words {
  return [kinds[kind].look, key, ...kinds[kind].asked(values)]
}

/** Judges the reply to `lookingRequest`. Positions come back in steps of less than a metre; all else comes back as it was written. */
export function judge({ kind, values }: Part, reply: unknown): Found {
  const found = [reply].flat(2)
  if (found.every((value) => value === null || (kind === 'set' && value === 0))) return 'absent'
  const expected = kinds[kind].expected(values)
  const close = (value: unknown, i: number) => Math.abs(Number(value) - Number(expected[i])) < 1e-4
  const equal = (value: unknown, i: number) => (kind === 'positions' ? close(value, i) : String(value) === expected[i])
  return found.length === expected.length && found.every(equal) ? 'whole' : 'different'
}

/** A package that the data comes from is not installed. */
export class DataMissing extends Error {
  override readonly name = 'DataMissing'
  constructor(packageName: string) {
    super(`the package ${packageName} is not installed: run "npm install" in the project's folder (it is a development dependency)`)
  }
}

/** Imports a package that may be missing. */
export async function fromPackage<T>(packageName: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') throw new DataMissing(packageName)
    throw failure
  }
}
