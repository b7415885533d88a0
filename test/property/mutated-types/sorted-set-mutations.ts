/** Edits of sorted sets, with the form that commands would choose. */
import fc from 'fast-check'
import { leafForm, packedForm, sortedSetType, treeForm } from '../../../engine/keyspace/entries.ts'
import { placeBytes } from '../../../engine/types/sorted-set-leaf.ts'
import { keepLittleEdit, removeEdit, setEdit, writePayloadElement } from '../../../engine/types/sorted-set-type.ts'
import type { MutatedType, Target } from '../mutated-type.ts'
import { bytesOf, edit, few, formOf, leafBytesMax, member, packedElementsMax, putText } from '../mutated-type.ts'

type Scores = ReadonlyMap<string, number>

const score = fc.oneof(fc.nat(4), fc.constantFrom(-1, 0.5, 1e300, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY))
const choices = {
  scoreSet: { weight: 8, drawn: { elements: few(fc.tuple(member, score), 10) } },
  scoreRemove: { weight: 4, drawn: { members: few(member, 10) } },
  keepLittle: { weight: 2, drawn: { rank: fc.nat(10), count: fc.integer({ min: 1, max: 20 }) } },
}
const seed = 0x5c03e

export const sortedSetMutations: MutatedType<Scores, typeof choices> = {
  number: sortedSetType,
  choices,
  change(target, value, m) {
    const { sortedSets } = target.mutator.types
    const after = new Map(value)
    if (m.do === 'scoreSet') {
      for (const [name, to] of m.elements) after.set(name, to)
      if ([...after].every(([name, to]) => value?.get(name) === to)) return value
      const form = formFor(target, after)
      edit(target, sortedSets, setEdit, (payload) => {
        payload.byte(form)
        if (form === treeForm) payload.u32(seed)
        payload.varint(m.elements.length)
        for (const [name, to] of m.elements) writePayloadElement(payload, to, bytesOf(name), 0, name.length)
      })
    } else if (m.do === 'scoreRemove') {
      for (const each of m.members) after.delete(each)
      if (after.size === (value?.size ?? 0)) return value
      edit(target, sortedSets, removeEdit, (payload) => {
        payload.varint(m.members.length)
        for (const each of m.members) putText(payload, each)
      })
    } else {
      const gone = ordered(after).slice(m.rank, m.rank + m.count)
      if (formOf(target) !== treeForm || gone.length === 0 || gone.length === after.size) return value
      for (const [name] of gone) after.delete(name)
      edit(target, sortedSets, keepLittleEdit, (payload) => {
        payload.u32(seed)
        payload.varint(m.rank)
        payload.varint(m.count)
      })
    }
    return after.size === 0 ? undefined : after
  },
  length: (scores) => scores.size,
  shown: (scores) => ordered(scores).map(([name, at]) => `${name} ${at}`),
}

function ordered(scores: Scores): [string, number][] {
  return [...scores].sort(([a, x], [b, y]) => (x === y ? (a < b ? -1 : 1) : x < y ? -1 : 1))
}

function formFor(target: Target, after: Scores): number {
  const former = formOf(target)
  if (former === treeForm) return 0
  if (former !== leafForm && after.size <= packedElementsMax) return packedForm
  return [...after.keys()].reduce((sum, each) => sum + placeBytes(each.length), 4) > leafBytesMax ? treeForm : leafForm
}
