/** An engine that keeps its records, so that a test can compare it with what they make elsewhere. */
import { expect } from 'vitest'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { KeyspaceObserver } from '../../engine/keyspace/observer.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import type { ChunkedHash } from '../../engine/types/chunked-hash.ts'
import { testSeed } from '../chance.ts'
import { checkKeyspace, contentsOf } from '../property/keyspace-check.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

export const largeValueBytes = 40_000
const limits = { hashMaxListpackEntries: 8, hashMaxListpackValue: 64, hashChunkBytesMax: 300, largeValueBytes }
/** What the tier would hear. */
class Notes implements KeyspaceObserver {
  readonly stales: number[] = []
  readonly dropped: ChunkedHash[] = []
  readonly resident = noObserver.resident
  readonly moved = noObserver.moved
  readonly released = noObserver.released
  readonly dirtied = noObserver.dirtied
  readonly dirtyMoved = noObserver.dirtyMoved
  readonly removed = noObserver.removed
  readonly flushed = noObserver.flushed
  readonly swapped = noObserver.swapped

  stale(valueId: number): void {
    this.stales.push(valueId)
  }

  collectionDropped(collection: ChunkedHash): void {
    this.dropped.push(collection)
  }
}

export class RecordedEngine {
  readonly notes = new Notes()
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly records: Buffer[] = []

  constructor(seed = testSeed) {
    const random = new SeededRandom(seed)
    this.keyspace = new Keyspace(random, this.notes)
    this.mutator = new Mutator(this.keyspace, limits, random)
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
    this.change((mutator) => mutator.hashSet(0, Buffer.from(key), 0, key.length, fields(from, to, mark)))
  }

  handOver(from: string, to: string, db = 0): Buffer {
    return this.change((mutator) => mutator.handOver(this.find(from), db, Buffer.from(to), 0, to.length))
  }

  copyLargeHash(from: string, to: string): Buffer {
    return this.change((mutator) => mutator.copyLargeHash(this.find(from), 0, Buffer.from(to), 0, to.length))
  }

  slot(key: string, db = 0): number {
    return this.keyspace.entries.value(this.find(key, db))
  }

  hash(key: string, db = 0): ChunkedHash {
    return this.keyspace.collections[this.slot(key, db)] as ChunkedHash
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
