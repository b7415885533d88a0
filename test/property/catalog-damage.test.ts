/**
 * The catalog under crashes and damage. Written checkpoints are random; then a crash keeps random unsynced sectors, or
 * bytes are flipped or cut. A reader must yield exactly what stood before some marker, no older than the newest durable
 * one, or say CatalogCorrupt. MORAINE_TEST_SCALE multiplies the cases.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CatalogEntry } from '../../storage/catalog-entry.ts'
import type { CatalogVisitor } from '../../storage/catalog-format.ts'
import { CatalogCorrupt, catalogPath } from '../../storage/catalog-format.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import { CatalogWriter } from '../../storage/catalog-writer.ts'
import { catalogEntry } from '../catalog-entries.ts'
import { testRuns } from '../chance.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedCrash, SimulatedDisk } from '../simulation/simulated-disk.ts'

const DIRECTORY = '/data'
const PATH = catalogPath(DIRECTORY, 7)
const numRuns = testRuns(150)

/** Sums up the records that it visits: enough to know whether exactly the first n records came. */
class Digest implements CatalogVisitor {
  count = 0
  sum = 0
  #add(number: number): void {
    this.count++
    this.sum = (this.sum * 31 + number) % 1_000_000_007
  }
  entry({ lsn, expireAt, valueId, key, keyStart, keyEnd, inlineStart, inlineEnd }: CatalogEntry): void {
    this.#add(lsn + expireAt + valueId + (keyEnd - keyStart) * 7 + (keyEnd > keyStart ? key[keyStart]! : 0) + (inlineEnd - inlineStart))
  }
  tombstone(db: number, lsn: number): void {
    this.#add(db + lsn)
  }
  collection(collectionId: number): void {
    this.#add(collectionId)
  }
  leaf(...a: Parameters<CatalogVisitor['leaf']>): void {
    this.#add(a[0] + a[1].reduce((sum, word) => sum * 3 + word, 0) + a[5])
  }
  databases(lsn: number): void {
    this.#add(lsn)
  }
  freed(valueId: number): void {
    this.#add(valueId)
  }
}

interface Marked {
  readonly count: number
  readonly sum: number
  /** Offset at which the marker's block ends. */
  readonly end: number
}

/** One step: records of some bytes each, then perhaps a flush, then perhaps a marker. */
const steps = fc.array(
  fc.record({
    records: fc.integer({ min: 0, max: 40 }),
    keyBytes: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 10_000, max: 60_000 })),
    flush: fc.boolean(),
    marker: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)
type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never

/** Takes one record of a kind that the number picks, and gives the digest the same. */
function take(visitors: readonly CatalogVisitor[], number: number, keyBytes: number): void {
  const key = Buffer.alloc(keyBytes, number)
  const fields = { db: 1, type: 2, encoding: 3, flags: 4, lsn: number, expireAt: number % 2, length: 9, valueId: number % 3 }
  const entry = catalogEntry(key, number % 3 === 0 ? { ...fields, inline: key } : fields)
  for (const visitor of visitors) {
    if (number % 7 === 0) visitor.tombstone(number % 16, number, key, 0, keyBytes)
    else if (number % 7 === 1) visitor.freed(number)
    else if (number % 7 === 2) visitor.leaf(number, Uint32Array.of(number, number % 3, 0, number % 2), 2, 3, 4, 5)
    else if (number % 7 === 3) visitor.databases(number, [0, 1], [0, number])
    else visitor.entry(entry)
  }
}

/** Writes the steps to a fresh catalog, until the power goes off if it does. */
async function write(disk: SimulatedDisk, plan: Steps): Promise<Marked[]> {
  const marked: Marked[] = []
  const digest = new Digest()
  let number = 1
  try {
    const writer = await CatalogWriter.create(disk, DIRECTORY, 7)
    for (const step of plan) {
      for (let i = 0; i < step.records; i++) take([writer, digest], number++, step.keyBytes)
      if (step.flush) await writer.flush()
      if (!step.marker) continue
      const { count, sum } = digest
      marked.push({ count, sum, end: Number.POSITIVE_INFINITY })
      await writer.marker(number, 1, 1, count, 0, Buffer.alloc(8, number))
      marked[marked.length - 1] = { count, sum, end: writer.bytes }
    }
  } catch (error) {
    expect(error).toBeInstanceOf(SimulatedCrash)
  }
  return marked
}

/** Writes the steps while the power goes off at one of the operations, or after the last, and starts the machine again. */
async function crashed(plan: Steps, crashAt: number, seed: number): Promise<{ disk: SimulatedDisk; marked: Marked[] }> {
  const disk = new SimulatedDisk(new SeededRandom(seed))
  disk.crashAt(crashAt)
  const marked = await write(disk, plan)
  disk.crash()
  return { disk, marked }
}

async function read(disk: SimulatedDisk): Promise<Digest | undefined> {
  const reader = await openCatalog(disk, DIRECTORY)
  if (reader === undefined) return undefined
  const digest = new Digest()
  await reader.read(digest)
  expect(reader.marker.entryCount).toBe(digest.count)
  return digest
}

/** Index of the marker whose state was read, -1 for none. Throws if it is no marker's state. */
function markerRead(digest: Digest | undefined, marked: readonly Marked[]): number {
  if (digest === undefined) return -1
  const index = marked.findLastIndex((each) => each.count === digest.count && each.sum === digest.sum)
  expect(index, 'what was read is no state that a marker closed').toBeGreaterThanOrEqual(0)
  return index
}

describe('catalog', () => {
  it('yields the newest durable marker or a later one after a crash at any operation', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 50 }), fc.integer(), async (plan, crashAt, seed) => {
        const { disk, marked } = await crashed(plan, crashAt, seed)
        const durable = marked.findLastIndex((each) => each.end !== Number.POSITIVE_INFINITY)
        expect(markerRead(await read(disk), marked)).toBeGreaterThanOrEqual(durable)
      }),
      { numRuns },
    )
  })

  it('goes on after a crash as if what was lost had never been written', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 50 }), fc.integer(), steps, async (plan, crashAt, seed, morePlan) => {
        const { disk } = await crashed(plan, crashAt, seed)
        const reader = await openCatalog(disk, DIRECTORY)
        if (reader === undefined) return
        const digest = new Digest()
        await reader.read(digest)
        const writer = await CatalogWriter.resume(disk, DIRECTORY, reader.end)
        let number = 1000
        for (const step of morePlan) for (let i = 0; i < step.records; i++) take([writer, digest], number++, step.keyBytes)
        await writer.marker(number, 1, 1, digest.count, 0, Buffer.alloc(8))
        expect(await read(disk)).toEqual(digest)
      }),
      { numRuns },
    )
  })

  it('never yields garbage from a damaged file', async () => {
    const damage = fc.record({
      flips: fc.array(
        fc.record({ at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), bits: fc.integer({ min: 1, max: 255 }) }),
        {
          maxLength: 3,
        },
      ),
      keep: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    })
    await fc.assert(
      fc.asyncProperty(steps, damage, async (plan, { flips, keep }) => {
        const disk = new SimulatedDisk(new SeededRandom(1))
        const marked = await write(disk, plan)
        const whole = disk.contents(PATH)
        const size = Math.floor(whole.length * keep)
        disk.cut(PATH, size)
        let firstHarm = size
        disk.damage(PATH, (bytes) => {
          for (const flip of flips) if (size > 0) bytes[Math.floor(flip.at * size)] ^= flip.bits
        })
        const left = disk.contents(PATH)
        for (let at = size - 1; at >= 0; at--) if (left[at] !== whole[at]) firstHarm = at
        let index: number
        try {
          index = markerRead(await read(disk), marked)
        } catch (error) {
          if (!(error instanceof CatalogCorrupt)) throw error
          expect(firstHarm).toBeLessThan(size)
          return
        }
        expect(index).toBeGreaterThanOrEqual(marked.findLastIndex((each) => each.end <= firstHarm))
      }),
      { numRuns: numRuns * 2 },
    )
  })
})
