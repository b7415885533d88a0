/** Prefetching for types whose trees are in order of a keyed hash of their elements, such as hashes and sets. */
import type { ElementPrefetch, PipelinedRequests } from '../keyspace/element-prefetch.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import type { TreePrefetch } from '../tree/tree-prefetch.ts'
import { fieldHash } from './hash-leaf.ts'

export class HashedPrefetch implements ElementPrefetch {
  readonly #leaves: TreeLeaves

  constructor(leaves: TreeLeaves) {
    this.#leaves = leaves
  }

  addNamed(ways: TreePrefetch, root: number, requests: PipelinedRequests, request: number, buffer: Uint8Array): void {
    const element = requests.use(request)?.element ?? 0
    if (element === 0) return
    const start = requests.argumentStart(request, element)
    const end = requests.argumentEnd(request, element)
    if (start !== 0) ways.add(root, request).set(fieldHash(buffer, start, end, this.#leaves.roots.seed(root)))
  }
}
