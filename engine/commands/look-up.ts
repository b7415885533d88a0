/** Looking a key up without using its value: what commands do that ask for metadata only. */
import type { Execution } from '../execution.ts'

/** As `Execution.read`, but the value does not count as used. */
export function peek(x: Execution, index: number): number {
  const entry = x.find(index)
  if (entry === 0) x.misses++
  else x.hits++
  return entry
}
