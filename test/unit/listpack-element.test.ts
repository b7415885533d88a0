/** Elements of lists, met from both ends, at the boundaries of their encodings. */
import { describe, expect, it } from 'vitest'
import { elementBytesAt, elementBytesBefore, ListpackElement, writeElement } from '../../engine/types/listpack-element.ts'
import { stringElementBytes } from '../../engine/types/listpack-size.ts'

const integers = [
  0n,
  127n,
  128n,
  4095n,
  4096n,
  32767n,
  32768n,
  8388607n,
  8388608n,
  2147483647n,
  2147483648n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
]
const negatives = [...integers.map((n) => -n - 1n), ...integers.slice(1).map((n) => -n)]
const noIntegers = [
  '',
  '-',
  '-0',
  '00',
  '01',
  '+1',
  ' 1',
  '1 ',
  '1.5',
  '9223372036854775808',
  '-9223372036854775809',
  '12345678901234567890x',
]
const lengths = [63, 64, 125, 126, 127, 4095, 4096, 16377, 16378, 16379, 70_000]
const elements = [...[...integers, ...negatives].map(String), ...noIntegers, ...lengths.map((length) => 'x'.repeat(length))]

describe('elements of a listpack', () => {
  const bytes = Buffer.alloc(300_000)
  const ends: number[] = [0]
  for (const text of elements) {
    const from = Buffer.from(`?${text}?`, 'latin1')
    ends.push(writeElement(bytes, ends.at(-1)!, from, 1, 1 + text.length))
  }

  it('are read as they were written, from the first to the last', () => {
    const element = new ListpackElement()
    const read = elements.map((_, i) => {
      element.read(bytes, ends[i]!)
      expect(element.next).toBe(ends[i + 1])
      return element.bytes.toString('latin1', element.start, element.end)
    })
    expect(read).toEqual(elements)
  })

  it('are as long as is told beforehand, from before and from behind', () => {
    for (const [i, text] of elements.entries()) {
      const size = ends[i + 1]! - ends[i]!
      expect(stringElementBytes(Buffer.from(text), 0, text.length)).toBe(size)
      expect(elementBytesAt(bytes, ends[i]!)).toBe(size)
      expect(elementBytesBefore(bytes, ends[i + 1]!)).toBe(size)
    }
  })

  it('take the least bytes there are for an integer', () => {
    const sizes = [0, 128, 4096, 32768, 8388608, 2147483648].map((n) => stringElementBytes(Buffer.from(`${n}`), 0, `${n}`.length))
    expect(sizes).toEqual([2, 3, 4, 5, 6, 10])
  })

  it('are as docs/formats/cold-value.md shows', () => {
    const hex = (text: string) => {
      const into = Buffer.alloc(300)
      return into.toString('hex', 0, writeElement(into, 0, Buffer.from(text), 0, text.length))
    }
    expect(hex('a')).toBe('816102')
    expect(hex('1000')).toBe('c3e802')
    expect(hex('a'.repeat(200))).toMatch(/^e0c8(61){200}01ca$/)
  })
})
