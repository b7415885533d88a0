/** The operation that carries fields of a hash as they lie in memory: how it is applied, shown and refused; and the pieces that it carries. */
import { beforeEach, describe, expect, it } from 'vitest'
import { chunkedHash } from '../../engine/keyspace/entries.ts'
import { Values } from '../../engine/keyspace/values.ts'
import { Arena } from '../../engine/memory/arena.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { ChunkTable } from '../../engine/types/chunk-table.ts'
import { makePiece, makePieces, pieceEnd } from '../../engine/types/hash-pieces.ts'
import type { KeyState } from '../property/keyspace-check.ts'
import { checkKeyspace, contentsOf } from '../property/keyspace-check.ts'
import { RecordedEngine } from './recorded-engine.ts'

let engine: RecordedEngine
beforeEach(() => {
  engine = new RecordedEngine()
})

describe('fields recorded as they lie in memory', () => {
  const stateOf = ({ keyspace }: RecordedEngine): { encoding: number; values: string[] } => {
    const { encoding, value } = contentsOf(keyspace).get('0/g') as KeyState
    return { encoding, values: [...(value as ReadonlyMap<string, string>).values()] }
  }
  const record = (): Buffer => {
    engine.hashSet('h', 0, 60)
    return engine.copyLargeHash('h', 'g')
  }

  it('are set in a hash that is there, large or small', () => {
    const made = record()
    for (const already of [3, 50]) {
      const target = new RecordedEngine(5)
      target.hashSet('g', 40, 40 + already, 'former')
      // The key's deletion is not in this record: only what the hash gets.
      target.mutator.recording = false
      new Replay(target.keyspace, target.mutator).apply(7, made)
      checkKeyspace(target.keyspace)
      const { encoding, values } = stateOf(target)
      expect([encoding, values.length]).toEqual([chunkedHash, Math.max(60, 40 + already)])
      expect(values.filter((value) => value.startsWith('former')).length).toBe(Math.max(0, already - 20))
    }
  })

  it('are not set in chunks that are newer', () => {
    const made = record()
    const target = new RecordedEngine(6)
    for (let i = 0; i < 9; i++) target.put('other', 'x')
    target.hashSet('g', 0, 60, 'newer')
    target.keyspace.entries.setLsn(target.find('g'), 1)
    target.mutator.recording = false
    new Replay(target.keyspace, target.mutator).apply(7, made)
    const { values } = stateOf(target)
    expect([values.length, values.every((value) => value.startsWith('newer'))]).toEqual([60, true])
  })

  it('are refused when a pair does not end where its range does', () => {
    const replay = new Replay(engine.keyspace, engine.mutator)
    expect(() => replay.apply(1, Buffer.from('010a0001670106be010362323202', 'hex'))).toThrow('record ends too early')
    expect(() => replay.apply(2, Buffer.from('010a0001670206be0102623232', 'hex'))).toThrow('record ends too early')
  })

  it('show their key once per range to who looks ahead', () => {
    engine.hashSet('h', 0, 4000)
    const made = engine.copyLargeHash('h', 'g')
    const seen: [number, number][] = []
    new Replay(engine.keyspace, engine.mutator).visit(made, {
      mutation: (operation, _db, _buffer, _start, _end, pairs) => {
        seen.push([operation, pairs?.count ?? -1])
      },
      move: () => expect.unreachable(),
    })
    expect(seen.at(-1)).toEqual([6, 0])
    expect(seen.slice(0, -1).every(([operation]) => operation === 10)).toBe(true)
    expect(seen.slice(0, -1).reduce((sum, [, count]) => sum + count, 0)).toBe(4000)
    expect(seen.length).toBeGreaterThan(3)
  })
})

describe('pieces of a large hash', () => {
  const values = new Values(new Arena())
  const table = new ChunkTable(values, 1, { created() {}, moved() {}, released() {}, stale() {} })
  const { directory } = table

  /** Ten chunks with 100 bytes of pairs each: not real pairs, for nobody looks at them. */
  const fill = (): void => {
    for (let i = 0; i < 10; i++) {
      const at = table.create(directory.last(), i * 1000, 108, 1)
      const ref = directory.ref(at)
      const bytes = values.bytes(ref)
      bytes.writeUInt32LE(108, values.start(ref))
      bytes.fill(i, values.start(ref) + 8, values.start(ref) + 108)
      table.changed(at, 1, 1)
    }
  }

  it('cover its chunks in order, each with as many as it needs for its size', () => {
    expect(makePieces(values, directory, 250)).toEqual([])
    fill()
    const pieces = makePieces(values, directory, 250)
    expect(pieces.map(({ length }) => length)).toEqual([300, 300, 300, 100])
    expect(Buffer.concat(pieces).equals(Buffer.concat(Array.from({ length: 10 }, (_, i) => Buffer.alloc(100, i))))).toBe(true)
    expect(makePieces(values, directory, 0).length).toBe(10)
    expect(makePieces(values, directory, 1000).length).toBe(1)
  })

  it('can be made one by one', () => {
    const second = pieceEnd(directory, directory.first(), 150)
    expect([directory.firstHash(second), pieceEnd(directory, second, 9999)]).toEqual([2000, -1])
    expect(makePiece(values, directory, second, -1).length).toBe(800)
    expect(makePiece(values, directory, second, directory.after(second))).toEqual(Buffer.alloc(100, 2))
  })

  it('need every chunk in memory', () => {
    const at = directory.find(3000)
    table.stored(3000, 1, 9, false)
    expect(table.evict(directory.ref(at))).toBe(true)
    expect(() => makePieces(values, directory, 250)).toThrow('not resident')
    expect(() => new ChunkTable(values, 2, { created() {}, moved() {}, released() {}, stale() {} }).copyChunks(table, 2)).toThrow(
      'not resident',
    )
    expect(directory.length).toBe(10)
  })
})
