/** Places in order of score, beside comparisons of the scores themselves. */
import { expect, it } from 'vitest'
import { packedHeaderBytes, setUsedBytes } from '../../engine/memory/packed-bytes.ts'
import { findPlace, passed, placeBytes, skipScores, writePlace } from '../../engine/types/sorted-set-leaf.ts'
import { chance } from '../chance.ts'

const scores = [
  Number.NEGATIVE_INFINITY,
  -Number.MAX_VALUE,
  -3,
  -1.0000000000000002,
  -1,
  -(2 ** -1022),
  -5e-324,
  -0,
  0,
  5e-324,
  2 ** -1022,
  0.1,
  1,
  1.0000000000000002,
  2,
  2 ** 32,
  Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
]
const random = chance(23)
const start = 5

type Element = readonly [score: number, member: string]

function blobOf(elements: readonly Element[]): Buffer {
  const bytes = Buffer.alloc(start + packedHeaderBytes + elements.length * placeBytes(2))
  let at = start + packedHeaderBytes
  for (const [score, member] of elements) {
    writePlace(bytes, at, score, Buffer.from(member), 0, member.length)
    at += placeBytes(member.length)
  }
  setUsedBytes(bytes, start, at - start)
  return bytes
}

it('a score, and a member among those of one score, lies where comparing doubles puts it', () => {
  for (let run = 0; run < 60; run++) {
    const elements: Element[] = []
    for (const score of scores) {
      if (score === 0 && elements.some(([other]) => other === 0)) continue
      for (const member of ['a', 'b', 'c']) if (random.nextUint32() % 3 === 0) elements.push([score, member])
    }
    const bytes = blobOf(elements)
    const positionOf = (index: number): number => start + packedHeaderBytes + index * placeBytes(1)
    for (const score of scores) {
      const below = elements.filter(([other]) => other < score).length
      const upTo = elements.filter(([other]) => other <= score).length
      expect(skipScores(bytes, start, score, false)).toBe(positionOf(below))
      expect(passed.count).toBe(below)
      expect(skipScores(bytes, start, score, true)).toBe(positionOf(upTo))
      expect(passed.count).toBe(upTo)
      for (const member of ['a', 'b', 'c']) {
        const before = elements.filter(([other, name]) => other < score || (other === score && name < member)).length
        const isThere = elements.some(([other, name]) => other === score && name === member)
        const found = findPlace(bytes, start, score, Buffer.from(member), 0, 1)
        expect(found).toBe(isThere ? positionOf(before) : ~positionOf(before))
        expect(passed.count).toBe(before)
      }
    }
  }
})
