import { describe, expect, it } from 'vitest'
import { formatInteger, integerLength, isInt64, parseBigInteger, parseInteger } from '../../engine/integer.ts'

function read(text: string): [number, bigint | undefined, boolean] {
  const bytes = Buffer.from(`<${text}>`)
  return [parseInteger(bytes, 1, bytes.length - 1), parseBigInteger(bytes, 1, bytes.length - 1), isInt64(bytes, 1, bytes.length - 1)]
}

describe('integers in bytes', () => {
  it.each(['0', '1', '-1', '9', '10', '-10', '123456789', '9007199254740991', '-9007199254740991'])('reads %s', (text) => {
    expect(read(text)).toEqual([Number(text), BigInt(text), true])
  })

  it.each([
    '9007199254740992',
    '-9007199254740992',
    '9999999999999999',
    '99999999999999999',
    '1000000000000000000',
    '9223372036854775807',
    '-9223372036854775808',
    '-9223372036854775807',
  ])('reads %s as a bigint only', (text) => {
    expect(read(text)).toEqual([Number.NaN, BigInt(text), true])
  })

  it.each([
    '',
    '-',
    '-0',
    '+1',
    '00',
    '01',
    '-01',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    '0x1',
    'a',
    '1a',
    '12345678901234567a',
    '9223372036854775808',
    '-9223372036854775809',
    '10000000000000000000',
    '99999999999999999999',
  ])('refuses %j', (text) => {
    expect(read(text)).toEqual([Number.NaN, undefined, false])
  })

  it('writes what it reads, around every power of ten and of two', () => {
    const into = Buffer.alloc(32)
    const edges = [0, Number.MAX_SAFE_INTEGER]
    for (let power = 1; power < 1e16; power *= 10) edges.push(power)
    for (let power = 1; power < 2 ** 53; power *= 2) edges.push(power)
    for (const edge of edges) {
      for (const n of [edge - 1, edge, edge + 1, -edge - 1, -edge, 1 - edge]) {
        if (!Number.isSafeInteger(n)) continue
        const end = formatInteger(into, 3, n)
        expect(into.toString('latin1', 3, end)).toBe(BigInt(n).toString())
        expect(integerLength(n)).toBe(end - 3)
        expect(parseInteger(into, 3, end)).toBe(n === 0 ? 0 : n)
      }
    }
  })
})
