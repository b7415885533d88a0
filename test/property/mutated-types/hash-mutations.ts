/** Changes of hashes: fields that are set, deleted and given a time. The model has values with their expiry as `expiringText` shows it. */
import fc from 'fast-check'
import { hashType, leafForm, treeForm } from '../../../engine/keyspace/entries.ts'
import type { FieldSource } from '../../../engine/mutation/field-source.ts'
import type { HashForm } from '../../../engine/mutation/hash-operations.ts'
import { expireFieldsEdit } from '../../../engine/types/hash-type.ts'
import { expiringText } from '../keyspace-check.ts'
import type { MutatedType, Target } from '../mutated-type.ts'
import { bytesOf, edit, expireAt, few, formOf, leafBytesMax, packedElementsMax, putText, text } from '../mutated-type.ts'

type Fields = ReadonlyMap<string, string>

const field = fc.nat(25).map((n) => `f${n}`)
const choices = {
  hashSet: { weight: 10, drawn: { fields: few(fc.tuple(field, text), 12) } },
  hashDelete: { weight: 5, drawn: { fields: few(field, 12) } },
  hashExpire: { weight: 6, drawn: { fields: few(field, 12), expireAt } },
}

export const hashMutations: MutatedType<Fields, typeof choices> = {
  number: hashType,
  choices,
  change(target, value, m) {
    const { mutator, db, key, entry } = target
    const fields = new Map(value)
    if (m.do === 'hashSet') {
      mutator.hashSet(db, key, 0, key.length, new Pairs(m.fields), formFor(target, fields.size, m.fields), m.fields.length)
      for (const [name, content] of m.fields) fields.set(name, content)
      return fields
    }
    if (!m.fields.some((name) => fields.has(name))) return value
    if (m.do === 'hashDelete') {
      mutator.hashDelete(entry, new Pairs(m.fields.map((name) => [name, ''])))
      for (const name of m.fields) fields.delete(name)
      return fields.size === 0 ? undefined : fields
    }
    edit(target, mutator.types.hashes, expireFieldsEdit, (payload) => {
      payload.varint(m.fields.length)
      for (const name of m.fields) {
        payload.u48(m.expireAt)
        putText(payload, name)
      }
    })
    for (const name of m.fields) {
      const content = fields.get(name)?.replace(/ until \d+$/, '')
      if (content !== undefined) fields.set(name, expiringText(content, m.expireAt))
    }
    return fields
  },
  length: (fields) => fields.size,
  shown: (fields) => new Map([...fields].sort()),
}

/** The form that a hash has once fields are set: what commands decide, in the rough. */
function formFor(target: Target, before: number, fields: readonly (readonly [string, string])[]): HashForm {
  const former = formOf(target)
  if (former === treeForm || (before + fields.length <= packedElementsMax && former !== leafForm)) return 0
  const bytes = fields.reduce((sum, [name, content]) => sum + name.length + content.length + 8, before * 20)
  return bytes > leafBytesMax ? treeForm : leafForm
}

class Pairs implements FieldSource {
  readonly #pairs: readonly (readonly [Buffer, Buffer])[]

  constructor(pairs: readonly (readonly [string, string])[]) {
    this.#pairs = pairs.map(([name, value]) => [bytesOf(name), bytesOf(value)])
  }

  get count(): number {
    return this.#pairs.length
  }

  /** Field and value stand in one buffer, as the contract wants. */
  buffer(index: number): Buffer {
    return Buffer.concat(this.#pairs[index] as readonly Buffer[])
  }

  fieldStart(): number {
    return 0
  }

  fieldEnd(index: number): number {
    return (this.#pairs[index] as readonly [Buffer, Buffer])[0].length
  }

  valueStart(index: number): number {
    return this.fieldEnd(index)
  }

  valueEnd(index: number): number {
    const [name, value] = this.#pairs[index] as readonly [Buffer, Buffer]
    return name.length + value.length
  }
}
