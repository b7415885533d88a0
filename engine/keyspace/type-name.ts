/** What TYPE calls a type. */
import type { TypeNumber } from './entries.ts'

const names = ['none', 'string', 'hash', 'list', 'set', 'zset', 'stream'] as const

export type TypeName = (typeof names)[number]

export function typeName(type: TypeNumber): TypeName {
  return names[type]
}
