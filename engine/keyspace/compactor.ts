/**
 * Gives memory back that stands half empty: when values of one size have left and others come, runs of the arena with few
 * live slots would stay taken. It moves what lives in such a run to other runs of its class, one run at a time, about a
 * tenth of a millisecond each. Only refs change.
 */
import { entryKind, nodeKind } from '../memory/arena.ts'
import type { Keyspace } from './keyspace.ts'
import { relocateEntry, relocateNode, relocateValue } from './relocation.ts'

const fullShareMax = 0.7
const runsPerLook = 512

export class Compactor {
  readonly #keyspace: Keyspace
  readonly #refs: number[] = []
  movedBytes = 0
  freedRuns = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** Empties one run; false when none was found that is worth it. */
  step(): boolean {
    const keyspace = this.#keyspace
    const { arena, entries, values, trees } = keyspace
    const run = arena.beginDrain(fullShareMax, runsPerLook)
    if (run < 0) return false
    const refs = this.#refs
    refs.length = 0
    arena.slotsOf(run, refs)
    const kind = arena.runKind(run)
    for (const ref of refs) {
      if (kind === entryKind ? !entries.isLive(ref) : kind === nodeKind ? !trees.isLiveNode(ref) : !values.isLive(ref)) continue
      this.movedBytes += arena.capacity(ref)
      if (kind === entryKind) relocateEntry(keyspace, ref)
      else if (kind === nodeKind) relocateNode(keyspace, ref)
      else relocateValue(keyspace, ref)
    }
    keyspace.forgetLookUp()
    const freed = arena.endDrain(run)
    if (freed) this.freedRuns++
    return freed
  }
}
