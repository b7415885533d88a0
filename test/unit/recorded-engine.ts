/** An engine that keeps its records, so that a test can compare it with what they make elsewhere. */
import { expect } from 'vitest'
import { treeForm } from '../../engine/keyspace/entries.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { KeyspaceObserver } from '../../engine/keyspace/observer.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { testSeed } from '../chance.ts'
import { checkKeyspace, contentsOf } from '../property/keyspace-check.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

export const largeValueBytes = 40_000
/** Hashes with more fields are trees; commands would make one of what does not fit a leaf, too. */
const packedFieldsMax = 8

/** What the tier would hear. */
class Notes implements KeyspaceObserver {
  readonly stales: number[] = []
  /** Root blocks. */
  readonly dropped: number[] = []
  readonly resident = noObserver.resident
  readonly relocated = noObserver.relocated
  readonly released = noObserver.released
  readonly dirtied = noObserver.dirtied
  readonly dirtyRelocated = noObserver.dirtyRelocated
  readonly transferring = noObserver.transferring
  readonly removed = noObserver.removed
  readonly flushed = noObserver.flushed
  readonly swapped = noObserver.swapped

  stale(valueId: number): void {
    this.stales.push(valueId)
  }

  treeDropped(root: number): void {
    this.dropped.push(root)
  }
}

export class RecordedEngine {
  readonly notes = new Notes()
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly records: Buffer[] = []
  readonly #random: SeededRandom

  constructor(seed = testSeed) {
    this.#random = new SeededRandom(seed)
    this.keyspace = new Keyspace(this.#random, this.notes)
    this.keyspace.trees.leafBytesMax = 300
    this.mutator = new Mutator(this.keyspace, { largeValueBytes })
  }

  /** Makes one record; its bytes are copied, references and all, when it is complete. */
  change(work: (mutator: Mutator) => void): Buffer {
    this.keyspace.forgetLookUp()
    this.mutator.begin(this.records.length + 1)
    work(this.mutator)
    this.records.push(this.record())
    return this.records.at(-1) as Buffer
  }

  record(): Buffer {
    const { bytes, end, references } = this.mutator.record
    const parts: Uint8Array[] = []
    let from = 0
    for (const reference of references) {
      parts.push(bytes.subarray(from, reference.at), reference.bytes)
      from = reference.at
    }
    return Buffer.concat([...parts, bytes.subarray(from, end)])
  }

  find(key: string, db = 0): number {
    this.keyspace.forgetLookUp()
    return this.keyspace.find(db, Buffer.from(key), 0, key.length)
  }

  put(key: string, value: string, expireAt = 0): void {
    this.change((mutator) => mutator.putString(0, Buffer.from(key), 0, key.length, Buffer.from(value), 0, value.length, expireAt))
  }

  append(key: string, value: string): void {
    this.change((mutator) => mutator.append(this.find(key), Buffer.from(value), 0, value.length))
  }

  hashSet(key: string, from: number, to: number, mark = 'value'): void {
    const form = to - from > packedFieldsMax ? treeForm : 0
    const seed = this.#random.nextUint32()
    this.change((mutator) => mutator.hashSet(0, Buffer.from(key), 0, key.length, fields(from, to, mark), form, seed))
  }

  move(from: string, to: string, db = 0): Buffer {
    return this.change((mutator) => mutator.move(this.find(from), db, Buffer.from(to), 0, to.length))
  }

  copy(from: string, to: string, staged?: Buffer | number): Buffer {
    return this.change((mutator) => mutator.copy(this.find(from), 0, Buffer.from(to), 0, to.length, staged))
  }

  /** Slot of the value, of a tree its root block. */
  slot(key: string, db = 0): number {
    return this.keyspace.entries.value(this.find(key, db))
  }

  /** Applies all records, or those up to one, to another engine, each so many times. */
  replayed(times = 1, seed = testSeed + 1): RecordedEngine {
    const engine = new RecordedEngine(seed)
    engine.mutator.recording = false
    const replay = new Replay(engine.keyspace, engine.mutator)
    for (const [i, record] of this.records.entries()) for (let time = 0; time < times; time++) replay.apply(i + 1, record)
    return engine
  }

  /** The keyspace is whole, and its records make the same, applied once or twice. */
  check(): void {
    checkKeyspace(this.keyspace)
    const contents = contentsOf(this.keyspace)
    for (const times of [1, 2]) {
      const { keyspace } = this.replayed(times)
      checkKeyspace(keyspace)
      expect(contentsOf(keyspace)).toEqual(contents)
    }
  }
}

/** `field:N` → `mark N` for N in [from, to). */
export function fields(from: number, to: number, mark: string): FieldSource {
  const pairs = Array.from({ length: to - from }, (_, i) => [`field:${from + i}`, `${mark} ${from + i}`] as const)
  const part = (i: number): readonly [string, string] => pairs[i] as readonly [string, string]
  return {
    count: pairs.length,
    buffer: (i) => Buffer.from(part(i).join('')),
    fieldStart: () => 0,
    fieldEnd: (i) => part(i)[0].length,
    valueStart: (i) => part(i)[0].length,
    valueEnd: (i) => part(i).join('').length,
  }
}
