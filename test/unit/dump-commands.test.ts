/** DUMP and RESTORE of large values, in slices while the value changes; what they refuse; what a replay makes of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { dumpCommands } from '../../engine/commands/dump.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { RdbRefusal } from '../../engine/rdb/rdb-input.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { engineTables } from '../../server/commands/tables.ts'
import { chance, testRuns } from '../chance.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { notesOf, sealed } from '../property/dump-model.ts'
import { randomValue } from '../property/dump-values.ts'
import { checkKeyspace, contentsOf } from '../property/keyspace-check.ts'

const slicedBytes = 2000

let engine: InProcessEngine
let session: InProcessSession
beforeEach(() => {
  engine = new InProcessEngine(engineTables)
  engine.keyspace.trees.leafBytesMax = 300
  engine.execution.limits.slicedValueBytes = slicedBytes
  engine.execution.limits.hashMaxListpackEntries = 16
  session = engine.connect()
})
afterEach(() => checkKeyspace(engine.keyspace))

function bytesOf(reply: Reply): Buffer {
  if (!('text' in reply) || reply.type === 'error') throw new Error(JSON.stringify(reply))
  return reply.text
}

function fill(key: string, from: number, to: number): void {
  for (let i = from; i < to; i++) session.ask('HSET', key, `field:${i}`, `value ${i}`)
}

/** Arguments with memory of their own, as the parser makes them of a large request. */
function owned(...parts: readonly (string | Buffer)[]): Arguments {
  const args = Arguments.of(...parts)
  args.ownsBuffer = true
  return args
}

function stagedRestore(args: Arguments): StagedWork {
  const work = engine.stage(dumpCommands.RESTORE, args, 0)
  if (work === undefined) throw new Error('nothing was staged')
  return work
}

function restoreStaged(args: Arguments, work: StagedWork): Reply {
  const reply = session.exchange(args, work).reply
  work.release?.()
  return reply
}

it('unpacks a long element a part at a time', () => {
  const values = ['a'.repeat(100_000), 'b'.repeat(60_000)]
  session.ask('HSET', 'h', values[1] as string, values[0] as string, 'field', 'value')
  const dump = bytesOf(session.ask('DUMP', 'h'))
  expect(dump.length).toBeLessThan(10_000)
  const args = owned('RESTORE', 'copy', '0', dump)
  const work = stagedRestore(args)
  let steps = 1
  while (work.step()) steps++
  expect(steps).toBeGreaterThan(160_000 / slicedBytes)
  expect(bytesOf(restoreStaged(args, work)).toString()).toBe('OK')
  expect(bytesOf(session.ask('DUMP', 'copy'))).toEqual(dump)
})

describe('DUMP in slices', () => {
  it('of a hash is what it is in one go', () => {
    fill('h', 0, 500)
    const whole = bytesOf(session.ask('DUMP', 'h'))
    const work = session.stage('DUMP', 'h') as StagedWork
    let steps = 1
    while (work.step()) steps++
    expect(steps).toBeGreaterThan(3)
    expect(bytesOf(session.askStaged(work, 'DUMP', 'h'))).toEqual(whole)
    expect(session.run('RESTORE again 0 x')).toContain('checksum')
    expect(bytesOf(session.ask('RESTORE', 'again', '0', whole)).toString()).toBe('OK')
  })

  it('of a hash that changes meanwhile shows it as it is in the end', () => {
    const random = chance(3)
    for (let run = 0; run < testRuns(30); run++) {
      session.run('DEL h')
      fill('h', 0, 100 + random.below(400))
      const work = session.stage('DUMP', 'h') as StagedWork
      for (let goesOn = true; goesOn; goesOn = work.step()) {
        for (let i = random.below(3); i > 0; i--) session.ask('HSET', 'h', `field:${random.below(600)}`, 'x'.repeat(random.below(200)))
        if (random.once(4)) session.ask('HDEL', 'h', `field:${random.below(500)}`)
      }
      for (let i = random.below(3); i > 0; i--) session.ask('HSET', 'h', `field:${random.below(600)}`, 'y'.repeat(random.below(200)))
      expect(bytesOf(session.askStaged(work, 'DUMP', 'h'))).toEqual(bytesOf(session.ask('DUMP', 'h')))
    }
  })

  it('of a stream whose groups change meanwhile shows all of them as they are in the end', () => {
    const random = chance(4)
    let runsUsed = 0
    for (let run = 0; run < testRuns(12); run++) {
      session.run('DEL s')
      for (let i = 1; i <= 150; i++) session.ask('XADD', 's', `${i}-1`, 'field', `value ${i}`)
      for (const group of ['g', 'other']) {
        session.ask('XGROUP', 'CREATE', 's', group, '0')
        session.ask('XREADGROUP', 'GROUP', group, 'busy', 'COUNT', '100', 'STREAMS', 's', '>')
        session.ask('XREADGROUP', 'GROUP', group, 'idle', 'COUNT', '3', 'STREAMS', 's', '>')
      }
      const change = (): void => {
        const id = `${1 + random.below(150)}-1`
        const group = random.pick(['g', 'other'])
        const changed = random.pick([
          ['XACK', 's', group, id],
          ['XCLAIM', 's', group, random.pick(['busy', 'idle', 'new']), '0', id],
          ['XREADGROUP', 'GROUP', group, 'idle', 'COUNT', '20', 'STREAMS', 's', '>'],
          ['XADD', 's', '*', 'field', 'later'],
          ['XDEL', 's', id],
          random.once(6) ? ['XGROUP', 'DELCONSUMER', 's', group, 'busy'] : ['XTRIM', 's', 'MINID', `${random.below(60)}-0`],
        ])
        session.ask(...changed)
      }
      const work = session.stage('DUMP', 's') as StagedWork
      for (let goesOn = true; goesOn; goesOn = work.step()) if (random.once(4)) change()
      runsUsed += work.memoryBytes
      if (random.once(2)) change()
      const dump = bytesOf(session.askStaged(work, 'DUMP', 's'))
      expect(dump).toEqual(bytesOf(session.ask('DUMP', 's')))
      const args = owned('RESTORE', 'copy', '0', dump, 'REPLACE')
      const restoring = stagedRestore(args)
      let steps = 1
      while (restoring.step()) steps++
      expect(steps).toBeGreaterThan(3)
      expect(bytesOf(restoreStaged(args, restoring)).toString()).toBe('OK')
      expect(notesOf(bytesOf(session.ask('DUMP', 'copy'))).lines.sort()).toEqual(notesOf(dump).lines.sort())
    }
    expect(runsUsed).toBeGreaterThan(0)
  })

  it('of a few large elements goes in slices, too', () => {
    engine.execution.limits.slicedValueBytes = 100_000
    const large = Buffer.from(Array.from({ length: 1_200_000 }, (_, i) => (i * 2654435761) >>> 13))
    for (const element of ['a', large, 'b']) session.ask('RPUSH', 'l', element)
    const work = session.stage('DUMP', 'l') as StagedWork
    let steps = 1
    while (work.step()) steps++
    expect(steps).toBeGreaterThan(12)
    const dump = bytesOf(session.askStaged(work, 'DUMP', 'l'))
    expect(dump.equals(bytesOf(session.ask('DUMP', 'l')))).toBe(true)
  })

  it('of another value than was staged is that value', () => {
    fill('h', 0, 500)
    const work = session.stage('DUMP', 'h') as StagedWork
    while (work.step());
    session.run('SET h 1')
    expect(notesOf(bytesOf(session.askStaged(work, 'DUMP', 'h'))).lines).toEqual(['31'])
  })

  it('of a string, which is not compressed then, and of one that has changed', () => {
    const text = Buffer.alloc(5000, 'abcd')
    session.ask('SET', 's', text)
    const work = session.stage('DUMP', 's') as StagedWork
    while (work.step());
    const dump = bytesOf(session.askStaged(work, 'DUMP', 's'))
    expect(dump.length).toBeGreaterThan(5000)
    expect(notesOf(dump).lines).toEqual([text.toString('hex')])
    session.run('APPEND s x')
    expect(bytesOf(session.askStaged(work, 'DUMP', 's')).length).toBeLessThan(200)
  })
})

describe('RESTORE in slices', () => {
  it('of a hash shows nothing until it is complete', () => {
    fill('h', 0, 500)
    const dump = bytesOf(session.ask('DUMP', 'h'))
    const args = owned('RESTORE', 'copy', '0', dump)
    const work = stagedRestore(args)
    let steps = 1
    for (; work.step(); steps++) expect(session.run('EXISTS copy')).toBe(':0')
    expect(steps).toBeGreaterThan(5)
    expect(bytesOf(restoreStaged(args, work)).toString()).toBe('OK')
    expect(session.run('HLEN copy')).toBe(':500')
    expect(session.run('HGET copy field:77')).toBe('"value 77"')
    expect(notesOf(bytesOf(session.ask('DUMP', 'copy'))).lines.sort()).toEqual(notesOf(dump).lines.sort())
  })

  it('that is given up leaves nothing', () => {
    fill('h', 0, 500)
    const work = stagedRestore(owned('RESTORE', 'copy', '0', bytesOf(session.ask('DUMP', 'h'))))
    for (let i = 0; i < 20; i++) work.step()
    work.release?.()
    expect(session.run('EXISTS copy')).toBe(':0')
  })

  it('of a string, compressed or not', () => {
    for (const bytes of [Buffer.alloc(300_000, 'abcd'), Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * i) >> 3))]) {
      session.ask('SET', 's', bytes)
      const dump = bytesOf(session.ask('DUMP', 's'))
      engine.execution.limits.slicedValueBytes = Math.min(slicedBytes, dump.length)
      const args = owned('RESTORE', 'copy', '0', dump, 'REPLACE')
      const work = stagedRestore(args)
      let steps = 1
      while (work.step()) steps++
      expect(steps).toBeGreaterThan(5)
      expect(bytesOf(restoreStaged(args, work)).toString()).toBe('OK')
      expect(bytesOf(session.ask('GET', 'copy')).equals(bytes)).toBe(true)
    }
  })

  it('of what is damaged is refused', () => {
    fill('h', 0, 500)
    const dump = bytesOf(session.ask('DUMP', 'h'))
    const damaged = sealed(dump.subarray(0, dump.length - 30))
    for (const [bytes, text] of [
      [damaged, 'Bad data format'],
      [Buffer.concat([dump, Buffer.from('x')]), 'checksum are wrong'],
    ] as const) {
      const args = owned('RESTORE', 'copy', '0', bytes)
      const work = stagedRestore(args)
      while (work.step());
      const reply = restoreStaged(args, work)
      expect('text' in reply && reply.text.toString()).toContain(text)
      expect(session.run('EXISTS copy')).toBe(':0')
    }
  })
})

describe('every type', () => {
  it.each(['hash', 'set', 'list', 'zset', 'stream'] as const)('is dumped and restored in slices, and replayed: %s', (kind) => {
    const random = chance(6)
    const { mutator } = engine
    const isOrdered = kind === 'list'
    for (let run = 0; run < testRuns(20); run++) {
      for (const command of randomValue(random, kind, 'from')) session.ask(...command)
      const dumping = session.stage('DUMP', 'from')
      while (dumping?.step());
      const dump = bytesOf(dumping === undefined ? session.ask('DUMP', 'from') : session.askStaged(dumping, 'DUMP', 'from'))
      const args = owned('RESTORE', 'to', '0', dump)
      const restoring = engine.stage(dumpCommands.RESTORE, args, 0)
      while (restoring?.step());
      expect(bytesOf(restoring === undefined ? session.exchange(args).reply : restoreStaged(args, restoring)).toString()).toBe('OK')
      const record = Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end))
      const whole = notesOf(bytesOf(session.ask('DUMP', 'to'))).lines
      expect(isOrdered ? whole : whole.sort()).toEqual(isOrdered ? notesOf(dump).lines : notesOf(dump).lines.sort())

      const other = new InProcessEngine(engineTables)
      other.keyspace.trees.leafBytesMax = 300
      other.mutator.recording = false
      new Replay(other.keyspace, other.mutator).apply(1, record)
      const replayed = bytesOf(other.connect().ask('DUMP', 'to'))
      expect(replayed).toEqual(bytesOf(session.ask('DUMP', 'to')))
      session.run('DEL from to')
    }
  })
})

describe('RESTORE', () => {
  it('refuses a field that is there twice', () => {
    const twice = sealed(Buffer.from('0402016101310161c001', 'hex'))
    const reply = session.ask('RESTORE', 'h', '0', twice)
    expect('text' in reply && reply.text.toString()).toBe('ERR Bad data format')
  })

  it('is replayed to the same', () => {
    fill('h', 0, 500)
    const large = bytesOf(session.ask('DUMP', 'h'))
    session.run('DEL h')
    const records: Buffer[] = []
    const { mutator } = engine
    const note = (): void => void records.push(Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end)))
    for (const request of [
      ['RESTORE', 'large', '100000', large],
      ['HSET', 'small', 'f', 'v'],
      ['RESTORE', 'large2', '0', large],
      ['HSET', 'large2', 'field:1', 'other'],
    ]) {
      session.ask(...(request as (string | Buffer)[]))
      note()
    }
    const dump = bytesOf(session.ask('DUMP', 'small'))
    session.ask('RESTORE', 'small', '0', dump, 'REPLACE')
    note()
    for (const times of [1, 2]) {
      const random = chance(4)
      const keyspace = new Keyspace(random, noObserver)
      keyspace.trees.leafBytesMax = 300
      const to = new Mutator(keyspace)
      to.recording = false
      const replay = new Replay(keyspace, to)
      for (const [i, record] of records.entries()) for (let time = 0; time < times; time++) replay.apply(i + 1, record)
      checkKeyspace(keyspace)
      expect(contentsOf(keyspace)).toEqual(contentsOf(engine.keyspace))
    }
  })
})

describe('damaged values', () => {
  it('are refused with an offset within them, or are values', () => {
    const random = chance(5)
    fill('h', 0, 40)
    const sound = [
      bytesOf(session.ask('DUMP', 'h')),
      sealed(Buffer.from('0a20200000001d000000050000036f6e65050374776f05f404fe0afec0e803ff', 'hex')),
      sealed(Buffer.from('0b0e02000000030000000100020003 00'.replaceAll(' ', ''), 'hex')),
      sealed(Buffer.from('0913020161030178790162020001ff', 'hex')),
    ]
    let refused = 0
    for (let run = 0; run < testRuns(3000); run++) {
      const value = Buffer.from(random.pick(sound).subarray(0, -10))
      for (let i = 1 + random.below(3); i > 0; i--) value[random.below(value.length)] = random.below(256)
      const dump = sealed(random.once(4) ? value.subarray(0, 1 + random.below(value.length)) : value)
      try {
        notesOf(dump)
      } catch (failure) {
        if (failure instanceof Error && /left behind/.test(failure.message)) continue
        expect(failure).toBeInstanceOf(RdbRefusal)
        expect((failure as RdbRefusal).offset).toBeLessThanOrEqual(dump.length)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(testRuns(3000) / 4)
  })
})
