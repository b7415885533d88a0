/** A shared log begins with a record that is not the next one for this node's data: they cannot be brought up to date by it. */
import type { Leader } from '../../wal/leadership.ts'

export class TooFarBehind extends Error {
  override readonly name = 'TooFarBehind'
  /** LSN of the log's oldest record. */
  readonly first: number
  /** What the nodes tell of themselves. */
  readonly members: ReadonlyMap<string, Buffer>
  readonly leader: Leader | undefined

  constructor(applied: number, first: number, members: ReadonlyMap<string, Buffer>, leader: Leader | undefined) {
    super(`the data end with record ${applied}, and the log begins with record ${first}`)
    this.first = first
    this.members = members
    this.leader = leader
  }
}
