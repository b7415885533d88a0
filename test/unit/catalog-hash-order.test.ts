/** A catalog as it is read by a visitor that tells the hashes of keys: in their order, where that changes nothing. */
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { CatalogEntry } from '../../storage/catalog-entry.ts'
import type { CatalogVisitor } from '../../storage/catalog-format.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import { CatalogWriter } from '../../storage/catalog-writer.ts'
import { catalogEntry } from '../catalog-entries.ts'
import { chance } from '../chance.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'

const DIRECTORY = '/data'

/** Writes down the records that it visits, one line for each. */
class Lines implements CatalogVisitor {
  readonly lines: string[] = []
  entry({ db, lsn, expireAt, fieldsDue, length, valueId, key, keyStart, keyEnd, inlineStart, inlineEnd }: CatalogEntry): void {
    const name = key.toString('latin1', keyStart, keyEnd)
    this.lines.push(`entry ${db} ${name} ${[lsn, expireAt, fieldsDue, length, valueId, inlineEnd - inlineStart].join(' ')}`)
  }
  tombstone(db: number, lsn: number): void {
    this.lines.push(`tombstone ${db} ${lsn}`)
  }
  collection(collectionId: number): void {
    this.lines.push(`collection ${collectionId}`)
  }
  leaf(collectionId: number): void {
    this.lines.push(`leaf ${collectionId}`)
  }
  databases(lsn: number): void {
    this.lines.push(`databases ${lsn}`)
  }
  freed(valueId: number): void {
    this.lines.push(`freed ${valueId}`)
  }
}

/** Tells hashes of keys, and checks that each entry comes with its own, and that it was prefetched for. */
class Hashing extends Lines {
  readonly #coming: string[] = []
  #come = 0
  prefetched = 0

  hashOf(bytes: Buffer, start: number, end: number): number {
    return crc32(bytes.subarray(start, end))
  }

  prefetch(db: number, hash: number): void {
    this.#coming.push(`${db} ${hash}`)
    this.prefetched++
  }

  override entry(entry: CatalogEntry): void {
    const own = `${entry.db} ${this.hashOf(entry.key, entry.keyStart, entry.keyEnd)}`
    if (own !== `${entry.db} ${entry.hash}` || own !== this.#coming[this.#come++]) throw new Error(`entry ${own} was not prefetched for`)
    super.entry(entry)
  }
}

/** Lines of entries by their keys. */
function byKey(lines: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const line of lines) {
    const [key] = / key \d+ /.exec(line)!
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [line])
    else group.push(line)
  }
  return groups
}

/** Lines of entries between those that they must not overtake, and the other lines in between. */
function segmentsOf(lines: readonly string[]): { barrier: string; entries: string[]; others: string[] }[] {
  const segments = [{ barrier: '', entries: [] as string[], others: [] as string[] }]
  for (const line of lines) {
    const segment = segments.at(-1)!
    if (line.startsWith('entry')) segment.entries.push(line)
    else if (line.startsWith('tombstone') || line.startsWith('databases')) segments.push({ barrier: line, entries: [], others: [] })
    else segment.others.push(line)
  }
  return segments
}

describe('a visitor that tells hashes', () => {
  it('gives it many entries in the order of hashes, none on the wrong side of another record, those of one key as they were written', async () => {
    const files = new SimulatedDisk(chance(4))
    const writer = await CatalogWriter.create(files, DIRECTORY, 1)
    const random = chance(5)
    const value = Buffer.alloc(3000, 'v')
    let entries = 0
    for (let i = 0; i < 14_000; i++) {
      const key = Buffer.from(`key ${random.below(3000)}`)
      const drawn = random.below(12_000)
      if (i === 500 || i === 1000 || i === 6000 || drawn < 2) writer.tombstone(0, i, key, 0, 5)
      else if (drawn < 3) writer.databases(i, [0, 1], [0, i])
      else if (drawn < 1000) writer.freed(i)
      else {
        const fields = { lsn: i, expireAt: random.once(3) ? 1_700_000_000_000 + i : 0, fieldsDue: i % 3, length: i * 7 }
        const inline = value.subarray(0, random.below(3000))
        writer.entry(catalogEntry(key, { ...fields, db: random.below(2), type: 1, valueId: random.once(3) ? 0 : i + 1, inline }))
        entries++
      }
    }
    await writer.marker(1, 1, 1, entries, 0, Buffer.alloc(8))
    const reader = (await openCatalog(files, DIRECTORY))!
    const plain = new Lines()
    await reader.read(plain)
    const hashing = new Hashing()
    await reader.read(hashing)
    await reader.close()
    expect(hashing.prefetched).toBe(entries)
    const written = segmentsOf(plain.lines)
    const read = segmentsOf(hashing.lines)
    expect(written.length).toBeGreaterThan(3)
    expect(read.map(({ barrier, others }) => [barrier, others])).toEqual(written.map(({ barrier, others }) => [barrier, others]))
    for (const [i, segment] of read.entries()) {
      expect(byKey(segment.entries)).toEqual(byKey(written[i]!.entries))
      if (segment.entries.length > 4096) expect(segment.entries).not.toEqual(written[i]!.entries)
    }
  })
})
