/** What random requests consist of: few keys that hold anything, fields and members, values at every limit, and ways to put them together. */
import fc from 'fast-check'

export type Part = string | Buffer
export type Parts = fc.Arbitrary<readonly Part[]>

export const x = (count: number): string => 'x'.repeat(count)

export const key = fc.constantFrom<Part>(
  'k1',
  'k2',
  'k3',
  'k4',
  'h1',
  'h2',
  'l1',
  'l2',
  't1',
  't2',
  'z1',
  'z2',
  'x1',
  'x2',
  '',
  'k\x00\r\n',
)
export const field = fc.constantFrom<Part>('f', 'g', 'h', 'i', 'j', '1', '', x(65), Buffer.from([0, 255, 13, 10]))
export const integer = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -20, max: 20 }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('9223372036854775807', '-9223372036854775808', '9223372036854775806', '4611686018427387904', '2147483648'),
  },
)
export const notInteger = fc.constantFrom<Part>(
  '',
  'abc',
  '1.5',
  '01',
  '+1',
  ' 1',
  '1 ',
  '-0',
  '0x10',
  '9223372036854775808',
  '1e3',
  '-',
  '--1',
)
export const decimal = fc.constantFrom<Part>('0.1', '0.2', '-2.25', '1.5', '3.0e3', '1e-5', '10', '-0.1', '100.01', '0', '12345678.9', '-1')
export const notDecimal = fc.constantFrom<Part>('nan', 'inf', '-inf', '1e5000', 'abc', '', ' 1', '1,5', '0x10', '1e400', '1.5.5')
export const value = fc.oneof<fc.Arbitrary<Part>[]>(
  integer,
  notInteger,
  decimal,
  notDecimal,
  fc.constantFrom<Part>('abc', 'foobar', 'ohmytext', 'mynewtext', x(44), x(45), x(64), x(65), x(1000), x(20_000)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
)
/** Offsets of bytes at which writing stays small or is refused. */
export const offset = fc.constantFrom('0', '1', '5', '20', '-1', '700', '536870912', '9223372036854775807', 'abc', '')
export const bitOffset = fc.constantFrom('0', '1', '7', '8', '63', '100', '5000', '-1', '4294967296', 'abc', '#0', '#3', '#-1')
export const range = fc.oneof(integer, fc.constantFrom('0', '-1', '1', 'abc', '-100', '100'))
/** A thousand seconds apart at least, so that GT and LT do not depend on the milliseconds of a run: the same comes twice once in a million times. */
export const seconds = fc.oneof(
  { weight: 5, arbitrary: fc.noBias(fc.integer({ min: 1, max: 1_000_000 })).map((thousands) => `${thousands}000`) },
  { weight: 1, arbitrary: fc.constantFrom('0', '-1', 'abc', '', '1.5', '9223372036854775807', '9223372036854775') },
)
/** What is too much in seconds is made too much in milliseconds: Moraine keeps no time behind the year 10889. */
export const milliseconds = seconds.map((text) => {
  if (text === '9223372036854775') return '9223372036854775800'
  return /^[1-9]\d{3,9}$/.test(text) ? `${text}000` : text
})
export const pastOrFuture = fc.constantFrom('1', '33177117420', '33177117421', '33177999999', '0', '-1', 'abc', '9223372036854775807')
export const pastOrFutureMs = fc.constantFrom(
  '1',
  '33177117420000',
  '33177117420500',
  '33177117421000',
  '0',
  '-1',
  '',
  '9223372036854775808',
)
export const pattern = fc.constantFrom('*', 'k*', 'k?', '[kh][12]', 'k[^1]', '', 'k1', '\\k1', 'none', '*\x00*', 'f*', '?')

export const literal = (text: string): Parts => fc.constant([text])
export const one = (arbitrary: fc.Arbitrary<Part>): Parts => arbitrary.map((part) => [part])
export const all = (...parts: readonly Parts[]): Parts => fc.tuple(...parts).map((lists) => lists.flat())
export const named = (name: string, ...arbitraries: readonly fc.Arbitrary<Part>[]): Parts =>
  all(literal(name), ...arbitraries.map((arbitrary) => one(arbitrary)))
export const maybe = (parts: Parts): Parts => fc.oneof(fc.constant([]), parts)
export const several = (parts: Parts, maxLength = 4): Parts => fc.array(parts, { maxLength }).map((lists) => lists.flat())
export const any = (...words: readonly string[]): Parts => fc.constantFrom(...words).map((word) => [word])
