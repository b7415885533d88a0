/** What the arguments of SORT and SORT_RO ask for. */
import type { Arguments } from '../arguments.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { SortPattern } from './sort-pattern.ts'

export interface SortOptions {
  isDescending: boolean
  isAlpha: boolean
  /** By what elements are weighed; undefined: by themselves. */
  by: SortPattern | undefined
  /** BY without a `*`: elements stay in the order of their collection. */
  isUnsorted: boolean
  readonly gets: SortPattern[]
  offset: number
  /** Negative: all. */
  count: number
  /** The argument that is the target, 0 for none. */
  target: number
}

/** The options, or the text of an error. `hasSlots`: a command reaches for no key that it does not name. */
export function readSortOptions(args: Arguments, stores: boolean, hasSlots = false): SortOptions | string {
  const options: SortOptions = {
    isDescending: false,
    isAlpha: false,
    by: undefined,
    isUnsorted: false,
    gets: [],
    offset: 0,
    count: -1,
    target: 0,
  }
  for (let i = 2; i < args.count; i++) {
    const left = args.count - i - 1
    if (args.is(i, 'ASC')) options.isDescending = false
    else if (args.is(i, 'DESC')) options.isDescending = true
    else if (args.is(i, 'ALPHA')) options.isAlpha = true
    else if (args.is(i, 'LIMIT') && left >= 2) {
      const offset = args.bigInteger(++i)
      const count = args.bigInteger(++i)
      if (offset === undefined || count === undefined) return notAnInteger
      options.offset = Number(offset)
      options.count = Number(count)
    } else if (stores && args.is(i, 'STORE') && left >= 1) options.target = ++i
    else if (args.is(i, 'BY') && left >= 1) {
      const pattern = new SortPattern(args, ++i)
      if (pattern.namesKey && hasSlots) return 'ERR BY option of SORT denied in Cluster mode.'
      if (pattern.namesKey) options.by = pattern
      else options.isUnsorted = true
    } else if (args.is(i, 'GET') && left >= 1) {
      if (hasSlots) return 'ERR GET option of SORT denied in Cluster mode.'
      options.gets.push(new SortPattern(args, ++i))
    } else return syntaxError
  }
  return options
}

/** Of `length` elements in order: the first one asked for, and the one behind the last. */
export interface SortSpan {
  readonly first: number
  readonly end: number
}

export function sortSpan({ offset, count }: SortOptions, length: number): SortSpan {
  const first = Math.min(Math.max(offset, 0), length)
  return { first, end: count < 0 ? length : Math.min(first + count, length) }
}
