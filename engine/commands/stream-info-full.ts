/**
 * XINFO STREAM FULL: entries, groups, and what these and their consumers have pending. It may be all there is of a large stream, and then is made in slices; a change
 * begins it anew (`repeated-work.ts`).
 */
import type { Execution } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import type { ColdWants } from '../need.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { StreamId } from '../types/stream-id.ts'
import type { StreamPending } from '../types/stream-pending.ts'
import { membersAtOnce } from './combined-work.ts'
import type { Slices } from './repeated-work.ts'
import { doAtOnce, RepeatedWork } from './repeated-work.ts'
import { ReplyParts } from './reply-parts.ts'
import { partBytesOf, slicedTree } from './sliced-tree.ts'
import type { Consumer, Group } from './stream-about.ts'
import { consumersOf, groupsOf, replyAbout, replyProgress } from './stream-about.ts'
import { firstId, greatestId, replyEntry, replyId, replyUint64, streamsOf, walkOf } from './stream-arguments.ts'

/** Entries, and pending ones of each group and consumer, that are shown unless told. */
export const shownByDefault = 10
const keyAt = 2
const all = Number.POSITIVE_INFINITY

/** Replies for the stream's entry with up to `count` of everything, 0 for all. */
export function replyFull(x: Execution, entry: number, count: number): void {
  const made = x.staged instanceof RepeatedWork ? x.staged.settle() : undefined
  if (made instanceof ReplyParts) {
    made.each((bytes) => x.reply.rawShared(bytes))
    return
  }
  doAtOnce(new FullInfo(x, x.reply, () => entry, count, { atOnce: all, partBytes: all, endPart: () => undefined }).slices())
}

/** What is staged of it; undefined for a small stream. */
export function stageFull(x: Execution): StagedWork | undefined {
  const { args, keyspace } = x
  if ((args.count !== 4 && args.count !== 6) || !args.is(3, 'FULL') || (args.count === 6 && !args.is(4, 'COUNT'))) return undefined
  const entry = slicedTree(x, keyAt)
  const count = args.count === 6 ? args.integer(5) : shownByDefault
  if (entry === 0 || keyspace.entries.type(entry) !== streamType || Number.isNaN(count)) return undefined
  const key = Buffer.from(args.bytes(keyAt))
  const isRead = (bytes: Uint8Array, start: number, end: number): boolean => key.compare(bytes, start, end) === 0
  const { reply } = x
  return new RepeatedWork<ReplyParts>(x, false, isRead, (work) => {
    const parts = new ReplyParts(reply)
    const find = (): number => {
      const found = work.find(key, 0, key.length)
      return found !== 0 && keyspace.entries.type(found) === streamType ? found : 0
    }
    const slice = { atOnce: membersAtOnce(x), partBytes: partBytesOf(x), endPart: () => parts.endPart() }
    const info = new FullInfo(x, parts.writer, find, count < 0 ? shownByDefault : count, slice)
    return {
      get memoryBytes() {
        return parts.bytes
      },
      *slices() {
        // The key has something else: that is for the command to look at.
        if (find() === 0) return yield* work.givenUp()
        yield* info.slices()
        return parts
      },
    }
  })
}

interface Slice {
  /** Elements that are shown in one, and bytes after which it ends in any case. */
  readonly atOnce: number
  readonly partBytes: number
  endPart(): void
}

class FullInfo {
  readonly #x: Execution
  readonly #reply: ReplyWriter
  /** The stream's entry: it may move between two slices. */
  readonly #find: () => number
  readonly #countMax: number
  readonly #slice: Slice
  readonly #pending: StreamPending

  constructor(x: Execution, reply: ReplyWriter, find: () => number, count: number, slice: Slice) {
    this.#x = x
    this.#reply = reply
    this.#find = find
    this.#countMax = count === 0 ? all : count
    this.#slice = slice
    this.#pending = streamsOf(x).pending
  }

  get #root(): number {
    return streamsOf(this.#x).rootOf(this.#find())
  }

  *slices(): Slices<void> {
    const reply = this.#reply
    yield* this.#wanting((root, wants) => streamsOf(this.#x).entries.wantMeta(root, wants))
    reply.map(9)
    replyAbout(this.#x, reply, this.#find())
    yield* this.#replyEntries()
    yield* this.#replyGroups()
    this.#slice.endPart()
  }

  /** Ends a slice. The next one needs what `want` names of a large stream. */
  *#wanting(want: (root: number, wants: ColdWants) => void): Slices<void> {
    yield (wants) => {
      const root = this.#root
      if (root !== 0) want(root, wants)
    }
  }

  *#replyEntries(): Slices<void> {
    const x = this.#x
    const reply = this.#reply
    const { atOnce, partBytes, endPart } = this.#slice
    const { entries } = streamsOf(x)
    const from = new StreamId().copy(firstId)
    let left = Math.min(this.#countMax, x.keyspace.entries.length(this.#find()))
    reply.text('entries')
    reply.array(left)
    while (left > 0) {
      const count = Math.min(left, atOnce)
      yield* this.#wanting((root, wants) => entries.wantRange(root, from, greatestId, count, false, wants))
      const walk = walkOf(x).begin(this.#find(), from, greatestId)
      const begin = reply.position
      for (let shown = 0; shown < count && reply.position - begin < partBytes && walk.next(); shown++) {
        replyEntry(reply, walk.entry)
        from.copy(walk.entry.id)
        left--
      }
      from.increment()
      endPart()
    }
  }

  *#replyGroups(): Slices<void> {
    const { groups } = streamsOf(this.#x)
    yield* this.#wanting((root, wants) => groups.wantGroups(root, wants))
    const found = groupsOf(this.#x, this.#find())
    this.#reply.text('groups')
    this.#reply.array(found.length)
    for (const group of found) yield* this.#replyGroup(group)
  }

  *#replyGroup(group: Group): Slices<void> {
    const x = this.#x
    const reply = this.#reply
    const { groups, entries } = streamsOf(x)
    yield* this.#wanting((root, wants) => {
      groups.wantConsumers(root, group.unit, wants)
      entries.wantMeta(root, wants)
    })
    const consumers = consumersOf(x, this.#find(), group.unit)
    reply.map(7)
    reply.text('name')
    reply.bulk(group.name, 0, group.name.length)
    replyProgress(x, reply, this.#find(), group)
    yield* this.#replyPending(group, consumers)
    reply.text('consumers')
    reply.array(consumers.length)
    for (const consumer of consumers) yield* this.#replyConsumer(group.unit, consumer)
  }

  /** How many a unit has pending, and how many of them are shown. */
  #replyPendingCount(unit: number): number {
    const reply = this.#reply
    const count = this.#root === 0 ? 0 : this.#pending.count(this.#root, unit)
    const shown = Math.min(this.#countMax, count)
    reply.text('pel-count')
    reply.integer(count)
    reply.text('pending')
    reply.array(shown)
    return shown
  }

  *#replyPending({ unit }: Group, consumers: readonly Consumer[]): Slices<void> {
    const reply = this.#reply
    const names = new Map(consumers.map((consumer) => [consumer.unit, consumer.name]))
    const from = new StreamId().copy(firstId)
    for (let left = this.#replyPendingCount(unit); left > 0; ) {
      let count = Math.min(left, this.#slice.atOnce)
      left -= count
      yield* this.#wanting((root, wants) => this.#pending.wantFrom(root, unit, from, count, wants))
      this.#pending.each(this.#root, unit, from, (pending) => {
        const name = names.get(pending.consumer) ?? Buffer.alloc(0)
        reply.array(4)
        replyId(reply, pending.id)
        reply.bulk(name, 0, name.length)
        reply.integer(pending.deliveredAt)
        replyUint64(reply, pending.deliveries)
        if (--count === 0) from.copy(pending.id).increment()
        return count > 0
      })
      this.#slice.endPart()
    }
  }

  *#replyConsumer(group: number, consumer: Consumer): Slices<void> {
    const reply = this.#reply
    const pending = this.#pending
    const { unit, name, seenAt } = consumer
    const from = new StreamId().copy(firstId)
    const id = new StreamId()
    reply.map(4)
    reply.text('name')
    reply.bulk(name, 0, name.length)
    reply.text('seen-time')
    reply.integer(seenAt)
    for (let left = this.#replyPendingCount(unit); left > 0; ) {
      let count = Math.min(left, this.#slice.atOnce)
      left -= count
      yield* this.#wanting((root, wants) => {
        pending.wantFrom(root, unit, from, count, wants)
        pending.eachResident(root, unit, false, from, count, (own) => pending.want(root, group, own, wants))
      })
      const root = this.#root
      pending.eachOwn(root, unit, from, (bytes, at) => {
        pending.find(root, group, id.read(bytes, at))
        reply.array(3)
        replyId(reply, id)
        reply.integer(pending.found.deliveredAt)
        replyUint64(reply, pending.found.deliveries)
        if (--count === 0) from.copy(id).increment()
        return count > 0
      })
      this.#slice.endPart()
    }
  }
}
