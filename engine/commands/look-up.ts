/** Looking a key up without using its value: what commands do that ask for metadata only. */
import type { Execution } from '../execution.ts'
import { keyMissEvent } from '../messages.ts'

/** As `Execution.read`, but the value does not count as used. */
export function peek(x: Execution, index: number): number {
  const entry = peekSilently(x, index)
  if (entry === 0) x.notify(keyMissEvent, 'keymiss', index)
  return entry
}

/** As `peek`, but nobody is told of a key that is missing. */
export function peekSilently(x: Execution, index: number): number {
  const entry = x.find(index)
  if (entry === 0) x.misses++
  else x.hits++
  return entry
}
