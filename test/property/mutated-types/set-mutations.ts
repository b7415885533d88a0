/** Edits of sets, with the form that commands would choose. */
import { integersForm, leafForm, setType, treeForm } from '../../../engine/keyspace/entries.ts'
import { memberBytes } from '../../../engine/types/set-leaf.ts'
import { addEdit, removeEdit } from '../../../engine/types/set-type.ts'
import type { MutatedType, Target } from '../mutated-type.ts'
import { edit, few, formOf, leafBytesMax, member, packedElementsMax, putText } from '../mutated-type.ts'

type Members = ReadonlySet<string>

const choices = {
  setAdd: { weight: 8, drawn: { members: few(member, 10) } },
  setRemove: { weight: 4, drawn: { members: few(member, 10) } },
}
const seed = 0x5e75

export const setMutations: MutatedType<Members, typeof choices> = {
  number: setType,
  choices,
  change(target, value, m) {
    const after = new Set(value)
    if (m.do === 'setAdd') for (const each of m.members) after.add(each)
    else for (const each of m.members) after.delete(each)
    if (after.size === (value?.size ?? 0)) return value
    const isAdding = m.do === 'setAdd'
    edit(target, target.mutator.types.sets, isAdding ? addEdit : removeEdit, (payload) => {
      const form = formFor(target, after)
      if (isAdding) payload.byte(form)
      if (isAdding && form === treeForm) payload.u32(seed)
      payload.varint(m.members.length)
      for (const each of m.members) putText(payload, each)
    })
    return after.size === 0 ? undefined : after
  },
  length: (members) => members.size,
  shown: (members) => [...members].sort(),
}

function formFor(target: Target, after: Members): number {
  const former = formOf(target)
  if (former === treeForm) return 0
  const members = [...after]
  if (former !== leafForm && after.size <= packedElementsMax && members.every((each) => /^\d+$/.test(each))) return integersForm
  return members.reduce((sum, each) => sum + memberBytes(each.length), 4) > leafBytesMax ? treeForm : leafForm
}
