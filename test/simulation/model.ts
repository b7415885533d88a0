/**
 * What the server should hold and answer, as plainly as possible: databases are maps from keys to values. States are kept
 * by LSN: a change replaces items and copies maps, so a kept state never changes.
 *
 * Keys that have expired (a key lives through its last millisecond) are missing, wherever they still are: time only goes forward for the model.
 */

interface Kept {
  readonly expireAt: number
  readonly lsn: number
}

/** A field of a hash; it stays here when it has expired, and counts no more. */
export interface Field {
  readonly text: string
  /** 0 for never. */
  readonly expireAt: number
}

/** What a group has delivered and nobody has acknowledged. */
export interface Pending {
  readonly consumer: string
  readonly deliveredAt: number
  readonly deliveries: number
}

export interface Group {
  readonly lastId: string
  readonly consumers: ReadonlySet<string>
  /** By the entry's id. */
  readonly pending: ReadonlyMap<string, Pending>
}

export interface Stream {
  /** Fields and values by id, in order. */
  readonly entries: ReadonlyMap<string, readonly string[]>
  readonly lastId: string
  readonly groups: ReadonlyMap<string, Group>
}

/** What keys hold, by the kind of it. */
export interface Values {
  readonly string: string
  readonly hash: ReadonlyMap<string, Field>
  readonly set: ReadonlySet<string>
  readonly list: readonly string[]
  readonly zset: ReadonlyMap<string, number>
  readonly stream: Stream
  /** Registers that are not 0. To clients a string. */
  readonly hyperloglog: { readonly registers: ReadonlyMap<number, number> }
}

export type Kind = keyof Values

export type ItemOf<K extends Kind> = { readonly kind: K; readonly value: Values[K] } & Kept

export type Item = { [K in Kind]: ItemOf<K> }[Kind]

export type Items = ReadonlyMap<string, Item>

/** All databases as of one LSN. `logical` says which of `databases` a number means. */
export interface State {
  readonly logical: readonly number[]
  readonly databases: readonly Items[]
}

export const emptyState: State = {
  logical: Array.from({ length: 16 }, (_, i) => i),
  databases: Array.from({ length: 16 }, () => new Map()),
}

/** A collection goes with its last element. */
function isGone(value: Item['value']): boolean {
  if (value instanceof Map || value instanceof Set) return value.size === 0
  return Array.isArray(value) && value.length === 0
}

export class Model {
  #logical: number[] = [...emptyState.logical]
  #databases: Map<string, Item>[] = emptyState.databases.map(() => new Map())
  /** Databases whose map is part of a kept state, and must be copied before it changes. */
  readonly #kept = new Set<number>()
  /** LSNs of what is no more: deleted keys by database and key, flushes, swaps. */
  readonly #goneLsn = new Map<string, number>()
  #flushedLsn: number[] = emptyState.logical.map(() => 0)
  #logicalLsn = 0
  /** Of the record being made. */
  lsn = 0
  /** Changes since it was last set to 0. */
  changes = 0
  nowMs = 0
  /** LSN of the newest change that the command in hand depends on. */
  seenLsn = 0
  /** Whether the command in hand may wait: not in a transaction, nor in a script. */
  mayBlock = true
  /** The key for which a command that has waited is tried again. */
  wokenFor: string | undefined
  /** What a command that waits wants to know when it is tried again. */
  remembered: unknown

  /** The present state, to be kept. */
  keep(): State {
    for (let i = 0; i < 16; i++) this.#kept.add(i)
    return { logical: [...this.#logical], databases: [...this.#databases] }
  }

  /** Back to a state that was kept; everything in it counts as durable. */
  restore(state: State): void {
    this.#logical = [...state.logical]
    this.#databases = state.databases.map((items) => new Map(items))
    this.#kept.clear()
    this.#goneLsn.clear()
    this.#flushedLsn = this.#flushedLsn.map(() => 0)
    this.#logicalLsn = 0
  }

  /** The living item of a key. */
  get(db: number, key: string): Item | undefined {
    const physical = this.#logical[db] as number
    const item = this.#databases[physical]?.get(key)
    const lsn = Math.max(
      this.#logicalLsn,
      item?.lsn ?? Math.max(this.#flushedLsn[physical] as number, this.#goneLsn.get(`${physical}/${key}`) ?? 0),
    )
    if (lsn > this.seenLsn) this.seenLsn = lsn
    return item === undefined || this.#hasExpired(item) ? undefined : item
  }

  put<K extends Kind>(db: number, key: string, kind: K, value: Values[K], expireAt: number): void {
    // What has expired may be gone already, which nobody was told.
    if (isGone(value)) {
      if (this.get(db, key) !== undefined) this.delete(db, key)
    } else this.#put(db, key, { kind, value, expireAt, lsn: this.lsn } as unknown as Item)
  }

  putItem(db: number, key: string, item: Item): void {
    this.#put(db, key, { ...item, lsn: this.lsn })
  }

  setExpiry(db: number, key: string, item: Item, expireAt: number): void {
    if (expireAt !== 0 && expireAt <= this.nowMs) this.delete(db, key)
    else this.#put(db, key, { ...item, expireAt, lsn: this.lsn })
  }

  delete(db: number, key: string): void {
    const physical = this.#logical[db] as number
    if (!this.#own(physical).delete(key)) return
    this.#goneLsn.set(`${physical}/${key}`, this.lsn)
    this.changes++
  }

  flush(db: number): void {
    const physical = this.#logical[db] as number
    if (this.#items(db).size === 0) return
    this.#databases[physical] = new Map()
    this.#kept.delete(physical)
    this.#flushedLsn[physical] = this.lsn
    this.changes++
  }

  swap(a: number, b: number): void {
    if (a === b) return
    const physical = this.#logical[a] as number
    this.#logical[a] = this.#logical[b] as number
    this.#logical[b] = physical
    this.#logicalLsn = this.lsn
    this.changes++
  }

  livingKeys(db: number): string[] {
    return [...this.#items(db)].filter(([, item]) => !this.#hasExpired(item)).map(([key]) => key)
  }

  /** Keys including expired ones that may not have been deleted yet. */
  size(db: number): number {
    return this.#items(db).size
  }

  #items(db: number): Map<string, Item> {
    return this.#databases[this.#logical[db] as number] as Map<string, Item>
  }

  #put(db: number, key: string, item: Item): void {
    this.#own(this.#logical[db] as number).set(key, item)
    this.changes++
  }

  #own(physical: number): Map<string, Item> {
    if (this.#kept.delete(physical)) this.#databases[physical] = new Map(this.#databases[physical])
    return this.#databases[physical] as Map<string, Item>
  }

  #hasExpired(item: Item): boolean {
    return item.expireAt !== 0 && item.expireAt < this.nowMs
  }
}
