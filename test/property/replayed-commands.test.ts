/**
 * What commands record is all that they do: random requests on one engine, their records applied to another, and in the
 * end both hold the same keys with the same types, encodings, expiries and bytes. Also each record applied twice.
 */
import { describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { stringType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { databaseCount } from '../../engine/keyspace/keyspace.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { chance, testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { RandomRequests } from './random-string-requests.ts'

const tables = { ...stringCommands, ...bitmapCommands, ...keyCommands }
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
      lines.push(JSON.stringify([number, key, entries.encoding(entry), entries.expireAt(entry), entries.lsn(entry), bytes]))
    })
  }
  return lines.sort()
}

describe('records of random requests', () => {
  it('make the same keyspace, applied once or twice', () => {
    const random = chance()
    const requests = new RandomRequests(random)
    const engine = new InProcessEngine(tables, testSeed)
    const session = engine.connect()
    const copies = [1, 2].map((times) => {
      const copy = new InProcessEngine(tables, testSeed + times)
      copy.mutator.recording = false
      return { times, copy, replay: new Replay(copy.keyspace, copy.mutator) }
    })
    let records = 0
    for (let i = 0; i < requestsMax; i++) {
      session.database = random.nextUint32() % 8 === 0 ? 1 : 0
      session.ask(...requests.next())
      if (i % 64 === 0) engine.advance(random.nextUint32() % 2_000_000)
      if (engine.mutator.operations === 0) continue
      records++
      for (const { times, replay } of copies) {
        const payload = Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end))
        for (let time = 0; time < times; time++) replay.apply(engine.mutator.lsn, payload)
      }
    }
    expect(records).toBeGreaterThan(requestsMax / 10)
    const expected = contents(engine.keyspace)
    expect(expected.length).toBeGreaterThan(0)
    for (const { copy } of copies) expect(contents(copy.keyspace)).toEqual(expected)
  })
})
