/** The examples of docs/formats/mutations.md are what the mutator writes, and replaying them comes to the same keyspace. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { rebuilt } from '../../engine/dump/restore-work.ts'
import { leafForm, packedForm, textString, treeForm } from '../../engine/keyspace/entries.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { keepTtl } from '../../engine/mutation/string-operations.ts'
import { expireFieldsEdit } from '../../engine/types/hash-type.ts'
import { chance } from '../chance.ts'

const page = readFileSync(new URL('../../docs/formats/mutations.md', import.meta.url), 'utf8')

describe('log records', () => {
  it('are as docs/formats/mutations.md says', () => {
    expect(records()).toEqual(examples())
  })

  it('replay to what they were made from', () => {
    const { keyspace, mutator } = engine()
    mutator.recording = false
    const replay = new Replay(keyspace, mutator)
    const made = examples().map((hex) => Buffer.from(hex, 'hex'))
    for (const [i, record] of made.slice(0, 2).entries()) replay.apply(i + 1, record)
    const ref = keyspace.find(0, Buffer.from('user:1'), 0, 6)
    expect(keyspace.entries.length(ref)).toBe('Ada L.'.length)
    expect(keyspace.entries.expireAt(ref)).toBe(1_700_000_000_000)
    expect(keyspace.entries.lsn(ref)).toBe(2)
    for (const [i, record] of made.entries()) replay.apply(i + 1, record)
    expect(keyspace.size).toBe(5)
    const root = (key: string, db: number): number => keyspace.entries.value(keyspace.find(db, Buffer.from(key), 0, key.length))
    expect(keyspace.expiring.fieldsDue(keyspace.find(3, Buffer.from('h'), 0, 1))).toBe(1_700_000_000_000)
    const { roots } = keyspace.trees
    expect([root('g', 0), root('h', 3)].map((each) => [roots.count(each), roots.seed(each)])).toEqual([
      [3, 0xc0ffee],
      [3, 0xc0ffee],
    ])
    expect(keyspace.entries.encoding(keyspace.find(0, Buffer.from('n'), 0, 1))).toBe(textString)
    expect([...keyspace.logical.subarray(0, 3)]).toEqual([1, 0, 2])
    expect(keyspace.databases[2]?.flushedLsn).toBe(8)
  })

  it('of another version or with an unknown operation are refused', () => {
    const { keyspace, mutator } = engine()
    const replay = new Replay(keyspace, mutator)
    expect(() => replay.apply(1, Buffer.from('03020001', 'hex'))).toThrow('log record of version 3: written by a newer')
    expect(() => replay.apply(1, Buffer.from('01020001', 'hex'))).toThrow('log record of version 1: written by an older')
    expect(() => replay.apply(1, Buffer.from('02630001610000', 'hex'))).toThrow('unknown operation 99')
    expect(() => replay.apply(1, Buffer.from('0202000661', 'hex'))).toThrow('record ends too early')
  })
})

function examples(): string[] {
  const block = page.split('```hex\n')[1]?.split('```')[0] as string
  return block
    .trim()
    .split('\n')
    .map((line) => (line.split('#')[0] as string).replaceAll(' ', ''))
}

function engine(): { keyspace: Keyspace; mutator: Mutator } {
  const random = chance()
  const keyspace = new Keyspace(random, noObserver)
  return { keyspace, mutator: new Mutator(keyspace) }
}

function records(): string[] {
  const { keyspace, mutator } = engine()
  const made: string[] = []
  const record = (work: () => void): void => {
    keyspace.forgetLookUp()
    mutator.begin(made.length + 1)
    work()
    made.push(mutator.record.bytes.toString('hex', 0, mutator.record.end))
  }
  const user = Buffer.from('user:1')
  const bytes = (text: string): [Buffer, number, number] => [Buffer.from(text), 0, text.length]
  const entry = () => keyspace.find(0, user, 0, user.length)
  record(() => mutator.putString(0, user, 0, 6, ...bytes('Ada'), 1_700_000_000_000))
  record(() => {
    mutator.append(entry(), ...bytes(' L.'))
    mutator.hashSet(0, ...bytes('h'), pairs(['a', '1'], ['b', '22']))
  })
  record(() => mutator.setRange(entry(), 300, ...bytes('x')))
  record(() => mutator.putString(3, ...bytes('k'), ...bytes(''), keepTtl))
  record(() => mutator.expire(entry(), 0))
  record(() => mutator.hashDelete(keyspace.find(0, ...bytes('h')), pairs(['a', ''])))
  record(() => mutator.deleteEntry(entry()))
  record(() => mutator.flush(2))
  record(() => mutator.swap(0, 1))
  record(() => mutator.setRange(mutator.putString(0, ...bytes('n'), ...bytes('4'), keepTtl), 0, ...bytes('')))
  record(() => mutator.hashSet(0, ...bytes('h'), pairs(['c', '3']), leafForm))
  record(() => mutator.hashSet(0, ...bytes('h'), pairs(['d', '4']), treeForm, 0xc0ffee))
  record(() => {
    const payload = mutator.payload()
    payload.varint(1)
    payload.u48(1_700_000_000_000)
    payload.range(...bytes('d'))
    mutator.edit(mutator.types.hashes, expireFieldsEdit, 0, ...bytes('h'))
  })
  record(() => mutator.copy(keyspace.find(0, ...bytes('h')), 0, ...bytes('g')))
  record(() => mutator.move(keyspace.find(0, ...bytes('h')), 3, ...bytes('h')))
  const dump = Buffer.from('04010161c031', 'hex')
  record(() => {
    const built = rebuilt({ keyspace, mutator, limits: undefined, form: packedForm, seed: 0 }, dump, 0, dump.length)
    mutator.restore(0, ...bytes('i'), built, 0, { bytes: dump, start: 0, end: dump.length })
  })
  return made
}

function pairs(...list: readonly (readonly [string, string])[]): FieldSource {
  return {
    count: list.length,
    buffer: (i) => Buffer.from((list[i] as readonly string[]).join('')),
    fieldStart: () => 0,
    fieldEnd: (i) => (list[i] as readonly [string, string])[0].length,
    valueStart: (i) => (list[i] as readonly [string, string])[0].length,
    valueEnd: (i) => (list[i] as readonly string[]).join('').length,
  }
}
