/** What TYPE calls a type. */
import type { TypeNumber } from './entries.ts'
import { hashType, stringType } from './entries.ts'

export function typeName(type: TypeNumber): 'string' | 'hash' | 'none' {
  return type === stringType ? 'string' : type === hashType ? 'hash' : 'none'
}
