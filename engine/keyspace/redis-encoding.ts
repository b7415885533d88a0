/**
 * How Redis would hold a value: what OBJECT ENCODING and REFCOUNT say. Of a string in memory or of metadata alone; whether a
 * short string is an integer only its bytes can tell, so a cold one has to be fetched before.
 */

import type { Arguments } from '../arguments.ts'
import { wantValue } from '../cold-wants.ts'
import { isInt64 } from '../integer.ts'
import type { ColdWants } from '../need.ts'
import {
  hashType,
  integersForm,
  listType,
  ownIntegerFlag,
  packedForm,
  plainString,
  rawString,
  setType,
  sortedSetType,
  streamType,
  stringType,
  textString,
} from './entries.ts'
import type { Keyspace } from './keyspace.ts'

/** Strings up to this are `embstr` to Redis, and integers are not longer than the second. */
const embeddedBytesMax = 44
const integerBytesMax = 20
/** Redis keeps one object for each integer below this, and the references of such a one are not counted. */
const sharedIntegers = 10_000
const uncountedReferences = 2 ** 31 - 1

/** By type, for the form of a collection. */
const collectionEncodings: readonly (((form: number) => string) | undefined)[] = (() => {
  const names: ((form: number) => string)[] = []
  names[hashType] = (form) => (form === packedForm ? 'listpack' : 'hashtable')
  names[listType] = () => 'quicklist'
  names[setType] = (form) => (form === integersForm ? 'intset' : 'hashtable')
  names[sortedSetType] = (form) => (form === packedForm ? 'listpack' : 'skiplist')
  names[streamType] = () => 'stream'
  return names
})()

export function encodingName(keyspace: Keyspace, entry: number): string {
  const { entries, values } = keyspace
  const encoding = entries.encoding(entry)
  const nameOf = collectionEncodings[entries.type(entry)]
  if (nameOf !== undefined) return nameOf(encoding)
  const length = entries.length(entry)
  if (encoding === rawString || length > embeddedBytesMax) return 'raw'
  if (encoding === textString || length > integerBytesMax) return 'embstr'
  const value = entries.value(entry)
  const start = values.start(value)
  return isInt64(values.bytes(value), start, start + length) ? 'int' : 'embstr'
}

/** Wants the bytes of a string that may be an integer. */
export function wantsDigits(keyspace: Keyspace, entry: number, _args: Arguments, _keyIndex: number, wants: ColdWants): void {
  const { entries } = keyspace
  const mayBeInteger = entries.type(entry) === stringType && entries.encoding(entry) === plainString
  if (mayBeInteger && entries.length(entry) <= integerBytesMax) wantValue(keyspace, entry, wants)
}

export function referenceCount(keyspace: Keyspace, entry: number): number {
  const { entries, values } = keyspace
  if (entries.flag(entry, ownIntegerFlag) || encodingName(keyspace, entry) !== 'int') return 1
  const value = entries.value(entry)
  const start = values.start(value)
  const integer = Number(values.bytes(value).toString('latin1', start, start + entries.length(entry)))
  return integer >= 0 && integer < sharedIntegers ? uncountedReferences : 1
}
