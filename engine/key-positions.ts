/** Where the keys of a request stand, for all ways in which a key specification may say so. */
import type { Arguments } from './arguments.ts'
import type { KeyAccess, KeySpec } from './command.ts'

/** Calls `visit` with the argument that is a key, for each key of the request that begins at argument `from`, in the order of the specifications. */
export function eachKey(keys: KeySpec, args: Arguments, from: number, visit: (index: number, access: KeyAccess) => void): void {
  for (const access of keys.access) {
    const { first, end } = rangeOf(access, args, from)
    for (let i = first; i <= end && i < args.count; i += access.step) visit(i, access)
  }
}

function rangeOf(
  { first, last, numberAt, keyword, searchFrom = 1, limit }: KeyAccess,
  args: Arguments,
  from: number,
): { first: number; end: number } {
  if (numberAt !== undefined) {
    const first = from + numberAt + 1
    const count = first <= args.count ? args.integer(first - 1) : 0
    // More than there are arguments: the command will refuse it.
    return { first, end: count > 0 && first + count <= args.count ? first + count - 1 : 0 }
  }
  const begin = keyword === undefined ? from + first : behindWord(args, from, keyword, searchFrom)
  if (limit !== undefined) return { first: begin, end: begin + Math.floor((args.count - begin) / limit) - 1 }
  return { first: begin, end: last < 0 ? args.count + last : begin + last }
}

function behindWord(args: Arguments, from: number, word: string, searchFrom: number): number {
  const step = searchFrom < 0 ? -1 : 1
  const begin = searchFrom < 0 ? args.count + searchFrom : from + searchFrom
  for (let i = begin; i > from && i < args.count; i += step) if (args.is(i, word)) return i + 1
  return args.count
}
