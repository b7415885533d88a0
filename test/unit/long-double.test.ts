/** Sums as redis-server 7.0 on x86-64 prints them. */
import { describe, expect, it } from 'vitest'
import type { LongDouble } from '../../engine/long-double.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../../engine/long-double.ts'

function parse(text: string): LongDouble | undefined {
  const bytes = Buffer.from(`[${text}]`)
  return parseLongDouble(bytes, 1, bytes.length - 1)
}

function add(a: string, b: string): string {
  const sum = addLongDoubles(parse(a) as LongDouble, parse(b) as LongDouble)
  return sum === undefined ? 'infinite' : formatLongDouble(sum)
}

describe('long double', () => {
  it.each([
    ['0.1', '0.2', '0.3'],
    ['10.5', '0.1', '10.6'],
    ['5.0e3', '2.0e2', '5200'],
    ['3.0e-5', '1e-5', '0.00004'],
    ['-0.1', '0.1', '0'],
    ['-1e-20', '0', '0'],
    ['100000000000000000000', '0.1', '100000000000000000000'],
    ['0x10', '1', '17'],
    ['0x.8p1', '.5', '1.5'],
    ['+1.', '-.25', '0.75'],
    ['18446744073709551615', '1', '18446744073709551616'],
    ['18446744073709551615', '0.5', '18446744073709551616'],
    ['18446744073709551614', '0.5', '18446744073709551614'],
    ['9223372036854775807', '0.5', '9223372036854775807.5'],
    ['0e99999', '7', '7'],
  ])('%s + %s = %s', (a, b, sum) => {
    expect(add(a, b)).toBe(sum)
  })

  it.each([
    '',
    ' 1',
    '1 ',
    '1e',
    '1e+',
    '.',
    '+',
    '0x',
    '0x1p',
    '1,5',
    'nan',
    'NaN',
    'infinit',
    '1_0',
    '--1',
    '1e5000',
    '1e-5000',
    '1e99999999999',
    '0x1p16384',
    '0x1p-16446',
  ])('%j is no number', (text) => {
    expect(parse(text)).toBeUndefined()
  })

  it('reaches from the smallest number of 64 bits to the largest', () => {
    expect(parse('0x1p-16445')).toEqual({ significand: 1n, exponent: -16445 })
    expect(parse('0x1.fffffffffffffffep16383')).toEqual({ significand: 2n ** 64n - 1n, exponent: 16320 })
    // Half a unit above the largest rounds to infinity, a little less does not.
    expect(parse('0x1.ffffffffffffffffp16383')).toBeUndefined()
    expect(parse('1.18973149535723176502e4932')).toEqual({ significand: 2n ** 64n - 1n, exponent: 16320 })
    expect(parse('1.18973149535723176508e4932')).toBeUndefined()
  })

  it('rounds a tie to even, and only a tie', () => {
    const tie = 2n ** 64n + 1n
    expect(parse(`${tie}`)?.significand).toBe(2n ** 63n)
    expect(parse(`${tie}.0000000000000000000000000000000000000001`)).toEqual({ significand: 2n ** 63n + 1n, exponent: 1 })
    expect(parse(`${tie + 2n}`)).toEqual({ significand: 2n ** 63n + 2n, exponent: 1 })
  })

  it('has no finite sum with infinity, nor beyond the largest', () => {
    expect(add('inf', '1')).toBe('infinite')
    expect(add('-Infinity', 'inf')).toBe('infinite')
    expect(add('1e4932', '1e4932')).toBe('infinite')
  })

  it('reads no more bytes than Redis does', () => {
    expect(parse(`1${'0'.repeat(4900)}`)).toBeDefined()
    expect(parse(`0.${'0'.repeat(5117)}`)).toEqual({ significand: 0n, exponent: 0 })
    expect(parse(`0.${'0'.repeat(5118)}`)).toBeUndefined()
  })
})
