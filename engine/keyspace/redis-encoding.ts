/**
 * How Redis would hold a value: what OBJECT ENCODING and REFCOUNT say. Of a string in memory or of metadata alone; whether a
 * short string is an integer only its bytes can tell, so a cold one has to be fetched before.
 */
import { isInt64 } from '../integer.ts'
import { chunkedHash, ownIntegerFlag, packedHash, rawString, textString } from './entries.ts'
import type { Keyspace } from './keyspace.ts'

/** Strings up to this are `embstr` to Redis, and integers are not longer than the second. */
const embeddedBytesMax = 44
const integerBytesMax = 20
/** Redis keeps one object for each integer below this, and the references of such a one are not counted. */
const sharedIntegers = 10_000
const uncountedReferences = 2 ** 31 - 1

export function encodingName(keyspace: Keyspace, entry: number): string {
  const { entries, values } = keyspace
  const encoding = entries.encoding(entry)
  if (encoding === packedHash) return 'listpack'
  if (encoding === chunkedHash) return 'hashtable'
  const length = entries.length(entry)
  if (encoding === rawString || length > embeddedBytesMax) return 'raw'
  if (encoding === textString || length > integerBytesMax || !entries.isResident(entry)) return 'embstr'
  const value = entries.value(entry)
  const start = values.start(value)
  return isInt64(values.bytes(value), start, start + length) ? 'int' : 'embstr'
}

export function referenceCount(keyspace: Keyspace, entry: number): number {
  const { entries, values } = keyspace
  if (entries.flag(entry, ownIntegerFlag) || encodingName(keyspace, entry) !== 'int') return 1
  const value = entries.value(entry)
  const start = values.start(value)
  const integer = Number(values.bytes(value).toString('latin1', start, start + entries.length(entry)))
  return integer >= 0 && integer < sharedIntegers ? uncountedReferences : 1
}
