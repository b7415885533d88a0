/** Where rows lie is found as by going over all of them, whatever the separators are spread like. */
import { expect, it } from 'vitest'
import { RowSearch } from '../../engine/tree/row-search.ts'
import { Separator } from '../../engine/tree/separator.ts'
import { rowsMax, rowWords } from '../../engine/tree/tree-nodes.ts'
import { chance } from '../chance.ts'

const random = chance(11)
const spreads: Record<string, () => number[]> = {
  even: () => [random.nextUint32(), 0],
  'all in one first word': () => [7, random.nextUint32()],
  crowded: () => [random.nextUint32() % 50, random.nextUint32() % 3],
  'at the ends': () => [random.nextUint32() % 2 === 0 ? random.nextUint32() % 40 : 2 ** 32 - 1 - (random.nextUint32() % 40), 0],
}

it.each(Object.entries(spreads))('separators that are spread %s', (_, next) => {
  for (let length = 1; length <= rowsMax; length++) {
    const separators = Array.from({ length }, () => new Separator().set(...(next() as [number, number])))
    separators.sort((a, b) => a.compare(b.words, 0))
    const words = new Uint32Array(5 + length * rowWords)
    for (const [row, { words: separator }] of separators.entries()) words.set(separator, 5 + row * rowWords)
    const sought = [...separators, ...Array.from({ length: 20 }, () => new Separator().set(...(next() as [number, number])))]
    for (const each of sought) {
      const behind = separators.filter((separator) => separator.compare(each.words, 0) <= 0).length
      const search = new RowSearch().begin()
      expect(search.row(words, 5, length, each)).toBe(Math.max(0, behind - 1))
      if (behind > 0) expect(each.words[0]).toBeGreaterThanOrEqual(search.least)
      expect(each.words[0]).toBeLessThanOrEqual(search.end)
    }
  }
})
