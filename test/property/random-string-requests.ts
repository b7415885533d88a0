/**
 * Random requests on strings, bits, counters and keys, of one kind or of all: few keys, so that requests meet each other,
 * and numbers around every limit (52, 53 and 64 bits, ends of strings). About one in ten is malformed.
 */
import { quote } from '../commands/notation.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

type Part = string | number | Uint8Array

/** A request as a transcript shows it. */
export function quoted(parts: readonly Part[]): string {
  return parts.map((part) => quote(Buffer.from(part instanceof Uint8Array ? part : String(part)))).join(' ')
}

const numbers = ['0', '1', '-1', '2', '7', '8', '-3', '100', '-100', '9223372036854775807', '-9223372036854775808', 'x', '']
const limits = ['9007199254740993', '-9007199254740993', '4503599627370496', '-4503599627370497', '4294967296', '-2147483649']
/** Long enough that nothing expires by itself while redis-server runs. */
const times = ['2000', '3000', '5000', '0', '-1', '9223372036854775', '9223372036854775807', 'x']
const oddFloats = [
  'inf',
  '-inf',
  'nan',
  '1e',
  '.',
  '.5',
  '5.',
  '',
  ' 1',
  '0x',
  '0x.8',
  '0x1p-3',
  '-0',
  '0e99999',
  '1e99999999999',
  '1e-5000',
]
const edgeFloats = [
  '0x1p-16445',
  '0x1.8p-16446',
  '0x1.fffffffffffffffep16383',
  '0x1p16383',
  '1e4932',
  '1e4931',
  '-1e4932',
  '1e-4950',
  '3.6e-4951',
]
const fieldTypes = ['u8', 'i8', 'i64', 'u63', 'i1', 'u1', 'u52', 'u53', 'i52', 'i53', 'u33', 'i32', 'u64', 'i0']

export class RandomRequests {
  /** The chance of the request in hand. */
  random = new SeededRandom(0)

  next(): Part[] {
    return this.#pick([() => this.string(), () => this.bits(), () => this.float(), () => this.hyperloglog(), () => this.key()])()
  }

  string(): Part[] {
    const key = this.#key()
    return this.#pick<() => Part[]>([
      () => ['SET', key, this.#value()],
      () => ['SET', key, this.#integer()],
      () => [
        'SET',
        key,
        this.#value(),
        ...this.#some(3, () => this.#pick([['NX'], ['XX'], ['GET'], ['EX', this.#pick(times)], ['PX', '5000000'], ['KEEPTTL']])),
      ],
      () => ['GET', key],
      () => ['GETSET', key, this.#value()],
      () => ['GETDEL', key],
      () => ['GETEX', key, ...this.#pick([[], ['PERSIST'], ['EX', this.#pick(times)], ['PXAT', this.#integer()]])],
      () => ['SETNX', key, this.#value()],
      () => ['MSET', key, this.#value(), this.#key(), this.#value()],
      () => ['MSETNX', key, this.#value(), this.#key(), this.#value()],
      () => ['MGET', key, this.#key()],
      () => ['APPEND', key, this.#value()],
      () => ['STRLEN', key],
      () => ['SETRANGE', key, this.#below(200), this.#value()],
      () => ['GETRANGE', key, this.#integer(), this.#integer()],
      () => [this.#pick(['INCR', 'DECR']), key],
      () => [this.#pick(['INCRBY', 'DECRBY']), key, this.#integer()],
      () => [
        'LCS',
        key,
        this.#key(),
        ...this.#pick([[], ['LEN'], ['IDX'], ['IDX', 'WITHMATCHLEN'], ['IDX', 'MINMATCHLEN', this.#integer()]]),
      ],
    ])()
  }

  bits(): Part[] {
    const key = this.#key()
    const range = (): Part[] => this.#some(2, () => [this.#integer()])
    const exact = (): Part[] => [this.#integer(), this.#integer(), this.#pick(['BIT', 'BYTE', 'bit', 'bad'])]
    return this.#pick<() => Part[]>([
      () => ['SET', key, this.#value()],
      () => ['SETBIT', key, this.#below(600), this.#below(2)],
      () => ['GETBIT', key, this.#below(600)],
      () => ['BITCOUNT', key, ...this.#pick([range, exact])()],
      () => ['BITPOS', key, this.#pick(['0', '1', '2']), ...this.#pick([range, exact])()],
      () => ['BITOP', this.#pick(['AND', 'OR', 'XOR']), key, this.#key(), ...this.#some(2, () => [this.#key()])],
      () => ['BITOP', 'NOT', key, this.#key()],
      () => ['BITFIELD', key, ...this.#fields()],
      () => ['BITFIELD', key, ...this.#fields()],
      () => ['BITFIELD_RO', key, 'GET', this.#fieldType(), this.#below(600)],
    ])()
  }

  float(): Part[] {
    return this.#pick<() => Part[]>([() => ['SET', 'float', this.#float()], () => ['INCRBYFLOAT', 'float', this.#float()]])()
  }

  /** Few members or many, so that both encodings come up, and sometimes bytes that are no HyperLogLog, or a corrupt one. */
  hyperloglog(): Part[] {
    const key = this.#pick(['a', 'p', 'q', 'r'])
    const other = (): Part => this.#pick(['b', 'p', 'q', 'r'])
    const members = (max: number): Part[] => this.#some(max, () => [`m${this.#below(this.#pick([5, 300, 100_000]))}`])
    return this.#pick<() => Part[]>([
      () => ['PFADD', key, ...members(3)],
      () => ['PFADD', key, ...members(3)],
      () => ['PFADD', key, this.#value()],
      () => ['PFADD', key, ...members(this.#pick([70, 200, 1500]))],
      () => ['PFCOUNT', key, ...this.#some(2, () => [other()])],
      () => ['PFCOUNT', key],
      () => ['PFMERGE', key, ...this.#some(3, () => [other()])],
      () => ['PFDEBUG', this.#pick(['ENCODING', 'DECODE', 'DECODE', 'ENCODING', 'encoding', 'BAD']), key],
      () => (this.#below(6) === 0 ? ['PFDEBUG', this.#pick(['TODENSE', 'GETREG']), key] : ['DEL', key, other()]),
      () => ['GET', key],
      () => ['GET', key],
      () => ['OBJECT', 'ENCODING', key],
      () => (this.#below(8) === 0 ? ['SET', key, this.#hyperloglogLike()] : ['GET', key]),
    ])()
  }

  #hyperloglogLike(): Part {
    // The last run is whole: what redis-server makes of half a run depends on what happens to lie behind it.
    const runs = [...Array.from({ length: this.#below(5) }, () => this.#below(256)), 0x80, 0x80]
    const covering = this.#pick([[], [0x7f, 0xff], [0x7f, 0xfe, 0x80], [0x7f, 0xfe, 0xfc], [0x7f, 0xff, 0x80]])
    const cache = [this.#below(256), 0, 0, 0, 0, 0, 0, this.#pick([0, 0x80])]
    return Buffer.from([
      ...Buffer.from('HYLL'),
      this.#pick([0, 1, 1, 1, 1, 2]),
      0,
      0,
      0,
      ...cache,
      ...this.#pick([runs, covering, covering]),
    ])
  }

  key(): Part[] {
    const key = this.#key()
    return this.#pick<() => Part[]>([
      () => ['DEL', key, this.#key()],
      () => ['EXISTS', key, this.#key()],
      () => ['TYPE', key],
      () => ['RENAME', key, this.#key()],
      () => ['RENAMENX', key, this.#key()],
      () => ['COPY', key, this.#key(), ...this.#pick([[], ['REPLACE'], ['DB', '1'], ['DB', '1', 'REPLACE']])],
      () => ['MOVE', key, this.#below(3)],
      () => ['SWAPDB', this.#below(2), this.#below(3)],
      () => ['EXPIRE', key, this.#pick(times), ...this.#some(2, () => [this.#pick(['NX', 'XX', 'GT', 'LT'])])],
      () => ['PEXPIREAT', key, '33177117420000'],
      () => ['PERSIST', key],
      () => (this.#below(20) === 0 ? ['FLUSHDB'] : ['DBSIZE']),
    ])()
  }

  #fields(): Part[] {
    return this.#some(4, () => {
      const offset = this.#pick([this.#below(200), this.#below(500), `#${this.#below(9)}`])
      return this.#pick<Part[]>([
        ['GET', this.#fieldType(), offset],
        ['SET', this.#fieldType(), offset, this.#integer()],
        ['INCRBY', this.#fieldType(), offset, this.#integer()],
        ['OVERFLOW', this.#pick(['WRAP', 'SAT', 'FAIL'])],
      ])
    })
  }

  #fieldType(): string {
    return this.#below(3) === 0 ? this.#pick(fieldTypes) : `${this.#pick(['u', 'i'])}${1 + this.#below(63)}`
  }

  #float(): string {
    const sign = this.#pick(['', '', '-', '+'])
    switch (this.#below(8)) {
      case 0:
        return this.#pick(oddFloats)
      case 1:
        return this.#pick(edgeFloats)
      case 2:
        return `${sign}${this.#digits(25)}.${this.#digits(25)}`
      case 3:
        return `${sign}${this.#digits(3)}.${this.#digits(20)}e${this.#below(60) - 30}`
      case 4:
        return `${sign}0x${this.#digits(20)}.${this.#digits(5)}p${this.#below(200) - 100}`
      default:
        return `${sign}${this.#below(100_000) / this.#pick([1, 10, 100, 1000])}`
    }
  }

  #integer(): string {
    const below = this.#below(8)
    if (below === 0) return this.#pick(limits)
    return below < 4 ? this.#pick(numbers) : String(this.#below(120) - 40)
  }

  #value(): Part {
    const length = this.#below(this.#below(10) === 0 ? 3000 : 50)
    return this.#pick<() => Part>([
      () => this.#digits(20),
      () => Buffer.from(Array.from({ length }, () => this.#below(256))),
      () => Buffer.alloc(length, this.#pick([0x00, 0xff, 0xaa])),
      () => Array.from({ length: length % 60 }, () => this.#pick(['a', 'b', 'c'])).join(''),
    ])()
  }

  #key(): string {
    return this.#pick(['a', 'b', 'c', 'd', 'float'])
  }

  #digits(max: number): string {
    return Array.from({ length: 1 + this.#below(max) }, () => this.#below(10)).join('')
  }

  #some(max: number, part: () => Part[]): Part[] {
    return Array.from({ length: this.#below(max + 1) }, part).flat()
  }

  #below(n: number): number {
    return this.random.below(n)
  }

  #pick<T>(choices: readonly T[]): T {
    return this.random.pick(choices)
  }
}
