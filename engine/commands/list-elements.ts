/** Elements of lists as commands meet them: ranges of ranks, replies of one and of many, popping with a reply. */
import type { Execution } from '../execution.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { sharedBytesMin } from '../reply-writer.ts'
import { readElementAt, slotOfElement, visitBackwards, visitRuns } from '../types/list-walk.ts'
import { ListpackElement, shortTextLength } from '../types/listpack-element.ts'
import { popElements } from './list-edits.ts'
import { imageOf } from './sliced-tree.ts'

/** The element that was read last. */
export const element = new ListpackElement()

/** Replies with element `rank`; its bytes are copied unless they are many and lie by themselves. */
export function replyElement(x: Execution, entry: number, rank: number): void {
  const { keyspace, reply } = x
  const bytes = readElementAt(keyspace, entry, rank, element)
  if (element.end - element.start < sharedBytesMin) {
    reply.bulk(bytes, element.start, element.end)
    return
  }
  const slot = slotOfElement(keyspace, entry, rank)
  if (!keyspace.arena.isLarge(slot)) reply.bulk(bytes, element.start, element.end)
  else {
    keyspace.values.share(slot)
    reply.bulkShared(bytes, element.start, element.end)
  }
}

/** Writes `count` elements from `rank` on, towards the tail or the head. */
export function replyElements(x: Execution, entry: number, rank: number, count: number, backwards: boolean): void {
  const { keyspace, reply } = x
  if (count === 1) {
    replyElement(x, entry, rank)
    return
  }
  if (!backwards) {
    visitRuns(keyspace, entry, rank, count, (bytes, position, run) => {
      replyRun(reply, bytes, position, run)
      return true
    })
    return
  }
  visitBackwards(keyspace, entry, rank, count, (bytes, start, end) => {
    reply.bulk(bytes, start, end)
    return true
  })
}

/** Writes elements that lie one behind the other. */
function replyRun(reply: ReplyWriter, bytes: Buffer, position: number, count: number): void {
  let at = position
  for (let i = 0; i < count; i++) {
    const length = shortTextLength(bytes[at])
    if (length >= 0) {
      reply.bulk(bytes, at + 1, at + 1 + length)
      at += length + 2
    } else {
      element.read(bytes, at)
      reply.bulk(element.bytes, element.start, element.end)
      at = element.next
    }
  }
}

/** Replies with the elements that go, and takes them from the list under the key that is argument `key`. */
export function popWithReply(x: Execution, entry: number, key: number, count: number, tail: boolean): void {
  const image = imageOf(x, entry)
  if (image !== undefined && image.count() === count) image.each((bytes) => x.reply.rawShared(bytes))
  else replyElements(x, entry, tail ? x.keyspace.entries.length(entry) - 1 : 0, count, tail)
  popElements(x, entry, key, count, tail)
}

/** 1 for RIGHT, 0 for LEFT; -1 for another word, the error being for the caller. */
export function endOf({ args }: Execution, index: number): number {
  return args.is(index, 'RIGHT') ? 1 : args.is(index, 'LEFT') ? 0 : -1
}
