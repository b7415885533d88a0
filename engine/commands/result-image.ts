/**
 * The reply of a result that lies in a tree of its own, in parts that each show a run of its leaves. Whoever changes the tree says where; then the parts around
 * that place are rendered anew, so that in the command's turn little is left to do, however large the result is. (`TreeImage` looks at all
 * leaves of a key's tree instead, because nobody tells it what has changed.)
 */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { Separator } from '../tree/separator.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'

interface Part {
  readonly first: Separator
  /** Where the next part begins; undefined for the last. */
  readonly end: Separator | undefined
  bytes: Buffer
}

export class ResultImage {
  readonly #trees: TreeLeaves
  readonly #root: number
  readonly #renderer: LeafRenderer
  readonly #partBytes: number
  readonly #parts: Part[] = []
  readonly #stale = new Set<Part>()
  /** Where the next part begins; undefined when there is none. */
  #next: Separator | undefined
  #memoryBytes = 0
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  /** Of the leaves from the one on that begins at `first`, which is never removed. All of them stay resident. */
  constructor({ trees }: Keyspace, root: number, first: Separator, renderer: LeafRenderer, partBytes: number) {
    this.#trees = trees
    this.#root = root
    this.#renderer = renderer
    this.#partBytes = partBytes
    this.#next = new Separator().copy(first)
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  /** Renders a part; false when all are as they should be. */
  step(): boolean {
    if (this.#next !== undefined) this.#add(this.#next)
    else {
      const [part] = this.#stale
      if (part !== undefined) this.#renew(part)
    }
    return this.#next !== undefined || this.#stale.size > 0
  }

  #add(first: Separator): void {
    let bytes = 0
    const end = this.#render(first, (leaf) => {
      bytes += leaf
      return bytes < this.#partBytes
    })
    const part: Part = { first, end, bytes: this.#renderer.take() }
    this.#parts.push(part)
    this.#memoryBytes += part.bytes.length
    this.#next = end
  }

  #renew(part: Part): void {
    const { end } = part
    this.#render(part.first, () => end === undefined || end.compare(this.#separator.words, 0) > 0, true)
    this.#memoryBytes -= part.bytes.length
    part.bytes = this.#renderer.take()
    this.#memoryBytes += part.bytes.length
    this.#stale.delete(part)
  }

  /**
   * Renders leaves from a place on while `goesOn` says so, which is given the bytes of the last one; with `looksAhead` it is asked before each leaf, and
   * `#separator` is where that begins. Returns where the next leaf begins.
   */
  #render(first: Separator, goesOn: (bytes: number) => boolean, looksAhead = false): Separator | undefined {
    const { shape, nodes, values } = this.#trees
    const at = this.#at
    shape.locate(this.#root, first, at)
    // A leaf that begins before has taken in what began here, and is another part's.
    let isThere = first.compare(shape.arena.words(at.node), nodes.rowAt(at.node, at.row)) === 0 || shape.next(at)
    for (let wants = true; isThere && wants; ) {
      shape.separator(at, this.#separator)
      if (looksAhead && !goesOn(0)) break
      const ref = this.#trees.ref(at)
      values.touch(ref)
      this.#renderer.leaf(ref)
      wants = looksAhead || goesOn(nodes.bytes(at.node, at.row))
      isThere = shape.next(at)
    }
    return isThere ? shape.separator(at, new Separator()) : undefined
  }

  /** Something has changed in the leaf in whose range a separator lies; it may have been cut, or joined to one of its neighbours. */
  touched(separator: Separator): void {
    const parts = this.#parts
    let low = 0
    let high = parts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (separator.compare((parts[middle] as Part).first.words, 0) >= 0) low = middle + 1
      else high = middle
    }
    for (let i = Math.max(0, low - 2); i <= low && i < parts.length; i++) this.#stale.add(parts[i] as Part)
  }

  /** Visits all of it as it is now. */
  each(visit: (bytes: Buffer) => void): void {
    while (this.step());
    for (const { bytes } of this.#parts) visit(bytes)
  }
}
