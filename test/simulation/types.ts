/** All types of the simulation, one row each. */

import type { Model } from './model.ts'
import { dumpCommands } from './model-dumps.ts'
import { keyCommands } from './model-keys.ts'
import type { blocks, Expected, Handler } from './model-replies.ts'
import { sortCommands } from './model-sort.ts'
import type { Family, ModelType } from './model-type.ts'
import { hashes } from './types/hash-type.ts'
import { hyperloglogs } from './types/hyperloglog-type.ts'
import { lists } from './types/list-type.ts'
import { sets } from './types/set-type.ts'
import { sortedSets } from './types/sorted-set-type.ts'
import { streams } from './types/stream-type.ts'
import { strings } from './types/string-type.ts'

export const types: readonly ModelType[] = [strings, hashes, sets, lists, sortedSets, streams, hyperloglogs]

export const families: readonly Family[] = [...types, keyCommands, sortCommands, dumpCommands]

/** Every key that the workload can touch. */
export const allKeys: readonly string[] = types.flatMap(({ keys }) => keys)

const handlers: Readonly<Record<string, Handler>> = Object.assign({}, ...families.map((each) => each.handlers))

/** What a request makes of the model, and what its client must see. */
export function modelReply(model: Model, db: number, words: readonly string[]): Expected | typeof blocks {
  const handler = handlers[(words[0] as string).toLowerCase()]
  if (handler === undefined) throw new Error(`the model does not know ${words[0]}`)
  return handler(model, db, words.slice(1))
}
