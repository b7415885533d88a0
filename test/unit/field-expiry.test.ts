/** Fields that nobody asks for expire all the same: in small hashes and large ones, in memory and cold. */
import { describe, expect, it } from 'vitest'
import { dumpCommands } from '../../engine/commands/dump.ts'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { ExpiryCycle } from '../../engine/expiry-cycle.ts'
import { hashEvent } from '../../engine/messages.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import { testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { ColdEngine } from '../property/cold-engine.ts'
import { checkKeyspace } from '../property/keyspace-check.ts'

const tables = { ...hashCommands, ...keyCommands, ...dumpCommands }
const stepsMax = 2000

function entryOf({ keyspace }: InProcessEngine, name: string): number {
  const key = Buffer.from(name)
  keyspace.forgetLookUp()
  const entry = keyspace.find(0, key, 0, key.length)
  keyspace.forgetLookUp()
  return entry
}

function lengthOf(engine: InProcessEngine, name: string): number {
  const entry = entryOf(engine, name)
  return entry === 0 ? 0 : engine.keyspace.entries.length(entry)
}

/** Goes on until `isDone`, as a shard's maintenance does; each step is a record of its own, given to `record`. */
function expireUntil(
  engine: InProcessEngine,
  cycle: ExpiryCycle,
  isDone: () => boolean,
  record = (_lsn: number, _payload: Buffer) => {},
): void {
  const { mutator, execution } = engine
  for (let step = 0; !isDone(); step++) {
    expect(step).toBeLessThan(stepsMax)
    mutator.begin(mutator.lsn + 1)
    cycle.step(execution, 64)
    if (mutator.operations > 0) record(mutator.lsn, Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end)))
  }
}

/** `small` has ten fields, `large` a thousand, of which every second one expires in 100 ms and one in an hour; `brief` has one that expires. */
function fill(ask: (...parts: string[]) => unknown): void {
  for (const [key, fields] of [
    ['small', 10],
    ['large', 1000],
  ] as const) {
    for (let i = 0; i < fields; i++) ask('HSET', key, `f${i}`, `value ${i}`)
    for (let i = 0; i < fields; i += 2) ask('HPEXPIRE', key, '100', 'FIELDS', '1', `f${i}`)
    ask('HEXPIRE', key, '3600', 'FIELDS', '1', 'f1')
  }
  ask('HSETEX', 'brief', 'PX', '100', 'FIELDS', '1', 'f', 'v')
}

describe('active expiry of fields', () => {
  it('deletes what has expired and nothing else, and its records say so', () => {
    const engine = new InProcessEngine(tables)
    const copy = new InProcessEngine(tables, testSeed + 1)
    copy.mutator.recording = false
    const replay = new Replay(copy.keyspace, copy.mutator)
    const session = engine.connect()
    const apply = (lsn: number, payload: Buffer): void => replay.apply(lsn, payload)
    fill((...parts) => {
      session.ask(...parts)
      apply(engine.mutator.lsn, Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end)))
    })
    const cycle = new ExpiryCycle()
    let steps = 0
    expireUntil(engine, cycle, () => steps++ > 50)
    expect([lengthOf(engine, 'small'), lengthOf(engine, 'large'), lengthOf(engine, 'brief')]).toEqual([10, 1000, 1])
    engine.advance(101)
    const { keyspace, execution } = engine
    const events = new Set<string>()
    keyspace.messages.wanted = hashEvent
    keyspace.messages.audience = {
      published: () => ({ receivers: 0 }),
      happened: (_database, event, key, start, end) => {
        events.add(`${event} ${Buffer.from(key.subarray(start, end))}`)
        return []
      },
    }
    expireUntil(engine, cycle, () => lengthOf(engine, 'large') === 500 && keyspace.size === 2 && !cycle.fields.goesOn, apply)
    expect(lengthOf(engine, 'small')).toBe(5)
    expect(execution.expiredFields).toBe(506)
    expect(events).toEqual(new Set(['hexpired small', 'hexpired large', 'hexpired brief']))
    for (const each of [engine, copy]) {
      checkKeyspace(each.keyspace)
      expect([lengthOf(each, 'small'), lengthOf(each, 'large'), lengthOf(each, 'brief')]).toEqual([5, 500, 0])
    }
    const hourLater = execution.now + 3_600_000
    for (const key of ['small', 'large']) {
      const due = keyspace.expiring.fieldsDue(entryOf(engine, key))
      expect(due).toBeGreaterThan(execution.now)
      expect(due).toBeLessThanOrEqual(hourLater)
    }
    engine.advance(3_600_001)
    expireUntil(engine, cycle, () => keyspace.databases[0].expiring.length === 0)
    expect([lengthOf(engine, 'small'), lengthOf(engine, 'large')]).toEqual([4, 499])
    checkKeyspace(keyspace)
  })

  it('keeps the time of a field that is given one while its hash is walked over', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    fill((...parts) => session.ask(...parts))
    engine.advance(101)
    const cycle = new ExpiryCycle()
    expireUntil(engine, cycle, () => cycle.fields.goesOn)
    // Wherever the walk is, it has passed some of these.
    for (let i = 3; i < 1000; i += 2) session.ask('HPEXPIRE', 'large', '5000', 'FIELDS', '1', `f${i}`)
    expireUntil(engine, cycle, () => !cycle.fields.goesOn)
    engine.advance(5001)
    expireUntil(engine, cycle, () => lengthOf(engine, 'large') === 1)
  })

  it('has cold hashes fetched once they are due, not before', async () => {
    const cold = new ColdEngine(tables, testSeed)
    const { engine, tier } = cold
    const { keyspace, mutator, execution } = engine
    const session = engine.connect()
    fill((...parts) => session.ask(...parts))
    cold.freeze(1)
    const cycle = new ExpiryCycle()
    const fetchDue = async (): Promise<number> => {
      mutator.begin(mutator.lsn + 1)
      cycle.step(execution, 64)
      const set = new ColdSet(keyspace.trees)
      cycle.fields.eachCold(keyspace, set)
      await tier.fetch(set)
      tier.admit(set)
      mutator.begin(mutator.lsn + 1)
      if (set.items.length > 0) cycle.fields.fetched(execution)
      tier.settle()
      return set.items.length
    }
    for (let i = 0; i < 10; i++) expect(await fetchDue()).toBe(0)
    engine.advance(101)
    let fetched = 0
    for (let rounds = 0; lengthOf(engine, 'large') > 500 || keyspace.size > 2; rounds++) {
      expect(rounds).toBeLessThan(stepsMax)
      fetched += await fetchDue()
    }
    expect(fetched).toBeGreaterThan(5)
    expect(lengthOf(engine, 'small')).toBe(5)
    checkKeyspace(keyspace)
  })
})

describe('dumps of hashes whose fields expire', () => {
  it.each(['small', 'large', 'brief'])('restore %s with the times of its fields', (key) => {
    const engine = new InProcessEngine(tables)
    const copy = new InProcessEngine(tables, testSeed + 1)
    copy.mutator.recording = false
    const replay = new Replay(copy.keyspace, copy.mutator)
    const session = engine.connect()
    fill((...parts) => session.ask(...parts))
    const dump = session.ask('DUMP', key)
    if (!('text' in dump)) throw new Error('no dump')
    expect(dump.text[0]).toBe(24)
    expect(session.ask('RESTORE', 'restored', '0', dump.text)).toEqual(session.ask('RESTORE', 'again', '0', dump.text))
    session.ask('RESTORE', 'restored', '0', dump.text, 'REPLACE')
    replay.apply(engine.mutator.lsn, Buffer.from(engine.mutator.record.bytes.subarray(0, engine.mutator.record.end)))
    copy.mutator.recording = true
    const names = Array.from({ length: lengthOf(engine, key) }, (_, i) => (key === 'brief' ? 'f' : `f${i}`))
    const times = (from: string) => ['HPEXPIRETIME', from, 'FIELDS', String(names.length), ...names]
    const expected = session.ask(...times(key))
    expect(session.ask(...times('restored'))).toEqual(expected)
    expect(copy.connect().ask(...times('restored'))).toEqual(expected)
    for (const each of [engine, copy]) checkKeyspace(each.keyspace)
    const cycle = new ExpiryCycle()
    engine.advance(101)
    const left = key === 'brief' ? 0 : names.length / 2
    expireUntil(engine, cycle, () => lengthOf(engine, 'restored') === left)
  })
})
