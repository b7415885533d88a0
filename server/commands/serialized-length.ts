/**
 * How many bytes Redis's dump of a value takes, as DEBUG OBJECT shows it ("RDB file format" in Redis's documentation): lengths
 * take 1, 2 or 5 bytes, short integers are kept as such. A small collection is dumped for it; other strings are counted without the compression that Redis
 * does to those of more than 20 bytes unless `rdbcompression` is `no`.
 */
import { footerBytes } from '../../engine/dump/dump-footer.ts'
import { writeDump } from '../../engine/dump/dump-work.ts'
import { stringType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'

const typeBytes = 1

/** Of a large hash it is counted as if each field and value were text, which needs none of them in memory. */
export function serializedBytes(keyspace: Keyspace, entry: number): number {
  const { entries, values, trees } = keyspace
  const value = entries.value(entry)
  if (entries.type(entry) === stringType) {
    const start = values.start(value)
    return stringBytes(values.bytes(value), start, start + entries.length(entry))
  }
  if (!entries.isTree(entry)) return writeDump(keyspace, entry).end - typeBytes - footerBytes
  const at = new LeafRow()
  let bytes = lengthBytes(entries.length(entry))
  trees.shape.first(value, at)
  do bytes += trees.nodes.bytes(at.node, at.row)
  while (trees.shape.next(at))
  return bytes
}

function lengthBytes(length: number): number {
  return length < 64 ? 1 : length < 16384 ? 2 : 5
}

function stringBytes(bytes: Buffer, start: number, end: number): number {
  const length = end - start
  const integer = length <= 11 ? integerIn(bytes, start, end) : undefined
  if (integer !== undefined && fits(integer, 32)) return fits(integer, 8) ? 2 : fits(integer, 16) ? 3 : 5
  return lengthBytes(length) + length
}

function integerIn(bytes: Buffer, start: number, end: number): bigint | undefined {
  const text = bytes.toString('latin1', start, end)
  if (!/^(?:0|-?[1-9][0-9]{0,18})$/.test(text)) return undefined
  const integer = BigInt(text)
  return fits(integer, 64) ? integer : undefined
}

function fits(integer: bigint, bits: number): boolean {
  return BigInt.asIntN(bits, integer) === integer
}
