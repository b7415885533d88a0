/**
 * Finds places in a log in etcd by looking at single slots: nothing tells them but the slots themselves. All looks are
 * linearizable. A search takes about two looks for each doubling of the number of slots.
 */
import { SLOTS_IN_FLIGHT_MAX } from '../shared/entries-in-flight.ts'
import type { EntryHeader } from '../shared/log-entry.ts'
import { reaches } from '../shared/log-entry.ts'

export interface SlotLook {
  /** The lowest slot that is there; undefined when there is none. */
  first(): Promise<number | undefined>
  /** The header of a slot's entry; undefined when the slot is empty. */
  header(slot: number): Promise<EntryHeader | undefined>
  /** Which of the slots `[from, to)` are there, of one moment. */
  present(from: number, to: number): Promise<ReadonlySet<number>>
}

/** The last slot before the first empty one, from `first` on, which is there. */
export async function findTail(look: SlotLook, first: number): Promise<number> {
  let low = first
  let step = SLOTS_IN_FLIGHT_MAX * 2
  while ((await look.header(low + step)) !== undefined) {
    low += step
    step *= 2
  }
  let high = low + step
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if ((await look.header(middle)) === undefined) high = middle
    else low = middle
  }
  // It may stand behind a gap, with what a former writer has sent and another one will remove.
  const from = Math.max(first, low - SLOTS_IN_FLIGHT_MAX * 2)
  const present = await look.present(from, low + SLOTS_IN_FLIGHT_MAX * 2)
  let tail = from
  while (present.has(tail + 1)) tail++
  return tail
}

/** The lowest of the slots from `first` to `tail` that has something of a record above `after`, its first part; the one after `tail` when none has. */
export async function findRecord(look: SlotLook, first: number, tail: number, after: number): Promise<number> {
  let low = first
  let high = tail + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const header = await look.header(middle)
    // What is gone has been trimmed meanwhile.
    if (header === undefined || !reaches(header, after)) low = middle + 1
    else high = middle
  }
  return low
}
