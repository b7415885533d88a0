/**
 * Wants that are met at once, each by a fault (`LeafSlots.onFault`, `Entries.onFault`): where what is wanted had to be resident by now, and turns
 * out to be cold.
 */
import type { ColdWants } from './need.ts'
import type { Separator } from './tree/separator.ts'
import type { TreeLeaves } from './tree/tree-leaves.ts'
import { LeafRow } from './tree/tree-shape.ts'

export class ColdFaults implements ColdWants {
  readonly #trees: TreeLeaves
  readonly #entries: { value(entry: number): number }
  readonly #at = new LeafRow()

  constructor({ trees, entries }: { readonly trees: TreeLeaves; readonly entries: { value(entry: number): number } }) {
    this.#trees = trees
    this.#entries = entries
  }

  value(entry: number): void {
    this.#entries.value(entry)
  }

  leaf(root: number, separator: Separator): void {
    if (this.#trees.find(root, separator, this.#at)) this.#trees.used(this.#at)
  }
}
