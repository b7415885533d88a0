/**
 * What commands record is all that they do: random requests on one engine, their records applied to another, and in the
 * end both hold the same keys with the same types, encodings, expiries and bytes. Also each record applied twice.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { hyperloglogCommands } from '../../engine/commands/hyperloglog.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { plainString, rawString, stringType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { databaseCount } from '../../engine/keyspace/keyspace.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { engineTables } from '../../server/commands/tables.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { formatInline } from '../commands/notation.ts'
import type { RunSession } from '../sessions.ts'
import { runSession } from '../sessions.ts'
import { isEngines } from './engine-requests.ts'
import type { FamilyName } from './random-commands.ts'
import { sessionOf } from './random-commands.ts'
import { quoted, RandomRequests } from './random-string-requests.ts'

const tables = { ...stringCommands, ...bitmapCommands, ...hyperloglogCommands, ...keyCommands }
const requestsMax = testRuns(20_000)

/** One line per key, in order; databases as clients number them. */
function contents(keyspace: Keyspace): string[] {
  const { entries, values, arena } = keyspace
  const lines: string[] = []
  for (let number = 0; number < databaseCount; number++) {
    keyspace.databases[keyspace.logical[number]].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
      const start = entries.keyStart(entry)
      const key = arena.bytes(entry).toString('latin1', start, start + entries.keyLength(entry))
      expect(entries.type(entry)).toBe(stringType)
      const value = entries.value(entry)
      const bytes = values.bytes(value).toString('latin1', values.start(value), values.start(value) + entries.length(entry))
      // As in Redis, PFADD and SETBIT make a short string a raw one although they change nothing, and then leave no record.
      const encoding = entries.encoding(entry) === rawString ? plainString : entries.encoding(entry)
      lines.push(JSON.stringify([number, key, encoding, entries.expireAt(entry), entries.lsn(entry), bytes]))
    })
  }
  return lines.sort()
}

/** Requests on one engine, their records applied to two others. Returns how many records there were. */
const replayed: RunSession<number> = async (steps, tell) => {
  const requests = new RandomRequests()
  const engine = new InProcessEngine(tables)
  const session = engine.connect()
  const copies = [1, 2].map((times) => {
    const copy = new InProcessEngine(tables, testSeed + times)
    copy.mutator.recording = false
    return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
  })
  let records = 0
  for (const random of steps) {
    if (random.once(64)) {
      const ms = random.below(2_000_000)
      engine.advance(ms)
      tell(`(${ms} ms pass)`)
    }
    session.database = random.once(8) ? 1 : 0
    requests.random = random
    const request = requests.next()
    tell(`db ${session.database}: ${quoted(request)}`)
    session.ask(...request)
    if (engine.mutator.operations === 0) continue
    records++
    for (const { times, replay } of copies) {
      const payload = Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end))
      for (let time = 0; time < times; time++) replay.apply(engine.mutator.lsn, payload)
    }
  }
  const expected = contents(engine.keyspace)
  for (const { copy } of copies) expect(contents(copy.keyspace)).toEqual(expected)
  return records
}

const allTypes: readonly FamilyName[] = [
  'strings',
  'bits',
  'hyperloglogs',
  'hashes',
  'lists',
  'sets',
  'sortedSets',
  'geo',
  'streams',
  'sort',
  'keys',
  'expiry',
]

/** An engine in which values become large early. */
function smallEngine(seed: number, entriesMax: number): InProcessEngine {
  const engine = new InProcessEngine(engineTables, seed)
  const { limits } = engine.execution
  limits.hashMaxListpackEntries = entriesMax
  limits.setMaxIntsetEntries = entriesMax
  limits.zsetMaxListpackEntries = entriesMax
  limits.streamNodeMaxEntries = 3
  engine.keyspace.trees.leafBytesMax = 300
  return engine
}

/** What clients see of every key. */
function seen(engine: InProcessEngine): string[] {
  const session = engine.connect()
  const lines: string[] = []
  for (session.database = 0; session.database < 2; session.database++) {
    const found = session.ask('KEYS', '*')
    const keys = 'items' in found ? found.items.map((item) => ('text' in item ? item.text : Buffer.alloc(0))) : []
    for (const key of keys) {
      const questions = [
        ['TYPE', key],
        ['OBJECT', 'ENCODING', key],
        ['PEXPIRETIME', key],
        ['DUMP', key],
      ]
      lines.push(`${session.database} ${quoted([key])} ${questions.map((each) => formatInline(session.ask(...each))).join(' ')}`)
    }
  }
  return lines.sort()
}

describe('records of random requests', () => {
  it('on all types make the same keyspace, applied once or twice', () => {
    let records = 0
    const property = fc.property(sessionOf(allTypes), ({ requests, listpackEntriesMax }) => {
      const engine = smallEngine(testSeed, listpackEntriesMax)
      const session = engine.connect()
      const copies = [1, 2].map((times) => {
        const copy = smallEngine(testSeed + times, listpackEntriesMax)
        copy.mutator.recording = false
        return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
      })
      for (const request of requests.filter(isEngines)) {
        session.ask(...request.parts)
        if (engine.mutator.operations === 0) continue
        records++
        for (const { times, replay } of copies) {
          const payload = Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end))
          for (let time = 0; time < times; time++) replay.apply(engine.mutator.lsn, payload)
        }
      }
      const expected = seen(engine)
      for (const { copy } of copies) {
        copy.mutator.recording = true
        expect(seen(copy)).toEqual(expected)
      }
    })
    fc.assert(property, { numRuns: testRuns(60) })
    expect(records).toBeGreaterThan(testRuns(60))
  })

  it('make the same keyspace, applied once or twice', async () => {
    expect(await runSession({ steps: requestsMax }, replayed)).toBeGreaterThan(requestsMax / 10)
  })
})
