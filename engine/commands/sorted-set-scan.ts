/**
 * ZSCAN. A small sorted set comes at once, as in Redis; a large one in order of its members' hashes, which is also what a cursor is. A call ends early before a
 * leaf that is cold, and after so many elements that others had to wait for it.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import { formatDouble } from '../double.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { globMatches } from '../glob.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import { invalidCursor, readCursor, readScanOptions } from './scan-arguments.ts'
import { ScoredList } from './scored-list.ts'
import { wantsElementScan } from './sorted-set-needs.ts'

/** Elements that one call visits at most, whatever its COUNT: a few milliseconds. */
const visitedMax = 16 * 1024

export const sortedSetScanCommands = {
  ZSCAN: {
    arity: -3,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['sortedset'],
    group: 'sorted-set',
    since: '2.8.0',
    complexity: 'O(COUNT) for every call, O(N) for the whole walk, where N is the number of elements',
    syntax: 'key cursor [MATCH pattern] [COUNT count]',
    summary: 'Walks over the elements of a sorted set in steps.',
    needs: wantsElementScan,
    handler: zscan,
  },
} as const satisfies Record<string, EngineCommand>

function zscan(x: Execution): void {
  const { args, reply } = x
  const cursor = readCursor(args, 2)
  if (cursor < 0) {
    reply.error(invalidCursor)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  if (entry === 0) {
    replyElements(x, 0, new ScoredList())
    return
  }
  const options = readScanOptions(x, 3, false)
  if (options === undefined) return
  const { count, pattern } = options
  const found = new ScoredList()
  const next = x.mutator.types.sortedSets.scan(entry, cursor, Math.min(count, visitedMax), (bytes, start, end, score) => {
    const matches = pattern === 0 || globMatches(args.buffer, args.start(pattern), args.end(pattern), bytes, start, end)
    if (matches) found.add(bytes, start, end, score)
  })
  replyElements(x, next, found)
}

function replyElements({ reply }: Execution, cursor: number, found: ScoredList): void {
  const { members } = found
  reply.array(2)
  reply.text(String(cursor))
  reply.array(2 * found.count)
  for (let i = 0; i < found.count; i++) {
    reply.bulk(members.buffer, members.start(i), members.end(i))
    reply.text(formatDouble(found.score(i)))
  }
}
