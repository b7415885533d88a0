/** The cold values that a request waits for, and what was fetched of them. Made only for requests that meet something cold. */
import type { ColdWants } from '../engine/need.ts'
import { Separator } from '../engine/tree/separator.ts'
import type { TreeLeaves } from '../engine/tree/tree-leaves.ts'

/** The leaf of a tree, named so that it is still known when the tree has moved or gone. */
export interface ColdLeaf {
  readonly root: number
  readonly collectionId: number
  readonly separator: Separator
}

export interface ColdItem {
  /** The entry whose value it is, or 0 for a leaf. */
  readonly entry: number
  readonly leaf: ColdLeaf | undefined
  readonly id: number
}

export class ColdSet implements ColdWants {
  readonly items: ColdItem[] = []
  /** In the order of the items, once fetched. */
  values: (Buffer | undefined)[] = []
  /** What was fetched for the same request before: some of it may have become cold again meanwhile. */
  former: ColdSet | undefined
  readonly #trees: TreeLeaves

  constructor(trees: TreeLeaves) {
    this.#trees = trees
  }

  value(entry: number, id: number): void {
    this.items.push({ entry, leaf: undefined, id })
  }

  leaf(root: number, separator: Separator, id: number): void {
    const leaf = { root, collectionId: this.#trees.roots.id(root), separator: new Separator().copy(separator) }
    this.items.push({ entry: 0, leaf, id })
  }
}

/** Collects what several requests want, and makes a set of it only when there is something. */
export class ColdCollector implements ColdWants {
  #set: ColdSet | undefined
  readonly #trees: TreeLeaves

  constructor(trees: TreeLeaves) {
    this.#trees = trees
  }

  value(entry: number, id: number): void {
    this.#made().value(entry, id)
  }

  leaf(root: number, separator: Separator, id: number): void {
    this.#made().leaf(root, separator, id)
  }

  /** What has been collected since the last call; undefined if nothing was wanted. */
  take(): ColdSet | undefined {
    const set = this.#set
    this.#set = undefined
    return set
  }

  #made(): ColdSet {
    this.#set ??= new ColdSet(this.#trees)
    return this.#set
  }
}
