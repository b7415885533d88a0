/**
 * Many elements at random of a collection in one piece, or of a hash whose fields may expire, drawn and rendered in slices: what may be drawn is copied
 * first. A change begins it anew (`repeated-work.ts`). Of other large collections the leaves are enough (`random-selection.ts`).
 */
import { hasCold, wantLeaves, wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { Separator } from '../tree/separator.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { membersAtOnce } from './combined-work.ts'
import type { Making, Slices } from './repeated-work.ts'
import { RepeatedWork } from './repeated-work.ts'
import { ReplyParts } from './reply-parts.ts'
import { partBytesOf } from './sliced-tree.ts'

/** Cold leaves that are asked for at a time. */
const leavesAhead = 64

/** Elements that were copied, to be drawn. */
export interface ElementList {
  readonly count: number
  readonly bytes: number
  /** Copies all that may be drawn of an entry in one piece. */
  add(entry: number): void
  /** As `add` for a leaf of a tree. */
  addLeaf?(ref: number): void
  show(reply: ReplyWriter, index: number): void
}

/** What was drawn, as a reply has it. */
export class DrawnElements {
  count = 0
  readonly parts: ReplyParts

  constructor(reply: ReplyWriter) {
    this.parts = new ReplyParts(reply)
  }

  each(visit: (bytes: Buffer) => void): void {
    this.parts.each(visit)
  }
}

/** What is staged for `wanted` elements, negative if they may be the same, of the key that is argument 1 and holds the type. */
export function stageDraws(x: Execution, type: TypeNumber, wanted: number, newList: () => ElementList): RepeatedWork<DrawnElements> {
  const key = Buffer.from(x.args.bytes(1))
  const isRead = (bytes: Uint8Array, start: number, end: number): boolean => key.compare(bytes, start, end) === 0
  const { reply } = x
  return new RepeatedWork(
    x,
    false,
    isRead,
    (work) => new Draws(x, work, () => findOfType(x, work, key, type), wanted, newList(), new DrawnElements(reply)),
  )
}

/** The entry of the key; 0 if it holds something else. */
function findOfType({ keyspace }: Execution, work: RepeatedWork<DrawnElements>, key: Buffer, type: TypeNumber): number {
  const entry = work.find(key, 0, key.length)
  return entry !== 0 && keyspace.entries.type(entry) === type ? entry : 0
}

class Draws implements Making<DrawnElements> {
  readonly #x: Execution
  readonly #work: RepeatedWork<DrawnElements>
  readonly #find: () => number
  readonly #wanted: number
  readonly #list: ElementList
  readonly #drawn: DrawnElements

  constructor(
    x: Execution,
    work: RepeatedWork<DrawnElements>,
    find: () => number,
    wanted: number,
    list: ElementList,
    drawn: DrawnElements,
  ) {
    this.#x = x
    this.#work = work
    this.#find = find
    this.#wanted = wanted
    this.#list = list
    this.#drawn = drawn
  }

  get memoryBytes(): number {
    return this.#list.bytes + this.#drawn.parts.bytes
  }

  *slices(): Slices<DrawnElements> {
    const { keyspace } = this.#x
    const entry = this.#find()
    // The key has something else: that is for the command to look at.
    if (entry === 0) return yield* this.#work.givenUp()
    if (keyspace.entries.isTree(entry)) yield* this.#copyLeaves()
    else {
      if (hasCold(keyspace, entry)) yield (wants) => wantValue(keyspace, this.#find(), wants)
      this.#list.add(this.#find())
    }
    if (this.#list.count > 0) yield* this.#draw()
    return this.#drawn
  }

  *#copyLeaves(): Slices<void> {
    const { trees, entries } = this.#x.keyspace
    const position = new Separator()
    const at = new LeafRow()
    const partBytes = partBytesOf(this.#x)
    for (let isThere = true; isThere; ) {
      yield (wants) => wantLeaves(trees, entries.value(this.#find()), wants, position, leavesAhead)
      trees.shape.locate(entries.value(this.#find()), position, at)
      for (let bytes = 0; isThere && bytes < partBytes && trees.ref(at) !== 0; isThere = trees.shape.next(at)) {
        bytes += trees.nodes.bytes(at.node, at.row)
        this.#list.addLeaf?.(trees.ref(at))
      }
      if (isThere) trees.shape.separator(at, position)
    }
  }

  *#draw(): Slices<void> {
    const { draws } = this.#x.keyspace
    const list = this.#list
    const drawn = this.#drawn
    const { parts } = drawn
    const { count } = list
    const atOnce = membersAtOnce(this.#x)
    const partBytes = partBytesOf(this.#x)
    const isDistinct = this.#wanted > 0
    const wanted = isDistinct ? Math.min(this.#wanted, count) : -this.#wanted
    for (let i = 0; drawn.count < wanted; i++) {
      if (i % atOnce === 0 && i > 0) {
        if (parts.pendingBytes >= partBytes) parts.endPart()
        yield undefined
      }
      // Algorithm S takes each as it comes, or passes it.
      if (isDistinct && draws.below(count - i) >= wanted - drawn.count) continue
      list.show(parts.writer, isDistinct ? i : draws.below(count))
      drawn.count++
    }
    parts.endPart()
  }
}
