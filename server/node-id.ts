/** The name of a node among those that share a log: 40 hexadecimal digits, made once for a data directory. */
import type { Random } from '../engine/random.ts'
import type { FileSystem } from '../storage/file-system.ts'

const digits = 40

export function newNodeId(random: Random): string {
  let id = ''
  while (id.length < digits) id += random.nextUint32().toString(16).padStart(8, '0')
  return id
}

/** The directory's id; a new one is kept in the file `node-id` in it. */
export async function nodeIdIn(directory: string, files: FileSystem, random: Random): Promise<string> {
  await files.makeDirectory(directory)
  const path = `${directory}/node-id`
  const file = await files.open(path, { write: true, create: true })
  try {
    const bytes = Buffer.alloc(digits)
    const read = await file.read(bytes, 0)
    const text = bytes.toString('latin1', 0, read)
    if (/^[0-9a-f]{40}$/.test(text)) return text
    const id = newNodeId(random)
    await file.write(Buffer.from(id, 'latin1'), 0)
    await file.sync()
    await files.syncDirectory(directory)
    return id
  } finally {
    await file.close()
  }
}
