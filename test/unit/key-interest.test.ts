/** The table of interests behind a real mutator: who hears of which change, when, and in which order. */
import { describe, expect, it } from 'vitest'
import type { Interest, InterestedParty, KeyOfInterest } from '../../engine/keyspace/interested-party.ts'
import * as changes from '../../engine/keyspace/key-change.ts'
import type { KeyInterest } from '../../engine/keyspace/key-interest.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

const now = 1_700_000_000_000
const nameOf = new Map<number, string>(Object.entries(changes).map(([name, bit]) => [bit, name]))

/** Fields that all have the same value. */
function fields(names: readonly string[], value = ''): FieldSource {
  const text = (i: number): string => `${names[i]}${value}`
  return {
    count: names.length,
    buffer: (i) => Buffer.from(text(i)),
    fieldStart: () => 0,
    fieldEnd: (i) => text(i).length - value.length,
    valueStart: (i) => text(i).length - value.length,
    valueEnd: (i) => text(i).length,
  }
}

class Party implements InterestedParty {
  readonly waits: boolean
  readonly #name: string
  readonly #heard: string[]
  onTouched: (key: KeyOfInterest) => void = () => undefined

  constructor(name: string, waits: boolean, heard: string[]) {
    this.#name = name
    this.waits = waits
    this.#heard = heard
  }

  keyTouched(key: KeyOfInterest, change: number): void {
    this.#heard.push(`${this.#name} ${key.database}:${key.key} ${nameOf.get(change)}`)
    this.onTouched(key)
  }
}

class Fixture {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly interest: KeyInterest
  readonly heard: string[] = []
  #lsn = 0

  constructor(seed = 1) {
    const random = new SeededRandom(seed)
    this.keyspace = new Keyspace(random, noObserver)
    this.mutator = new Mutator(this.keyspace)
    this.interest = this.mutator.interest
    this.interest.now = now
  }

  party(name: string, waits = false): Party {
    return new Party(name, waits, this.heard)
  }

  register(key: string, party: InterestedParty, database = 0): Interest {
    return this.interest.register(database, Buffer.from(key), party)
  }

  /** The entry of a key in a physical database. */
  entry(key: string, db = 0): number {
    this.keyspace.forgetLookUp()
    return this.keyspace.find(db, Buffer.from(key), 0, Buffer.byteLength(key))
  }

  /** One operation of the mutator on a key, as a record. */
  change(work: (mutator: Mutator) => unknown): void {
    this.keyspace.forgetLookUp()
    this.mutator.begin(++this.#lsn)
    work(this.mutator)
  }

  put(name: string, expireAt = 0, db = 0): void {
    const key = Buffer.from(name)
    this.change((mutator) => mutator.putString(db, key, 0, key.length, key, 0, key.length, expireAt))
  }

  setField(name: string, field: string, value = 'v'): void {
    const key = Buffer.from(name)
    this.change((mutator) => mutator.hashSet(0, key, 0, key.length, fields([field], value)))
  }

  takeHeard(): string[] {
    return this.heard.splice(0)
  }
}

describe('each operation of the mutator tells its key', () => {
  const operations: readonly (readonly [string, (f: Fixture) => void, readonly string[]])[] = [
    ['a string put', (f) => f.put('k'), ['w 0:k valuePut']],
    ['a string put with an expiry, which moves the entry', (f) => f.put('k', now + 1), ['w 0:k valuePut']],
    ['an expiry', (f) => f.change((m) => m.expire(f.entry('k'), now + 5)), ['w 0:k expirySet']],
    ['an expiry taken away', (f) => f.change((m) => m.expire(f.entry('k'), 0)), ['w 0:k expirySet']],
    ['bytes appended', (f) => f.change((m) => m.append(f.entry('k'), Buffer.from('x'), 0, 1)), ['w 0:k valueEdited']],
    ['nothing appended', (f) => f.change((m) => m.append(f.entry('k'), Buffer.from('x'), 0, 0)), ['w 0:k valueEdited']],
    ['bytes overwritten', (f) => f.change((m) => m.setRange(f.entry('k'), 0, Buffer.from('x'), 0, 1)), ['w 0:k valueEdited']],
    ['an encoding marked', (f) => f.change((m) => m.setRange(f.entry('k'), 0, Buffer.from('x'), 0, 0)), []],
    ['a deletion', (f) => f.change((m) => m.deleteEntry(f.entry('k'))), ['w 0:k keyDeleted']],
    ['a deletion by name', (f) => f.change((m) => m.delete(0, Buffer.from('k'), 0, 1)), ['w 0:k keyDeleted']],
    ['a deletion of nothing', (f) => f.change((m) => m.delete(0, Buffer.from('none'), 0, 4)), []],
    ['an expired key deleted', (f) => f.change((m) => m.deleteEntry(f.entry('k'), changes.keyExpired)), ['w 0:k keyExpired']],
    ['a field set', (f) => f.setField('h', 'a'), ['w 0:h valueEdited']],
    ['a field deleted', (f) => f.change((m) => m.hashDelete(f.entry('h'), fields(['a']))), ['w 0:h valueEdited']],
    ['a field deleted that was not there', (f) => f.change((m) => m.hashDelete(f.entry('h'), fields(['x']))), []],
    [
      'the last fields deleted',
      (f) => f.change((m) => m.hashDelete(f.entry('h'), fields(['a', 'b']))),
      ['w 0:h valueEdited', 'w 0:h keyDeleted'],
    ],
    [
      'a value moved',
      (f) => f.change((m) => m.move(f.entry('k'), 0, Buffer.from('none'), 0, 4)),
      ['w 0:k valueMovedAway', 'w 0:none valueMovedHere'],
    ],
    [
      'a value moved to a key that exists',
      (f) => f.change((m) => m.move(f.entry('k'), 0, Buffer.from('h'), 0, 1)),
      ['w 0:h keyReplaced', 'w 0:k valueMovedAway', 'w 0:h valueMovedHere'],
    ],
    [
      'a value moved to another database',
      (f) => f.change((m) => m.move(f.entry('k'), 1, Buffer.from('k'), 0, 1)),
      ['w 0:k valueMovedAway', 'w 1:k valueMovedHere'],
    ],
    ['a flush', (f) => f.change((m) => m.flush(0)), ['w 0:k databaseFlushed', 'w 0:h databaseFlushed']],
    ['a flush of another database', (f) => f.change((m) => m.flush(1)), []],
    ['a key without interest', (f) => f.put('k2'), []],
    ['the same key in another database', (f) => f.put('h', 0, 1), []],
    ['another key of the same length', (f) => f.put('K'), []],
  ]
  for (const [title, work, expected] of operations) {
    it(title, () => {
      const f = new Fixture()
      f.put('k')
      f.setField('h', 'a')
      f.setField('h', 'b')
      const party = f.party('w')
      for (const key of ['k', 'h', 'none']) f.register(key, party)
      f.register('k', party, 1)
      work(f)
      expect(f.heard).toEqual(expected)
      expect(f.interest.hasPending).toBe(false)
    })
  }

  it('a value copied', () => {
    const f = new Fixture()
    f.setField('h', 'a', 'v'.repeat(100))
    f.register('copy', f.party('w'))
    f.change((mutator) => mutator.copy(f.entry('h'), 0, Buffer.from('copy'), 0, 4))
    expect(f.heard).toEqual(['w 0:copy valuePut'])
  })
})

describe('databases', () => {
  it('keep their interests by number when they change places: keys in either of them have changed', () => {
    const f = new Fixture()
    f.put('old')
    f.put('new', 0, 1)
    for (const key of ['old', 'new', 'neither']) f.register(key, f.party(key))
    f.register('new', f.party('other'), 1)
    f.register('old', f.party('third'), 2)
    f.change((mutator) => mutator.swap(0, 1))
    expect(f.takeHeard().sort()).toEqual(['new 0:new databaseSwapped', 'old 0:old databaseSwapped', 'other 1:new databaseSwapped'])
    // Database 0 lies where 1 lay before.
    f.put('neither', 0, 1)
    f.put('neither', 0, 0)
    expect(f.takeHeard()).toEqual(['neither 0:neither valuePut'])
    f.change((mutator) => mutator.flush(1))
    expect(f.takeHeard().sort()).toEqual(['neither 0:neither databaseFlushed', 'new 0:new databaseFlushed'])
  })

  it('are read again from disk: what was there or is there has changed, and interests go on', () => {
    const before = new Fixture()
    const after = new Fixture(2)
    before.put('gone')
    after.put('come')
    after.change((mutator) => mutator.swap(0, 3))
    after.put('come', 0, 3)
    for (const key of ['gone', 'come', 'neither']) before.register(key, before.party(key))
    expect(before.interest.isThere(before.interest.find(0, Buffer.from('gone')) as KeyOfInterest)).toBe(true)
    before.interest.moveTo(after.keyspace)
    after.mutator.interest = before.interest
    expect(before.takeHeard()).toEqual(['gone 0:gone dataReloaded', 'come 0:come dataReloaded'])
    after.put('neither', 0, 3)
    before.put('gone')
    expect(before.takeHeard()).toEqual(['neither 0:neither valuePut'])
    expect(before.interest.isThere(before.interest.find(0, Buffer.from('gone')) as KeyOfInterest)).toBe(false)
  })
})

describe('parties', () => {
  it('come and go; their memory is counted, and nobody left means nothing to tell', () => {
    const f = new Fixture()
    expect([f.interest.active, f.interest.bytes]).toEqual([0, 0])
    const first = f.register('k', f.party('a'))
    const one = f.interest.bytes
    const second = f.register('k', f.party('b'))
    expect(f.interest.active).toBe(2)
    expect(f.interest.bytes - one).toBeLessThan(one)
    expect(f.interest.find(0, Buffer.from('k'))).toBe(second.key)
    expect(f.interest.find(1, Buffer.from('k'))).toBeUndefined()
    f.interest.unregister(first)
    f.interest.unregister(first)
    f.put('k')
    expect(f.takeHeard()).toEqual(['b 0:k valuePut'])
    f.interest.unregister(second)
    expect([f.interest.active, f.interest.bytes, f.interest.find(0, Buffer.from('k'))]).toEqual([0, 0, undefined])
  })

  it('may be told apart where hashes collide', () => {
    const f = new Fixture()
    const hashes = new Map<number, string>()
    let pair: readonly string[] | undefined
    for (let i = 0; pair === undefined; i++) {
      const name = `key:${i}`
      const hash = f.keyspace.keyHash(Buffer.from(name), 0, name.length)
      const other = hashes.get(hash)
      if (other !== undefined) pair = [other, name]
      hashes.set(hash, name)
    }
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const interests = pair.map((name) => f.register(name, f.party(name)))
      for (const name of pair) f.put(name)
      expect(f.takeHeard()).toEqual(pair.map((name) => `${name} 0:${name} valuePut`))
      f.interest.unregister(interests[order[0]] as Interest)
      for (const name of pair) f.put(name)
      const left = pair[order[1]]
      expect(f.takeHeard()).toEqual([`${left} 0:${left} valuePut`])
      f.interest.unregister(interests[order[1]] as Interest)
    }
    expect(f.interest.bytes).toBe(0)
  })

  it('may leave while they are told, each other too', () => {
    const f = new Fixture()
    const parties = ['a', 'b', 'c', 'd'].map((name) => f.party(name))
    const interests = parties.map((party) => f.register('k', party))
    const leave = (...numbers: number[]): void => {
      for (const number of numbers) f.interest.unregister(interests[number] as Interest)
    }
    ;(parties[1] as Party).onTouched = () => leave(0, 1, 2)
    f.put('k')
    expect(f.takeHeard()).toEqual(['a 0:k valuePut', 'b 0:k valuePut', 'd 0:k valuePut'])
    ;(parties[3] as Party).onTouched = () => leave(3)
    f.put('k')
    expect([f.takeHeard(), f.interest.active]).toEqual([['d 0:k valuePut'], 0])
  })

  it('may leave during a flush, with all their keys', () => {
    const f = new Fixture()
    for (const key of ['a', 'b', 'c']) f.put(key)
    const party = f.party('w')
    const interests = ['a', 'b', 'c'].map((key) => f.register(key, party))
    party.onTouched = () => {
      for (const interest of interests) f.interest.unregister(interest)
    }
    f.change((mutator) => mutator.flush(0))
    expect([f.heard, f.interest.active]).toEqual([['w 0:a databaseFlushed'], 0])
  })
})

describe('parties that wait', () => {
  it('hear when the record is complete: changes in their order, parties in that of their arrival, each kind once, while the key is there', () => {
    const f = new Fixture()
    f.register('k', f.party('late', true))
    f.register('k', f.party('at once'))
    f.register('k', f.party('later', true))
    f.register('l', f.party('other', true))
    f.put('k')
    f.put('l')
    f.put('k')
    f.change((mutator) => mutator.deleteEntry(f.entry('k')))
    expect(f.takeHeard()).toEqual(['at once 0:k valuePut', 'at once 0:k valuePut', 'at once 0:k keyDeleted'])
    expect(f.interest.hasPending).toBe(true)
    f.interest.drain()
    expect(f.takeHeard()).toEqual(['late 0:k valuePut', 'other 0:l valuePut', 'late 0:k keyDeleted', 'later 0:k keyDeleted'])
    expect(f.interest.hasPending).toBe(false)
    f.interest.drain()
    expect(f.heard).toEqual([])
  })

  it('may change keys, leave and come meanwhile; those who come hear of later changes only', () => {
    const f = new Fixture()
    const [a, b, c] = [f.party('a', true), f.party('b', true), f.party('c', true)]
    const first = f.register('k', a)
    const second = f.register('k', b)
    f.register('l', c)
    a.onTouched = () => {
      f.interest.unregister(first)
      f.interest.unregister(second)
      f.register('k', f.party('new', true))
      f.put('l')
      f.interest.drain()
    }
    f.put('k')
    f.interest.drain()
    expect(f.takeHeard()).toEqual(['a 0:k valuePut', 'c 0:l valuePut'])
    f.put('k')
    f.interest.drain()
    expect(f.heard).toEqual(['new 0:k valuePut'])
  })

  it('hear nothing of a key that they have left', () => {
    const f = new Fixture()
    const interest = f.register('k', f.party('a', true))
    f.put('k')
    f.interest.unregister(interest)
    f.interest.drain()
    expect([f.heard, f.interest.hasPending]).toEqual([[], false])
  })
})

describe('the listener', () => {
  it('hears of every key at once, by the number of its database', () => {
    const f = new Fixture()
    f.interest.listener = {
      keyTouched: (database, key, start, end, change) =>
        f.heard.push(`${database}:${Buffer.from(key.subarray(start, end))} ${nameOf.get(change)}`),
      databaseTouched: (database, change) => f.heard.push(`${database} ${nameOf.get(change)}`),
      recorded: (lsn) => f.heard.push(`recorded ${lsn}`),
    }
    f.put('k')
    f.change((mutator) => mutator.swap(0, 2))
    f.put('l')
    f.change((mutator) => mutator.deleteEntry(f.entry('k')))
    f.change((mutator) => mutator.flush(0))
    expect(f.takeHeard()).toEqual([
      '0:k valuePut',
      '0 databaseSwapped',
      '2 databaseSwapped',
      '2:l valuePut',
      '2:k keyDeleted',
      '2 databaseFlushed',
    ])
    expect(f.interest.active).toBe(1)
    f.interest.listener = undefined
    f.put('k')
    expect([f.heard, f.interest.active]).toEqual([[], 0])
  })
})

describe('isThere', () => {
  it('takes an expired key for missing', () => {
    const f = new Fixture()
    f.put('stays')
    f.put('expires', now + 10)
    const keys = ['stays', 'expires', 'missing'].map((key) => f.register(key, f.party('w')).key)
    const are = (): boolean[] => keys.map((key) => f.interest.isThere(key))
    expect(are()).toEqual([true, true, false])
    f.interest.now = now + 11
    expect(are()).toEqual([true, false, false])
  })
})
