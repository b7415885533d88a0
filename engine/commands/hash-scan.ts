/**
 * HSCAN. A small hash comes at once, as in Redis; a large one in order of its fields' hashes, which is also what a cursor
 * is. A call ends early before a leaf that is cold, and after so many fields that others had to wait for it.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { globMatches } from '../glob.ts'
import type { PackedCursor } from '../types/packed-fields.ts'
import { eachPair } from './hash-fields.ts'
import { livePairs } from './live-fields.ts'
import { PairList } from './pair-list.ts'
import type { ScanOptions } from './scan-arguments.ts'
import { invalidCursor, readCursor, readScanOptions } from './scan-arguments.ts'
import { wantsScan } from './scan-needs.ts'

/** Fields that one call visits at most, whatever its COUNT: a few milliseconds. */
const visitedMax = 16 * 1024

export const hashScanCommands = {
  HSCAN: {
    arity: -3,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['hash'],
    group: 'hash',
    since: '2.8.0',
    complexity: 'O(COUNT) for every call, O(N) for the whole walk, where N is the number of fields in the hash',
    syntax: 'key cursor [MATCH pattern] [COUNT count] [NOVALUES]',
    summary: 'Walks over the fields of a hash and their values in steps.',
    needs: wantsScan,
    handler: hscan,
  },
} as const satisfies Record<string, EngineCommand>

function hscan(x: Execution): void {
  const { reply } = x
  const cursor = readCursor(x.args, 2)
  if (cursor < 0) {
    reply.error(invalidCursor)
    return
  }
  const entry = x.readHash(1)
  if (entry === wrongType) return
  if (entry === 0) {
    replyPairs(x, 0, new PairList(), true)
    return
  }
  const options = readScanOptions(x, 3, false, true)
  if (options === undefined) return
  const pairs = new PairList()
  replyPairs(x, collect(x, entry, cursor, options, pairs), pairs, !options.noValues)
}

/** Collects the pairs that pass; returns the cursor to go on with. */
function collect(x: Execution, entry: number, cursor: number, { count, pattern }: ScanOptions, pairs: PairList): number {
  const { args } = x
  const visit = livePairs(x, (bytes: Buffer, pair: PackedCursor): void => {
    if (pattern === 0 || globMatches(args.buffer, args.start(pattern), args.end(pattern), bytes, pair.fieldStart, pair.fieldEnd)) {
      pairs.add(bytes, pair)
    }
  })
  const { entries } = x.keyspace
  if (entries.isTree(entry)) return x.hashTrees.scan(entries.value(entry), cursor, Math.min(count, visitedMax), visit)
  eachPair(x, entry, visit)
  return 0
}

function replyPairs(x: Execution, cursor: number, pairs: PairList, withValues: boolean): void {
  const { reply } = x
  reply.array(2)
  reply.text(String(cursor))
  reply.array(withValues ? 2 * pairs.count : pairs.count)
  for (let i = 0; i < pairs.count; i++) {
    const buffer = pairs.buffer(i)
    reply.bulk(buffer, pairs.fieldStart(i), pairs.fieldEnd(i))
    if (withValues) reply.bulk(buffer, pairs.valueStart(i), pairs.valueEnd(i))
  }
}
