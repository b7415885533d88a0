/** Changes of parts of strings. What PFADD makes of a HyperLogLog, and SETBIT of a bitmap, are records of the same. */
import fc from 'fast-check'
import { stringType } from '../../../engine/keyspace/entries.ts'
import type { MutatedType } from '../mutated-type.ts'
import { bytesOf, text } from '../mutated-type.ts'

const choices = {
  append: { weight: 4, drawn: { text } },
  setRange: { weight: 2, drawn: { text, offset: fc.nat(80) } },
}

export const stringMutations: MutatedType<string, typeof choices> = {
  number: stringType,
  choices,
  change({ mutator, entry }, value, m) {
    if (value === undefined || m.text === '') return value
    const bytes = bytesOf(m.text)
    if (m.do === 'append') {
      mutator.append(entry, bytes, 0, bytes.length)
      return value + m.text
    }
    mutator.setRange(entry, m.offset, bytes, 0, bytes.length)
    return value.slice(0, m.offset).padEnd(m.offset, '\0') + m.text + value.slice(m.offset + m.text.length)
  },
  length: (value) => value.length,
  shown: (value) => value,
}
