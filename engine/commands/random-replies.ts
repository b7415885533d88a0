/**
 * Elements at random, replied in the command's own turn, each as likely as any other, whatever the form. Few out of many are looked up by rank; many, or
 * some of a small collection, are taken in one walk (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S). What was chosen beforehand
 * (`random-selection.ts`) is replied as it is.
 */
import type { Execution } from '../execution.ts'
import type { ElementList } from './drawn-elements.ts'
import { outOfRange } from './errors.ts'
import { repeatsMax, walksOver } from './random-needs.ts'
import { selectionOf } from './random-selection.ts'

/** The elements of one collection, and how they are shown. */
export interface ShownElements {
  /** Shows the element of a rank. */
  atRank(rank: number): void
  /** Shows those elements for which `isChosen` says so, which is asked for each in order. */
  walk(isChosen: () => boolean): void
}

/** As they are replied. */
export interface RepliedElements extends ShownElements {
  /** Begins the reply of so many. */
  begin(count: number): void
  /** For those that are drawn from a copy of all. */
  newList(): ElementList
}

/** Replies with `wanted` elements: at most as many as there are, none twice; with a negative number each drawn from all of them. */
export function replyRandom(x: Execution, entry: number, wanted: number, elements: RepliedElements): void {
  if (wanted < 0) {
    replyRepeatable(x, entry, -wanted, elements)
    return
  }
  const distinct = Math.min(wanted, x.keyspace.entries.length(entry))
  elements.begin(distinct)
  if (!repliesSelection(x, entry)) showDistinct(x, entry, distinct, elements)
}

/** Shows `wanted` elements, at most as many as there are, none twice. */
export function showDistinct(x: Execution, entry: number, wanted: number, elements: ShownElements): void {
  const { args, keyspace } = x
  const { draws } = keyspace
  const length = keyspace.entries.length(entry)
  if (!walksOver(keyspace, entry, wanted)) {
    for (const rank of draws.take(args, length, wanted)) elements.atRank(rank)
    return
  }
  let ahead = length
  let missing = wanted
  elements.walk(() => {
    if (draws.below(ahead--) >= missing) return false
    missing--
    return true
  })
}

function replyRepeatable(x: Execution, entry: number, wanted: number, elements: RepliedElements): void {
  if (wanted > repeatsMax) {
    x.reply.error(outOfRange)
    return
  }
  const { args, keyspace, reply } = x
  const { draws } = keyspace
  const length = keyspace.entries.length(entry)
  elements.begin(wanted)
  if (repliesSelection(x, entry)) return
  if (!walksOver(keyspace, entry, wanted)) {
    for (const rank of draws.take(args, length, -wanted)) elements.atRank(rank)
    return
  }
  const list = elements.newList()
  list.add(entry)
  for (let i = 0; i < wanted; i++) list.show(reply, draws.below(length))
}

/** Replies with what was chosen beforehand; false when nothing was. */
function repliesSelection(x: Execution, entry: number): boolean {
  const selection = selectionOf(x, entry)
  selection?.each((bytes) => x.reply.rawShared(bytes))
  return selection !== undefined
}
