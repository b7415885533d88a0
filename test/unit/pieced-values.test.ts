/** Values too large to be handled at once, in the cold store: written, read, replaced and deleted piece by piece. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ColdBatch, ColdStore } from '../../storage/cold-store.ts'
import { MemoryColdDisk, MemoryColdStore } from '../../storage/memory-cold-store.ts'
import { deleteValues, isHead, pieceIdStep, readPieces, ValueIds, writePieces } from '../../storage/pieced-values.ts'
import { ColdValueCorrupt, ValueCodec } from '../../storage/value-codec.ts'
import { chance } from '../chance.ts'
import { Scene } from '../simulation/scene.ts'

const codec = new ValueCodec({ compressMinBytes: 64 })

/** A store beside a record of what was written to it. */
function watched() {
  const disk = new MemoryColdDisk()
  const store = new MemoryColdStore(disk)
  const batches: ColdBatch[] = []
  const write = store.write.bind(store)
  store.write = (batch) => {
    batches.push(batch)
    return write(batch)
  }
  return { disk, store: store as ColdStore, batches }
}

function randomBytes(length: number, seed = 1): Buffer {
  const random = chance(seed)
  // The first half is random, the second can be compressed.
  return Buffer.from(Array.from({ length }, (_, i) => (i * 2 < length ? random.nextUint32() & 0xff : i & 3)))
}

async function put(store: ColdStore, id: number, bytes: Buffer, pieceBytes: number): Promise<void> {
  const head = await writePieces(store, codec, id, bytes, 0, bytes.length, pieceBytes)
  await store.write({ puts: [head], deletes: [] })
}

describe('a value in pieces', () => {
  it.each([
    [1001, 1000],
    [5000, 1000],
    [5001, 999],
    [100_000, 7],
  ])('of %i bytes comes back from pieces of %i', async (length, pieceBytes) => {
    const { store, disk, batches } = watched()
    const bytes = randomBytes(length)
    const ids = new ValueIds(5, pieceBytes)
    const id = ids.take(length)
    await put(store, id, bytes, pieceBytes)
    const step = Math.max(pieceBytes, Math.ceil(length / 1023))
    expect(disk.contents.size).toBe(Math.ceil(length / step) + 1)
    expect(ids.next).toBe(id + disk.contents.size)
    expect(ids.piecesOf(id, length)).toEqual([...disk.contents.keys()].filter((each) => each !== id))
    // No call takes more than a piece, and the head is the last.
    for (const { puts } of batches) expect(puts.length === 1 && puts[0]!.bytes.length <= step + 5).toBe(true)
    const head = (await store.read(id)) as Buffer
    expect([isHead(head), batches.at(-1)?.puts[0]?.id]).toEqual([true, id])
    const read = await readPieces(store, codec, id, head)
    expect(read.equals(bytes)).toBe(true)
    expect([read.byteOffset, read.buffer.byteLength]).toEqual([16, 16 + Math.ceil(length / 8) * 8])
    await deleteValues(store, [id], 10)
    expect(disk.contents.size).toBe(0)
    await deleteValues(store, [id], 10)
  })

  it('is refused when a piece is missing, exchanged or damaged, or the head is', async () => {
    const { store, disk } = watched()
    const id = pieceIdStep
    const write = (): Promise<void> => put(store, id, randomBytes(250), 100)
    const read = async (): Promise<Buffer> => readPieces(store, codec, id, (await store.read(id)) as Buffer)
    await write()
    for (const piece of [1, 2, 3]) {
      disk.contents.delete(id + piece)
      await expect(read()).rejects.toThrow(`piece ${piece} of 3 is missing`)
      await write()
      disk.contents.set(id + piece, codec.encode(Buffer.from('short'), 0, 5))
      await expect(read()).rejects.toThrow('its pieces have')
      await write()
    }
    disk.contents.set(id + 3, disk.contents.get(id + 2) as Buffer)
    await expect(read()).rejects.toThrow('more than 250 bytes')
    await write()
    for (let at = 1; at < 15; at++) {
      const head = Buffer.from(disk.contents.get(id) as Buffer)
      head[at]! ^= 1
      await expect(readPieces(store, codec, id, head)).rejects.toThrow(ColdValueCorrupt)
    }
  })

  it('has the head that docs/formats/cold-value.md shows', async () => {
    const { store } = watched()
    const head = await writePieces(store, codec, pieceIdStep, Buffer.alloc(2_500_000), 0, 2_500_000, 1 << 20)
    const page = readFileSync(new URL('../../docs/formats/cold-value.md', import.meta.url), 'utf8')
    expect(page.replace(/ /g, '')).toContain(head.bytes.toString('hex'))
  })

  it('has an id that tells, and small values never get one', async () => {
    const ids = new ValueIds(1, 100)
    const small = Array.from({ length: 3000 }, () => ids.take(100))
    expect(small.some((id) => id % pieceIdStep === 0)).toBe(false)
    const large = Array.from({ length: 10 }, () => ids.take(5000))
    expect(large.every((id) => id % pieceIdStep === 0)).toBe(true)
    expect(ids.take(5)).toBe(large[9]! + 51)
    const all = [...small, ...large]
    expect(new Set(all).size).toBe(all.length)
  })

  it('of a store written before there were pieces is one row, whatever its id', async () => {
    const { store, disk } = watched()
    const id = 3 * pieceIdStep
    for (const each of [id, id + 1]) await store.write({ puts: [{ id: each, bytes: codec.encode(Buffer.from('old'), 0, 3) }], deletes: [] })
    await deleteValues(store, [id], 10)
    expect([...disk.contents.keys()]).toEqual([id + 1])
  })
})

describe('a server with values in pieces', () => {
  const config = { 'tier-cool-start-percent': 0, 'tier-drop-percent': 0, 'tier-min-value-size': 0, 'tier-promote': 'never' }
  const sizes = { coldPieceBytes: 100, largeValueBytes: 100, digestBytes: 64 }
  const value = (mark: number): string => `<${mark}>${'.'.repeat(1500)}`

  async function begin(seed: number) {
    const scene = new Scene(seed, { config, sizes, pieceBytesMax: 300 })
    await scene.start()
    return { scene, client: await scene.client() }
  }

  it('reads them back, after a restart too, and leaves nothing behind', async () => {
    const { scene, client } = await begin(1)
    const { coldDisk } = scene.machine
    for (let i = 0; i < 3; i++) await client.ask('SET', `k${i}`, value(i))
    await scene.checkpoint()
    await scene.pass(2000)
    expect(scene.server.primary.keyspace.coldCount).toBe(3)
    expect(coldDisk.contents.size).toBe(3 * 17)
    // Two at a time share one reading, and the memory that was read into.
    const other = await scene.client()
    client.send('GET', 'k0')
    other.send('GET', 'k0')
    await scene.loop.run(() => client.raw.waiting.length + other.raw.waiting.length === 0)
    await scene.crashAndStart()
    const again = await scene.client()
    for (let i = 0; i < 3; i++) await again.ask('GET', `k${i}`)
    await again.ask('SETRANGE', 'k0', '5', 'abc')
    await again.ask('DEL', 'k1')
    await again.ask('SET', 'k2', 'small')
    await scene.checkpoint()
    await again.ask('DEL', 'k0')
    await scene.checkpoint()
    await scene.checkpoint()
    expect(coldDisk.contents.size).toBe(1)
    expect(scene.machine.log.errors).toEqual([])
  })

  it('believes no half of one after a crash at any operation of the cold store', async () => {
    for (let operation = 1; operation <= 45; operation++) {
      const { scene, client } = await begin(operation)
      await client.ask('SET', 'k', value(1))
      await client.ask('SET', 'l', value(2))
      scene.machine.coldCrashIn = operation
      scene.server.maintenance.checkpoint().catch(() => undefined)
      client.send('SET', 'k', value(3))
      await scene.loop.run(() => scene.machine.isOff || client.raw.waiting.length === 0)
      await scene.pass(50)
      await scene.crashAndStart()
      const again = await scene.client()
      for (const key of ['k', 'l']) await again.ask('GET', key)
      await again.ask('DEL', 'k', 'l')
      await scene.checkpoint()
      await scene.checkpoint()
      expect(scene.machine.coldDisk.contents.size).toBe(0)
    }
  })
})
