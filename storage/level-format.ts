/**
 * Keys of the LevelDB cold store, and the record that says what the database is (docs/formats/cold-value.md).
 */
import type { ClassicLevel } from 'classic-level'
import { ColdStoreUnusable } from './level-failure.ts'

const FORMAT_VERSION = 1
const FORMAT_MAGIC = 'MORACOLD'
const FORMAT_KEY = keyOf(0)

/** An id as a key: 8 bytes, big-endian, so that values arrive in key order. */
export function keyOf(id: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key[0] = 0
  key[1] = 0
  key.writeUIntBE(id, 2, 6)
  return key
}

/** The id that a key stands for. */
export function idOf(key: Buffer): number {
  return key.readUIntBE(2, 6)
}

/** Marks an empty database as a cold store, and refuses any other that is not one. Throws `ColdStoreUnusable`. */
export async function checkFormat(db: ClassicLevel<Buffer, Buffer>, directory: string): Promise<void> {
  const format = await db.get(FORMAT_KEY)
  if (format === undefined) {
    if ((await db.keys({ limit: 1 }).all()).length > 0)
      throw new ColdStoreUnusable(directory, 'foreign', 'is a LevelDB database of something else')
    const fresh = Buffer.alloc(12)
    fresh.write(FORMAT_MAGIC, 'latin1')
    fresh.writeUInt32LE(FORMAT_VERSION, 8)
    await db.put(FORMAT_KEY, fresh, { sync: true })
    return
  }
  if (format.length < 12 || format.toString('latin1', 0, 8) !== FORMAT_MAGIC) {
    throw new ColdStoreUnusable(directory, 'foreign', 'is a LevelDB database of something else')
  }
  const version = format.readUInt32LE(8)
  if (version !== FORMAT_VERSION) {
    throw new ColdStoreUnusable(directory, 'version', `has format ${version}, this program knows ${FORMAT_VERSION}`)
  }
}
