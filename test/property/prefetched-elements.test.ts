/**
 * Requests in a pipeline, whose elements are prefetched together, beside a model: what was kept of a hash or a leaf must be right, or given up, when the
 * requests before have set and deleted fields, renamed, copied, emptied and made anew the hashes, and when the same buffer holds the next requests.
 */
import { expect, it } from 'vitest'
import { treeForm } from '../../engine/keyspace/entries.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { KeyspaceObserver } from '../../engine/keyspace/observer.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { PackedCursor } from '../../engine/types/packed-fields.ts'
import { chance, testRuns } from '../chance.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'

const keys = ['a', 'b', 'c']
const names = 1500
const batchMax = 16

class Session {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly random: SeededRandom
  readonly model = new Map<string, Map<string, string>>()
  /** Holds one batch after the other. */
  readonly buffer = Buffer.alloc(batchMax * 32)
  readonly starts = new Int32Array(batchMax)
  readonly ends = new Int32Array(batchMax)
  readonly elementStarts = new Int32Array(batchMax)
  readonly elementEnds = new Int32Array(batchMax)
  readonly #pair = new PackedCursor()
  #lsn = 0

  constructor(random: SeededRandom) {
    this.random = random
    const observer: KeyspaceObserver = {
      ...noObserver,
      // What is dropped leaves its slots at once to what is made next.
      treeDropped: (root) => {
        while (!this.keyspace.trees.removal.releaseSome(root, 100));
      },
      flushed: (former) => {
        const { keyspace } = this
        const refs: number[] = []
        former.index.scan(0, Number.MAX_SAFE_INTEGER, (ref) => void refs.push(ref))
        for (const ref of refs) keyspace.releaseDetached(ref)
        former.index.clear()
      },
    }
    this.keyspace = new Keyspace(random, observer)
    this.keyspace.trees.leafBytesMax = 64
    this.mutator = new Mutator(this.keyspace)
    this.mutator.recording = false
  }

  find(i: number): number {
    return this.keyspace.find(0, this.buffer, this.starts[i]!, this.ends[i]!)
  }

  pair(i: number, value: string): FieldSource {
    const bytes = Buffer.concat([this.buffer, Buffer.from(value)])
    return {
      count: 1,
      buffer: () => (value === '' ? this.buffer : bytes),
      fieldStart: () => this.elementStarts[i]!,
      fieldEnd: () => this.elementEnds[i]!,
      valueStart: () => this.buffer.length,
      valueEnd: () => bytes.length,
    }
  }

  /** The field and the value of a request lie in one buffer, as they do in arguments. */
  set(i: number, key: string, field: string): void {
    const value = this.random.once(3) ? 'w'.repeat(this.random.below(20)) : 'same length'
    const fields = this.model.get(key) ?? new Map<string, string>()
    const at = this.buffer.length - value.length
    this.buffer.write(value, at, 'latin1')
    const source: FieldSource = {
      count: 1,
      buffer: () => this.buffer,
      fieldStart: () => this.elementStarts[i]!,
      fieldEnd: () => this.elementEnds[i]!,
      valueStart: () => at,
      valueEnd: () => at + value.length,
    }
    const isNew = !this.model.has(key)
    const added = this.mutator.hashSet(
      0,
      this.buffer,
      this.starts[i]!,
      this.ends[i]!,
      source,
      isNew ? treeForm : 0,
      this.random.nextUint32(),
    )
    expect(added).toBe(fields.has(field) ? 0 : 1)
    fields.set(field, value)
    this.model.set(key, fields)
  }

  get(i: number, key: string, field: string): void {
    const { keyspace, mutator } = this
    const entry = this.find(i)
    const expected = this.model.get(key)?.get(field)
    const bytes =
      entry === 0
        ? undefined
        : mutator.hashes.trees.get(keyspace.entries.value(entry), this.buffer, this.elementStarts[i]!, this.elementEnds[i]!, this.#pair)
    expect(bytes?.toString('latin1', this.#pair.valueStart, this.#pair.valueEnd)).toBe(expected)
  }

  delete(i: number, key: string, field: string): void {
    const entry = this.find(i)
    const fields = this.model.get(key)
    if (entry === 0 || fields === undefined) return
    // As HDEL does: it looks for the field, and then deletes it.
    if (this.random.once(2)) this.get(i, key, field)
    expect(this.mutator.hashDelete(entry, this.pair(i, ''))).toBe(fields.delete(field) ? 1 : 0)
    if (fields.size === 0) this.model.delete(key)
  }

  move(i: number, key: string, isCopy: boolean): void {
    const entry = this.find(i)
    const to = this.random.pick(keys)
    if (entry === 0 || to === key) return
    const bytes = Buffer.from(to)
    const fields = this.model.get(key)!
    if (isCopy) this.mutator.copy(entry, 0, bytes, 0, 1)
    else {
      this.mutator.move(entry, 0, bytes, 0, 1)
      this.model.delete(key)
    }
    this.model.set(to, isCopy ? new Map(fields) : fields)
  }

  /** Sets many fields of a hash, so that it has a directory. */
  fill(key: string): void {
    this.starts[0] = 0
    this.ends[0] = this.buffer.write(key, 0, 'latin1')
    for (let i = 0; i < names; i += 2) {
      this.elementStarts[0] = 1
      this.elementEnds[0] = 1 + this.buffer.write(`f${i}`, 1, 'latin1')
      this.keyspace.forgetLookUp()
      this.mutator.begin(++this.#lsn)
      this.set(0, key, `f${i}`)
    }
  }

  /** What concerns a whole hash. */
  rarely(i: number, key: string): void {
    const what = this.random.below(12)
    if (what < 4) this.move(i, key, true)
    else if (what < 7) this.move(i, key, false)
    else if (what < 10) {
      const entry = this.find(i)
      if (entry !== 0) this.mutator.deleteEntry(entry)
      this.model.delete(key)
    } else {
      this.mutator.flush(0)
      this.model.clear()
    }
  }

  batch(): void {
    const { random, keyspace, buffer } = this
    if (!this.model.has('a')) this.fill('a')
    const count = 2 + random.below(batchMax - 1)
    const requests: { readonly key: string; readonly field: string }[] = []
    for (let i = 0, at = 0; i < count; i++) {
      // Some fields come several times.
      const former = i > 0 && random.once(4) ? requests[i - 1]! : undefined
      const key = former?.key ?? random.pick(keys)
      const field = former?.field ?? `f${random.below(names)}`
      requests.push({ key, field })
      this.starts[i] = at
      at += buffer.write(key, at, 'latin1')
      this.ends[i] = at
      this.elementStarts[i] = at
      at += buffer.write(field, at, 'latin1')
      this.elementEnds[i] = at
    }
    keyspace.cachePrefetch.fetch(keyspace.databases[0]!.index, buffer, this.starts, this.ends, count, this)
    for (const [i, { key, field }] of requests.entries()) {
      keyspace.forgetLookUp()
      this.mutator.begin(++this.#lsn)
      const what = random.below(1000)
      if (what < 600) this.set(i, key, field)
      else if (what < 800) this.get(i, key, field)
      else if (what < 997) this.delete(i, key, field)
      else this.rarely(i, key)
    }
    keyspace.cachePrefetch.end()
  }

  /** Fields and values of all hashes, in order. */
  check(): number {
    const { keyspace, mutator } = this
    let directories = 0
    for (const key of keys) {
      keyspace.forgetLookUp()
      const entry = keyspace.find(0, Buffer.from(key), 0, 1)
      const fields = this.model.get(key)
      expect(entry !== 0).toBe(fields !== undefined)
      if (entry === 0) continue
      const root = keyspace.entries.value(entry)
      const found = new Map<string, string>()
      const cursor = mutator.hashes.trees.scan(root, 0, Number.MAX_SAFE_INTEGER, (bytes, pair) => {
        found.set(bytes.toString('latin1', pair.fieldStart, pair.fieldEnd), bytes.toString('latin1', pair.valueStart, pair.valueEnd))
      })
      expect(cursor).toBe(0)
      expect(found).toEqual(fields)
      if (keyspace.trees.shape.search.directories.bytes(root) > 0) directories++
    }
    keyspace.forgetLookUp()
    return directories
  }
}

it('requests whose fields were prefetched do what the model does', () => {
  let directories = 0
  for (let run = 0; run < testRuns(2); run++) {
    const session = new Session(chance(90 + run))
    for (let i = 0; i < 500; i++) {
      session.batch()
      if (i % 50 === 0) directories += session.check()
    }
    directories += session.check()
  }
  expect(directories).toBeGreaterThan(0)
})
