/** Keyspace events as handlers name them, before anybody is told. The comparison with redis-server is in `test/commands/key-events.test.ts`. */
import { describe, expect, it } from 'vitest'
import { expiredEvent, genericEvent, hashEvent, keyMissEvent, listEvent, newKeyEvent, stringEvent } from '../../engine/messages.ts'
import { engineTables } from '../../server/commands/tables.ts'
import { InProcessEngine } from '../commands/in-process.ts'

const everything = genericEvent | stringEvent | hashEvent | expiredEvent | keyMissEvent | newKeyEvent

function fixture(wanted = everything) {
  const engine = new InProcessEngine(engineTables)
  const session = engine.connect()
  const { messages } = engine.keyspace
  const told: string[] = []
  messages.wanted = wanted
  messages.audience = {
    published: () => ({ receivers: 0 }),
    happened: (database, event, key, start, end) => {
      told.push(`${database} ${event} ${Buffer.from(key.subarray(start, end))}`)
      return []
    },
  }
  const eventsOf = (...lines: string[]): string[] => {
    for (const line of lines) session.run(line)
    return told.splice(0)
  }
  return { engine, session, eventsOf }
}

describe('keyspace events', () => {
  it('come in order, those of the keyspace before those of the command', () => {
    const { eventsOf } = fixture()
    expect(eventsOf('SET a 1 EX 100', 'RENAME a b', 'HDEL h f', 'HSET h f 1')).toEqual([
      ...['0 new a', '0 set a', '0 expire a', '0 new b', '0 rename_from a', '0 rename_to b', '0 new h', '0 hset h'],
    ])
  })

  it('tell of lists what Redis tells, and of each list that goes with its last element', () => {
    const { eventsOf } = fixture(listEvent | genericEvent)
    expect(
      eventsOf('RPUSH l a b c', 'LPUSH l d', 'LSET l 0 e', 'LINSERT l AFTER e f', 'LREM l 1 none', 'LREM l 1 f', 'LTRIM l 0 -1'),
    ).toEqual([...['0 rpush l', '0 lpush l', '0 lset l', '0 linsert l', '0 lrem l', '0 ltrim l']])
    expect(eventsOf('LMOVE l m LEFT RIGHT', 'RPOPLPUSH m m', 'LPOP l 0', 'LMPOP 1 l RIGHT COUNT 9', 'BLPOP m 0', 'LPUSHX l x')).toEqual([
      ...['0 rpush m', '0 lpop l', '0 lpush m', '0 rpop m', '0 rpop l', '0 del l', '0 lpop m', '0 del m'],
    ])
  })

  it('are those of wanted classes alone', () => {
    const { eventsOf } = fixture(hashEvent)
    expect(eventsOf('SET a 1', 'GET none', 'HSET h f 1', 'HDEL h f')).toEqual(['0 hset h', '0 hdel h'])
    expect(fixture(0).eventsOf('SET a 1', 'HSET h f 1')).toEqual([])
  })

  it("tell the database by its clients' number, after SWAPDB too", () => {
    const { eventsOf } = fixture()
    expect(eventsOf('SET a 1', 'SWAPDB 0 3', 'SET b 1', 'SELECT 3', 'MOVE a 5', 'COPY a b DB 0')).toEqual([
      ...['0 new a', '0 set a', '0 new b', '0 set b', '5 new a', '3 move_from a', '5 move_to a', '3 keymiss a'],
    ])
  })

  it('tell of an expired key that is met, and then of what is done to it', () => {
    const { engine, eventsOf } = fixture()
    eventsOf('SET a 1 PX 10', 'SET b 1 PX 10')
    engine.advance(11)
    expect(eventsOf('GET a', 'SET b 2')).toEqual(['0 expired a', '0 keymiss a', '0 expired b', '0 new b', '0 set b'])
  })
})
