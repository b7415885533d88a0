/** What the log says of hashes: the form that one takes on, with the seed of a tree, so that all who replay it come to the same bytes; and copies, which name two keys. */
import { beforeEach, describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { leafForm, packedForm, treeForm } from '../../engine/keyspace/entries.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { ReplayWants } from '../../engine/mutation/replay-wants.ts'
import type { ColdWants } from '../../engine/need.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { KeyState } from '../property/keyspace-check.ts'
import { checkKeyspace, contentsOf } from '../property/keyspace-check.ts'
import { leavesOf, storeLeaves } from './leaves.ts'
import { fields, RecordedEngine } from './recorded-engine.ts'

const tables = { ...hashCommands, ...keyCommands }

/** Commands, and what they record. */
class Commands {
  readonly engine: InProcessEngine
  readonly records: { readonly lsn: number; readonly bytes: Buffer }[] = []
  readonly #session

  constructor(seed: number, packedFieldsMax: number) {
    this.engine = new InProcessEngine(tables, seed)
    this.engine.keyspace.trees.leafBytesMax = 200
    this.engine.execution.limits.hashMaxListpackEntries = packedFieldsMax
    this.#session = this.engine.connect()
  }

  run(line: string): string {
    const reply = this.#session.run(line)
    const { mutator } = this.engine
    const { bytes, end } = mutator.record
    if (mutator.operations > 0) this.records.push({ lsn: mutator.lsn, bytes: Buffer.from(bytes.subarray(0, end)) })
    return reply
  }

  /** The last record. */
  get record(): Buffer {
    return (this.records.at(-1) as { bytes: Buffer }).bytes
  }

  /** The records replayed by somebody with other chance and another limit. */
  replayed(): Commands {
    const other = new Commands(testSeed + 7, 1000)
    const { keyspace, mutator } = other.engine
    mutator.recording = false
    const replay = new Replay(keyspace, mutator)
    for (const { lsn, bytes } of this.records) replay.apply(lsn, bytes)
    return other
  }

  encoding(key: string): number {
    const { keyspace } = this.engine
    keyspace.forgetLookUp()
    return keyspace.entries.encoding(keyspace.find(0, Buffer.from(key), 0, key.length))
  }
}

describe('fields that a command sets', () => {
  let commands: Commands
  beforeEach(() => {
    commands = new Commands(testSeed, 4)
  })

  it('are recorded with the form that the hash takes on, and only then', () => {
    /** Operation, and the form where it is named. */
    const recorded = (line: string): readonly number[] => {
      commands.run(line)
      const { record } = commands
      // Version, operation, database, a key of one byte with its length, form.
      return record[1] === 12 ? [...record.subarray(1, 2), ...record.subarray(5, 6)] : [...record.subarray(1, 2)]
    }
    expect([recorded('HSET h a 1 b 2'), commands.encoding('h')]).toEqual([[6], packedForm])
    expect([recorded('HSET h c 3 d 4 e 5'), commands.encoding('h')]).toEqual([[12, leafForm], leafForm])
    expect([recorded('HSET h f 6'), commands.encoding('h')]).toEqual([[6], leafForm])
    expect([recorded(`HSET h long ${'x'.repeat(200)}`), commands.encoding('h')]).toEqual([[12, treeForm], treeForm])
    expect([recorded(`HSET h longer ${'x'.repeat(400)}`), commands.encoding('h')]).toEqual([[6], treeForm])
    expect([recorded(`HSET g a ${'x'.repeat(400)}`), commands.encoding('g')]).toEqual([[12, treeForm], treeForm])
    expect([recorded('HINCRBY h a 5'), recorded('HDEL h long longer a b c d e')]).toEqual([[6], [7]])
    expect([recorded('HSET h g 7'), commands.encoding('h')]).toEqual([[6], treeForm])
  })

  it('are replayed in the same order by somebody with other chance and other limits', () => {
    for (const key of ['packed', 'leaf', 'tree', 'whole']) commands.run(`HSET ${key} f1 v1 f2 v2 f3 v3`)
    for (let i = 4; i < 8; i++) commands.run(`HSETNX leaf f${i} v${i}`)
    for (let i = 4; i < 120; i++) commands.run(`HSET tree f${i} v${i} g${i} ${'w'.repeat(i)}`)
    commands.run(`HSET whole ${Array.from({ length: 90 }, (_, i) => `f${i} v${i}`).join(' ')}`)
    for (let i = 10; i < 90; i++) commands.run(`HDEL tree f${i} g${i + 20}`)
    commands.run('HINCRBYFLOAT tree number 1.5')
    commands.run('COPY tree copy')
    commands.run('HSET copy f1 other')
    commands.run('RENAME whole renamed')
    const other = commands.replayed()
    const replies = (of: Commands): string[] =>
      ['packed', 'leaf', 'tree', 'copy', 'renamed'].flatMap((key) =>
        [`HGETALL ${key}`, `HSCAN ${key} 0 COUNT 7`].map((line) => of.run(line)),
      )
    expect(replies(other)).toEqual(replies(commands))
    expect(['packed', 'leaf', 'tree', 'copy', 'renamed'].map((key) => other.encoding(key))).toEqual([
      packedForm,
      leafForm,
      treeForm,
      treeForm,
      treeForm,
    ])
    // Chance of its own would have made another order.
    const own = new Commands(testSeed + 7, 4)
    for (const line of ['HSET tree f1 v1 f2 v2 f3 v3', `HSET tree ${Array.from({ length: 90 }, (_, i) => `f${i} v${i}`).join(' ')}`])
      own.run(line)
    expect(own.run('HGETALL tree')).not.toBe(commands.run('HGETALL renamed'))
  })
})

describe('the record of fields and a form', () => {
  let engine: RecordedEngine
  beforeEach(() => {
    engine = new RecordedEngine()
  })

  function record(form: typeof leafForm | typeof treeForm): Buffer {
    return engine.change((mutator) => mutator.hashSet(0, Buffer.from('g'), 0, 1, fields(0, 10, 'new'), form, 77))
  }

  it.each([
    ['packed', leafForm, leafForm],
    ['packed', treeForm, treeForm],
    ['a leaf', leafForm, leafForm],
    ['a leaf', treeForm, treeForm],
    ['a tree', leafForm, treeForm],
    ['a tree', treeForm, treeForm],
  ] as const)('applied to a hash that is %s: %i makes %i of it', (before, form, after) => {
    const made = record(form)
    const target = new RecordedEngine(testSeed + 5)
    target.hashSet('g', 5, 8, 'former')
    if (before === 'a leaf') target.change((mutator) => mutator.hashSet(0, Buffer.from('g'), 0, 1, fields(8, 9, 'former'), leafForm))
    if (before === 'a tree') target.hashSet('g', 5, 25, 'former')
    const former = target.keyspace.entries.length(target.find('g'))
    const seed = before === 'a tree' ? target.keyspace.trees.roots.seed(target.slot('g')) : 77
    target.mutator.recording = false
    new Replay(target.keyspace, target.mutator).apply(9, made)
    checkKeyspace(target.keyspace)
    const { encoding, value } = contentsOf(target.keyspace).get('0/g') as KeyState
    const values = [...(value as ReadonlyMap<string, string>).values()]
    expect([encoding, values.length]).toEqual([after, Math.max(10, former + 5)])
    expect(values.filter((each) => each.startsWith('new')).length).toBe(10)
    if (after === treeForm) expect(target.keyspace.trees.roots.seed(target.slot('g'))).toBe(seed)
  })

  it('is not applied to a hash that is newer', () => {
    const made = record(treeForm)
    const target = new RecordedEngine(testSeed + 6)
    for (let i = 0; i < 9; i++) target.put('other', 'x')
    target.hashSet('g', 0, 3, 'newer')
    const before = contentsOf(target.keyspace)
    target.mutator.recording = false
    new Replay(target.keyspace, target.mutator).apply(7, made)
    expect(contentsOf(target.keyspace)).toEqual(before)
  })

  it('is refused when it ends too early, and has nothing of a seed without a tree', () => {
    const refused = (hex: string): void =>
      expect(() => new Replay(engine.keyspace, engine.mutator).apply(1, Buffer.from(hex, 'hex'))).toThrow('record ends too early')
    refused('020c000167')
    refused('020c000167034d0000')
    refused('020c000167034d000000')
    refused('020c0001670502016101310162')
    engine.mutator.recording = false
    new Replay(engine.keyspace, engine.mutator).apply(1, Buffer.from('020c000167050101610131', 'hex'))
    expect(contentsOf(engine.keyspace).get('0/g')).toMatchObject({ encoding: leafForm, value: new Map([['a', '1']]) })
  })

  it('shows its key and all of its fields to who asks what is needed, and a copy both of its keys', () => {
    const seen: unknown[] = []
    const text = (buffer: Buffer, start: number, end: number): string => buffer.toString('latin1', start, end)
    const look = (payload: Buffer): void =>
      new Replay(engine.keyspace, engine.mutator).visit(payload, {
        mutation: (operation, db, buffer, start, end, pairs) => seen.push([operation, db, text(buffer, start, end), pairs?.count]),
        transfer: (operation, db, buffer, start, end, toDb, toStart, toEnd) =>
          seen.push([operation, db, text(buffer, start, end), toDb, text(buffer, toStart, toEnd)]),
        edit: () => undefined,
      })
    look(record(treeForm))
    look(record(leafForm))
    look(engine.copy('g', 'another'))
    look(engine.move('g', 'third', 2))
    expect(seen).toEqual([
      [12, 0, 'g', 10],
      [12, 0, 'g', 10],
      [13, 0, 'g', 0, 'another'],
      [11, 0, 'g', 2, 'third'],
    ])
  })
})

describe('the record of a copy', () => {
  let engine: RecordedEngine
  beforeEach(() => {
    engine = new RecordedEngine()
  })

  it.each([
    ['a large string', () => engine.put('a', 'l'.repeat(100_000))],
    ['a small hash', () => engine.hashSet('a', 0, 5)],
    ['a hash of one leaf', () => engine.change((mutator) => mutator.hashSet(0, Buffer.from('a'), 0, 1, fields(0, 5, 'v'), leafForm))],
    ['a large hash', () => engine.hashSet('a', 0, 3000)],
  ])('names two keys and has nothing of the value: %s', (_what, make) => {
    make()
    engine.change((mutator) => mutator.expire(engine.find('a'), 5_000_000_000_000))
    engine.hashSet('b', 0, 30, 'former')
    const record = engine.copy('a', 'b')
    expect([record.toString('hex'), engine.mutator.record.references]).toEqual(['020d000161000162', []])
    const contents = contentsOf(engine.keyspace)
    expect(contents.get('0/b')).toEqual(contents.get('0/a'))
    engine.check()
    // What becomes of the original later, the copy does not share.
    engine.change((mutator) => mutator.deleteEntry(engine.find('a')))
    expect(contentsOf(engine.keyspace).get('0/b')).toEqual(contents.get('0/b'))
    engine.check()
  })

  it('wants all of what it copies, and nothing of a target, nor of a key that the record has made before', () => {
    const { keyspace, mutator } = engine
    const { trees } = keyspace
    engine.hashSet('a', 0, 300)
    engine.hashSet('b', 0, 300)
    const cold: string[] = []
    for (const key of ['a', 'b']) {
      storeLeaves(trees, engine.slot(key), key === 'a' ? 1000 : 2000)
      for (const { ref, valueId } of leavesOf(trees, engine.slot(key)).slice(1, 4)) {
        expect(trees.evict(ref)).toBe(true)
        cold.push(`${valueId}`)
      }
    }
    const payloadOf = (...hex: readonly string[]): Buffer => Buffer.from(`02${hex.join('')}`, 'hex')
    const wanted = (payload: Buffer): string[] => {
      const ids: string[] = []
      const wants: ColdWants = {
        value: () => expect.unreachable(),
        leaf: (root, separator, valueId) => {
          expect(trees.find(root, separator, new LeafRow())).toBe(true)
          ids.push(`${valueId}`)
        },
      }
      new ReplayWants(keyspace, new Replay(keyspace, mutator), mutator.types).visit(payload, wants)
      return ids
    }
    const copyAtoB = '0d000161000162'
    const copyBtoC = '0d000162000163'
    const moveBtoA = '0b000162000161'
    expect(wanted(payloadOf(copyAtoB))).toEqual(cold.slice(0, 3))
    expect(wanted(payloadOf(copyAtoB, copyBtoC))).toEqual(cold.slice(0, 3))
    expect(wanted(payloadOf(moveBtoA, copyAtoB))).toEqual(cold.slice(3))
    expect(wanted(payloadOf('02000161', copyAtoB))).toEqual([])
  })
})
