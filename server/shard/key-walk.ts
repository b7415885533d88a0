/**
 * A walk over keys and their whole values, cold ones included, beside everything else: a few milliseconds at a time, with
 * reads awaited in between. It admits nothing to memory and counts no use.
 *
 * Nobody may change a key while it runs (the gate holds all requests, expiry and eviction rest); values may move, become
 * cold, or be written out meanwhile. Expired keys are passed over.
 */
import type { TypeNumber } from '../../engine/keyspace/entries.ts'
import { stringType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { Separator } from '../../engine/tree/separator.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import type { Clock } from '../../storage/clock.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import type { Tier } from '../../storage/tier.ts'

const sliceMs = 5
/** Keys that are looked at, and bytes of cold strings that are read, at a time. */
const keysAtOnce = 64
const coldBytesAtOnce = 1024 * 1024
const leavesAtOnce = 64

/** What is known of a key without its value, as it was when the walk came to it. */
export interface WalkedKey {
  /** The physical database. */
  readonly db: number
  readonly key: Buffer
  readonly type: TypeNumber
  readonly encoding: number
  /** A string's bytes, a collection's elements. */
  readonly length: number
  /** Of a tree's order; 0 for what is none. */
  readonly seed: number
  /** Milliseconds since the epoch, 0 for never. */
  readonly expireAt: number
  /** When the first of its fields expires, or some time before; 0 if none does. */
  readonly fieldsDue: number
}

/** Where the range of a leaf begins, and how many elements it has. */
export interface WalkedLeaf {
  readonly separator: Separator
  readonly count: number
}

/** Told of each key: its value in one or several pieces, then its end. Bytes are valid until the call returns, or its promise resolves. */
export interface KeyVisitor {
  string(key: WalkedKey, bytes: Buffer, start: number, end: number): Promise<void> | undefined
  /** A collection's only blob, or one leaf of its tree after the other: `bytes[start, …)`, with the header that says how long it is. */
  blob(key: WalkedKey, bytes: Buffer, start: number, leaf: WalkedLeaf | undefined): void
  end(key: WalkedKey): void
  /** Awaited after every few keys. */
  pause?(): Promise<void>
}

interface ColdKey {
  readonly key: WalkedKey
  readonly entry: number
  readonly id: number
  readonly bytes: number
}

export class KeyWalk {
  readonly #keyspace: Keyspace
  readonly #tier: Tier
  readonly #clock: Clock
  readonly #visitor: KeyVisitor
  #untilMs: number

  constructor(keyspace: Keyspace, tier: Tier, clock: Clock, visitor: KeyVisitor) {
    this.#keyspace = keyspace
    this.#tier = tier
    this.#clock = clock
    this.#visitor = visitor
    this.#untilMs = clock.monotonicMs() + sliceMs
  }

  /** Every key of a physical database. Rejects when a value cannot be read. */
  async database(db: number): Promise<void> {
    const { index } = this.#keyspace.databases[db]!
    let cursor = 0
    do {
      const found: number[] = []
      cursor = index.scan(cursor, keysAtOnce, (entry) => found.push(entry))
      await this.#batch(found)
      await this.#visitor.pause?.()
      await this.#rest()
    } while (cursor !== 0)
  }

  /** One key. */
  entry(entry: number): Promise<void> {
    return this.#batch([entry])
  }

  /** Lets others have their turn, when the slice is over. Entries may have moved then. */
  async #rest(): Promise<boolean> {
    if (this.#clock.monotonicMs() < this.#untilMs) return false
    await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
    this.#untilMs = this.#clock.monotonicMs() + sliceMs
    return true
  }

  async #batch(found: readonly number[]): Promise<void> {
    const { entries } = this.#keyspace
    const known = found.map((entry) => ({ entry, key: this.#describe(entry) }))
    const cold: ColdKey[] = []
    let mayHaveMoved = false
    for (const { entry: before, key } of known) {
      if (key === undefined) continue
      if (await this.#rest()) mayHaveMoved = true
      const entry = mayHaveMoved ? this.#find(key) : before
      if (entries.isTree(entry)) {
        await this.#tree(key)
        mayHaveMoved = true
      } else if (!entries.isResident(entry)) cold.push({ key, entry, id: entries.valueId(entry), bytes: entries.length(entry) })
      else {
        const visit = this.#resident(key, entry)
        if (visit === undefined) continue
        await visit
        this.#visitor.end(key)
        mayHaveMoved = true
      }
    }
    await this.#cold(cold)
  }

  #find({ db, key }: WalkedKey): number {
    const keyspace = this.#keyspace
    keyspace.forgetLookUp()
    const entry = keyspace.find(db, key, 0, key.length)
    keyspace.forgetLookUp()
    if (entry === 0) throw new Error('a key was deleted during a walk that nobody may disturb')
    return entry
  }

  async #cold(cold: readonly ColdKey[]): Promise<void> {
    for (let from = 0; from < cold.length; ) {
      const set = new ColdSet(this.#keyspace.trees)
      const keys: WalkedKey[] = []
      let bytes = 0
      for (; from < cold.length && (keys.length === 0 || bytes < coldBytesAtOnce); from++) {
        const { key, entry, id } = cold[from]!
        bytes += cold[from]!.bytes
        keys.push(key)
        set.value(entry, id)
      }
      await this.#tier.fetch(set)
      for (const [i, key] of keys.entries()) {
        const value = present(set.values[i])
        if (key.type === stringType) await this.#visitor.string(key, value, 0, value.length)
        else this.#visitor.blob(key, value, 0, undefined)
        this.#visitor.end(key)
        await this.#rest()
      }
    }
  }

  #describe(entry: number): WalkedKey | undefined {
    const { entries, arena, trees } = this.#keyspace
    const expireAt = entries.expireAt(entry)
    if (expireAt !== 0 && expireAt < this.#clock.wallMs()) return undefined
    const start = entries.keyStart(entry)
    const key = Buffer.from(arena.bytes(entry).subarray(start, start + entries.keyLength(entry)))
    const seed = entries.isTree(entry) ? trees.roots.seed(entries.value(entry)) : 0
    return {
      db: entries.db(entry),
      key,
      type: entries.type(entry),
      encoding: entries.encoding(entry),
      length: entries.length(entry),
      seed,
      expireAt,
      fieldsDue: this.#keyspace.expiring.fieldsDue(entry),
    }
  }

  /** Visits a value in memory; a promise when that takes a while: the bytes stay as they are, and `end` is still to be called. */
  #resident(key: WalkedKey, entry: number): Promise<void> | undefined {
    const { entries, values, arena } = this.#keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    let visit: Promise<void> | undefined
    if (key.type !== stringType) this.#visitor.blob(key, values.bytes(value), start, undefined)
    else {
      if (arena.isLarge(value)) values.share(value)
      visit = this.#visitor.string(key, values.bytes(value), start, start + entries.length(entry))
    }
    if (visit === undefined) this.#visitor.end(key)
    return visit
  }

  /** Leaf after leaf, cold ones many at a time. The tree may lie elsewhere after each wait. */
  async #tree(key: WalkedKey): Promise<void> {
    const { entries, trees, values } = this.#keyspace
    const { shape, nodes } = trees
    const at = new LeafRow()
    const position = new Separator()
    for (let goesOn = true; goesOn; ) {
      const root = entries.value(this.#find(key))
      shape.locate(root, position, at)
      const set = new ColdSet(trees)
      const leaves: WalkedLeaf[] = []
      while (goesOn && trees.ref(at) === 0 && set.items.length < leavesAtOnce) {
        const leaf = this.#describeLeaf(at)
        leaves.push(leaf)
        set.leaf(root, leaf.separator, nodes.valueId(at.node, at.row))
        goesOn = shape.next(at)
      }
      if (set.items.length === 0) {
        const ref = trees.ref(at)
        this.#visitor.blob(key, values.bytes(ref), values.start(ref), this.#describeLeaf(at))
        goesOn = shape.next(at)
      }
      if (goesOn) shape.separator(at, position)
      if (set.items.length > 0) await this.#tier.fetch(set)
      for (const [i, blob] of set.values.entries()) this.#visitor.blob(key, present(blob), 0, leaves[i])
      await this.#rest()
    }
    this.#visitor.end(key)
  }

  #describeLeaf(at: LeafRow): WalkedLeaf {
    const { shape, nodes } = this.#keyspace.trees
    return { separator: shape.separator(at, new Separator()), count: nodes.count(at.node, at.row) }
  }
}

function present(bytes: Buffer | undefined): Buffer {
  if (bytes === undefined) throw new Error('a value changed during a walk that nobody may disturb')
  return bytes
}
