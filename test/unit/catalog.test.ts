import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { CatalogEntry } from '../../storage/catalog-entry.ts'
import type { CatalogVisitor } from '../../storage/catalog-format.ts'
import {
  CATALOG_VERSION,
  CATALOG_VERSION_MIN,
  CatalogCorrupt,
  CatalogVersionUnsupported,
  catalogGenerations,
  catalogPath,
} from '../../storage/catalog-format.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import { CatalogWriter, removeOlderCatalogs } from '../../storage/catalog-writer.ts'
import { NodeFileSystem } from '../../storage/node-file-system.ts'
import { catalogEntry } from '../catalog-entries.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'

const DIRECTORY = '/data'
/** What version 2 wrote: the example of the format page as it was then. */
const versionTwo =
  '4d4f52414341544c020000000300000000000000abb963c64d424c4b9a0000000100000006000000010000000983feee632a8137110001000002010000000080d095ffbc31ac0209000000000006757365723a310100020300010100000000820101000000000001680301000000000002eeff830604010000000000000a000000000000010000000046b8170401000000000001eeffc0800b00000000000101000000003cc413070201000000000c00000000000200000000000200000000000068e5cf8b010102030405060708'
const LOG_ID = Buffer.from('0102030405060708', 'hex')
const NOTHING = Buffer.alloc(0)

function keyOf({ key, keyStart, keyEnd }: CatalogEntry): string {
  return key.toString('latin1', keyStart, keyEnd)
}

/** Writes down the records that it visits, one line for each. */
class Recorder implements CatalogVisitor {
  readonly lines: string[] = []
  entry(entry: CatalogEntry): void {
    const { db, type, encoding, flags, lsn, expireAt, fieldsDue, length, valueId, inline, inlineStart, inlineEnd } = entry
    const value = valueId === 0 ? `inline ${inline.toString('latin1', inlineStart, inlineEnd)}` : `value ${valueId}`
    this.lines.push(
      `entry ${[db, type, encoding, flags, lsn, expireAt, length].join(' ')}${fieldsDue === 0 ? '' : ` due ${fieldsDue}`} ${keyOf(entry)} ${value}`,
    )
  }
  tombstone(db: number, lsn: number, key: Buffer, keyStart: number, keyEnd: number): void {
    this.lines.push(`tombstone ${db} ${lsn} ${key.toString('latin1', keyStart, keyEnd)}`)
  }
  collection(...a: number[]): void {
    this.lines.push(`collection ${a.join(' ')}`)
  }
  leaf(collectionId: number, separator: Uint32Array, ...a: number[]): void {
    this.lines.push(`leaf ${collectionId} ${separator.join(':')} ${a.join(' ')}`)
  }
  databases(lsn: number, physical: ArrayLike<number>, flushedLsns: ArrayLike<number>): void {
    this.lines.push(`databases ${lsn} ${Array.from(physical)} ${Array.from(flushedLsns)}`)
  }
  freed(valueId: number): void {
    this.lines.push(`freed ${valueId}`)
  }
}

function writeEntry(writer: CatalogWriter, key: string, valueId: number, inline = ''): void {
  const entry = catalogEntry(`<<${key}>>`, { type: 1, encoding: 2, flags: 3, lsn: 77, length: 500, valueId })
  entry.setKey(entry.key, 2, entry.keyEnd - 2)
  const inlineBytes = Buffer.from(`[${inline}]`)
  entry.setInline(inlineBytes, 1, inlineBytes.length - 1)
  writer.entry(entry)
}

function separator(...words: number[]): Uint32Array {
  return Uint32Array.from({ length: 4 }, (_, i) => words[i] ?? 0)
}

async function replace(files: SimulatedDisk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await files.open(path, { write: true, create: true })
  await file.truncate(0)
  await file.write(bytes, 0)
  await file.close()
}

async function linesOf(files: SimulatedDisk): Promise<string[]> {
  const reader = (await openCatalog(files, DIRECTORY))!
  const recorder = new Recorder()
  await reader.read(recorder)
  await reader.close()
  return recorder.lines
}

/** The bytes in the format page's example: the fenced `hex` block, less its comments. */
async function exampleBytes(): Promise<string> {
  const page = await readFile(new URL('../../docs/formats/catalog.md', import.meta.url), 'utf8')
  const block = /```hex\n([^`]+)```/.exec(page)![1]!
  return block.replace(/#.*$/gm, '').replace(/\s/g, '')
}

describe('catalog', () => {
  it('gives back every kind of record as it was written', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    const key = Buffer.from('a key')
    const top = 2 ** 48 - 1
    const most = {
      db: 15,
      flags: 255,
      lsn: top,
      expireAt: Number.MAX_SAFE_INTEGER,
      fieldsDue: 1_700_000_000_000,
      length: 2 ** 32 - 1,
      valueId: top,
    }
    writer.entry(catalogEntry(key, { ...most, type: 1, encoding: 2 }))
    const inline = { inline: Buffer.from('<abc>'), inlineStart: 1, inlineEnd: 4 }
    writer.entry(catalogEntry(key, { ...inline, type: 5, encoding: 6, lsn: 1, length: 3, keyStart: 2 }))
    writer.entry(catalogEntry('', { type: 5, encoding: 6, lsn: 1 }))
    writer.tombstone(3, 2 ** 40, key, 0, 1)
    writer.collection(12, 2 ** 32 - 1, 7)
    writer.leaf(12, separator(), 2 ** 33, 9, 127, 16384)
    writer.leaf(2 ** 40, separator(2 ** 32 - 1), top, top, 2 ** 32 - 1, 2 ** 31)
    writer.leaf(12, separator(1, 0, 2 ** 31, 7), 0, 0, 0, 0)
    writer.leaf(12, separator(0, 5), 1, 2, 3, 4)
    writer.databases(44, [1, 0, 2], [0, 2 ** 47, 5])
    writer.freed(2 ** 35)
    await writer.marker(5, 6, 7, 8, 1_700_000_000_000, LOG_ID, { since: 2, value: 0xfedcba98 })
    expect(await linesOf(files)).toEqual([
      `entry 15 1 2 255 ${top} 9007199254740991 4294967295 due 1700000000000 a key value ${top}`,
      'entry 0 5 6 0 1 0 3 key inline abc',
      'entry 0 5 6 0 1 0 0  inline ',
      `tombstone 3 ${2 ** 40} a`,
      'collection 12 4294967295 7',
      `leaf 12 0:0:0:0 ${2 ** 33} 9 127 16384`,
      `leaf ${2 ** 40} 4294967295:0:0:0 ${top} ${top} 4294967295 2147483648`,
      'leaf 12 1:0:2147483648:7 0 0 0 0',
      'leaf 12 0:5:0:0 1 2 3 4',
      `databases 44 1,0,2 0,${2 ** 47},5`,
      `freed ${2 ** 35}`,
    ])
    const reader = (await openCatalog(files, DIRECTORY))!
    expect(reader.marker).toEqual({
      checkpointLsn: 5,
      nextValueId: 6,
      nextCollectionId: 7,
      entryCount: 8,
      wallMs: 1_700_000_000_000,
      logId: LOG_ID,
      checksum: { since: 2, value: 0xfedcba98 },
    })
    expect(reader.end).toMatchObject({ generation: 1, sequence: 2, records: 12, offset: files.contents(catalogPath(DIRECTORY, 1)).length })
  })

  it('writes the bytes that docs/formats/catalog.md shows', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 3)
    writer.entry(catalogEntry('user:1', { type: 1, lsn: 258, expireAt: 1_700_000_000_000, length: 300, valueId: 9 }))
    writer.entry(catalogEntry('h', { type: 2, encoding: 3, lsn: 257, length: 130, valueId: 1 }))
    writer.collection(1, 2, 0xc0ffee)
    writer.leaf(1, separator(), 10, 256, 70, 3000)
    writer.leaf(1, separator(0x80c0ffee), 11, 257, 60, 2500)
    await writer.marker(258, 12, 2, 2, 1_700_000_000_000, LOG_ID, { since: 0, value: 0x89abcdef })
    expect(files.contents(catalogPath(DIRECTORY, 3)).toString('hex')).toBe(await exampleBytes())
  })

  it('reads a file of version 2, which knows no running checksum, and writes no marker into it', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    await files.makeDirectory(DIRECTORY)
    await replace(files, catalogPath(DIRECTORY, 3), Buffer.from(versionTwo, 'hex'))
    expect(await linesOf(files)).toHaveLength(5)
    const reader = (await openCatalog(files, DIRECTORY))!
    expect(reader.marker).toMatchObject({ checkpointLsn: 258, nextValueId: 12, entryCount: 2, logId: LOG_ID, checksum: undefined })
    const writer = await CatalogWriter.resume(files, DIRECTORY, reader.end)
    expect(writer.isCurrent).toBe(false)
    expect(() => writer.marker(1, 1, 1, 1, 0, LOG_ID)).toThrow('earlier format')
    await writer.close()
    const next = await CatalogWriter.create(files, DIRECTORY, 4)
    await next.marker(259, 12, 2, 2, 0, LOG_ID)
    expect((await openCatalog(files, DIRECTORY))!.marker).toMatchObject({ checkpointLsn: 259, checksum: undefined })
  })

  it('delivers nothing that stands after the last marker, and goes on from there', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    writeEntry(writer, 'before', 0, 'kept')
    await writer.marker(1, 1, 1, 1, 0, LOG_ID)
    for (let i = 0; i < 20_000; i++) writeEntry(writer, `after ${i}`, 5)
    await writer.flush()
    expect(files.contents(catalogPath(DIRECTORY, 1)).length).toBeGreaterThan(500_000)
    expect(await linesOf(files)).toEqual(['entry 0 1 2 3 77 0 500 before inline kept'])

    const reader = (await openCatalog(files, DIRECTORY))!
    const next = await CatalogWriter.resume(files, DIRECTORY, reader.end)
    expect(files.contents(catalogPath(DIRECTORY, 1)).length).toBe(reader.end.offset)
    writeEntry(next, 'resumed', 6)
    await next.marker(2, 2, 2, 2, 0, LOG_ID)
    expect(await linesOf(files)).toEqual(['entry 0 1 2 3 77 0 500 before inline kept', 'entry 0 1 2 3 77 0 500 resumed value 6'])
    expect(next.records).toBe(4)
    expect((await openCatalog(files, DIRECTORY))!.end).toMatchObject({ records: 4, offset: next.bytes })
  })

  it('takes keys and values longer than a block', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    const long = 'k'.repeat(3_000_000)
    writeEntry(writer, 'short', 0, 'v')
    writeEntry(writer, long, 0, 'w'.repeat(10_000_000))
    writeEntry(writer, 'last', 1)
    await writer.marker(1, 1, 1, 1, 0, LOG_ID)
    const lines = await linesOf(files)
    expect(lines.map((line) => line.length)).toEqual([
      'entry 0 1 2 3 77 0 500 short inline v'.length,
      'entry 0 1 2 3 77 0 500  inline '.length + 13_000_000,
      'entry 0 1 2 3 77 0 500 last value 1'.length,
    ])
  })

  it('takes records for the next checkpoint while a marker is being written', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    for (let i = 0; i < 30_000; i++) writeEntry(writer, `first ${i}`, 1)
    const marked = writer.marker(1, 1, 1, 1, 0, LOG_ID)
    for (let i = 0; i < 30_000; i++) writeEntry(writer, `second ${i}`, 1)
    await marked
    const lines = await linesOf(files)
    expect(lines).toHaveLength(30_000)
    expect(lines[29_999]).toContain('first 29999')
    expect(writer.pendingBytes).toBeGreaterThan(500_000)
    await writer.marker(2, 1, 1, 1, 0, LOG_ID)
    expect(writer.pendingBytes).toBe(0)
    expect(await linesOf(files)).toHaveLength(60_000)
  })

  it('syncs before a marker only what the marker does not cover itself', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    files.counts.clear()
    writeEntry(writer, 'small', 1)
    await writer.marker(1, 1, 1, 1, 0, LOG_ID)
    expect(Object.fromEntries(files.counts)).toEqual({ write: 1, sync: 1 })
    files.counts.clear()
    for (let i = 0; i < 10_000; i++) writeEntry(writer, `entry number ${i}`, 1)
    await writer.flush()
    await writer.marker(2, 1, 1, 1, 0, LOG_ID)
    expect(Object.fromEntries(files.counts)).toEqual({ write: 2, sync: 2 })
  })

  it('chooses the newest generation that has a marker, and removes older ones', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    expect(await openCatalog(files, DIRECTORY)).toBeUndefined()
    for (const generation of [1, 2, 12]) {
      const writer = await CatalogWriter.create(files, DIRECTORY, generation)
      writeEntry(writer, `generation ${generation}`, generation)
      if (generation !== 12) await writer.marker(1, 1, 1, 1, 0, LOG_ID)
      else await writer.flush()
    }
    await replace(files, `${DIRECTORY}/catalog-notes.txt`, NOTHING)
    expect(await linesOf(files)).toEqual(['entry 0 1 2 3 77 0 500 generation 2 value 2'])
    await removeOlderCatalogs(files, DIRECTORY, 2)
    expect(await catalogGenerations(files, DIRECTORY)).toEqual([2, 12])
    const again = await CatalogWriter.create(files, DIRECTORY, 12)
    await again.marker(1, 1, 1, 0, 0, LOG_ID)
    expect(await linesOf(files)).toEqual([])
  })

  it('refuses damage before a marker, wherever it is', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const path = catalogPath(DIRECTORY, 1)
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    const ends: number[] = []
    for (let i = 0; i < 3; i++) {
      writeEntry(writer, `key ${i}`, 1)
      await writer.marker(i, 1, 1, 1, 0, LOG_ID)
      ends.push(files.contents(path).length)
    }
    const whole = Buffer.from(files.contents(path))
    for (let at = 0; at < ends[1]!; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = damaged[at]! ^ 0x10
      await replace(files, path, damaged)
      const failure = await linesOf(files).catch((error: unknown) => error)
      expect(failure, `flip at ${at}`).toBeInstanceOf(CatalogCorrupt)
      expect(failure).toMatchObject({ file: path })
    }
  })

  it.each([1, CATALOG_VERSION + 1])('says so when the format is of version %i, whatever stands behind the header', async (version) => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const path = catalogPath(DIRECTORY, 1)
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    writeEntry(writer, 'key', 1)
    await writer.marker(1, 1, 1, 1, 0, LOG_ID)
    await writer.close()
    const bytes = Buffer.from(files.contents(path))
    bytes.writeUInt32LE(version, 8)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20)
    await replace(files, path, bytes)
    const failure: unknown = await openCatalog(files, DIRECTORY).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CatalogVersionUnsupported)
    expect((failure as Error).message).toBe(
      `${path} has format ${version}, this program reads ${CATALOG_VERSION_MIN} to ${CATALOG_VERSION}`,
    )
    expect(files.contents(path).equals(bytes)).toBe(true)
  })

  it('tries a failed write again, and never trusts a file after a failed sync', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    for (let i = 0; i < 20_000; i++) writeEntry(writer, `key ${i}`, 1)
    files.failAt(files.operations + 2, 'ENOSPC')
    await expect(writer.flush()).rejects.toMatchObject({ code: 'ENOSPC' })
    await writer.flush()
    await writer.marker(1, 1, 1, 1, 0, LOG_ID)
    expect(await linesOf(files)).toHaveLength(20_000)

    writeEntry(writer, 'more', 1)
    files.failNext('sync', 'EIO')
    await expect(writer.marker(2, 1, 1, 1, 0, LOG_ID)).rejects.toMatchObject({ code: 'EIO' })
    await expect(writer.marker(3, 1, 1, 1, 0, LOG_ID)).rejects.toMatchObject({ code: 'EIO' })
    await writer.close()
  })

  it('refuses numbers that do not fit, and keeps no half of their record', async () => {
    const files = new SimulatedDisk(new SeededRandom(1))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    writeEntry(writer, 'good', 1)
    expect(() => writer.freed(2 ** 48)).toThrow(RangeError)
    expect(() => writer.leaf(1, separator(1, 2, 3, 4), 1, 1, -1, 1)).toThrow(RangeError)
    expect(() => writer.collection(Number.NaN, 1, 1)).toThrow(RangeError)
    await writer.marker(1, 1, 1, 1, 0, LOG_ID)
    expect(await linesOf(files)).toEqual(['entry 0 1 2 3 77 0 500 good value 1'])
    expect(writer.records).toBe(2)
  })

  it('reads a large catalog from a real disk, in pieces, with progress', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'moraine-catalog-'))
    const files = new NodeFileSystem()
    try {
      const writer = await CatalogWriter.create(files, directory, 1)
      const entry = catalogEntry(Buffer.alloc(16), { type: 1, encoding: 1, length: 400 })
      for (let i = 0; i < 1_000_000; i++) {
        entry.key.writeUInt32LE(i, 0)
        entry.lsn = i
        entry.valueId = i + 1
        writer.entry(entry)
        if (writer.pendingBytes > 4 << 20) await writer.flush()
      }
      await writer.marker(1_000_000, 1_000_001, 1, 1_000_000, 0, LOG_ID)
      await writer.close()
      const reader = (await openCatalog(files, directory))!
      let count = 0
      let sum = 0
      const visitor = new Recorder()
      visitor.entry = ({ key, keyStart, lsn }) => {
        count++
        sum += key.readUInt32LE(keyStart) - lsn
      }
      const progress: number[] = []
      await reader.read(visitor, (done, total) => {
        progress.push(done)
        expect(total).toBe(reader.end.offset)
      })
      await reader.close()
      expect(count).toBe(1_000_000)
      expect(sum).toBe(0)
      expect(progress.length).toBeGreaterThan(3)
      expect(progress.at(-1)).toBe(reader.end.offset)
      expect(reader.end.offset / count).toBeLessThan(40)
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
