/** Figures about LevelDB that it does not give itself, or gives as text only. */

/** What LevelDB tells about its tables. */
export interface LevelFigures {
  readonly level0Files: number
  readonly tableBytes: number
}

/** What LevelDB takes in a batch. */
export type Operation = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

/**
 * No more than this can an operation add to LevelDB's write buffer: key, value, lengths and sequence number (46 bytes with
 * an 8-byte key), a skip list node of full height (104) with alignment (7), in blocks of 4096 of which a quarter may stay unused.
 */
export function bufferBytesMax(operation: Operation): number {
  const valueBytes = operation.type === 'put' ? operation.value.length : 0
  return Math.ceil((valueBytes + 160) * 1.34)
}

/** Sum of the sizes in LevelDB's table of levels; it gives whole MiB. */
export function tableBytes(levels: string): number {
  let mebibytes = 0
  for (const row of levels.matchAll(/^\s*\d+\s+\d+\s+(\d+)/gm)) mebibytes += Number(row[1])
  return mebibytes * 1048576
}
