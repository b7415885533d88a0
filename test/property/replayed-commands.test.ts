/**
 * What commands record is all that they do: random requests on one engine, their records applied to another, and in the
 * end both hold the same keys with the same types, encodings, expiries and bytes. Also each record applied twice.
 */
import { describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { hyperloglogCommands } from '../../engine/commands/hyperloglog.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { stringType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { databaseCount } from '../../engine/keyspace/keyspace.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { RunSession } from '../sessions.ts'
import { runSession } from '../sessions.ts'
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
      lines.push(JSON.stringify([number, key, entries.encoding(entry), entries.expireAt(entry), entries.lsn(entry), bytes]))
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

describe('records of random requests', () => {
  it('make the same keyspace, applied once or twice', async () => {
    expect(await runSession({ steps: requestsMax }, replayed)).toBeGreaterThan(requestsMax / 10)
  })
})
