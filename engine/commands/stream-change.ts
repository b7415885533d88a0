/**
 * A change of what very many ids have pending, made in slices before its command runs (`pending-exchange-work.ts`): the stream's leaves, the payloads of the edits and the
 * reply. In the command's turn the leaves are put in their place. It is as of the moment when the work began, which nothing has come behind: the stream is held, and the
 * work begins anew when it changes all the same.
 */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import type { ColdWants } from '../need.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { PendingExchange } from '../types/pending-exchange.ts'
import type { StreamId } from '../types/stream-id.ts'
import { acknowledgeEdit, deliverEdit } from '../types/stream-type.ts'
import { PendingMerge } from './pending-exchange-work.ts'
import { PendingRows } from './pending-rows.ts'
import type { Slices } from './repeated-work.ts'
import { RepeatedWork } from './repeated-work.ts'
import { ReplyParts } from './reply-parts.ts'
import { partBytesOf } from './sliced-tree.ts'
import { streamsOf } from './stream-arguments.ts'

/** What an id that changes its place counts for, in bytes, where these say what is large: it is in two lists. */
const changeCost = 512

/** Whether changing the places of so many ids takes too long for one turn. */
export function isLongChange({ limits }: Execution, count: number): boolean {
  return count * changeCost >= (limits.slicedValueBytes ?? slicedValueBytes)
}

/** Ids that are looked at in one slice. */
export const idsAtOnce = 128

/** What the work comes to. */
export interface StreamChange {
  readonly exchange: PendingExchange
  /** The unit of the consumer that receives, which may still have to be made. */
  readonly consumer: number
  /** Payloads of *acknowledge* and *deliver*; undefined where nothing is. */
  readonly taken: RecordBuffer | undefined
  readonly given: RecordBuffer | undefined
  /** Entries that are replied, and what has been rendered of the reply. */
  readonly shownCount: number
  readonly replies: readonly Buffer[]
  /** The id that XCLAIM says the group has come to, if any. */
  readonly lastId?: StreamId | undefined
}

/** A change that is being made. */
export class StreamChanging {
  readonly x: Execution
  /** Stay the request's: between two slices they may move to another buffer, as more of their client arrives. */
  readonly args: Arguments
  readonly rows = new PendingRows()
  readonly replies: Buffer[] = []
  readonly parts: ReplyParts
  /** When it began. */
  readonly now: number
  /** The stream's entry, 0 without: it may move between two slices. */
  readonly find: () => number
  readonly #work: RepeatedWork<StreamChange>
  #merge: PendingMerge | undefined
  /** What the command itself looks at again. */
  readonly #wanted: ((root: number, wants: ColdWants) => void)[] = []

  constructor(x: Execution, args: Arguments, parts: ReplyParts, find: () => number, work: RepeatedWork<StreamChange>) {
    this.x = x
    this.args = args
    this.parts = parts
    this.find = find
    this.now = x.now
    this.#work = work
  }

  get memoryBytes(): number {
    return this.rows.memoryBytes + this.parts.bytes
  }

  get root(): number {
    const entry = this.find()
    return entry === 0 ? 0 : streamsOf(this.x).rootOf(entry)
  }

  /** Ends the work: the command will find out why. */
  givenUp(): Slices<never> {
    return this.#work.givenUp()
  }

  /** Wants what the command looks at to make the change. */
  want(wants: ColdWants): void {
    const { root } = this
    if (root !== 0) for (const want of this.#wanted) want(root, wants)
  }

  /** Ends a slice. The next one needs what `want` names. */
  *wanting(want: (root: number, wants: ColdWants) => void): Slices<void> {
    yield (wants) => {
      const { root } = this
      if (root !== 0) want(root, wants)
    }
  }

  /** The unit of the group that is argument `index`, 0 without. */
  *group(index: number): Slices<number> {
    const { groups, entries } = streamsOf(this.x)
    const { args } = this
    const want = (root: number, wants: ColdWants): void => {
      entries.wantMeta(root, wants)
      groups.wantGroup(root, args.buffer, args.starts[index], args.ends[index], wants)
    }
    this.#wanted.push(want)
    yield* this.wanting(want)
    return this.root !== 0 && groups.findGroup(this.root, args.buffer, args.starts[index], args.ends[index]) ? groups.group.unit : 0
  }

  /** The unit that the consumer has which is argument `index`, or is going to have. */
  *consumer(group: number, index: number): Slices<number> {
    const { groups, entries } = streamsOf(this.x)
    const { args } = this
    const want = (root: number, wants: ColdWants): void => {
      entries.wantMeta(root, wants)
      groups.wantConsumer(root, group, args.buffer, args.starts[index], args.ends[index], wants)
    }
    this.#wanted.push(want)
    yield* this.wanting(want)
    if (groups.findConsumer(this.root, group, args.buffer, args.starts[index], args.ends[index])) return groups.consumer.unit
    return entries.meta(this.find()).nextUnit
  }

  /** Makes the leaves of what `rows` say. */
  *exchange(group: number, consumer: number): Slices<PendingExchange> {
    yield* this.rows.settle()
    this.#merge = new PendingMerge(this.x.keyspace, this.rows, consumer, () => this.root)
    yield* this.#merge.slices(group)
    return this.#merge.exchange
  }

  release(): void {
    this.#merge?.exchange.release()
  }
}

/** The work on a change of the stream that is argument `key`, which `make` makes. */
export function changeInSlices(
  x: Execution,
  key: number,
  make: (changing: StreamChanging) => Slices<StreamChange>,
): RepeatedWork<StreamChange> {
  const { args, keyspace, reply, db } = x
  const name = Buffer.from(args.bytes(key))
  const isRead = (bytes: Uint8Array, start: number, end: number): boolean => name.compare(bytes, start, end) === 0
  const holds = (entry: number): boolean => {
    keyspace.forgetLookUp()
    const found = keyspace.find(db, name, 0, name.length)
    keyspace.forgetLookUp()
    return found === entry
  }
  const begin = (work: RepeatedWork<StreamChange>): StreamChanging => {
    const find = (): number => {
      const found = work.find(name, 0, name.length)
      return found !== 0 && keyspace.entries.type(found) === streamType ? found : 0
    }
    return new StreamChanging(x, args, new ReplyParts(reply), find, work)
  }
  return new RepeatedWork<StreamChange>(
    x,
    false,
    isRead,
    (work) => {
      const changing = begin(work)
      return {
        get memoryBytes() {
          return changing.memoryBytes
        },
        *slices() {
          if (changing.root === 0) return yield* work.givenUp()
          return yield* make(changing)
        },
        want: (wants) => changing.want(wants),
        release: () => changing.release(),
      }
    },
    holds,
  )
}

/** What was made beforehand of the change that the request asks for, if it still is so. */
export function madeChange({ staged }: Execution): StreamChange | undefined {
  return staged instanceof RepeatedWork ? (staged.settle() as StreamChange | undefined) : undefined
}

/** Makes the edits of a change of the stream under the key that is argument `key`; `between` those that have to come between them. Returns how many ids were taken off. */
export function makeChange(x: Execution, key: number, change: StreamChange, between?: () => void): number {
  const { args, mutator, db } = x
  const streams = streamsOf(x)
  const edit = (number: number, payload: RecordBuffer): number =>
    mutator.edit(streams, number, db, args.buffer, args.starts[key], args.ends[key], payload)
  let taken = 0
  streams.withExchange(change.exchange, () => {
    if (change.taken !== undefined) taken = edit(acknowledgeEdit, change.taken)
    between?.()
    if (change.given !== undefined) edit(deliverEdit, change.given)
  })
  return taken
}

/** Bytes of a reply after which it is worth a part of its own. */
export function endFullPart(x: Execution, parts: ReplyParts): void {
  if (parts.pendingBytes >= partBytesOf(x)) parts.endPart()
}
