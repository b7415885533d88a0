/**
 * XREADGROUP of very many entries, in slices. New ones are rendered first, while the stream goes on changing (`stream-image.ts`); then the stream is held, and what becomes
 * pending is made (`stream-change.ts`), of the entries that are there by then. Of what a consumer has pending all is made at once.
 */
import type { Execution } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import type { ImageSet } from '../tree/image-set.ts'
import type { TreeImage } from '../tree/tree-image.ts'
import { deliveryBytes } from '../types/stream-group-leaf.ts'
import { idBytes, parseStreamId, StreamId } from '../types/stream-id.ts'
import { hasPosition } from '../types/stream-type.ts'
import { EntrySearch } from './claimed-entries.ts'
import { given } from './pending-rows.ts'
import type { RepeatedWork, Slices } from './repeated-work.ts'
import { putId, replyEntry, replyId, streamsOf } from './stream-arguments.ts'
import type { StreamChange, StreamChanging } from './stream-change.ts'
import { changeInSlices, endFullPart, idsAtOnce, isLongChange } from './stream-change.ts'
import { ReadCounter } from './stream-groups.ts'
import { eachId, imagesOf, replyOf, stageDelivery } from './stream-image.ts'
import { readOptions, wantsDelivered, wantsGroupRead } from './stream-needs.ts'

/** Ids, counts and times, beside the names and what becomes pending. */
const headBytes = 96

/** What is made for a key, which is argument `key`; of new entries when these have been rendered. */
interface Delivery {
  readonly key: number
  readonly work: RepeatedWork<StreamChange>
}

export class GroupRead implements StagedWork {
  readonly images: ImageSet
  readonly #deliveries: readonly Delivery[]
  #isRendered = false
  /** Of the deliveries, those that are done with, well or not. */
  #done = 0
  /** Keys for which all was made, when that was asked last. */
  readonly #made = new Set<number>()

  constructor(images: ImageSet, deliveries: readonly Delivery[]) {
    this.images = images
    this.#deliveries = deliveries
  }

  get memoryBytes(): number {
    return this.#deliveries.reduce((bytes, { work }) => bytes + work.memoryBytes, this.images.memoryBytes)
  }

  step(): boolean {
    if (!this.#isRendered) {
      this.#isRendered = !this.images.step()
      return true
    }
    for (; this.#done < this.#deliveries.length; this.#done++) if ((this.#deliveries[this.#done] as Delivery).work.step()) return true
    return false
  }

  holds(entry: number): boolean {
    return this.#isRendered && this.#deliveries.some(({ work }) => work.holds?.(entry))
  }

  eachCold(wants: ColdWants): boolean {
    if (!this.#isRendered) return this.images.eachCold(wants)
    const next = this.#deliveries[this.#done]
    if (next !== undefined) {
      next.work.eachCold(wants)
      return true
    }
    this.#made.clear()
    for (const { key, work } of this.#deliveries) if (work.eachCold(wants)) this.#made.add(key)
    if (this.#made.size < this.#deliveries.length) this.images.eachCold(wants)
    else this.images.wantRest(wants)
    return true
  }

  /** Whether all was made for the key that is argument `key`. */
  isMade(key: number): boolean {
    return this.#made.has(key)
  }

  /** What was made for the key that is argument `key`, if it still is so. */
  changeAt(key: number): StreamChange | undefined {
    return this.#deliveries.find((delivery) => delivery.key === key)?.work.settle()
  }

  release(): void {
    for (const { work } of this.#deliveries) work.release()
  }
}

/** What is staged of XREADGROUP. */
export function stageGroupRead(x: Execution): StagedWork | undefined {
  const { keyspace, args } = x
  const { firstKey, keys, count } = readOptions(args, 1)
  let at = 1
  let noAck = false
  for (; at < args.count && !args.is(at, 'GROUP'); at++) noAck ||= args.is(at, 'NOACK')
  for (let i = at + 3; i < firstKey; i++) noAck ||= args.is(i, 'NOACK')
  if (firstKey + 2 * keys !== args.count || at + 2 >= firstKey || Number.isNaN(count)) return undefined
  const groupAt = at + 1
  const name = Buffer.from(args.bytes(groupAt))
  const images: TreeImage[] = []
  const made: { key: number; make: (changing: StreamChanging) => Slices<StreamChange> }[] = []
  for (let key = firstKey; key < firstKey + keys; key++) {
    for (let other = firstKey; other < key; other++) if (args.same(other, key)) return undefined
    if (!args.is(key + keys, '>')) {
      const after = longHistory(x, key, groupAt, key + keys, count)
      if (after !== undefined) made.push({ key, make: (changing) => deliveringAgain(changing, groupAt, after, count) })
      continue
    }
    const image = stageDelivery(x, key, name, count)
    if (image === undefined) continue
    images.push(image)
    made.push({ key, make: (changing) => delivering(changing, groupAt, image, noAck) })
  }
  if (made.length === 0) return undefined
  const kept = args.keep()
  const set = imagesOf(x, images, firstKey, keys, (wantsAll, entry, key, wants) => {
    if (read.isMade(key)) return
    if (wantsAll) wantsGroupRead(keyspace, entry, kept, key, wants)
    else wantsDelivered(keyspace, entry, kept, key, wants)
  })
  const read: GroupRead = new GroupRead(
    set,
    made.map(({ key, make }) => ({ key, work: changeInSlices(x, key, make) })),
  )
  return read
}

/** The id that argument `idAt` says, if a consumer has very many entries pending, or nobody knows. */
function longHistory(x: Execution, key: number, groupAt: number, idAt: number, count: number): StreamId | undefined {
  const { args, keyspace } = x
  const { buffer, starts, ends } = args
  const { groups, pending } = streamsOf(x)
  const after = new StreamId()
  if (!isLongChange(x, count) || !parseStreamId(buffer, starts[idAt], ends[idAt], 'first', after, true)) return undefined
  keyspace.forgetLookUp()
  const entry = keyspace.find(x.db, buffer, starts[key], ends[key])
  const isStream = entry !== 0 && keyspace.entries.type(entry) === streamType
  const root = isStream ? streamsOf(x).rootOf(entry) : 0
  if (root === 0) return undefined
  if (!groups.knowsGroup(root, buffer, starts[groupAt], ends[groupAt])) return after
  if (!groups.findGroup(root, buffer, starts[groupAt], ends[groupAt])) return undefined
  const { unit } = groups.group
  if (!groups.knowsConsumer(root, unit, buffer, starts[groupAt + 1], ends[groupAt + 1])) return after
  if (!groups.findConsumer(root, unit, buffer, starts[groupAt + 1], ends[groupAt + 1])) return undefined
  return isLongChange(x, Math.min(count, pending.count(root, groups.consumer.unit))) ? after : undefined
}

function* delivering(changing: StreamChanging, groupAt: number, image: TreeImage, noAck: boolean): Slices<StreamChange> {
  const { x, args, rows, now, replies } = changing
  const { groups, entries } = streamsOf(x)
  const group = yield* changing.group(groupAt)
  if (group === 0) return yield* changing.givenUp()
  // While the entries were rendered the key may have got another stream.
  if (!image.shows(changing.find())) return yield* changing.givenUp()
  const consumer = yield* changing.consumer(group, groupAt + 1)
  yield (wants) => {
    image.eachCold(wants)
    changing.want(wants)
  }
  const parts: Buffer[] = []
  image.each((part) => parts.push(part))
  const counter = new ReadCounter()
  groups.findGroup(changing.root, args.buffer, args.starts[groupAt], args.ends[groupAt])
  counter.begin(x, changing.find(), groups.group)
  const last = new StreamId()
  let count = 0
  for (const part of parts) {
    counter.resume(changing.find())
    eachId(part, (id) => {
      if (!noAck) rows.add(id, 0, given, now, 1n)
      counter.add(id)
      last.copy(id)
      count++
    })
    replies.push(replyOf(part))
    yield* changing.wanting((root, wants) => entries.wantMeta(root, wants))
  }
  const exchange = yield* changing.exchange(group, consumer)
  const payload = deliveryPayload(changing, groupAt)
  payload.byte(hasPosition)
  putId(payload, last)
  counter.put(payload)
  payload.range(args.buffer, args.starts[groupAt], args.ends[groupAt])
  yield* putDelivered(changing, payload, group, consumer, groupAt + 1)
  return { exchange, consumer, taken: undefined, given: payload, shownCount: count, replies }
}

function deliveryPayload({ args, rows }: StreamChanging, groupAt: number): RecordBuffer {
  const names = args.length(groupAt) + args.length(groupAt + 1)
  return new RecordBuffer(Number.POSITIVE_INFINITY, headBytes + idBytes + names + rows.count * deliveryBytes)
}

/** Delivers once more what a consumer has pending behind an id. */
function* deliveringAgain(changing: StreamChanging, groupAt: number, after: StreamId, count: number): Slices<StreamChange> {
  const { x, rows, parts, now, replies } = changing
  const { entries, pending } = streamsOf(x)
  const group = yield* changing.group(groupAt)
  if (group === 0) return yield* changing.givenUp()
  const consumer = yield* changing.consumer(group, groupAt + 1)
  const from = new StreamId().copy(after)
  const ids: StreamId[] = []
  let shown = 0
  for (let hasMore = from.increment(); hasMore; ) {
    yield* changing.wanting((root, wants) => pending.wantFrom(root, consumer, from, idsAtOnce, wants))
    ids.length = 0
    pending.eachOwn(changing.root, consumer, from, (bytes, at) => {
      if (shown + ids.length === count || ids.length === idsAtOnce) return false
      ids.push(new StreamId().read(bytes, at))
      return true
    })
    yield* changing.wanting((root, wants) => {
      for (const id of ids) {
        pending.want(root, group, id, wants)
        entries.wantEntry(root, id, wants)
      }
    })
    const { root } = changing
    const search = new EntrySearch(x, changing.find())
    for (const id of ids) {
      const entry = search.find(id)
      if (entry === undefined) {
        parts.writer.array(2)
        replyId(parts.writer, id)
        parts.writer.nilArray()
        continue
      }
      replyEntry(parts.writer, entry)
      if (pending.find(root, group, id)) rows.add(id, consumer, given, now, pending.found.deliveries + 1n)
    }
    endFullPart(x, parts)
    shown += ids.length
    const last = ids.at(-1)
    hasMore = ids.length === idsAtOnce && last !== undefined && from.copy(last).increment()
  }
  parts.endPart()
  parts.each((part) => replies.push(part))
  const exchange = yield* changing.exchange(group, consumer)
  const payload = deliveryPayload(changing, groupAt)
  payload.byte(0)
  yield* putDelivered(changing, payload, group, consumer, groupAt + 1)
  return { exchange, consumer, taken: undefined, given: rows.count === 0 ? undefined : payload, shownCount: shown, replies }
}

/** Writes what *deliver* has behind the group's position: the consumer, whose name is argument `consumerAt`, and all that is given. */
export function* putDelivered(
  { args, now, rows }: StreamChanging,
  payload: RecordBuffer,
  group: number,
  consumer: number,
  consumerAt: number,
): Slices<void> {
  payload.u32(group)
  payload.u32(consumer)
  payload.u48(now)
  payload.range(args.buffer, args.starts[consumerAt], args.ends[consumerAt])
  yield* rows.write(payload, given)
}
