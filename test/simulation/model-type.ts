/** The form in which a type joins the simulation: what is sent, and what the model does then. One file in `types/` for each. */
import type { Draw } from './draw.ts'
import type { Item, ItemOf, Kind, Model, Values } from './model.ts'
import type { Expected, Handler } from './model-replies.ts'
import { blocks, wrongType } from './model-replies.ts'

/** Commands that belong together. */
export interface Family {
  /** How often they come, beside the others. */
  readonly weight: number
  readonly request: (draw: Draw) => string[]
  /** One that may wait. */
  readonly waits?: (draw: Draw) => string[]
  /** Some that make sense only if nothing comes in between. */
  readonly together?: (draw: Draw) => string[][]
  readonly handlers: Readonly<Record<string, Handler>>
}

export interface ModelType extends Family {
  readonly kind: Kind
  /** Keys that mostly hold it. */
  readonly keys: readonly string[]
  /** Nothing else touches its keys, and it touches no others. */
  readonly isApart?: boolean
  /** What reads a value whole. */
  readonly reads: (key: string) => string[][]
}

/** A command in hand, on the key that is its first argument. */
export interface Call<K extends Kind> {
  readonly model: Model
  readonly db: number
  readonly key: string
  /** Those behind the key. */
  readonly args: readonly string[]
  /** What the key holds becomes this; its expiry stays. */
  readonly put: (value: Values[K]) => void
}

/** A handler for a command on the key that is its first argument, which holds this kind or nothing. */
export function on<K extends Kind>(kind: K, work: (value: Values[K] | undefined, call: Call<K>) => Expected): Handler {
  return (model, db, [key, ...args]) => {
    const item = model.get(db, key as string)
    if (item !== undefined && item.kind !== kind) return wrongType
    const put = (value: Values[K]): void => model.put(db, key as string, kind, value, item?.expireAt ?? 0)
    return work(item?.value as Values[K] | undefined, { model, db, key: key as string, args, put })
  }
}

/** What some keys hold, undefined for nothing; or that one of them holds another kind. */
export function valuesOf<K extends Kind>(
  model: Model,
  db: number,
  kind: K,
  keys: readonly string[],
): readonly (Values[K] | undefined)[] | undefined {
  const items = keys.map((key) => model.get(db, key))
  if (items.some((item) => item !== undefined && item.kind !== kind)) return undefined
  return items.map((item) => item?.value as Values[K] | undefined)
}

/** Puts the result of a command that stores one, or nothing, in place of whatever the key holds. */
export function store<K extends Kind>(model: Model, db: number, key: string, kind: K, value: Values[K]): void {
  // What it held counts as seen, as after any look at a key.
  model.get(db, key)
  model.put(db, key, kind, value, 0)
}

/**
 * Serves a command that waits by the first of its keys that holds this kind. Of one that has waited only the key is tried that it has been
 * woken for, and another kind is as good as none.
 */
export function servedBy<K extends Kind>(
  model: Model,
  db: number,
  kind: K,
  keys: readonly string[],
  serve: (key: string, item: ItemOf<K>) => Expected,
  timedOut: string,
): Expected | typeof blocks {
  const { wokenFor } = model
  for (const key of keys) {
    if (wokenFor !== undefined && key !== wokenFor) continue
    const item: Item | undefined = model.get(db, key)
    if (item === undefined) continue
    if (item.kind === kind) return serve(key, item as ItemOf<K>)
    if (wokenFor === undefined) return wrongType
  }
  return model.mayBlock ? blocks : timedOut
}
