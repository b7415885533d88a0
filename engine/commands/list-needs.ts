/** What commands on lists need of a cold list: of a large one the leaves of the elements that they name, of any other the whole. */
import type { Arguments } from '../arguments.ts'

import { wantValue } from '../cold-wants.ts'
import { listType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants, WantsOf } from '../need.ts'
import { keepsLittle, wantElement, wantElements, wantEnd, wantRemoval } from '../types/list-type.ts'

/** What is wanted of a list that is a tree. */
type Wants = (keyspace: Keyspace, entry: number, args: Arguments, keyIndex: number, wants: ColdWants) => void

/** What is no tree is wanted as a whole, and of another type nothing: the command refuses it. */
function ofTree(keyspace: Keyspace, entry: number, args: Arguments, keyIndex: number, wants: ColdWants, want: Wants): void {
  const { entries } = keyspace
  if (entries.type(entry) !== listType) return
  if (entries.isTree(entry)) want(keyspace, entry, args, keyIndex, wants)
  else wantValue(keyspace, entry, wants)
}

/** Where elements come in, or one goes. */
export const wantsHead: WantsOf = (...asked) => ofTree(...asked, (keyspace, entry, _, __, wants) => wantEnd(keyspace, entry, false, wants))
export const wantsTail: WantsOf = (...asked) => ofTree(...asked, (keyspace, entry, _, __, wants) => wantEnd(keyspace, entry, true, wants))

/** `key [count]`. */
export const wantsHeads: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, args, keyIndex, wants) => wantAtEnd(keyspace, entry, countAt(args, keyIndex + 1), false, wants))
export const wantsTails: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, args, keyIndex, wants) => wantAtEnd(keyspace, entry, countAt(args, keyIndex + 1), true, wants))

/** One element at the head, or at the tail. */
export const wantsFirst: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, _, __, wants) => wantAtEnd(keyspace, entry, 1, false, wants))
export const wantsLast: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, _, __, wants) => wantAtEnd(keyspace, entry, 1, true, wants))

/** `source destination LEFT|RIGHT LEFT|RIGHT`. */
export const wantsMoved: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, args, keyIndex, wants) => {
    const tail = keyIndex + 2 < args.count && args.is(keyIndex + 2, 'RIGHT')
    if (keyIndex === 1) wantAtEnd(keyspace, entry, 1, tail, wants)
    else wantEnd(keyspace, entry, tail, wants)
  })

/** `source destination`, from the tail to the head. */
export const wantsRotated: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, _, keyIndex, wants) => {
    if (keyIndex === 1) wantAtEnd(keyspace, entry, 1, true, wants)
    else wantEnd(keyspace, entry, false, wants)
  })

/** `[timeout] numkeys key [key ...] LEFT|RIGHT [COUNT count]`. */
export const wantsPopped: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, args, keyIndex, wants) => {
    let i = keyIndex + 1
    while (i < args.count && !args.is(i, 'LEFT') && !args.is(i, 'RIGHT')) i++
    // A key may have such a name: the last word of the two is where the elements go from.
    for (let j = i + 1; j < args.count; j++) if (args.is(j, 'LEFT') || args.is(j, 'RIGHT')) i = j
    if (i >= args.count) return
    wantAtEnd(keyspace, entry, countAt(args, i + 2), args.is(i, 'RIGHT'), wants)
  })

/** `key index`. */
export const wantsIndex: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, args, keyIndex, wants) => {
    const index = args.integer(keyIndex + 1)
    wantElement(keyspace, entry, index < 0 ? index + keyspace.entries.length(entry) : index, wants)
  })

/** `key start stop`: the elements of the range. */
export const wantsElements: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, args, keyIndex, wants) => {
    const length = keyspace.entries.length(entry)
    const start = rankAt(args, keyIndex + 1, length)
    wantElements(keyspace, entry, start, rankAt(args, keyIndex + 2, length) - start + 1, wants)
  })

/** `key start stop`: where the range begins and ends. */
export const wantsTrimmed: WantsOf = (...asked) =>
  ofTree(...asked, (keyspace, entry, args, keyIndex, wants) => {
    const length = keyspace.entries.length(entry)
    const start = rankAt(args, keyIndex + 1, length)
    const stop = rankAt(args, keyIndex + 2, length)
    if (!(start <= stop && start < length)) return
    const count = Math.min(stop, length - 1) - start + 1
    if (keepsLittle(keyspace, entry, start, count)) {
      wantElements(keyspace, entry, start, count, wants)
      return
    }
    wantRemoval(keyspace, entry, stop + 1, length - stop - 1, wants)
    wantRemoval(keyspace, entry, 0, start, wants)
  })

/** A rank as ranges have it, 0 at least; NaN if the argument is no integer. */
function rankAt(args: Arguments, index: number, length: number): number {
  const given = args.bigInteger(index)
  if (given === undefined) return Number.NaN
  const rank = Number(given)
  return Math.min(length, Math.max(0, rank < 0 ? rank + length : rank))
}

function countAt(args: Arguments, index: number): number {
  const count = index < args.count ? args.integer(index) : 1
  return Number.isNaN(count) ? Number.MAX_SAFE_INTEGER : count
}

function wantAtEnd(keyspace: Keyspace, entry: number, count: number, tail: boolean, wants: ColdWants): void {
  const length = keyspace.entries.length(entry)
  const wanted = Math.min(count, length)
  wantElements(keyspace, entry, tail ? length - wanted : 0, wanted, wants)
}
