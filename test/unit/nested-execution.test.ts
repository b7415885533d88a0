/** Commands that have other commands executed: arguments, reply and database are their own again afterwards, and all is one record. */
import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import type { EngineCommand } from '../../engine/command.ts'
import { noKeys } from '../../engine/command.ts'
import { defaultEngineLimits } from '../../engine/engine-limits.ts'
import type { Execution } from '../../engine/execution.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { OutputBuffer } from '../../engine/output-buffer.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import type { Command } from '../../server/command-table.ts'
import { CommandTable } from '../../server/command-table.ts'
import { engineTables } from '../../server/commands/tables.ts'
import { Primary } from '../../server/shard/primary.ts'
import type { Tier } from '../../storage/tier.ts'
import { leadMemoryLog } from '../../wal/memory-log.ts'
import { MemoryLogDisk } from '../../wal/memory-log-disk.ts'
import { contentsOf } from '../property/keyspace-check.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

const limits = { ...defaultEngineLimits, hashMaxListpackEntries: 8 }
const now = 1_700_000_000_000

class Reply {
  readonly output = new OutputBuffer()
  readonly writer = new ReplyWriter(this.output)

  get text(): string {
    const views: Uint8Array[] = []
    this.output.takeSendable(Number.MAX_SAFE_INTEGER, views)
    return Buffer.concat(views).toString('latin1')
  }
}

/** `outer` is what the command NEST does; `call` has another one executed, in a database, and returns its reply. */
function fixture(outer: (x: Execution, call: (database: number, ...words: string[]) => string) => void) {
  const random = new SeededRandom(1)
  const keyspace = new Keyspace(random, noObserver)
  const mutator = new Mutator(keyspace)
  const disk = new MemoryLogDisk()
  const log = leadMemoryLog(disk, { clock: new ManualClock() })
  const primary = new Primary({ keyspace, mutator, log, tier: {} as Tier }, random, limits)
  primary.tick(now)
  const row = (handler: (x: Execution) => void): EngineCommand =>
    ({ ...engineTables.DBSIZE, arity: -1, flags: ['write', 'denyoom'], keys: noKeys, handler }) as EngineCommand
  const call = (database: number, ...words: string[]): string => {
    const reply = new Reply()
    expect(primary.run(commands.named(words[0] as string) as Command, Arguments.of(...words), reply.writer, database)).toBe(0)
    return reply.text
  }
  const commands = new CommandTable({ ...engineTables, NEST: row((x) => outer(x, call)) }, {})
  const run = (...words: string[]): { readonly lsn: number; readonly reply: string } => {
    const reply = new Reply()
    keyspace.forgetLookUp()
    const lsn = primary.run(commands.named(words[0] as string) as Command, Arguments.of(...words), reply.writer, 0)
    return { lsn, reply: reply.text }
  }
  /** What a replay of the log makes. */
  const replayed = (): unknown => {
    log.flush()
    const copy = new Keyspace(random, noObserver)
    const replay = new Replay(copy, new Mutator(copy))
    for (const [at, payload] of disk.records.entries()) replay.apply(disk.first + at, payload)
    return contentsOf(copy)
  }
  return { keyspace, log, primary, commands, run, replayed }
}

describe('a command that has others executed', () => {
  it('finds its arguments, reply and database as they were, and makes one record', () => {
    const seen: unknown[] = []
    const { keyspace, log, run, replayed } = fixture((x, call) => {
      const { args, reply, mutator } = x
      mutator.putString(x.db, args.buffer, args.start(1), args.end(1), args.buffer, args.start(2), args.end(2), 0)
      seen.push(call(3, 'SET', 'inner', '7'), call(3, 'INCR', 'inner'), call(0, 'GET', 'own'), call(0, 'HSET', 'own', 'f', 'v'))
      expect([x.args === args, x.reply === reply, x.database, x.db]).toEqual([true, true, 0, keyspace.logical[0]])
      reply.bulk(args.buffer, args.start(2), args.end(2))
    })
    expect(run('NEST', 'own', 'value')).toEqual({ lsn: 1, reply: '$5\r\nvalue\r\n' })
    expect(seen).toEqual(['+OK\r\n', ':8\r\n', '$5\r\nvalue\r\n', expect.stringContaining('-WRONGTYPE')])
    expect(log.appended).toBe(1)
    expect(replayed()).toEqual(contentsOf(keyspace))
    expect(run('GET', 'own').reply).toBe('$5\r\nvalue\r\n')
  })

  it('can be nested deeper, and inside a transaction', () => {
    const { keyspace, log, primary, run, replayed } = fixture((x, call) => {
      const { args } = x
      const depth = args.integer(1)
      const found = depth === 0 ? call(0, 'INCR', 'calls') : call(0, 'NEST', String(depth - 1))
      call(0, 'APPEND', 'order', String(x.args.integer(1)))
      x.reply.text(`${depth}<${found.trim().split('\r\n').at(-1)}`)
    })
    primary.beginUnit()
    expect(run('SET', 'first', '1').lsn).toBe(0)
    expect(run('NEST', '2')).toEqual({ lsn: 0, reply: '$8\r\n2<1<0<:1\r\n' })
    expect(run('SET', 'last', '1').lsn).toBe(0)
    expect([primary.endUnit(), log.appended]).toEqual([1, 1])
    expect(run('GET', 'order').reply).toBe('$3\r\n012\r\n')
    expect(replayed()).toEqual(contentsOf(keyspace))
  })

  it('waits for what the others have shown', () => {
    const { run, log } = fixture((x, call) => {
      call(0, 'GET', 'k')
      x.reply.ok()
    })
    expect(run('SET', 'k', 'v').lsn).toBe(1)
    expect([run('NEST').lsn, log.committed]).toEqual([1, 0])
  })

  it('goes on when one of them fails', () => {
    const { run } = fixture((x, call) => {
      x.reply.text(call(0, 'INCRBY', 'k', 'x').slice(0, 4))
    })
    expect(run('NEST').reply).toBe('$4\r\n-ERR\r\n')
  })

  it('leaves nothing open when one of them breaks', () => {
    const { primary, run, log } = fixture((_x, call) => {
      call(0, 'SET', 'k', 'v')
      throw new Error('broken')
    })
    primary.beginUnit()
    expect(() => run('NEST')).toThrow('broken')
    expect(run('SET', 'after', 'v').lsn).toBe(1)
    expect(log.appended).toBe(1)
  })

  it('lets the server make no change of its own meanwhile', () => {
    const { primary, run } = fixture((x) => {
      expect(() => primary.change(() => undefined)).toThrow('in the middle of a request')
      x.reply.ok()
    })
    expect(run('NEST').reply).toBe('+OK\r\n')
    primary.beginUnit()
    expect(() => primary.change(() => undefined)).toThrow('in the middle of a request')
    primary.endUnit()
    expect(primary.change(({ mutator }) => mutator.putString(0, Buffer.from('k'), 0, 1, Buffer.from('v'), 0, 1, 0))).toBe(1)
  })
})
