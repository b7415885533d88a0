/** HyperLogLogs: what is recorded of a change, what reading leaves behind, how near the estimates are. That the bytes are Redis's is compared with redis-server. */
import { describe, expect, it } from 'vitest'
import { hyperloglogCommands } from '../../engine/commands/hyperloglog.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { estimate, MemberRank, registerCount } from '../../engine/types/hyperloglog.ts'
import { raiseTo, WorkingCopy } from '../../engine/types/hyperloglog-sparse.ts'
import { InProcessEngine } from '../commands/in-process.ts'

const tables = { ...stringCommands, ...hyperloglogCommands }

/** Finds a member that changes what the last one has left. */
function addNew(session: ReturnType<InProcessEngine['connect']>, key: string): void {
  let i = 0
  while (session.run(`PFADD ${key} member${i}`) === ':0') i++
}

describe('the record of PFADD', () => {
  it('of one member to a dense one is a few bytes', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    session.run('PFADD h a b c')
    session.run('PFDEBUG TODENSE h')
    session.run('PFCOUNT h')
    addNew(session, 'h')
    // A register, and that the cached estimate is not valid.
    expect(engine.mutator.operations).toBe(2)
    expect(engine.mutator.record.end).toBeLessThan(32)
    addNew(session, 'h')
    expect(engine.mutator.operations).toBe(1)
  })

  it('is none when nothing changes', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    session.run('PFADD h a b c')
    for (const request of ['PFADD h a b', 'PFADD h', 'PFDEBUG ENCODING h', 'PFDEBUG DECODE h']) {
      session.run(request)
      expect(engine.mutator.operations, request).toBe(0)
    }
    session.run('PFCOUNT h')
    expect(engine.mutator.operations).toBe(1)
    session.run('PFCOUNT h')
    expect(engine.mutator.operations).toBe(0)
    session.run('PFCOUNT h h')
    expect(engine.mutator.operations).toBe(0)
  })
})

describe('PFCOUNT', () => {
  it('leaves nothing behind once the log has failed', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    session.run('PFADD h a b c')
    const before = session.run('GET h')
    engine.execution.deletesExpired = false
    expect(session.run('PFCOUNT h')).toBe(':3')
    expect(engine.mutator.operations).toBe(0)
    expect(session.run('GET h')).toBe(before)
    engine.execution.deletesExpired = true
    session.run('PFCOUNT h')
    expect(session.run('GET h')).not.toBe(before)
  })

  it('answers what x86 makes of an estimate that is too large, as Redis does', () => {
    const session = new InProcessEngine(tables).connect()
    session.run('PFADD h a')
    session.run('PFDEBUG TODENSE h')
    session.ask('SETRANGE', 'h', 16, Buffer.alloc(12_288, 0xff))
    expect(session.run('PFCOUNT h')).toBe(':-9223372036854775808')
    expect(session.run('PFCOUNT h')).toBe(':-9223372036854775808')
  })
})

describe('PFSELFTEST', () => {
  it('is done in slices', () => {
    const session = new InProcessEngine(tables).connect()
    const staged = session.stage('PFSELFTEST')
    if (staged === undefined) throw new Error('nothing was staged')
    let steps = 0
    while (staged.step()) steps++
    expect(steps).toBeGreaterThan(100)
    expect(session.askStaged(staged, 'PFSELFTEST')).toMatchObject({ type: 'status' })
  })
})

describe('an estimate', () => {
  it('is within a few percent', () => {
    const member = new MemberRank()
    const work = new WorkingCopy()
    const ranks = new Uint8Array(registerCount)
    work.makeEmpty()
    const bytes = Buffer.alloc(4)
    for (let count = 1; count <= 200_000; count++) {
      bytes.writeUInt32BE(count)
      const { register, rank } = member.of(bytes, 0, 4)
      work.raise(register, rank, 3000)
      if (![1, 10, 100, 1000, 10_000, 200_000].includes(count)) continue
      ranks.fill(0)
      expect(raiseTo(ranks, work.bytes, 0, work.length)).toBe(true)
      expect(Math.abs(Number(estimate(ranks)) - count)).toBeLessThanOrEqual(Math.max(0.05 * count, 1))
    }
    expect(work.isSparse).toBe(false)
  })
})
