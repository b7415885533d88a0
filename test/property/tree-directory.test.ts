/**
 * Directories of large trees beside the plain way: whatever is put in, taken out in ones and in ranges, evicted, fetched, and moved in between, a
 * look-up that goes by the directory ends at the leaf that the rows themselves tell, and every slot of a directory is right.
 */
import { describe, expect, it } from 'vitest'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Values } from '../../engine/keyspace/values.ts'
import { Arena } from '../../engine/memory/arena.ts'
import { packedHeaderBytes, usedBytes } from '../../engine/memory/packed-bytes.ts'
import { Separator } from '../../engine/tree/separator.ts'
import { TreeLeaves } from '../../engine/tree/tree-leaves.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { chance, testRuns } from '../chance.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'

const two32 = 2 ** 32

interface Leaf {
  readonly first: number
  readonly second: number
  readonly node: number
  readonly row: number
}

/** All leaves in order, by walking. */
function leavesOf({ shape }: TreeLeaves, root: number): Leaf[] {
  const found: Leaf[] = []
  const at = new LeafRow()
  const separator = new Separator()
  shape.first(root, at)
  do {
    const { words } = shape.separator(at, separator)
    found.push({ first: words[0]!, second: words[1]!, node: at.node, row: at.row })
  } while (shape.next(at))
  return found
}

function isBefore(a: { readonly first: number; readonly second: number }, first: number, second: number): boolean {
  return a.first < first || (a.first === first && a.second <= second)
}

/** The leaf in whose range a separator lies, by bisection over all of them. */
function leafAt(all: readonly Leaf[], first: number, second: number): Leaf {
  let low = 0
  for (let high = all.length; high - low > 1; ) {
    const middle = (low + high) >>> 1
    if (isBefore(all[middle]!, first, second)) low = middle
    else high = middle
  }
  return all[low]!
}

/** Every slot of a tree's directory, and what nodes count of it. Returns how many slots are filled. */
function checkDirectory({ nodes, roots, values }: TreeLeaves, root: number, all: readonly Leaf[]): number {
  const table = roots.directory(root)
  const named = new Map<number, number>()
  if (table !== 0) {
    const { arena } = values
    const words = arena.words(table)
    const w = arena.wordAt(table)
    const shift = words[w]!
    for (let slot = 0; slot < 2 ** (32 - shift); slot++) {
      const node = words[w + 1 + slot * 2]!
      if (node === 0) continue
      named.set(node, (named.get(node) ?? 0) + 1)
      const first = slot * 2 ** shift
      expect(leafAt(all, first, 0).node).toBe(node)
      expect(leafAt(all, first + 2 ** shift - 1, two32 - 1).node).toBe(node)
    }
  }
  for (const { node } of all) expect(nodes.named(node)).toBe(named.get(node) ?? 0)
  return [...named.values()].reduce((sum, slots) => sum + slots, 0)
}

class Session {
  readonly dropped: number[] = []
  readonly leaves: TreeLeaves
  readonly random: SeededRandom
  /** Bits of first words that separators have: with few of them, many begin alike. */
  readonly firstBits: number
  root: number
  #lsn = 1
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  constructor(random: SeededRandom, firstBits: number) {
    this.random = random
    this.firstBits = firstBits
    const observer = { ...noObserver, treeDropped: (root: number) => void this.dropped.push(root) }
    this.leaves = new TreeLeaves(new Values(new Arena()), { observer })
    this.root = this.leaves.createTree(0, 1, 7, packedHeaderBytes, 1)
  }

  drawn(): Separator {
    const first = Math.floor(this.random.nextUint32() / 2 ** (32 - this.firstBits)) * 2 ** (32 - this.firstBits)
    return this.#separator.set(first, this.random.once(2) ? 0 : this.random.nextUint32())
  }

  add(): void {
    const { leaves } = this
    const separator = this.drawn()
    if (leaves.find(this.root, separator, this.#at)) return
    leaves.create(this.#at, separator, packedHeaderBytes, ++this.#lsn)
    leaves.changed(this.#at, 1, this.#lsn)
  }

  remove(): void {
    const { leaves } = this
    leaves.shape.search.locateSpread(this.root, this.drawn(), this.#at)
    if (leaves.shape.previous(this.#at)) {
      leaves.shape.next(this.#at)
      leaves.removal.one(this.#at)
    }
  }

  removeRange(leavesMax: number): void {
    const { leaves } = this
    const all = leavesOf(leaves, this.root)
    if (all.length < 3) return
    const first = 1 + this.random.below(all.length - 1)
    const last = Math.min(all.length - 1, first + this.random.below(leavesMax))
    leaves.removal.range(new LeafRow().set(all[first]!.node, all[first]!.row), new LeafRow().set(all[last]!.node, all[last]!.row))
    for (const part of this.dropped.splice(0)) while (!leaves.removal.releaseSome(part, 100));
  }

  look(): void {
    this.leaves.shape.search.locateSpread(this.root, this.drawn(), this.#at)
  }

  relocate(): void {
    const { leaves, random } = this
    const { nodes } = leaves
    if (random.once(8)) {
      this.root = leaves.relocateNode(this.root)
      return
    }
    leaves.shape.search.locateSpread(this.root, this.drawn(), this.#at)
    let { node } = this.#at
    while (random.once(3) && nodes.isNode(nodes.parent(node))) node = nodes.parent(node)
    leaves.relocateNode(node)
  }

  /** A resident leaf has a copy, and goes; it comes back when it is looked at. */
  evictAndAdmit(): void {
    const { leaves } = this
    const { values } = leaves
    const at = new LeafRow()
    const separator = new Separator().copy(this.drawn())
    leaves.shape.search.locateSpread(this.root, separator, at)
    leaves.shape.separator(at, separator)
    const ref = leaves.ref(at)
    const start = values.start(ref)
    const bytes = Buffer.from(values.bytes(ref).subarray(start, start + usedBytes(values.bytes(ref), start)))
    const id = ++this.#lsn
    expect(leaves.stored(this.root, separator, leaves.nodes.lsn(at.node, at.row), id)).toBe(true)
    expect(leaves.evict(ref)).toBe(true)
    this.look()
    expect(leaves.admit(this.root, separator, id, bytes)).toBe(true)
  }

  step(grows: boolean): void {
    const { random } = this
    const what = random.below(100)
    if (what < (grows ? 60 : 20)) this.add()
    else if (what < 70) this.remove()
    else if (what < 90) this.look()
    else if (what < 94) this.relocate()
    else if (what < 99) this.evictAndAdmit()
    else if (random.once(4)) this.removeRange(grows ? 40 : 400)
  }

  check(): number {
    const { leaves, root } = this
    const all = leavesOf(leaves, root)
    expect(all.length).toBe(leaves.roots.leaves(root))
    for (let i = 0; i < 200; i++) {
      const { words } = this.drawn()
      const first = words[0]!
      const second = words[1]!
      const expected = leafAt(all, first, second)
      for (const way of ['locateSpread', 'locate'] as const) {
        leaves.shape.search[way](root, this.#separator.set(first, second), this.#at)
        expect([this.#at.node, this.#at.row]).toEqual([expected.node, expected.row])
      }
    }
    return checkDirectory(leaves, root, all)
  }
}

describe('directories of large trees', () => {
  for (const firstBits of [32, 12, 9]) {
    it(`tell the leaf that the rows tell, with first words of ${firstBits} bits`, () => {
      const random = chance(firstBits)
      let filled = 0
      for (let run = 0; run < testRuns(4); run++) {
        const session = new Session(random, firstBits)
        for (let i = 0; i < 1500; i++) session.add()
        for (let round = 0; round < 12; round++) {
          const grows = round < 6
          for (let i = 0; i < 400; i++) session.step(grows)
          filled += session.check()
        }
        const { removal, values } = session.leaves
        removal.dropped(session.root)
        while (!removal.releaseSome(session.root, 50));
        expect(values.arena.liveBytes).toBe(0)
      }
      expect(filled).toBeGreaterThan(0)
    })
  }

  it('is not there in small trees, grows with its tree, and goes when little is left', () => {
    const session = new Session(chance(77), 32)
    const { leaves, root } = session
    const bytes = () => leaves.shape.search.directories.bytes(root)
    for (let i = 0; i < 200; i++) session.add()
    session.check()
    expect(bytes()).toBe(0)
    for (let i = 0; i < 2000; i++) session.add()
    session.check()
    const small = bytes()
    expect(small).toBeGreaterThan(0)
    for (let i = 0; i < 20_000; i++) session.add()
    session.check()
    expect(bytes()).toBeGreaterThan(small)
    // A few bytes a leaf.
    expect(bytes()).toBeLessThan(16 * leaves.roots.leaves(root))
    const all = leavesOf(leaves, root)
    const at = (i: number): LeafRow => new LeafRow().set(all[i]!.node, all[i]!.row)
    leaves.removal.range(at(1), at(all.length - 100))
    session.check()
    expect(bytes()).toBe(0)
  })

  it('goes without where there is no memory for it', () => {
    const session = new Session(chance(78), 32)
    for (let i = 0; i < 2000; i++) session.add()
    const { arena } = session.leaves.values
    session.leaves.shape.search.directories.drop(session.root)
    arena.takes = () => false
    session.check()
    expect(session.leaves.roots.directory(session.root)).toBe(0)
  })
})
