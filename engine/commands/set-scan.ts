/**
 * SSCAN. A small set comes at once, as in Redis; a large one in order of its members' hashes, which is also what a cursor is. A call ends early
 * before a leaf that is cold, and after so many members that others had to wait for it.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { globMatches } from '../glob.ts'
import { setType } from '../keyspace/entries.ts'
import { MemberList } from './member-list.ts'
import { invalidCursor, readCursor, readScanOptions } from './scan-arguments.ts'
import { wantsScan } from './scan-needs.ts'

/** Members that one call visits at most, whatever its COUNT: a few milliseconds. */
const visitedMax = 16 * 1024

export const setScanCommands = {
  SSCAN: {
    arity: -3,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['set'],
    group: 'set',
    since: '2.8.0',
    complexity: 'O(COUNT) for every call, O(N) for the whole walk, where N is the number of members',
    syntax: 'key cursor [MATCH pattern] [COUNT count]',
    summary: 'Walks over the members of a set in steps.',
    needs: wantsScan,
    handler: sscan,
  },
} as const satisfies Record<string, EngineCommand>

function sscan(x: Execution): void {
  const { args, reply } = x
  const cursor = readCursor(args, 2)
  if (cursor < 0) {
    reply.error(invalidCursor)
    return
  }
  const entry = x.readType(1, setType)
  if (entry === wrongType) return
  if (entry === 0) {
    replyMembers(x, 0, new MemberList())
    return
  }
  const options = readScanOptions(x, 3, false)
  if (options === undefined) return
  const { count, pattern } = options
  const found = new MemberList()
  const next = x.mutator.types.sets.scan(entry, cursor, Math.min(count, visitedMax), (bytes, start, end) => {
    if (pattern === 0 || globMatches(args.buffer, args.start(pattern), args.end(pattern), bytes, start, end)) found.add(bytes, start, end)
  })
  replyMembers(x, next, found)
}

function replyMembers(x: Execution, cursor: number, found: MemberList): void {
  const { reply } = x
  reply.array(2)
  reply.text(String(cursor))
  reply.array(found.count)
  for (let i = 0; i < found.count; i++) reply.bulk(found.buffer, found.start(i), found.end(i))
}
