import { describe, expect, it } from 'vitest'
import { formatDouble, parseDouble } from '../../engine/double.ts'

function read(text: string): number {
  const bytes = Buffer.from(text)
  return parseDouble(bytes, 0, bytes.length)
}

describe('floats in bytes', () => {
  it.each([
    ['0', 0],
    ['1.5', 1.5],
    ['+1.5', 1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['-1e3', -1000],
    ['1E+2', 100],
    ['inf', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['+INF', Number.POSITIVE_INFINITY],
    ['0x10', 16],
    ['-0x1.8p1', -3],
    ['-0.0', -0],
    ['00012.50', 12.5],
    ['.000000000000001', 1e-15],
    ['0.1', 0.1],
    ['123456789012345', 123456789012345],
    ['9007199254740993', 9007199254740992],
    ['0.30000000000000004', 0.1 + 0.2],
    ['-179.99999999', -179.99999999],
  ])('reads %s', (text, value) => {
    expect(read(text)).toBe(value)
  })

  it.each(['', ' 1', '1 ', 'nan', '-nan', '.', 'e5', '1e', '1.2.3', '0x', '1_000', 'infin', '1e-999', '--1'])('refuses %j', (text) => {
    expect(read(text)).toBeNaN()
  })

  it('refuses a number longer than the buffer that C would use', () => {
    expect(read(`1${'0'.repeat(200)}.${'0'.repeat(5 * 1024)}`)).toBeNaN()
  })

  it.each([
    [0.1, '0.10000000000000001'],
    [1.5, '1.5'],
    [3, '3'],
    [-0, '-0'],
    [100000, '100000'],
    [1e16, '10000000000000000'],
    [1e17, '1e+17'],
    [1.5e17, '1.5e+17'],
    [1e300, '1.0000000000000001e+300'],
    [0.0001, '0.0001'],
    [0.00001, '1.0000000000000001e-05'],
    [1e-7, '9.9999999999999995e-08'],
    [2.71, '2.71'],
    [-12.25, '-12.25'],
    [1234567.00390625, '1234567.00390625'],
    [12345678.00390625, '12345678.00390625'],
    [123.456, '123.456'],
    [-0.007, '-0.0070000000000000001'],
    [100.00000001, '100.00000000999999'],
    [73059430964855860, '73059430964855856'],
    [1234567890123 + 5 / 32, '1234567890123.1562'],
    [1234567890123 + 3 / 32, '1234567890123.0938'],
    [1 / 3, '0.33333333333333331'],
    [2 ** 50 + 0.25, '1125899906842624.2'],
    [2 ** 50 + 0.75, '1125899906842624.8'],
    [5e-324, '4.9406564584124654e-324'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [Number.NaN, 'nan'],
  ])('prints %d as %s', (value, text) => {
    expect(formatDouble(value)).toBe(text)
  })
})
