/** Prefetching for sorted sets: the leaves of members in order of hash, and once their scores can be read there, those in order of score. */

import { parseInteger } from '../integer.ts'
import type { ElementPrefetch, PipelinedRequests } from '../keyspace/element-prefetch.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import type { TreePrefetch } from '../tree/tree-prefetch.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { fieldHash } from './hash-leaf.ts'
import { hashOfSeparator, hashSeparator, isHashSeparator, scoreSeparator } from './score-separator.ts'
import { findHashed, hashedSizeAt, placeMemberAt, placeSizeAt, readScore, scoreBytes } from './sorted-set-leaf.ts'

export class SortedSetPrefetch implements ElementPrefetch {
  readonly #leaves: TreeLeaves
  readonly #at = new LeafRow()
  /** The request that was told last to take an element from an end, of which tree, and how many had done so before in the same batch. */
  readonly #taken = { root: 0, request: 0, before: 0 }

  constructor(leaves: TreeLeaves) {
    this.#leaves = leaves
  }

  addNamed(ways: TreePrefetch, root: number, requests: PipelinedRequests, request: number, buffer: Uint8Array): void {
    const use = requests.use(request)
    if (use === undefined) return
    const { element, place = 0, takesFrom } = use
    if (takesFrom !== undefined) this.#addTaken(ways, root, request, takesFrom)
    const start = element === 0 ? 0 : requests.argumentStart(request, element)
    if (start !== 0) {
      const end = requests.argumentEnd(request, element)
      hashSeparator(fieldHash(buffer, start, end, this.#leaves.roots.seed(root)), ways.add(root, request))
    }
    if (place === 0) return
    const score = parseInteger(buffer, requests.argumentStart(request, place), requests.argumentEnd(request, place))
    if (!Number.isNaN(score)) scoreSeparator(score, true, ways.add(root, request))
  }

  /** The leaf in order of hash of an element that will be at an end when those before it have been taken. */
  #addTaken(ways: TreePrefetch, root: number, request: number, from: 'start' | 'end'): void {
    const { values, roots, shape } = this.#leaves
    const taken = this.#taken
    taken.before = taken.root === root && taken.request < request ? taken.before + 1 : 0
    taken.root = root
    taken.request = request
    const count = roots.count(root)
    if (taken.before * 2 >= count) return
    shape.locateRank(root, from === 'start' ? count / 2 + taken.before : count - 1 - taken.before, this.#at)
    const leaf = this.#leaves.ref(this.#at)
    if (leaf === 0) return
    const bytes = values.bytes(leaf)
    let at = values.start(leaf) + packedHeaderBytes
    for (let i = shape.rankWithin; i > 0; i--) at += placeSizeAt(bytes, at)
    const member = placeMemberAt(bytes, at)
    hashSeparator(fieldHash(bytes, member, at + placeSizeAt(bytes, at), roots.seed(root)), ways.add(root, request))
  }

  addFound(ways: TreePrefetch, way: number, requests: PipelinedRequests, buffer: Uint8Array): void {
    const leaf = ways.leaf(way)
    const separator = ways.separator(way)
    if (leaf === 0 || !isHashSeparator(separator)) return
    const request = ways.request(way)
    const use = requests.use(request)
    if (use?.usesPlace !== true) return
    const { values } = this.#leaves
    const bytes = values.bytes(leaf)
    const start = requests.argumentStart(request, use.element)
    const end = requests.argumentEnd(request, use.element)
    const found = findHashed(bytes, values.start(leaf), hashOfSeparator(separator), buffer, start, end)
    if (found < 0) return
    const score = readScore(bytes, found + hashedSizeAt(bytes, found) - scoreBytes)
    scoreSeparator(score, true, ways.of(ways.type(way)).add(ways.root(way), request))
  }
}
