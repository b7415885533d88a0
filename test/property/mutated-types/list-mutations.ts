/** Edits of lists, with the form that commands would choose. */
import fc from 'fast-check'
import { listType, treeForm } from '../../../engine/keyspace/entries.ts'
import type { RecordBuffer } from '../../../engine/mutation/record-buffer.ts'
import {
  atTail,
  becomesTree,
  insertEdit,
  keepRangeEdit,
  popEdit,
  pushEdit,
  removeEachEdit,
  removeMatchesEdit,
  removeRangeEdit,
  setEdit,
} from '../../../engine/types/list-type.ts'
import { stringElementBytes } from '../../../engine/types/listpack-size.ts'
import type { MutatedType, MutationOf } from '../mutated-type.ts'
import { bytesOf, edit, few, formOf, leafBytesMax, putText, ranks, ranksIn, text } from '../mutated-type.ts'

type Elements = readonly string[]

const rank = fc.nat(20)
const count = fc.integer({ min: 1, max: 30 })
const choices = {
  push: { weight: 8, drawn: { tail: fc.boolean(), elements: few(text, 8) } },
  pop: { weight: 3, drawn: { tail: fc.boolean(), count: fc.integer({ min: 1, max: 6 }) } },
  setElement: { weight: 2, drawn: { rank, text } },
  insert: { weight: 2, drawn: { rank, behind: fc.boolean(), text } },
  removeRange: { weight: 2, drawn: { rank, count } },
  removeEach: { weight: 2, drawn: { ranks } },
  keepRange: { weight: 1, drawn: { rank, count } },
  removeMatches: { weight: 2, drawn: { rank, skip: fc.nat(2), count: fc.nat(2) } },
}
type ListMutation = MutationOf<typeof choices>

export const listMutations: MutatedType<Elements, typeof choices> = {
  number: listType,
  choices,
  change(target, value, m) {
    const before = value ?? []
    if ((value === undefined && m.do !== 'push') || (m.do === 'keepRange' && formOf(target) !== treeForm)) return value
    const after = changed(before, m)
    if (after === undefined) return value
    const bytesAfter = after.reduce((sum, each) => sum + stringElementBytes(bytesOf(each), 0, each.length), 4)
    const form = bytesAfter > leafBytesMax && formOf(target) !== treeForm ? becomesTree : 0
    edit(target, target.mutator.types.lists, editNumbers[m.do], (payload) => write(payload, before, m, form))
    return after.length === 0 ? undefined : after
  },
  length: (elements) => elements.length,
  shown: (elements) => elements,
}

const editNumbers = {
  push: pushEdit,
  pop: popEdit,
  setElement: setEdit,
  insert: insertEdit,
  removeRange: removeRangeEdit,
  removeEach: removeEachEdit,
  keepRange: keepRangeEdit,
  removeMatches: removeMatchesEdit,
} as const

function write(payload: RecordBuffer, before: Elements, m: ListMutation, form: number): void {
  switch (m.do) {
    case 'push':
      payload.byte((m.tail ? atTail : 0) | form)
      payload.varint(m.elements.length)
      for (const each of m.elements) putText(payload, each)
      break
    case 'pop':
      payload.byte(m.tail ? atTail : 0)
      payload.varint(m.count)
      break
    case 'setElement':
    case 'insert':
      payload.byte((m.do === 'insert' && m.behind ? atTail : 0) | form)
      payload.varint(m.rank)
      putText(payload, m.text)
      break
    case 'removeRange':
    case 'keepRange':
      payload.varint(m.rank)
      payload.varint(m.count)
      break
    case 'removeEach': {
      const some = ranksIn(before.length, m.ranks)
      payload.varint(some.length)
      for (const [i, each] of some.entries()) payload.varint(each - (some[i - 1] ?? 0))
      break
    }
    case 'removeMatches':
      payload.varint(m.skip)
      payload.varint(m.count)
      putText(payload, before[m.rank] as string)
  }
}

/** What an edit makes of a list; undefined when it would change nothing. */
function changed(list: Elements, m: ListMutation): Elements | undefined {
  if ('rank' in m && m.rank >= list.length) return undefined
  switch (m.do) {
    case 'push':
      return m.tail ? [...list, ...m.elements] : [...m.elements.toReversed(), ...list]
    case 'pop':
      return m.tail ? list.slice(0, Math.max(0, list.length - m.count)) : list.slice(m.count)
    case 'setElement':
      return list.with(m.rank, m.text)
    case 'insert':
      return list.toSpliced(m.behind ? m.rank + 1 : m.rank, 0, m.text)
    case 'removeRange':
      return list.toSpliced(m.rank, m.count)
    case 'removeEach':
      return without(list, ranksIn(list.length, m.ranks))
    case 'keepRange':
      return list.slice(m.rank, m.rank + m.count)
    case 'removeMatches': {
      const same = [...list.keys()].filter((i) => list[i] === list[m.rank])
      return without(list, same.slice(m.skip, m.count === 0 ? undefined : m.skip + m.count))
    }
  }
}

function without(list: Elements, gone: readonly number[]): Elements | undefined {
  return gone.length === 0 ? undefined : list.filter((_, i) => !gone.includes(i))
}
