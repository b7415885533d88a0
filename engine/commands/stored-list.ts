/**
 * A list that a command stores, made a part at a time under a key that no client can see, as `StoredResult` of `combined-result.ts` makes sets: each
 * part is recorded, and in the end the list is given to its key.
 */
import { hasCold, wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { ownDatabase } from '../keyspace/keyspace.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { atTail, becomesTree, pushEdit, wantEnd } from '../types/list-type.ts'
import { stringElementBytes } from '../types/listpack-size.ts'
import type { MemberList } from './member-list.ts'
import { findUnfinished, unfinishedName } from './unfinished.ts'

export class StoredList {
  readonly #x: Execution
  readonly #name: Buffer
  /** Bytes that all elements take in one piece. */
  #bytes = packedHeaderBytes

  constructor(x: Execution) {
    this.#x = x
    this.#name = unfinishedName(x.keyspace)
  }

  /** 0 while it is empty. */
  get entry(): number {
    return findUnfinished(this.#x.keyspace, this.#name)
  }

  /** Adds all elements of another list behind its own. The last leaf must be resident. */
  push(elements: MemberList): void {
    const { mutator, keyspace } = this.#x
    const { buffer, count, bytes } = elements
    if (count === 0) return
    const { changes } = mutator
    // Nothing may be missing half-way.
    keyspace.arena.reserveSlots(2 * bytes + 64 * count)
    for (let i = 0; i < count; i++) this.#bytes += stringElementBytes(buffer, elements.start(i), elements.end(i))
    const payload = mutator.payload()
    payload.byte(this.#bytes > keyspace.trees.leafBytesMax ? atTail | becomesTree : atTail)
    payload.varint(count)
    for (let i = 0; i < count; i++) payload.range(buffer, elements.start(i), elements.end(i))
    keyspace.forgetLookUp()
    mutator.edit(mutator.types.lists, pushEdit, ownDatabase, this.#name, 0, this.#name.length)
    keyspace.forgetLookUp()
    keyspace.arena.releaseReserved()
    mutator.changes = changes
  }

  /** Names what `push` needs. */
  want(wants: ColdWants): void {
    const { keyspace } = this.#x
    const { entry } = this
    if (entry === 0 || !hasCold(keyspace, entry)) return
    if (keyspace.entries.isTree(entry)) wantEnd(keyspace, entry, true, wants)
    else wantValue(keyspace, entry, wants)
  }

  /** Deletes what is left of it. */
  release(): void {
    const { mutator } = this.#x
    const { changes } = mutator
    const { entry } = this
    if (entry !== 0) mutator.deleteEntry(entry)
    mutator.changes = changes
  }
}
