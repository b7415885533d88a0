/** Many elements of large lists as replies, rendered in slices: LRANGE, and what pops many from one end. */
import { wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { ImageSet } from '../tree/image-set.ts'
import type { LeafRenderer, SpanOf } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import type { VisitElement } from '../types/list-leaf.ts'
import { positionBehind, visitSome } from '../types/list-leaf.ts'
import { wantElements, wantRemoval } from '../types/list-type.ts'
import { elementBytesBefore, ListpackElement } from '../types/listpack-element.ts'
import { isSliced, partBytesOf, slicedTree } from './sliced-tree.ts'

/** Writes elements into a buffer of its own as they will be replied. */
export class ElementRenderer implements LeafRenderer {
  readonly #values: Values
  readonly #backwards: boolean
  readonly #reply = new ReplyWriter()
  readonly #element = new ListpackElement()
  readonly #visit: VisitElement = (bytes, start, end) => {
    this.#reply.bulk(bytes, start, end)
    return true
  }

  constructor(values: Values, backwards: boolean) {
    this.#values = values
    this.#backwards = backwards
  }

  leaf(ref: number, from = 0, count = Number.POSITIVE_INFINITY): void {
    const bytes = this.#values.bytes(ref)
    const start = this.#values.start(ref)
    if (this.#backwards) this.#visitBackwards(bytes, start, from, count)
    else visitSome(bytes, start, from, count, this.#visit)
  }

  #visitBackwards(bytes: Buffer, start: number, from: number, count: number): void {
    const element = this.#element
    const first = positionBehind(bytes, start + packedHeaderBytes, from)
    const end = Number.isFinite(count) ? positionBehind(bytes, first, count) : start + usedBytes(bytes, start)
    for (let at = end; at > first; ) {
      at -= elementBytesBefore(bytes, at)
      element.read(bytes, at)
      this.#visit(element.bytes, element.start, element.end)
    }
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

/** What is staged of popping `count` elements of the list that is argument `key`: the reply. */
export function stagePop(x: Execution, key: number, count: number, tail: boolean): StagedWork | undefined {
  const { keyspace } = x
  const { entries, values, trees } = keyspace
  const entry = slicedTree(x, key)
  if (entry === 0 || entries.type(entry) !== listType || !(count > 0)) return undefined
  if (!isSliced(x, entries.value(entry), Math.min(count, entries.length(entry)))) return undefined
  const spanOf: SpanOf = (root) => {
    const length = trees.roots.count(root)
    const run = Math.min(count, length)
    return tail ? { first: length - run, end: length } : { first: 0, end: run }
  }
  const image = new TreeImage(keyspace, entry, new ElementRenderer(values, tail), partBytesOf(x), spanOf, tail)
  const { db } = x
  const name = Buffer.from(x.args.bytes(key))
  return new ImageSet([image], (wants) => {
    keyspace.forgetLookUp()
    const now = keyspace.find(db, name, 0, name.length)
    keyspace.forgetLookUp()
    if (now === 0 || entries.type(now) !== listType) return
    if (!entries.isTree(now)) {
      wantValue(keyspace, now, wants)
      return
    }
    const { first, end } = spanOf(entries.value(now)) ?? { first: 0, end: 0 }
    // The key may hold another list by now.
    if (!image.shows(now)) wantElements(keyspace, now, first, end - first, wants)
    wantRemoval(keyspace, now, first, end - first, wants)
  })
}
