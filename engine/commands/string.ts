/** Commands on strings: the whole value, counters and ranges. Bits are in `bitmap.ts`. Texts and rules as in Redis 7.0. */
import { type EngineCommand, keyAt } from '../command.ts'
import { type Execution, wrongType } from '../execution.ts'
import { keepTtl } from '../mutation/mutator.ts'
import { noExpiry, readExpiry, syntaxError } from './expiry-option.ts'

export const stringCommands = {
  GET: {
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['string'],
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Returns the string value of a key.',
    handler: get,
  },
} as const satisfies Record<string, EngineCommand>

function get(x: Execution): void {
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) x.reply.nil()
  else x.replyString(entry)
}
