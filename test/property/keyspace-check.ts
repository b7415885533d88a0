/** What must hold in a keyspace at any time between two requests, and its contents in comparable form. */
import { fieldsExpireFlag, hashType, listType, sortedSetType, streamType, stringType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { databaseCount } from '../../engine/keyspace/keyspace.ts'
import { packedHeaderBytes, usedBytes } from '../../engine/memory/packed-bytes.ts'
import { HashTrees } from '../../engine/types/hash-tree.ts'
import { visitElements } from '../../engine/types/list-leaf.ts'
import { visitForwards } from '../../engine/types/list-walk.ts'
import { PackedCursor, readPair } from '../../engine/types/packed-fields.ts'
import { shownValue } from './shown-value.ts'

/**
 * One key as a client would find it: type, encoding, expiry and value. `undefined` for a value that is cold; strings, hashes and lists are as they are, all
 * others lines of their dump.
 */
export interface KeyState {
  readonly type: number
  readonly encoding: number
  readonly expireAt: number
  readonly length: number
  readonly value: string | ReadonlyMap<string, string> | readonly string[] | undefined
}

export function keyOf(keyspace: Keyspace, ref: number): string {
  const start = keyspace.entries.keyStart(ref)
  return keyspace.arena.bytes(ref).toString('latin1', start, start + keyspace.entries.keyLength(ref))
}

export function stateOf(keyspace: Keyspace, ref: number): KeyState {
  const { entries } = keyspace
  return {
    type: entries.type(ref),
    encoding: entries.encoding(ref),
    expireAt: entries.expireAt(ref),
    length: entries.length(ref),
    value: valueAt(keyspace, ref),
  }
}

/** A field's value with its expiry, as contents show it. */
export function expiringText(value: string, expireAt: number): string {
  return expireAt === 0 ? value : `${value} until ${expireAt}`
}

function valueAt(keyspace: Keyspace, ref: number): KeyState['value'] {
  const { entries, values, trees } = keyspace
  if (entries.type(ref) === listType) return listAt(keyspace, ref)
  if (entries.type(ref) !== stringType && entries.type(ref) !== hashType) return linesAt(keyspace, ref)
  const fields = new Map<string, string>()
  const add = (bytes: Buffer, pair: PackedCursor): void => {
    const name = bytes.toString('latin1', pair.fieldStart, pair.fieldEnd)
    if (fields.has(name)) throw new Error(`field ${name} is there twice`)
    fields.set(name, expiringText(bytes.toString('latin1', pair.valueStart, pair.valueEnd), pair.expireAt))
    const due = keyspace.expiring.fieldsDue(ref)
    if (pair.expireAt !== 0 && (due === 0 || due > pair.expireAt)) throw new Error(`field ${name} expires before the hash is looked at`)
  }
  if (entries.isTree(ref)) {
    const root = entries.value(ref)
    if (trees.roots.coldLeaves(root) > 0) return undefined
    new HashTrees(trees).scan(root, 0, Number.MAX_SAFE_INTEGER, add)
    return new Map([...fields].sort())
  }
  if (!entries.isResident(ref)) return undefined
  const value = entries.value(ref)
  const bytes = values.bytes(value)
  const start = values.start(value)
  if (entries.type(ref) === stringType) return bytes.toString('latin1', start, start + entries.length(ref))
  const pair = new PackedCursor()
  for (let at = start + packedHeaderBytes; at < start + usedBytes(bytes, start); at = pair.next) {
    readPair(bytes, at, pair)
    add(bytes, pair)
  }
  return new Map([...fields].sort())
}

function linesAt(keyspace: Keyspace, ref: number): KeyState['value'] {
  const { entries, trees } = keyspace
  if (entries.isTree(ref) ? trees.roots.coldLeaves(entries.value(ref)) > 0 : !entries.isResident(ref)) return undefined
  return shownValue(keyspace, ref).lines
}

function listAt(keyspace: Keyspace, ref: number): KeyState['value'] {
  const { entries, trees } = keyspace
  if (entries.isTree(ref) ? trees.roots.coldLeaves(entries.value(ref)) > 0 : !entries.isResident(ref)) return undefined
  const elements: string[] = []
  visitForwards(keyspace, ref, 0, Number.MAX_SAFE_INTEGER, (bytes, start, end) => {
    elements.push(bytes.toString('latin1', start, end))
    return true
  })
  return elements
}

/** All keys, as `database/key`; databases as clients number them. */
export function contentsOf(keyspace: Keyspace): Map<string, KeyState> {
  const contents = new Map<string, KeyState>()
  for (let number = 0; number < databaseCount; number++) {
    for (const ref of entriesOf(keyspace, keyspace.logical[number] as number))
      contents.set(`${number}/${keyOf(keyspace, ref)}`, stateOf(keyspace, ref))
  }
  return contents
}

export function entriesOf(keyspace: Keyspace, db: number): number[] {
  const refs: number[] = []
  keyspace.databases[db]?.index.scan(0, Number.MAX_SAFE_INTEGER, (ref) => refs.push(ref))
  return refs
}

/** Throws when something points to the wrong place or is counted wrongly. */
export function checkKeyspace(keyspace: Keyspace): void {
  const { entries, databases } = keyspace
  let cold = 0
  for (let db = 0; db < databaseCount; db++) {
    const refs = entriesOf(keyspace, db)
    const expiring = new Set<number>()
    let keys = 0
    const { index, expiring: list } = databases[db] as (typeof databases)[number]
    for (let position = 0; position < list.length; position++) {
      const ref = list.at(position)
      const fieldsExpire = entries.flag(ref, fieldsExpireFlag)
      if (fieldsExpire !== (list.fieldsDue(position) !== 0)) throw new Error('the list says wrongly whether fields of a hash expire')
      if (entries.ttlPosition(ref) !== position || (entries.expireAt(ref) === 0 && !fieldsExpire))
        throw new Error('the list of what expires is wrong')
      expiring.add(ref)
      if (entries.expireAt(ref) !== 0) keys++
    }
    if (list.keys !== keys) throw new Error(`${list.keys} keys that expire are counted, ${keys} are there`)
    if (index.size !== refs.length) throw new Error(`${index.size} keys are counted, ${refs.length} are there`)
    for (const ref of refs) {
      checkEntry(keyspace, db, ref)
      if (expiring.has(ref) !== (entries.expireAt(ref) !== 0 || entries.flag(ref, fieldsExpireFlag)))
        throw new Error('a key that expires is not in the list, or another is')
      if (!entries.isResident(ref)) cold++
    }
    if (!refs.some((ref) => expiring.has(ref)) && expiring.size > 0) throw new Error('the list holds keys of nowhere')
  }
  if (keyspace.coldCount < cold || (keyspace.coldCount > cold && !wasFlushed(keyspace)))
    throw new Error(`${keyspace.coldCount} cold values are counted, ${cold} are there`)
}

/** Then cold values that nobody can find may still wait to be released. */
function wasFlushed(keyspace: Keyspace): boolean {
  return keyspace.databases.some((database) => database.flushedLsn > 0)
}

function checkEntry(keyspace: Keyspace, db: number, ref: number): void {
  const { entries, values, arena } = keyspace
  if (!entries.isLive(ref) || entries.db(ref) !== db) throw new Error('a dead entry, or one of another database, is in the index')
  const start = entries.keyStart(ref)
  const key = Buffer.from(arena.bytes(ref).subarray(start, start + entries.keyLength(ref)))
  keyspace.forgetLookUp()
  if (keyspace.find(db, key, 0, key.length) !== ref) throw new Error(`${key} is not found where it is`)
  keyspace.forgetLookUp()
  if (keyspace.isDetached(ref)) throw new Error(`${key} counts as flushed`)
  if (entries.isTree(ref)) {
    const { roots } = keyspace.trees
    const root = entries.value(ref)
    if (roots.owner(root) !== ref) throw new Error(`${key}: the collection is another's`)
    const places = entries.type(ref) === sortedSetType ? 2 : 1
    // A stream's tree also holds what its groups know.
    const isRight =
      entries.type(ref) === streamType ? roots.count(root) >= entries.length(ref) : roots.count(root) === places * entries.length(ref)
    if (!isRight) throw new Error(`${key}: ${entries.length(ref)} elements, but the tree has ${roots.count(root)}`)
  } else if (entries.isResident(ref)) {
    const value = entries.value(ref)
    if (!values.isLive(value) || values.owner(value) !== ref || values.isLeaf(value)) throw new Error(`${key}: the value is another's`)
    if (entries.type(ref) === hashType) {
      const fields = valueAt(keyspace, ref) as ReadonlyMap<string, string>
      if (fields.size !== entries.length(ref) || fields.size === 0) throw new Error(`${key}: the number of fields is wrong`)
    } else if (entries.type(ref) === listType) {
      let count = 0
      visitElements(values.bytes(value), values.start(value), () => ++count > 0)
      if (count !== entries.length(ref) || count === 0) throw new Error(`${key}: the number of elements is wrong`)
    } else if (entries.type(ref) === stringType) {
      if (values.room(value) < entries.length(ref)) throw new Error(`${key}: the value does not fit its slot`)
    } else if (shownValue(keyspace, ref).elements !== entries.length(ref)) throw new Error(`${key}: the number of elements is wrong`)
  }
}
