/** BZPOPMIN, BZPOPMAX and BZMPOP: pops that wait for an element where there is none. Executed again when a key may have one (`blocking.ts`). */
import type { EngineCommand } from '../command.ts'
import { keysCounted, keysIn } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { block, findAwaited, readTimeout, tries } from './blocking.ts'
import { wantsPopped } from './sorted-set-needs.ts'
import { popElements, readMultiPop, replyElement, replyPopped } from './sorted-set-pop.ts'

const pops = {
  arity: -3,
  flags: ['write', 'noscript', 'blocking', 'fast'],
  keys: keysIn(1, -2, 1, 'RW', 'access', 'delete'),
  categories: ['sortedset'],
  group: 'sorted-set',
  since: '5.0.0',
  complexity: 'O(log(N)) where N is the number of elements',
  syntax: 'key [key ...] timeout',
} as const
const one = (): number => 1

export const blockingSortedSetCommands = {
  BZPOPMIN: {
    ...pops,
    summary: 'Removes the element with the least score, or waits for one.',
    needs: wantsPopped(() => false, one),
    handler: (x) => bzpop(x, false),
  },
  BZPOPMAX: {
    ...pops,
    summary: 'Removes the element with the greatest score, or waits for one.',
    needs: wantsPopped(() => true, one),
    handler: (x) => bzpop(x, true),
  },
  BZMPOP: {
    ...pops,
    arity: -5,
    flags: ['write', 'blocking', 'movablekeys'],
    keys: keysCounted(2, ['RW', 'access', 'delete']),
    since: '7.0.0',
    complexity: 'O(K)+O(M*log(N)) where K is the number of keys, N that of elements and M that of those removed',
    syntax: 'timeout numkeys key [key ...] <MIN | MAX> [COUNT count]',
    summary: 'Removes the elements with the least or the greatest scores of the first sorted set that has some, or waits for one.',
    needs: wantsPopped(
      (args) => readMultiPop(args, 2).isMax,
      (args) => readMultiPop(args, 2).count,
    ),
    handler: bzmpop,
  },
} as const satisfies Record<string, EngineCommand>

const timedOut = (reply: ReplyWriter): void => reply.nilArray()

function bzpop(x: Execution, isMax: boolean): void {
  const { args } = x
  const last = args.count - 1
  const timeoutMs = readTimeout(x, last)
  if (Number.isNaN(timeoutMs)) return
  waitFor(x, 1, last - 1, timeoutMs, (entry, key) => {
    const popped = popElements(x, entry, key, isMax, 1)
    x.reply.array(3)
    x.reply.bulk(args.buffer, args.starts[key], args.ends[key])
    replyElement(x, popped, 0, false)
  })
}

function bzmpop(x: Execution): void {
  const { keys, isMax, count, error } = readMultiPop(x.args, 2)
  if (error !== undefined) {
    x.reply.error(error)
    return
  }
  const timeoutMs = readTimeout(x, 1)
  if (!Number.isNaN(timeoutMs)) waitFor(x, 3, keys, timeoutMs, (entry, key) => replyPopped(x, entry, key, isMax, count))
}

/** Has `pop` deal with the first of the keys, `count` from argument `first` on, that holds a sorted set, or waits for one that does. */
function waitFor(x: Execution, first: number, count: number, timeoutMs: number, pop: (entry: number, key: number) => void): void {
  for (let key = first; key < first + count; key++) {
    if (!tries(x, key)) continue
    const entry = findAwaited(x, key, sortedSetType)
    if (entry === wrongType) return
    if (entry === 0) continue
    pop(entry, key)
    return
  }
  block(x, { keys: Array.from({ length: count }, (_, i) => first + i), timeoutMs, timedOut })
}
