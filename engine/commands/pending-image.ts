/**
 * Many pending entries of a group as replies, rendered in slices: XPENDING with a range. An item says how long ago it was delivered when the work on the
 * reply began. Parts say how many items they have and where each ends, for what is shown of a consumer, or of idle ones, is counted in the end.
 */
import type { Execution } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import type { LeafRenderer, SpanOf } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { PendingCursor, pendingBytes, placeName } from '../types/stream-group-leaf.ts'
import { StreamId } from '../types/stream-id.ts'
import { pendingBefore, pendingUpTo } from '../types/stream-ranks.ts'
import type { StreamType } from '../types/stream-type.ts'
import { isSliced, partBytesOf, slicedTree } from './sliced-tree.ts'
import { parseBound, replyId, replyUint64, streamsOf } from './stream-arguments.ts'

/** What XPENDING shows: of entries that were delivered so long ago. */
interface PendingRange {
  readonly from: StreamId
  readonly to: StreamId
  readonly count: number
  readonly minIdle: number
}

export function replyPendingItem(reply: ReplyWriter, pending: PendingCursor, idle: number, name: Uint8Array): void {
  reply.array(4)
  replyId(reply, pending.id)
  reply.bulk(name, 0, name.length)
  reply.integer(idle)
  replyUint64(reply, pending.deliveries)
}

/** Writes items of leaves into a buffer: u32 how many, u32 the end of each, then their replies. */
class PendingRenderer implements LeafRenderer {
  readonly #leaves: TreeLeaves
  readonly #nameOf: (unit: number) => Buffer
  readonly #now: number
  readonly #minIdle: number
  readonly #consumer: number
  /** A consumer keeps its name. */
  readonly #names = new Map<number, Buffer>()
  readonly #pending = new PendingCursor()
  #reply = new ReplyWriter()
  #ends: number[] = []

  /** `consumer`: the unit of the one whose entries are shown, 0 for all. */
  constructor(leaves: TreeLeaves, nameOf: (unit: number) => Buffer, now: number, minIdle: number, consumer: number) {
    this.#leaves = leaves
    this.#nameOf = nameOf
    this.#now = now
    this.#minIdle = minIdle
    this.#consumer = consumer
  }

  leaf(ref: number, from = 0, count = Number.POSITIVE_INFINITY): void {
    const { values, nodes } = this.#leaves
    const minIdle = this.#minIdle
    const consumer = this.#consumer
    const pending = this.#pending
    pending.bytes = values.bytes(ref)
    const node = values.owner(ref)
    const first = values.start(ref) + packedHeaderBytes
    const end = Math.min(from + count, nodes.count(node, nodes.rowOf(node, ref)))
    for (let i = from; i < end; i++) {
      pending.at = first + i * pendingBytes
      if (consumer !== 0 && pending.consumer !== consumer) continue
      const idle = Math.max(0, this.#now - pending.deliveredAt)
      if (minIdle > 0 && idle < minIdle) continue
      pending.id.read(pending.bytes, pending.at + 1)
      replyPendingItem(this.#reply, pending, idle, this.#name(pending.consumer))
      this.#ends.push(this.#reply.position)
    }
  }

  #name(unit: number): Buffer {
    const known = this.#names.get(unit) ?? this.#nameOf(unit)
    this.#names.set(unit, known)
    return known
  }

  take(): Buffer {
    const items = this.#reply.output.takeAll()
    const head = Buffer.alloc(4 * (this.#ends.length + 1))
    head.writeUInt32LE(this.#ends.length, 0)
    for (const [i, end] of this.#ends.entries()) head.writeUInt32LE(end, 4 * (i + 1))
    this.#reply = new ReplyWriter()
    this.#ends = []
    return Buffer.concat([head, items])
  }
}

/** What is pending in a group, by name: an image is begun once it is known which group and consumer that are. */
export class PendingImage implements StagedWork {
  readonly #x: Execution
  readonly #handle: TreeHandle
  readonly #streams: StreamType
  readonly #group: Buffer
  readonly #consumer: Buffer | undefined
  readonly #range: PendingRange
  readonly #now: number
  #unit = 0
  /** Of the consumer that is asked for; 0 for all. */
  #consumerUnit = 0
  #image: TreeImage | undefined

  constructor(x: Execution, entry: number, group: Buffer, consumer: Buffer | undefined, range: PendingRange) {
    this.#x = x
    this.#handle = new TreeHandle(x.keyspace, entry)
    this.#streams = streamsOf(x)
    this.#group = group
    this.#consumer = consumer
    this.#range = range
    this.#now = x.now
  }

  get memoryBytes(): number {
    return this.#image?.memoryBytes ?? 0
  }

  step(): boolean {
    const root = this.#handle.root()
    if (root === 0 || !this.#isKnown(root)) return root !== 0
    if (this.#image !== undefined) return this.#findsSame(root) && this.#image.step()
    this.#unit = this.#findsGroup(root)
    this.#image = this.#unit === 0 ? undefined : this.#begin(root)
    return this.#image !== undefined
  }

  /** Begins the image; undefined if there is no such consumer, or what is shown is little. */
  #begin(root: number): TreeImage | undefined {
    const { keyspace } = this.#x
    const { trees } = keyspace
    const { groups } = this.#streams
    const { from, to, count, minIdle } = this.#range
    const group = this.#unit
    const consumer = this.#findsConsumer(root)
    if (consumer === 0 && this.#consumer !== undefined) return undefined
    this.#consumerUnit = consumer
    const isFiltered = consumer !== 0 || minIdle > 0
    const spanOf: SpanOf = (tree, wants) => {
      const first = pendingBefore(trees, tree, group, from, pendingBytes, wants)
      const end = pendingUpTo(trees, tree, group, to, pendingBytes, wants)
      if (first < 0 || end < 0) return undefined
      return { first, end: isFiltered ? end : Math.min(end, first + count) }
    }
    const span = spanOf(root)
    if (span !== undefined && !isSliced(this.#x, root, span.end - span.first)) return undefined
    const nameOf = (unit: number): Buffer => {
      let name: Buffer = Buffer.alloc(0)
      groups.eachConsumer(this.#handle.root(), group, (place) => {
        if (place.unit === unit) name = placeName(place)
      })
      return name
    }
    const renderer = new PendingRenderer(trees, nameOf, this.#now, minIdle, consumer)
    return new TreeImage(keyspace, this.#handle.find(), renderer, partBytesOf(this.#x), spanOf)
  }

  eachCold(wants: ColdWants): boolean {
    const root = this.#handle.root()
    if (root === 0) return false
    const { groups } = this.#streams
    groups.wantGroup(root, this.#group, 0, this.#group.length, wants)
    const unit = this.#findsGroup(root)
    if (unit > 0) groups.wantConsumers(root, unit, wants)
    if (!this.#isKnown(root)) return true
    if (this.#image === undefined) return this.#unit === 0 && unit > 0
    return this.#findsSame(root) && this.#image.eachCold(wants)
  }

  /** The unit of the group; 0 if there is none, or nobody knows yet. */
  #findsGroup(root: number): number {
    const { groups } = this.#streams
    const { length } = this.#group
    return groups.knowsGroup(root, this.#group, 0, length) && groups.findGroup(root, this.#group, 0, length) ? groups.group.unit : 0
  }

  /** The unit of the consumer that is asked for; 0 if there is none, or all are asked for. The consumers of the group are known. */
  #findsConsumer(root: number): number {
    const consumer = this.#consumer
    const { groups } = this.#streams
    return consumer !== undefined && groups.findConsumer(root, this.#unit, consumer, 0, consumer.length) ? groups.consumer.unit : 0
  }

  /** Whether group and consumer are those of the image: others of their names may have been made since. */
  #findsSame(root: number): boolean {
    if (this.#unit === 0 || this.#findsGroup(root) !== this.#unit) return false
    return this.#streams.groups.knowsConsumers(root, this.#unit) && this.#findsConsumer(root) === this.#consumerUnit
  }

  /** Whether the names of the group and of its consumers are there. */
  #isKnown(root: number): boolean {
    const { groups } = this.#streams
    const unit = this.#findsGroup(root)
    return unit === 0 ? groups.knowsGroup(root, this.#group, 0, this.#group.length) : groups.knowsConsumers(root, unit)
  }

  shows(entry: number, group: number): boolean {
    return this.#image !== undefined && group === this.#unit && this.#findsSame(this.#streams.rootOf(entry)) && this.#image.shows(entry)
  }

  /** Replies with up to `count` items. */
  replyTo(reply: ReplyWriter, count: number): void {
    const token = reply.arrayDeferred()
    let shown = 0
    this.#image?.each((part) => {
      const held = part.readUInt32LE(0)
      const taken = Math.min(held, count - shown)
      const begin = 4 * (held + 1)
      if (taken > 0) reply.rawShared(part.subarray(begin, begin + part.readUInt32LE(4 * taken)))
      shown += taken
    })
    reply.resolve(token, shown)
  }
}

/** What is staged of XPENDING with a range; undefined if that is short. */
export function stagePending(x: Execution): StagedWork | undefined {
  const { keyspace, args } = x
  if (args.count < 6) return undefined
  const hasIdle = args.is(3, 'IDLE')
  const start = hasIdle ? 5 : 3
  if (args.count < start + 3 || args.count > start + 4) return undefined
  const entry = slicedTree(x)
  if (entry === 0 || keyspace.entries.type(entry) !== streamType) return undefined
  const count = args.integer(start + 2)
  const minIdle = hasIdle ? args.integer(4) : 0
  if (Number.isNaN(minIdle) || !isSliced(x, keyspace.entries.value(entry), count)) return undefined
  const from = new StreamId()
  const to = new StreamId()
  if (parseBound(args, start, 'first', from) !== undefined || parseBound(args, start + 1, 'last', to) !== undefined) return undefined
  const consumer = args.count > start + 3 ? Buffer.from(args.bytes(start + 3)) : undefined
  return new PendingImage(x, entry, Buffer.from(args.bytes(2)), consumer, { from, to, count, minIdle })
}
