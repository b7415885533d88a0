/** `notify-keyspace-events` as the server reads it. */
import {
  evictedEvent,
  expiredEvent,
  genericEvent,
  hashEvent,
  keyMissEvent,
  listEvent,
  newKeyEvent,
  setEvent,
  sortedSetEvent,
  streamEvent,
  stringEvent,
} from '../../engine/messages.ts'

export interface EventClasses {
  /** Bits of the classes; 0 where nobody is to be told in either way. */
  readonly wanted: number
  /** K: on a channel for each key. */
  readonly tellsKeys: boolean
  /** E: on a channel for each event. */
  readonly tellsEvents: boolean
}

const bits: Readonly<Record<string, number>> = {
  g: genericEvent,
  $: stringEvent,
  l: listEvent,
  s: setEvent,
  h: hashEvent,
  z: sortedSetEvent,
  x: expiredEvent,
  e: evictedEvent,
  t: streamEvent,
  m: keyMissEvent,
  n: newKeyEvent,
}
const all = 'g$lshzxet'

export const noEventClasses: EventClasses = { wanted: 0, tellsKeys: false, tellsEvents: false }

export function eventClassesOf(letters: string): EventClasses {
  let wanted = 0
  for (const letter of letters.replace('A', () => all)) wanted |= bits[letter] ?? 0
  const tellsKeys = letters.includes('K')
  const tellsEvents = letters.includes('E')
  return tellsKeys || tellsEvents ? { wanted, tellsKeys, tellsEvents } : noEventClasses
}
