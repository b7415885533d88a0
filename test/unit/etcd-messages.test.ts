/**
 * What the client of etcd does with bytes alone: Protocol Buffers' wire format against the examples of its documentation and
 * against itself, damage, numbers too large, ends of prefixes, pages of one revision.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failedOutcome } from '../../wal/etcd/etcd-outcome.ts'
import type { RangeReply, RangeRequest } from '../../wal/etcd/kv-methods.ts'
import { prefixEnd, txn } from '../../wal/etcd/kv-methods.ts'
import { ProtobufReader, ProtobufUnreadable, ProtobufWriter } from '../../wal/etcd/protobuf.ts'
import { RangePages } from '../../wal/etcd/range-pages.ts'

type Field =
  | { kind: 'integer'; value: number }
  | { kind: 'identity'; value: bigint }
  | { kind: 'bytes'; value: Buffer }
  | { kind: 'nested'; value: Field[] }

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const { fields } = fc.letrec<{ field: Field; fields: Field[] }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 4 },
    fc.record({ kind: fc.constant('integer' as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('identity' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
    fc.record({ kind: fc.constant('bytes' as const), value: bytes }),
    fc.record({ kind: fc.constant('nested' as const), value: tie('fields') }),
  ),
  fields: fc.array(tie('field'), { maxLength: 5 }),
}))

/** Field i of the message is the i-th, from 1 on. */
function write(writer: ProtobufWriter, message: readonly Field[]): void {
  for (const [i, field] of [...message.entries()].reverse()) {
    if (field.kind === 'integer') writer.integer(i + 1, field.value)
    else if (field.kind === 'identity') writer.identity(i + 1, field.value)
    else if (field.kind === 'bytes') writer.bytes(i + 1, field.value)
    else writer.message(i + 1, () => write(writer, field.value))
  }
}

function read(reader: ProtobufReader, message: readonly Field[]): Field[] {
  return message.map((field, i) => {
    expect(reader.next()).toBe(true)
    expect(reader.field).toBe(i + 1)
    if (field.kind === 'integer') return { kind: 'integer', value: reader.integer() }
    if (field.kind === 'identity') return { kind: 'identity', value: reader.identity() }
    if (field.kind === 'bytes') return { kind: 'bytes', value: reader.bytes() }
    return { kind: 'nested', value: read(reader.message(), field.value) }
  })
}

function encoded(message: readonly Field[]): Buffer {
  const writer = new ProtobufWriter(0)
  write(writer, message)
  return writer.finish()
}

function skipAll(message: Buffer): void {
  const reader = new ProtobufReader(message)
  while (reader.next()) reader.skip()
}

describe('the wire format', () => {
  it('is that of the examples in its documentation', () => {
    const writer = new ProtobufWriter(0)
    writer.message(3, () => writer.integer(1, 150))
    writer.text(2, 'testing')
    writer.integer(1, 150)
    expect(writer.finish().toString('hex')).toBe('089601120774657374696e671a03089601')
  })

  it('gives back what was written', () => {
    fc.assert(
      fc.property(fields, (message) => {
        const reader = new ProtobufReader(encoded(message))
        expect(read(reader, message)).toEqual(message)
        expect(reader.next()).toBe(false)
      }),
    )
  })

  it('lets unknown fields be skipped, those of fixed size too', () => {
    fc.assert(fc.property(fields, (message) => skipAll(encoded(message))))
    skipAll(Buffer.from('0d01020304' + '090102030405060708', 'hex'))
  })

  it('refuses what ends too early', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (value, at) => {
        const message = encoded([{ kind: 'bytes', value }])
        expect(() => skipAll(message.subarray(0, 1 + (at % (message.length - 1))))).toThrow(ProtobufUnreadable)
      }),
    )
  })

  it('refuses numbers that JavaScript would round, and takes ids of 64 bits', () => {
    const message = encoded([{ kind: 'identity', value: 2n ** 53n }])
    const asNumber = new ProtobufReader(message)
    asNumber.next()
    expect(() => asNumber.integer()).toThrow(ProtobufUnreadable)
    const writer = new ProtobufWriter(0)
    expect(() => writer.integer(1, 2 ** 53)).toThrow(RangeError)
    expect(() => writer.integer(1, -1)).toThrow(RangeError)
  })

  it('refuses a field of another type than expected', () => {
    const reader = new ProtobufReader(encoded([{ kind: 'integer', value: 1 }]))
    reader.next()
    expect(() => reader.bytes()).toThrow(ProtobufUnreadable)
  })
})

describe('a transaction', () => {
  it('is written as the page about the protocol shows', () => {
    const compare = { key: Buffer.from('ab'), target: 'createRevision', is: 'equal', revision: 0 } as const
    const encoded = txn.encode({ compares: [compare], success: [] })
    expect(encoded.toString('hex')).toBe('0a0a080010011a0261622800')
  })

  it('is made in one buffer of the right size', () => {
    const value = Buffer.alloc(64 << 10, 1)
    const key = Buffer.from('slot')
    const request = txn.encode({
      compares: [{ key, target: 'createRevision', is: 'equal', revision: 0 }],
      success: [{ kind: 'put', key, value }],
      failure: [{ kind: 'range', key }],
    })
    expect(request.buffer.byteLength).toBeLessThan(value.length + 1024)
  })

  it('is made around a value that has room in front of it, or elsewhere when there is not enough', () => {
    const memory = Buffer.alloc(1200, 7)
    const value = memory.subarray(600, 1000).fill(1)
    const key = Buffer.from('slot')
    const encoded = (room?: number): Buffer =>
      txn.encode({
        compares: [{ key, target: 'createRevision', is: 'equal', revision: 0 }],
        success: [{ kind: 'put', key, value, room }],
        failure: [{ kind: 'range', key }],
      })
    const copied = encoded()
    const around = encoded(500)
    expect(around.buffer).toBe(memory.buffer)
    expect(encoded(3).buffer).not.toBe(memory.buffer)
    for (const each of [around, encoded(500), encoded(3)]) {
      expect(each.equals(copied)).toBe(true)
    }
    expect([...new Set(memory.subarray(0, 100)), ...new Set(value), ...new Set(memory.subarray(1000))]).toEqual([7, 1, 7])
  })
})

describe('the end of a prefix', () => {
  it('is above all keys with the prefix and not above any other', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (prefix, rest, other) => {
        const end = prefixEnd(prefix)
        const isEndless = end.equals(Buffer.from([0]))
        const isWithin = (key: Buffer): boolean => Buffer.compare(prefix, key) <= 0 && (isEndless || Buffer.compare(key, end) < 0)
        expect(isWithin(Buffer.concat([prefix, rest]))).toBe(true)
        expect(isWithin(other)).toBe(other.subarray(0, prefix.length).equals(prefix))
      }),
    )
  })
})

describe('a range in pages', () => {
  it('asks for the same page again after a failure, and for one revision only', async () => {
    const asked: (number | undefined)[] = []
    const keys = ['a', 'b', 'c', 'd', 'e'].map((key) => Buffer.from(key))
    let revision = 7
    const answer = async (request: RangeRequest): Promise<RangeReply> => {
      asked.push(request.revision)
      const rest = keys.filter((key) => Buffer.compare(key, request.key) >= 0)
      const pairs = rest.slice(0, request.limit).map((key) => ({ key, value: key, createRevision: 1, modRevision: 1 }))
      return { revision: revision++, pairs, more: rest.length > pairs.length, count: rest.length }
    }
    const pages = new RangePages({ key: Buffer.from('a'), end: Buffer.from('z'), limit: 2 })
    const found: string[] = []
    for (let turn = 0; !pages.isDone; turn++) {
      const outcome = await pages.next(async (request) => {
        if (turn % 2 === 0) return failedOutcome({ code: 14, details: 'no connection' })
        return { kind: 'answered', reply: await answer(request) }
      })
      if (outcome.kind === 'answered') found.push(...outcome.reply.map(({ key }) => key.toString()))
    }
    expect(found).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(asked).toEqual([undefined, 7, 7])
    expect(pages.revision).toBe(7)
  })
})

describe('an outcome', () => {
  it.each([
    [8, 'etcdserver: mvcc: database space exceeded', 'refused'],
    [8, 'Bandwidth exhausted or memory limit exceeded', 'ambiguous'],
    [14, 'etcdserver: request timed out', 'ambiguous'],
    [4, 'Deadline exceeded', 'ambiguous'],
    [13, 'Received RST_STREAM with code 2', 'ambiguous'],
    [9, 'etcdserver: not leader', 'refused'],
    [3, 'etcdserver: request is too large', 'refused'],
  ])('with code %i, "%s", is %s', (code, details, kind) => {
    expect(failedOutcome({ code, details }).kind).toBe(kind)
  })
})
