/** Ranges of leaves taken out of trees of every depth, at any place: the rest is a right tree, and what was taken is all there. */
import { describe, expect, it } from 'vitest'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Values } from '../../engine/keyspace/values.ts'
import { Arena } from '../../engine/memory/arena.ts'
import { packedHeaderBytes } from '../../engine/memory/packed-bytes.ts'
import { Separator } from '../../engine/tree/separator.ts'
import { TreeLeaves } from '../../engine/tree/tree-leaves.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { chance, testRuns } from '../chance.ts'

function grown(leaves: TreeLeaves, count: number): number {
  const root = leaves.createTree(0, 1, 0, packedHeaderBytes, 1)
  const at = new LeafRow()
  leaves.shape.first(root, at)
  leaves.changed(at, 1, 1)
  for (let i = 1; i < count; i++) {
    leaves.create(at, new Separator().set(i), packedHeaderBytes, 1)
    leaves.changed(at, 1 + (i % 3), 1)
  }
  return root
}

/** Numbers of the leaves in order; throws where the tree is not right. */
function checked(leaves: TreeLeaves, root: number): number[] {
  const { nodes, roots, shape } = leaves
  const depth = nodes.level(roots.top(root))
  const numbers: number[] = []
  const visit = (node: number, parent: number, level: number): number => {
    expect([nodes.parent(node), nodes.level(node)]).toEqual([parent, level])
    expect(nodes.length(node)).toBeGreaterThan(0)
    let sum = 0
    for (let row = 0; row < nodes.length(node); row++) {
      const words = leaves.values.arena.words(node)
      const child = nodes.ref(node, row)
      if (level === 0) {
        expect(leaves.values.owner(child)).toBe(node)
        numbers.push(words[nodes.rowAt(node, row)] as number)
      } else {
        expect(visit(child, node, level - 1)).toBe(nodes.count(node, row))
        expect(words[nodes.rowAt(node, row)]).toBe(leaves.values.arena.words(child)[nodes.rowAt(child, 0)])
      }
      sum += nodes.count(node, row)
    }
    return sum
  }
  expect(visit(roots.top(root), root, depth)).toBe(roots.count(root))
  expect([roots.leaves(root), roots.dirtyLeaves(root), roots.coldLeaves(root)]).toEqual([numbers.length, numbers.length, 0])
  const walked: number[] = []
  const at = new LeafRow()
  shape.first(root, at)
  do walked.push(shape.separator(at, new Separator()).words[0] as number)
  while (shape.next(at))
  expect(walked).toEqual(numbers)
  return numbers
}

describe('taking a range of leaves out', () => {
  it('leaves a right tree, and hands over the rest in a few', () => {
    const random = chance(8)
    for (let run = 0; run < testRuns(15); run++) {
      const dropped: number[] = []
      const values = new Values(new Arena())
      const observer = { ...noObserver, treeDropped: (root: number) => void dropped.push(root) }
      const leaves = new TreeLeaves(values, { observer })
      const size = random.once(4) ? 5000 : random.pick([3, 70, 200])
      const root = grown(leaves, size)
      let numbers = Array.from({ length: size }, (_, i) => i)
      while (numbers.length > 1 && !random.once(6)) {
        const first = 1 + random.below(numbers.length - 1)
        const last = random.once(3) ? numbers.length - 1 : first + random.below(numbers.length - first)
        const from = new LeafRow()
        const to = new LeafRow()
        leaves.find(root, new Separator().set(numbers[first] as number), from)
        leaves.find(root, new Separator().set(numbers[last] as number), to)
        dropped.length = 0
        leaves.removal.range(from, to)
        const gone = numbers.splice(first, last - first + 1)
        expect(checked(leaves, root)).toEqual(numbers)
        expect(dropped.length).toBeLessThan(8)
        expect(dropped.flatMap((part) => checked(leaves, part)).sort((a, b) => a - b)).toEqual(gone)
        for (const part of dropped) while (!leaves.removal.releaseSome(part, 100));
        // It goes on growing where it was cut.
        leaves.find(root, new Separator().set(numbers[first - 1] as number), from)
        if (gone.length > 1) {
          leaves.create(from, new Separator().set(gone[0] as number), packedHeaderBytes, 1)
          leaves.changed(from, 1, 1)
          numbers = [...numbers.slice(0, first), gone[0] as number, ...numbers.slice(first)]
          expect(checked(leaves, root)).toEqual(numbers)
        }
      }
      leaves.removal.dropped(root)
      while (!leaves.removal.releaseSome(root, 100));
      expect(values.arena.liveBytes).toBe(0)
    }
  })
})
