/** What transcripts cannot show of the commands on keys: walks over many keys, what is logged and what is not, what a reply waits for. */
import { describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { treeForm, valueDirtyFlag } from '../../engine/keyspace/entries.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { formatInline } from '../commands/notation.ts'
import type { AggregateReply, Reply, ScalarReply } from '../commands/resp-decoder.ts'

const tables = { ...stringCommands, ...bitmapCommands, ...keyCommands }

function texts(reply: Reply | undefined): string[] {
  return (reply as AggregateReply).items.map((item) => (item as ScalarReply).text.toString('latin1'))
}

function walk(session: InProcessSession, options: string, between: () => void = () => undefined): string[] {
  const found: string[] = []
  let cursor = '0'
  do {
    const [next, keys] = (session.ask(...`SCAN ${cursor} ${options}`.trim().split(' ')) as AggregateReply).items
    cursor = (next as ScalarReply).text.toString()
    found.push(...texts(keys))
    between()
  } while (cursor !== '0')
  return found
}

/** A hash of `count` fields under the key `h`, without a command: fields `f0`… with values `v0`…. */
function makeHash(engine: InProcessEngine, count: number): void {
  const bytes = Buffer.from(
    Array.from({ length: count }, (_, i) => `f${String(i).padStart(7, '0')}v${String(i).padStart(7, '0')}`).join(''),
  )
  const pairs: FieldSource = {
    count,
    buffer: () => bytes,
    fieldStart: (i) => i * 16,
    fieldEnd: (i) => i * 16 + 8,
    valueStart: (i) => i * 16 + 8,
    valueEnd: (i) => i * 16 + 16,
  }
  engine.mutator.begin(1)
  engine.mutator.hashSet(0, Buffer.from('h'), 0, 1, pairs, treeForm, 77)
  engine.keyspace.forgetLookUp()
}

/** All fields of a large hash with their values. */
function largeHash(engine: InProcessEngine, db: number, key: string): Map<string, string> {
  const { keyspace } = engine
  keyspace.forgetLookUp()
  const entry = keyspace.find(db, Buffer.from(key), 0, key.length)
  expect(keyspace.entries.encoding(entry)).toBe(treeForm)
  const fields = new Map<string, string>()
  engine.execution.hashTrees.scan(keyspace.entries.value(entry), 0, Number.MAX_SAFE_INTEGER, (bytes, pair) => {
    fields.set(bytes.toString('latin1', pair.fieldStart, pair.fieldEnd), bytes.toString('latin1', pair.valueStart, pair.valueEnd))
  })
  return fields
}

describe('SCAN', () => {
  it('meets every key that stays, while others come and go', () => {
    const session = new InProcessEngine(tables).connect()
    for (let i = 0; i < 5000; i++) session.ask('SET', `stays:${i}`, i)
    let round = 0
    const found = new Set(
      walk(session, 'COUNT 50', () => {
        round++
        for (let i = 0; i < 100; i++) session.ask('SET', `comes:${round}:${i}`, i)
        for (let i = 0; i < 50; i++) session.ask('DEL', `comes:${round - 1}:${i}`)
      }),
    )
    expect(round).toBeGreaterThan(50)
    for (let i = 0; i < 5000; i++) expect(found.has(`stays:${i}`)).toBe(true)
  })

  it('takes steps of about COUNT keys and passes over what does not match', () => {
    const session = new InProcessEngine(tables).connect()
    for (let i = 0; i < 1000; i++) session.ask('SET', `k${i}`, i)
    const [, keys] = (session.ask('SCAN', 0) as AggregateReply).items
    expect(texts(keys).length).toBeGreaterThanOrEqual(10)
    expect(texts(keys).length).toBeLessThan(30)
    expect(walk(session, 'MATCH k99*').sort()).toEqual([
      'k99',
      'k990',
      'k991',
      'k992',
      'k993',
      'k994',
      'k995',
      'k996',
      'k997',
      'k998',
      'k999',
    ])
  })

  it('reaches the end of an empty database in one call', () => {
    const session = new InProcessEngine(tables).connect()
    session.run('SET k v')
    expect(session.run('SCAN 0')).toBe('["0" ["k"]]')
    session.run('DEL k')
    expect(session.run('SCAN 0 COUNT 1')).toBe('["0" []]')
  })
})

describe('RANDOMKEY', () => {
  it('finds each key, and deletes the expired ones that it meets', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    for (let i = 0; i < 20; i++) session.ask('SET', `live${i}`, i)
    for (let i = 0; i < 20; i++) session.ask('SET', `dead${i}`, i, 'PX', 10)
    engine.advance(100)
    const seen = new Set(Array.from({ length: 2000 }, () => session.run('RANDOMKEY')))
    expect([...seen].every((key) => key.startsWith('"live'))).toBe(true)
    expect(seen.size).toBe(20)
    expect(engine.execution.expired).toBeGreaterThan(0)
  })
})

describe('what is recorded', () => {
  it.each([
    'SETNX s w',
    'SET s w NX',
    'SET none w XX',
    'MSETNX s 1 t 2',
    'GETEX s',
    'GETEX s PERSIST',
    'GETEX none EX 10',
    'GETDEL none',
    'SETRANGE s 1 ""',
    'SETRANGE none 1 ""',
    'SETBIT s 1 1',
    'BITFIELD s GET u8 0',
    'BITFIELD s SET u8 0 118',
    'BITFIELD s OVERFLOW FAIL SET u8 0 256',
    'BITOP AND none none2 none3',
    'INCR s',
    'DEL none',
    'EXPIRE none 10',
    'EXPIRE s 10 XX',
    'PERSIST s',
    'RENAME s s',
    'RENAMENX s t',
    'COPY s t',
    'COPY none t REPLACE',
    'MOVE none 1',
    'SWAPDB 3 3',
    'TOUCH s none',
    'OBJECT ENCODING s',
    'SCAN 0',
  ])('nothing by %s, which changes nothing', (request) => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    session.run('MSET s v t w')
    session.run(request)
    expect(engine.mutator.operations).toBe(0)
    expect(engine.mutator.record.end).toBe(0)
  })

  it('a deletion by EXPIRE into the past, and by meeting an expired key', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    session.run('MSET a 1 b 2')
    session.run('PEXPIRE b 5')
    session.run('EXPIRE a -1')
    expect(engine.mutator.operations).toBe(1)
    engine.advance(10)
    expect(session.run('GET b')).toBe('nil')
    expect(engine.mutator.operations).toBe(1)
    expect(session.run('DBSIZE')).toBe(':0')
  })
})

describe('what a reply waits for', () => {
  it.each(['KEYS *', 'SCAN 0', 'DBSIZE', 'RANDOMKEY'])('%s waits for everything', (request) => {
    const engine = new InProcessEngine(tables)
    engine.connect().run(request)
    expect(engine.execution.revealed).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('emptying an empty database waits for what emptied it', () => {
    const engine = new InProcessEngine(tables)
    engine.connect().run('FLUSHDB')
    expect(engine.mutator.operations).toBe(0)
    expect(engine.execution.revealed).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('a key that exists is waited for by its own LSN', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    session.run('SET a 1')
    const lsn = engine.mutator.lsn
    session.run('SET b 1')
    session.run('EXISTS a none')
    expect(engine.execution.revealed).toBe(lsn)
  })
})

describe('copies', () => {
  it.each(['COPY h copy REPLACE', 'RENAME h copy'])('%s takes a large hash with it', (request) => {
    const engine = new InProcessEngine(tables)
    makeHash(engine, 5000)
    const before = largeHash(engine, 0, 'h')
    expect(before.size).toBe(5000)
    const session = engine.connect()
    session.run('SET copy old EX 1000')
    session.run('EXPIRE h 100')
    session.run(request)
    expect(largeHash(engine, 0, 'copy')).toEqual(before)
    expect(session.run('TTL copy')).toBe(':100')
    expect(session.run('EXISTS h')).toBe(request.startsWith('COPY') ? ':1' : ':0')
  })

  it('MOVE takes a large hash to another database', () => {
    const engine = new InProcessEngine(tables)
    makeHash(engine, 3000)
    const before = largeHash(engine, 0, 'h')
    const session = engine.connect()
    expect(session.run('MOVE h 5')).toBe(':1')
    expect(largeHash(engine, 5, 'h')).toEqual(before)
    expect(session.run('DBSIZE')).toBe(':0')
  })

  it('strings of all sizes onto strings of all sizes, the source unharmed', () => {
    const session = new InProcessEngine(tables).connect()
    const sizes = [0, 1, 15, 16, 17, 100, 5000, 32_000, 33_000, 200_000]
    for (const from of sizes) {
      for (const to of sizes) {
        const value = Buffer.alloc(from, `${from}.`)
        session.ask('SET', 'from', value)
        session.ask('SET', 'to', Buffer.alloc(to, 'x'))
        expect(session.run('COPY from to REPLACE')).toBe(':1')
        for (const key of ['from', 'to']) expect((session.ask('GET', key) as ScalarReply).text.equals(value)).toBe(true)
        expect(session.run('RENAME to other')).toBe('+OK')
        expect((session.ask('GET', 'other') as ScalarReply).text.equals(value)).toBe(true)
      }
    }
  })
})

describe('OBJECT', () => {
  it('IDLETIME counts from the last use, which OBJECT is not', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    session.run('SET k v')
    engine.advance(7000)
    expect(session.run('OBJECT IDLETIME k')).toBe(':7')
    expect(session.run('EXISTS k')).toBe(':1')
    expect(session.run('OBJECT IDLETIME k')).toBe(':7')
    expect(session.run('TOUCH k')).toBe(':1')
    expect(session.run('OBJECT IDLETIME k')).toBe(':0')
  })

  it('TIER tells a value with a copy on disk from one without, and from one that is only there', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    const { entries, values } = engine.keyspace
    session.run('SET k v')
    expect(session.run('OBJECT TIER k')).toBe('"hot"')
    engine.keyspace.forgetLookUp()
    const entry = engine.keyspace.find(0, Buffer.from('k'), 0, 1)
    values.setId(entries.value(entry), 77)
    entries.clearFlag(entry, valueDirtyFlag)
    expect(session.run('OBJECT TIER k')).toBe('"cool"')
    const value = entries.value(entry)
    entries.setCold(entry, 77, 0)
    values.release(value)
    expect(session.run('OBJECT TIER k')).toBe('"cold"')
    expect(session.run('OBJECT IDLETIME k')).toBe(':0')
    expect(formatInline(session.ask('STRLEN', 'k'))).toBe(':1')
  })
})
