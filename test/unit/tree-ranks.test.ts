/** Ranks in trees of several levels: an element is found by its rank, and the rank of its leaf tells which one it is. */
import { expect, it } from 'vitest'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { SetTrees } from '../../engine/types/set-tree.ts'
import { chance } from '../chance.ts'

it('the leaf of every rank has that many elements before it', () => {
  const random = chance(31)
  const { trees } = new Keyspace(random, noObserver)
  trees.leafBytesMax = 64
  const sets = new SetTrees(trees)
  const root = trees.createTree(0, 1, 77, 8, 1)
  const names = Array.from({ length: 12_000 }, (_, i) => Buffer.from(`m${i}`))
  for (const name of names) sets.add(root, name, 0, name.length, 1)
  for (const name of names) if (random.nextUint32() % 3 === 0) sets.remove(root, name, 0, name.length, 1)
  const { nodes, roots, shape } = trees
  expect(nodes.level(roots.top(root))).toBe(2)
  const at = new LeafRow()
  shape.first(root, at)
  let rank = 0
  do {
    expect(shape.rankOf(at)).toBe(rank)
    const count = nodes.count(at.node, at.row)
    for (const within of [0, count - 1]) {
      if (within < 0 || count === 0) continue
      const found = new LeafRow()
      shape.locateRank(root, rank + within, found)
      expect([found.node, found.row, shape.rankWithin]).toEqual([at.node, at.row, within])
    }
    rank += count
  } while (shape.next(at))
  expect(rank).toBe(roots.count(root))
})
