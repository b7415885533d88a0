/** Many entries of streams as replies, rendered in slices: XRANGE, XREVRANGE, XREAD and XREADGROUP. */
import type { Arguments } from '../arguments.ts'
import { hasCold } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { ImageSet } from '../tree/image-set.ts'
import type { LeafRenderer, SpanOf } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import { rowsMax } from '../tree/tree-nodes.ts'
import { groupLastId } from '../types/stream-group-leaf.ts'
import { idBytes, parseStreamId, StreamId } from '../types/stream-id.ts'
import { EntryCursor, entriesAt } from '../types/stream-node.ts'
import { areNear, entriesBefore, entriesIn, entriesUpTo } from '../types/stream-ranks.ts'
import { isSliced, partBytesOf, slicedTree } from './sliced-tree.ts'
import { greatestId, parseBound, replyEntry, streamsOf } from './stream-arguments.ts'
import { isLongChange } from './stream-change.ts'
import { readOptions, wantsRead } from './stream-needs.ts'

/** Writes entries of nodes into a buffer of its own as they will be replied. */
class EntryRenderer implements LeafRenderer {
  readonly #values: Values
  readonly #backwards: boolean
  readonly #reply = new ReplyWriter()
  readonly #cursor = new EntryCursor()

  constructor(values: Values, backwards: boolean) {
    this.#values = values
    this.#backwards = backwards
  }

  leaf(ref: number, from = 0, count = Number.POSITIVE_INFINITY): void {
    const cursor = this.#cursor
    const bytes = this.#values.bytes(ref)
    const start = this.#values.start(ref)
    const end = start + usedBytes(bytes, start)
    const starts: number[] = []
    cursor.enter(bytes, start + packedHeaderBytes)
    let at = entriesAt(bytes, start + packedHeaderBytes)
    for (let i = 0; at < end && i < from + count; i++, at = cursor.end) {
      cursor.read(at)
      if (i < from) continue
      if (this.#backwards) starts.push(at)
      else replyEntry(this.#reply, cursor)
    }
    while (starts.length > 0) {
      cursor.read(starts.pop() as number)
      replyEntry(this.#reply, cursor)
    }
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

/** As `EntryRenderer`, with the ids in front: u32 how many · the ids. */
class DeliveryRenderer implements LeafRenderer {
  readonly #values: Values
  readonly #replies: EntryRenderer
  readonly #cursor = new EntryCursor()
  #ids = Buffer.alloc(64 * idBytes)
  #count = 0

  constructor(values: Values) {
    this.#values = values
    this.#replies = new EntryRenderer(values, false)
  }

  leaf(ref: number, from = 0, count = Number.POSITIVE_INFINITY): void {
    this.#replies.leaf(ref, from, count)
    const cursor = this.#cursor
    const bytes = this.#values.bytes(ref)
    const start = this.#values.start(ref)
    const end = start + usedBytes(bytes, start)
    cursor.enter(bytes, start + packedHeaderBytes)
    let at = entriesAt(bytes, start + packedHeaderBytes)
    for (let i = 0; at < end && i < from + count; i++, at = cursor.end) {
      cursor.read(at)
      if (i >= from) this.#add(cursor.id)
    }
  }

  #add(id: StreamId): void {
    const at = this.#count++ * idBytes
    if (at === this.#ids.length) this.#ids = Buffer.concat([this.#ids, Buffer.alloc(at)])
    id.write(this.#ids, at)
  }

  take(): Buffer {
    const head = Buffer.alloc(4)
    head.writeUInt32LE(this.#count, 0)
    const ids = this.#ids.subarray(0, this.#count * idBytes)
    this.#count = 0
    return Buffer.concat([head, ids, this.#replies.take()])
  }
}

const partId = new StreamId()

/** Visits the ids in a part of what is to be delivered. */
export function eachId(part: Buffer, visit: (id: StreamId) => void): void {
  const end = 4 + part.readUInt32LE(0) * idBytes
  for (let at = 4; at < end; at += idBytes) visit(partId.read(part, at))
}

/** The replies in a part of what is to be delivered. */
export function replyOf(part: Buffer): Buffer {
  return part.subarray(4 + part.readUInt32LE(0) * idBytes)
}

/** The entries between two ids, `count` at most from the first on, or with `backwards` from the last on. */
function entrySpan({ trees }: Keyspace, from: StreamId, to: StreamId, count: number, backwards: boolean): SpanOf {
  return (root, wants) => {
    const first = entriesBefore(trees, root, from, wants)
    const end = entriesUpTo(trees, root, to, wants)
    if (first < 0 || end < 0) return undefined
    return backwards ? { first: Math.max(first, end - count), end } : { first, end: Math.min(end, first + count) }
  }
}

/** What is staged of the entries between two ids, of the stream that is argument `key`; undefined if they are few. */
function stageEntries(x: Execution, key: number, from: StreamId, to: StreamId, count: number, backwards: boolean): TreeImage | undefined {
  const { keyspace } = x
  const entry = slicedTree(x, key)
  if (entry === 0 || keyspace.entries.type(entry) !== streamType) return undefined
  const root = keyspace.entries.value(entry)
  if (!isSliced(x, root, count) || from.compare(to) > 0) return undefined
  // What one node of the tree leads to is little, unless a test has very small slices.
  const { trees, limits } = keyspace
  if (rowsMax * trees.leafBytesMax < (limits.slicedValueBytes ?? slicedValueBytes) && areNear(trees, root, from, to)) return undefined
  const spanOf = entrySpan(keyspace, new StreamId().copy(from), new StreamId().copy(to), count, backwards)
  const span = spanOf(root)
  // Where a cold leaf has to tell, it is staged for that alone.
  if (span !== undefined && !isSliced(x, root, span.end - span.first)) return undefined
  return new TreeImage(keyspace, entry, new EntryRenderer(keyspace.values, backwards), partBytesOf(x), spanOf, backwards)
}

const from = new StreamId()
const to = new StreamId()

/** Of XRANGE and XREVRANGE; `first` and `last` are the arguments with the bounds. */
export function stageEntryRange(x: Execution, first: number, last: number, backwards: boolean): StagedWork | undefined {
  const { args } = x
  let count = Number.POSITIVE_INFINITY
  if (args.count > 4) {
    if (args.count !== 6 || !args.is(4, 'COUNT')) return undefined
    count = args.integer(5)
  }
  if (parseBound(args, first, 'first', from) !== undefined || parseBound(args, last, 'last', to) !== undefined) return undefined
  return stageEntries(x, 1, from, to, count, backwards)
}

/** Of XREAD. */
export function stageRead(x: Execution): StagedWork | undefined {
  const { keyspace, args } = x
  const { firstKey, keys, count } = readOptions(args, 1)
  if (firstKey + 2 * keys !== args.count) return undefined
  const images: TreeImage[] = []
  for (let key = firstKey; key < firstKey + keys; key++) {
    // An image is known by its key: a key that is named twice is read at once.
    for (let other = firstKey; other < key; other++) if (args.same(other, key)) return undefined
    const id = key + keys
    if (args.is(id, '$') || !parseStreamId(args.buffer, args.starts[id], args.ends[id], 'first', from, true) || !from.increment()) continue
    const image = stageEntries(x, key, from, greatestId, count, false)
    if (image !== undefined) images.push(image)
  }
  if (images.length === 0) return undefined
  const kept = args.keep()
  return imagesOf(x, images, firstKey, keys, (wantsAll, entry, key, wants) => {
    if (wantsAll) wantsRead(keyspace, entry, kept, key, wants)
  })
}

/** What is staged of the entries that a group has not delivered, of the stream that is argument `key`; undefined if they are few. */
export function stageDelivery(x: Execution, key: number, name: Buffer, count: number): TreeImage | undefined {
  const { keyspace } = x
  const entry = slicedTree(x, key)
  if (entry === 0 || keyspace.entries.type(entry) !== streamType) return undefined
  // Entries may be so small that it is their number that makes them many.
  const isMuch = (more: number): boolean => isLongChange(x, more) || isSliced(x, keyspace.entries.value(entry), more)
  if (!isMuch(count)) return undefined
  const { trees } = keyspace
  const { groups } = streamsOf(x)
  const behind = new StreamId()
  const spanOf: SpanOf = (root, wants) => {
    if (wants !== undefined) groups.wantGroup(root, name, 0, name.length, wants)
    if (!groups.knowsGroup(root, name, 0, name.length)) return undefined
    if (!groups.findGroup(root, name, 0, name.length) || !groupLastId(groups.group, behind).increment()) return { first: 0, end: 0 }
    const first = entriesBefore(trees, root, behind, wants)
    const end = entriesIn(trees, root)
    return first < 0 ? undefined : { first, end: Math.min(end, first + count) }
  }
  const span = spanOf(keyspace.entries.value(entry))
  if (span !== undefined && !isMuch(span.end - span.first)) return undefined
  return new TreeImage(keyspace, entry, new DeliveryRenderer(keyspace.values), partBytesOf(x), spanOf)
}

/** Wants what a command needs of a stream in its own turn: all, or what is needed beside its image. */
type WantsOfStream = (wantsAll: boolean, entry: number, key: number, wants: ColdWants) => void

/** Images of some of the streams whose keys are the `keys` arguments from `firstKey` on. */
export function imagesOf(x: Execution, images: readonly TreeImage[], firstKey: number, keys: number, wantsOf: WantsOfStream): ImageSet {
  const { keyspace, db } = x
  const args = x.args.keep()
  const set: ImageSet = new ImageSet(images, (wants) => wantRest(keyspace, db, args, firstKey, keys, set, wantsOf, wants))
  return set
}

function wantRest(
  keyspace: Keyspace,
  db: number,
  args: Arguments,
  firstKey: number,
  keys: number,
  images: ImageSet,
  wantsOf: WantsOfStream,
  wants: ColdWants,
): void {
  for (let key = firstKey; key < firstKey + keys; key++) {
    keyspace.forgetLookUp()
    const entry = keyspace.find(db, args.buffer, args.starts[key], args.ends[key])
    if (entry !== 0 && hasCold(keyspace, entry)) wantsOf(images.of(entry) === undefined, entry, key, wants)
  }
  keyspace.forgetLookUp()
}
