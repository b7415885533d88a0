/** Replies written, held, released, taken back and sent in any order, against a model that is a list of letters. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkPool } from '../../engine/chunk-pool.ts'
import { OutputBuffer } from '../../engine/output-buffer.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import { testRuns } from '../chance.ts'

const runs = testRuns(500)

const size = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 200 }) }, fc.integer({ min: 16_000, max: 40_000 }))
const step = fc.oneof(
  fc.record({ kind: fc.constant('reply' as const), size, lsnAhead: fc.integer({ min: -2, max: 3 }), shared: fc.boolean() }),
  fc.record({ kind: fc.constant('array' as const), size, count: fc.integer({ min: 0, max: 12 }) }),
  fc.record({
    kind: fc.constant('messages' as const),
    size,
    count: fc.integer({ min: 1, max: 4 }),
    lsnAhead: fc.integer({ min: -2, max: 3 }),
  }),
  fc.record({ kind: fc.constant('undone' as const), size }),
  fc.record({ kind: fc.constant('discarded' as const), size }),
  fc.record({ kind: fc.constant('commit' as const), by: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('send' as const), settle: fc.boolean() }),
)

describe('OutputBuffer', () => {
  it('sends what may leave, in order, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pool = new ChunkPool()
        const output = new OutputBuffer(pool)
        const writer = new ReplyWriter(output)
        const waiting: { bytes: string; lsn: number }[] = []
        let letter = 0
        let committed = 0
        let appended = 0
        let sent = 0
        const body = (length: number): Buffer => Buffer.alloc(length, String.fromCharCode(97 + (letter++ % 26)))
        const send = (settle: boolean): void => {
          let expected = ''
          while (waiting.length > 0 && waiting[0]!.lsn <= committed) expected += waiting.shift()!.bytes
          const views: Uint8Array[] = []
          const bytes = output.takeSendable(committed, views)
          expect(Buffer.concat(views).toString()).toBe(expected)
          expect(bytes).toBe(expected.length)
          sent += bytes
          expect(output.taken).toBe(sent)
          if (settle) output.settle()
        }
        for (const next of steps) {
          const from = output.position
          if (next.kind === 'reply') {
            const value = body(next.size)
            if (next.shared) writer.bulkShared(value, 0, value.length)
            else writer.bulk(value, 0, value.length)
            const lsn = Math.max(0, appended + next.lsnAhead)
            appended = Math.max(appended, lsn)
            if (lsn > committed) output.hold(lsn, from)
            waiting.push({ bytes: `$${next.size}\r\n${value.toString()}\r\n`, lsn })
          } else if (next.kind === 'array') {
            const token = writer.arrayDeferred()
            let items = ''
            for (let i = 0; i < next.count; i++) {
              const inner = writer.arrayDeferred()
              const value = body(next.size)
              writer.bulk(value, 0, value.length)
              writer.resolve(inner, 1)
              items += `*1\r\n$${next.size}\r\n${value.toString()}\r\n`
            }
            writer.resolve(token, next.count)
            waiting.push({ bytes: `*${next.count}\r\n${items}`, lsn: 0 })
          } else if (next.kind === 'messages') {
            // One behind the other in the bytes that others receive, too.
            const block = body(next.size * next.count)
            for (let i = 0; i < next.count; i++) {
              const lsn = Math.max(0, appended + next.lsnAhead)
              appended = Math.max(appended, lsn)
              output.message([{ bytes: block, start: i * next.size, end: (i + 1) * next.size }], lsn, committed)
              waiting.push({ bytes: block.toString('latin1', i * next.size, (i + 1) * next.size), lsn })
            }
          } else if (next.kind === 'undone') {
            writer.arrayDeferred()
            writer.bulkShared(body(next.size), 0, next.size)
            writer.bulk(body(next.size), 0, next.size)
            output.rewindTo(from)
            expect(output.position).toBe(from)
          } else if (next.kind === 'discarded') {
            output.discarding = true
            writer.bulk(body(next.size), 0, next.size)
            writer.bulkShared(body(next.size), 0, next.size)
            output.discarding = false
          } else if (next.kind === 'commit') committed += next.by
          else send(next.settle)
        }
        committed = Number.POSITIVE_INFINITY
        send(true)
        expect(waiting).toEqual([])
        expect(output.holding).toBe(false)
        expect([output.memoryBytes, pool.usedBytes]).toEqual([0, 0])
      }),
      { numRuns: runs },
    )
  })
})
