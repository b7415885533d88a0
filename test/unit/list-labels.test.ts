/** Labels of many leaves that come to an end of a list together. */
import { expect, it } from 'vitest'
import { labelOf } from '../../engine/tree/order-label.ts'
import { Separator } from '../../engine/tree/separator.ts'
import type { TreeShape } from '../../engine/tree/tree-shape.ts'
import { ListLabels } from '../../engine/types/list-labels.ts'

it.each([1, -1] as const)('lie one step apart, also where a word overflows: %i', (by) => {
  const labels = new ListLabels({} as TreeShape)
  for (const words of [
    [7, 0, 1, 2],
    [7, 5, 1, 2],
    [7, 0xffffffff, 0xffffffff, 0xffffffff],
  ] as const) {
    const label = new Separator().set(words[0], words[1], words[2], words[3])
    const before = labelOf(label, 4)
    labels.step(label, by)
    expect(labelOf(label, 4)).toBe(before + (BigInt(by) << 64n))
  }
})
