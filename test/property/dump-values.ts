/** Random values of all types, as the commands that make them, and how a server is asked what they came to. */
import type { SeededRandom } from '../simulation/seeded-random.ts'

export type DumpedKind = 'string' | 'list' | 'set' | 'zset' | 'hash' | 'stream'
export const dumpedKinds: readonly DumpedKind[] = ['string', 'list', 'set', 'zset', 'hash', 'stream']

type Part = string | Buffer
type Command = readonly Part[]

const integers = [
  '0',
  '-1',
  '12',
  '13',
  '127',
  '128',
  '-128',
  '-129',
  '4095',
  '4096',
  '-4096',
  '-4097',
  '32767',
  '32768',
  '-32769',
  '8388607',
  '8388608',
]
const largeIntegers = ['2147483647', '2147483648', '-2147483649', '9007199254740993', '9223372036854775807', '-9223372036854775808']
const others = ['', '-0', '01', '+1', ' 1', '9223372036854775808', '1.5', 'abc']
const lengths = [1, 11, 12, 20, 21, 30, 62, 63, 64, 65, 252, 253, 254, 255, 1000, 4095, 4096, 16_383, 16_384, 20_000, 70_000]

/** Bytes of a length that matters, that compress well, a little, or not at all. */
export function randomBytes(random: SeededRandom): Buffer {
  const length = random.pick(lengths)
  const kind = random.below(3)
  const bytes = Buffer.alloc(length, 'x')
  if (kind > 0) for (let i = 0; i < length; i++) bytes[i] = kind === 1 ? 97 + random.below(3) : random.below(256)
  return bytes
}

export function randomElement(random: SeededRandom): Part {
  const choice = random.below(10)
  if (choice < 3) return random.pick(integers)
  if (choice < 4) return random.pick(largeIntegers)
  if (choice < 5) return random.pick(others)
  if (choice < 6) return randomBytes(random)
  return `element:${random.below(1000)}`
}

/** So many different elements. */
function elements(random: SeededRandom, count: number, one = randomElement): Part[] {
  const found = new Map<string, Part>()
  while (found.size < count) {
    const part = found.size > 40 ? `element:${random.below(1_000_000)}` : one(random)
    found.set(Buffer.from(part as string).toString('latin1'), part)
  }
  return [...found.values()]
}

const scores = [
  '0',
  '-0',
  '1',
  '-1',
  '1.5',
  'inf',
  '-inf',
  '3.0000000000000004',
  '1e300',
  '-1e-300',
  '9007199254740993',
  '0.1',
  '123456789012',
]

function size(random: SeededRandom): number {
  return 1 + random.below(random.pick([4, 20, 200, 700]))
}

/** The commands that make a value of a kind under `key`. */
export function randomValue(random: SeededRandom, kind: DumpedKind, key: string): Command[] {
  const some = elements(random, size(random))
  switch (kind) {
    case 'string':
      return [['SET', key, random.once(2) ? randomElement(random) : randomBytes(random)]]
    case 'list':
      return [[random.once(2) ? 'RPUSH' : 'LPUSH', key, ...some]]
    case 'set':
      return [['SADD', key, ...(random.once(2) ? some : elements(random, size(random), (r) => `${r.below(100_000) - 500}`))]]
    case 'zset':
      return [['ZADD', key, ...some.flatMap((member) => [random.pick(scores), member])]]
    case 'hash':
      return [['HSET', key, ...some.flatMap((field) => [field, randomElement(random)])]]
    case 'stream':
      return randomStream(random, key)
  }
}

function randomStream(random: SeededRandom, key: string): Command[] {
  const commands: Command[] = []
  const count = size(random)
  const begin = random.once(4) ? 2 ** 40 : 1
  for (let i = 0; i < count; i++) {
    const fields = random.once(3) ? [randomElement(random), randomElement(random)] : ['f', randomElement(random), 'g', `${i}`]
    commands.push(['XADD', key, `${begin + i * 3}-${random.below(3)}`, ...fields])
  }
  for (let i = random.below(4); i > 0; i--) commands.push(['XDEL', key, `${begin + random.below(count) * 3}-0`])
  for (let group = random.below(3); group > 0; group--) {
    commands.push(['XGROUP', 'CREATE', key, `group ${group}`, random.once(2) ? '0' : '$'])
    for (let consumer = random.below(3); consumer > 0; consumer--)
      commands.push([
        'XREADGROUP',
        'GROUP',
        `group ${group}`,
        `consumer ${consumer}`,
        'COUNT',
        `${1 + random.below(9)}`,
        'STREAMS',
        key,
        '>',
      ])
  }
  return commands
}
