import { describe, expect, it } from 'vitest'
import type { Protocol } from '../../engine/reply-writer.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'

function written(protocol: Protocol, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter()
  reply.protocol = protocol
  write(reply)
  return reply.output.takeAll().toString('latin1')
}

/** All replies in `bytes`, which must hold nothing else. */
function decodeReplies(bytes: string): Reply[] {
  const decoder = new RespDecoder()
  decoder.push(Buffer.from(bytes, 'latin1'))
  const replies: Reply[] = []
  for (let found = decoder.next(); found; found = decoder.next()) replies.push(found.reply)
  expect(decoder.undecodedBytes).toBe(0)
  return replies
}

function items(reply: Reply | undefined): readonly Reply[] {
  return reply !== undefined && 'items' in reply ? reply.items : []
}

const cases: [string, (reply: ReplyWriter) => void, string, string][] = [
  ['ok', (r) => r.ok(), '+OK\r\n', '+OK\r\n'],
  ['queued', (r) => r.queued(), '+QUEUED\r\n', '+QUEUED\r\n'],
  ['status', (r) => r.status('PONG'), '+PONG\r\n', '+PONG\r\n'],
  ['error', (r) => r.error('ERR a\r\nb\nc'), '-ERR a  b c\r\n', '-ERR a  b c\r\n'],
  ['integer', (r) => r.integer(-1234567890123), ':-1234567890123\r\n', ':-1234567890123\r\n'],
  ['bigInteger', (r) => r.bigInteger(2n ** 63n - 1n), ':9223372036854775807\r\n', ':9223372036854775807\r\n'],
  ['bulk', (r) => r.bulk(Buffer.from('xhellox'), 1, 6), '$5\r\nhello\r\n', '$5\r\nhello\r\n'],
  ['empty bulk', (r) => r.bulk(Buffer.alloc(0), 0, 0), '$0\r\n\r\n', '$0\r\n\r\n'],
  ['text', (r) => r.text('hé'), '$3\r\nh\xc3\xa9\r\n', '$3\r\nh\xc3\xa9\r\n'],
  ['empty text', (r) => r.text(''), '$0\r\n\r\n', '$0\r\n\r\n'],
  ['nil', (r) => r.nil(), '$-1\r\n', '_\r\n'],
  ['nilArray', (r) => r.nilArray(), '*-1\r\n', '_\r\n'],
  ['array', (r) => r.array(12), '*12\r\n', '*12\r\n'],
  ['map', (r) => r.map(12), '*24\r\n', '%12\r\n'],
  ['set', (r) => r.set(3), '*3\r\n', '~3\r\n'],
  ['push', (r) => r.push(3), '*3\r\n', '>3\r\n'],
  ['double', (r) => r.double(0.1), '$19\r\n0.10000000000000001\r\n', ',0.10000000000000001\r\n'],
  ['infinite double', (r) => r.double(Number.NEGATIVE_INFINITY), '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['boolean', (r) => r.boolean(true), ':1\r\n', '#t\r\n'],
  ['false', (r) => r.boolean(false), ':0\r\n', '#f\r\n'],
  ['verbatim', (r) => r.verbatim('txt', 'abc'), '$3\r\nabc\r\n', '=7\r\ntxt:abc\r\n'],
  ['bigNumber', (r) => r.bigNumber(10n ** 20n), '$21\r\n100000000000000000000\r\n', '(100000000000000000000\r\n'],
  ['raw', (r) => r.raw(Buffer.from('x+A\r\n'), 1, 5), '+A\r\n', '+A\r\n'],
]

describe('ReplyWriter', () => {
  it.each(cases)('writes %s', (_name, write, resp2, resp3) => {
    expect(written(2, write)).toBe(resp2)
    expect(written(3, write)).toBe(resp3)
  })

  it('writes bulk strings of every length around its thresholds, copied or by reference', () => {
    for (const length of [1, 9, 10, 95, 96, 97, 99, 100, 16370, 16383, 16384, 16385, 32767, 32768, 32769, 100_000]) {
      const value = Buffer.alloc(length, 'v')
      for (const shared of [false, true]) {
        const bytes = written(2, (r) => {
          r.ok()
          if (shared) r.bulkShared(value, 0, length)
          else r.bulk(value, 0, length)
          r.text('y'.repeat(length))
          r.status('z'.repeat(length))
          r.ok()
        })
        const lengths = decodeReplies(bytes).map((reply) => ('text' in reply ? reply.text.length : 0))
        expect(lengths).toEqual([2, length, length, length, 2])
      }
    }
  })

  it('resolves nested lengths within a chunk and over chunks', () => {
    for (const filler of [0, 100, 16_300, 16_372, 20_000, 70_000]) {
      for (const protocol of [2, 3] as const) {
        const bytes = written(protocol, (r) => {
          r.status('f'.repeat(filler))
          const outer = r.arrayDeferred()
          r.text('g'.repeat(filler))
          const inner = r.mapDeferred()
          for (let i = 0; i < 1000; i++) {
            r.integer(i)
            r.bulk(Buffer.alloc(30, 'h'), 0, 30)
          }
          r.resolve(inner, 1000)
          const empty = r.setDeferred()
          r.resolve(empty, 0)
          r.resolve(outer, 3)
          r.ok()
        })
        const [, outer, last] = decodeReplies(bytes)
        expect(last).toEqual({ type: 'status', text: Buffer.from('OK') })
        expect(items(outer).map((item) => item.type)).toEqual(['bulk', ...(protocol === 3 ? ['map', 'set'] : ['array', 'array'])])
        expect(items(items(outer)[1]).length).toBe(2000)
        expect(items(items(outer)[2]).length).toBe(0)
      }
    }
  })

  it('takes back what a handler wrote, over chunks and references too', () => {
    const reply = new ReplyWriter()
    reply.status('kept')
    const mark = reply.position
    reply.arrayDeferred()
    reply.bulkShared(Buffer.alloc(50_000), 0, 50_000)
    reply.bulk(Buffer.alloc(40_000), 0, 40_000)
    reply.rewindTo(mark)
    expect(reply.position).toBe(mark)
    reply.error('ERR no')
    expect(reply.output.takeAll().toString()).toBe('+kept\r\n-ERR no\r\n')
    expect(reply.output.memoryBytes).toBe(0)
  })

  it('leaves no trace of what is written while discarding', () => {
    const reply = new ReplyWriter()
    reply.ok()
    reply.discarding = true
    const token = reply.arrayDeferred()
    for (let i = 0; i < 3000; i++) reply.bulk(Buffer.alloc(90), 0, 90)
    reply.bulkShared(Buffer.alloc(50_000), 0, 50_000)
    reply.resolve(token, 3001)
    expect(reply.output.memoryBytes).toBeLessThan(40_000)
    const views: Uint8Array[] = []
    reply.output.takeSendable(0, views)
    expect(Buffer.concat(views).toString()).toBe('+OK\r\n')
    reply.ok()
    reply.discarding = false
    reply.status('seen')
    expect(reply.output.takeAll().toString()).toBe('+seen\r\n')
  })

  it('tells of errors', () => {
    const reply = new ReplyWriter()
    const seen: string[] = []
    reply.onError = (text) => seen.push(text)
    reply.error('ERR x')
    expect(seen).toEqual(['ERR x'])
  })
})
