/** Walking over a stream's entries from one id to another, forwards or backwards. What is met must be resident; nothing may change meanwhile. */
import { LeafRow } from '../tree/tree-shape.ts'
import type { StreamEntries } from './stream-entries.ts'
import { NodePlace } from './stream-entries.ts'
import { StreamId } from './stream-id.ts'
import { EntryCursor, entriesAt, seekEntry } from './stream-node.ts'

export class StreamWalk {
  /** The entry that `next` has come to. */
  readonly entry = new EntryCursor()
  readonly #entries: StreamEntries
  readonly #at = new LeafRow()
  readonly #place = new NodePlace()
  readonly #from = new StreamId()
  readonly #to = new StreamId()
  #isTree = false
  #backwards = false
  #isOver = true
  #position = 0
  /** Where the entries begin of the node that is walked over backwards, and how many are left. */
  #starts = new Int32Array(128)
  #left = 0

  constructor(entries: StreamEntries) {
    this.#entries = entries
  }

  /** Begins with the entry `from`, or the one behind it; ends with `to`. Backwards it is the other way round. */
  begin(entry: number, from: StreamId, to: StreamId, backwards = false): this {
    this.#from.copy(from)
    this.#to.copy(to)
    this.#backwards = backwards
    this.#isTree = this.#entries.collections.keyspace.entries.isTree(entry)
    this.#isOver = from.compare(to) > 0 || !this.#entries.nodeOf(entry, backwards ? to : from, this.#place, this.#at)
    if (!this.#isOver) this.#enter()
    return this
  }

  #enter(): void {
    const { bytes, start, end } = this.#place
    this.entry.enter(bytes, start)
    if (!this.#backwards) {
      this.#position = seekEntry(bytes, start, end, this.#from)
      return
    }
    this.#left = 0
    for (let at = entriesAt(bytes, start); at < end; at = this.entry.end) {
      this.entry.read(at)
      if (this.entry.id.compare(this.#to) > 0) break
      if (this.#left === this.#starts.length) {
        const starts = new Int32Array(this.#left * 2)
        starts.set(this.#starts)
        this.#starts = starts
      }
      this.#starts[this.#left++] = at
    }
  }

  /** Goes on to the next entry; false at the end. */
  next(): boolean {
    if (this.#isOver) return false
    const limit = this.#backwards ? this.#from : this.#to
    while (this.#backwards ? this.#left === 0 : this.#position === this.#place.end) {
      if (!this.#isTree || !this.#entries.nextNode(this.#at, this.#place, this.#backwards, limit)) {
        this.#isOver = true
        return false
      }
      this.#enter()
    }
    const { entry } = this
    if (this.#backwards) {
      entry.read(this.#starts[--this.#left])
      this.#isOver = entry.id.compare(this.#from) < 0
    } else {
      entry.read(this.#position)
      this.#position = entry.end
      this.#isOver = entry.id.compare(this.#to) > 0
    }
    return !this.#isOver
  }
}
