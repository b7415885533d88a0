/**
 * Trees that no key has yet: what staged work makes beside the keyspace. Their leaves cannot leave memory before a key has them, and what they will come to
 * is reserved when they are begun, so that several of them do not count on the same place. A tree is here until a key has it or it is
 * dropped, whoever holds it.
 */
interface SizedTrees {
  /** Bytes that the resident leaves of a tree take. */
  residentBytes(root: number): number
}

export class UnownedTrees {
  readonly #trees: SizedTrees
  /** By root block: about how many bytes the tree will come to. */
  readonly #reserved = new Map<number, number>()

  constructor(trees: SizedTrees) {
    this.#trees = trees
  }

  /** A tree has been made that will come to about `bytes`; 0 if nobody knows. */
  begin(root: number, bytes: number): void {
    this.#reserved.set(root, bytes)
  }

  /** All that was to come is there. */
  made(root: number): void {
    this.#reserved.set(root, 0)
  }

  /** It belongs to a key, or to nobody any more. */
  end(root: number): void {
    if (this.#reserved.size > 0) this.#reserved.delete(root)
  }

  /** Of their leaves that are there. */
  get residentBytes(): number {
    let bytes = 0
    for (const root of this.#reserved.keys()) bytes += this.#trees.residentBytes(root)
    return bytes
  }

  /** Of what is reserved and not there yet. */
  get bytesToCome(): number {
    let bytes = 0
    for (const [root, reserved] of this.#reserved) bytes += Math.max(0, reserved - this.#trees.residentBytes(root))
    return bytes
  }
}
