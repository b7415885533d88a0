/**
 * HSET requests as templates with some bytes replaced (see requests.ts): many hashes of three fields, and one hash of many
 * fields, of which a request sets a batch. Values are a letter and digits: Redis would store integers in another form.
 */
import type { Requests } from './requests.ts'
import { respGet } from './requests.ts'

export const largeHashKey = 'large'
/** Fields that one request to the large hash sets. */
export const fieldsPerRequest = 100
const valueDigits = 9

function writeDigits(buffer: Buffer, end: number, n: number): void {
  for (let left = n, at = end; left > 0; left = Math.floor(left / 10)) buffer[--at] = 0x30 + (left % 10)
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

function numberIn(seed: number): number {
  return (seed * 31 + 1_000_000_007) % 10 ** valueDigits
}

/** A hash per key of 16 bytes: two values of ten bytes, and one of 65, which Redis's compact form does not take. */
export function threeFieldHashes(): Requests {
  const value = (bytes: number) => bulk('v'.padEnd(bytes - valueDigits, 'x') + '0'.repeat(valueDigits))
  const pairs = [bulk('name') + value(10), bulk('place') + value(10), bulk('text') + value(65)]
  const head = `*${2 + 2 * pairs.length}\r\n${bulk('HSET')}`
  const key = bulk(`key:${'0'.repeat(12)}`)
  const template = Buffer.from(head + key + pairs.join(''), 'latin1')
  const keyEnd = head.length + key.length - 2
  const valueEnds = pairs.map((_, i) => head.length + key.length + pairs.slice(0, i + 1).join('').length - 2)
  return {
    requestBytes: template.length,
    encode(buffer, at, number) {
      template.copy(buffer, at)
      writeDigits(buffer, at + keyEnd, number)
      for (const [i, end] of valueEnds.entries()) writeDigits(buffer, at + end, numberIn(number + i * 7919))
      return at + template.length
    },
    replies: () => respGet().replies(),
  }
}

/** Request `n` sets the fields from `n * fieldsPerRequest` on: `field:` and fourteen digits, 20 bytes; values of `valueBytes`. */
export function largeHashBatches(valueBytes: number): Requests {
  const pair = bulk(`field:${'0'.repeat(14)}`) + bulk('v'.padEnd(valueBytes - valueDigits, 'x') + '0'.repeat(valueDigits))
  const head = `*${2 + 2 * fieldsPerRequest}\r\n${bulk('HSET')}${bulk(largeHashKey)}`
  const template = Buffer.from(head + pair.repeat(fieldsPerRequest), 'latin1')
  const fieldEnd = '$20\r\n'.length + 20
  return {
    requestBytes: template.length,
    encode(buffer, at, number) {
      template.copy(buffer, at)
      for (let i = 0; i < fieldsPerRequest; i++) {
        const pairAt = at + head.length + i * pair.length
        const field = number * fieldsPerRequest + i
        writeDigits(buffer, pairAt + fieldEnd, field)
        writeDigits(buffer, pairAt + pair.length - 2, numberIn(field))
      }
      return at + template.length
    },
    replies: () => respGet().replies(),
  }
}
