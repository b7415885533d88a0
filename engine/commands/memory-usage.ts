/** MEMORY USAGE: the memory that a key takes. A cold value takes none: what counts is its entry. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { peekSilently } from './look-up.ts'

export const memoryUsageCommands = {
  'MEMORY USAGE': {
    arity: -3,
    flags: ['readonly'],
    keys: keyAt(2, 'RO'),
    categories: [],
    group: 'server',
    since: '4.0.0',
    complexity: 'O(1)',
    syntax: 'key [SAMPLES count]',
    summary: 'Returns how many bytes of memory a key and its value take.',
    needs: 'none',
    handler: usage,
  },
} as const satisfies Record<string, EngineCommand>

/** Nothing needs to be sampled here, so SAMPLES is only checked. */
function usage(x: Execution): void {
  const { args, reply, keyspace } = x
  for (let i = 3; i < args.count; i += 2) {
    const problem = !args.is(i, 'SAMPLES') || i + 1 >= args.count ? syntaxError : samplesProblem(x, i + 1)
    if (problem === undefined) continue
    reply.error(problem)
    return
  }
  const entry = peekSilently(x, 2)
  if (entry === 0) {
    reply.nil()
    return
  }
  const { entries, arena, trees } = keyspace
  let bytes = entries.footprint(entry)
  if (entries.isTree(entry)) bytes += trees.memoryBytes(entries.value(entry))
  else if (entries.isResident(entry) && entries.value(entry) !== 0) bytes += arena.capacity(entries.value(entry))
  reply.integer(bytes)
}

function samplesProblem({ args }: Execution, index: number): string | undefined {
  const count = args.bigInteger(index)
  if (count === undefined) return notAnInteger
  return count < 0n ? syntaxError : undefined
}
