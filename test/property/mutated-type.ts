/** The form in which a type joins random mutations: what is drawn, and what that makes of a value. One file in `mutated-types/` for each type. */
import fc from 'fast-check'
import type { TypeNumber } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import type { RecordBuffer } from '../../engine/mutation/record-buffer.ts'
import type { CollectionType } from '../../engine/types/collection-type.ts'
import type { KeyState } from './keyspace-check.ts'

/** A large collection begins early, and so does another leaf. */
export const leafBytesMax = 160
/** Up to so many elements a collection may be packed as Redis packs it. */
export const packedElementsMax = 6

/** What is drawn for the mutations of a type, by their names. */
export type Choices = Readonly<Record<string, { readonly weight: number; readonly drawn: Readonly<Record<string, fc.Arbitrary<unknown>>> }>>

/** The mutations that some choices make: names do not repeat among types. */
export type MutationOf<C> = C extends Choices
  ? {
      [Name in keyof C & string]: { readonly do: Name; readonly db: 0 | 1 | 2; readonly key: string } & {
        readonly [Part in keyof C[Name]['drawn']]: C[Name]['drawn'][Part] extends fc.Arbitrary<infer T> ? T : never
      }
    }[keyof C & string]
  : never

/** A key that is to change. */
export interface Target {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  /** The physical database. */
  readonly db: number
  readonly key: Buffer
  /** 0 while there is no such key. */
  readonly entry: number
}

/** `V` is what the model has for a value. It never changes. */
export interface MutatedType<V, C extends Choices> {
  readonly number: TypeNumber
  readonly choices: C
  /** Changes a value, undefined while there is none, through the mutator. Returns what it is then: the same if nothing was to be changed, undefined if the key goes. */
  change(target: Target, value: V | undefined, mutation: MutationOf<C>): V | undefined
  readonly length: (value: V) => number
  /** The value as `keyspace-check.ts` reads it from a keyspace. */
  readonly shown: (value: V) => KeyState['value']
}

export const text = fc.oneof(
  { weight: 8, arbitrary: fc.nat(60).map((n) => 'abcdefghij'.repeat(6).slice(0, n)) },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(3000), 'y'.repeat(33_000)) },
)
export const member = fc.oneof(
  { weight: 3, arbitrary: fc.nat(25).map((n) => `m${n}${'-'.repeat(n)}`) },
  { weight: 2, arbitrary: fc.nat(12).map(String) },
)
/** Ranks of elements, some beyond the last. */
export const ranks = fc.uniqueArray(fc.nat(25), { minLength: 1, maxLength: 6 })
/** When keys and fields expire: late, or never. */
export const expireAt = fc.constantFrom(0, 0, 5_000_000_000_000, 6_000_000_000_001)

/** A few of something. */
export function few<T>(of: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> {
  return fc.array(of, { minLength: 1, maxLength })
}

/** Edits the target as `write` says. */
export function edit({ mutator, db, key }: Target, type: CollectionType, number: number, write: (payload: RecordBuffer) => void): void {
  write(mutator.payload())
  mutator.edit(type, number, db, key, 0, key.length)
}

export function bytesOf(content: string): Buffer {
  return Buffer.from(content, 'latin1')
}

export function putText(payload: RecordBuffer, content: string): void {
  const bytes = bytesOf(content)
  payload.range(bytes, 0, bytes.length)
}

/** The encoding of the target's value, 0 if it has none. */
export function formOf({ keyspace, entry }: Target): number {
  return entry === 0 ? 0 : keyspace.entries.encoding(entry)
}

/** Those of some ranks that a list of elements has, in order. */
export function ranksIn(length: number, some: readonly number[]): number[] {
  return some.filter((rank) => rank < length).sort((a, b) => a - b)
}
