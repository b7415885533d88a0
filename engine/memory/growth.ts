/** How much memory what grows asks for beforehand. */
import type { Arena } from './arena.ts'

const growthBytesMax = 1024 * 1024
/** Elements from this many bytes in all on are not added before the system has shown that it has memory for them. */
const probedBytesMin = 8 * 1024 * 1024

/**
 * Room for a string that grows to `length` bytes by moving. It is likely to grow again, as Redis's sds supposes, too: it gets half as
 * much on top, at most a mebibyte, or an eighth if that is more.
 */
export function roomToGrow(length: number): number {
  return length + Math.max(Math.min(length >>> 1, growthBytesMax), length >>> 3)
}

/** Finds out whether the system has memory for large elements, and gives it back: only the collection knows how they will lie. */
export function probeMemory(arena: Arena, bytes: number): void {
  if (bytes < probedBytesMin) return
  arena.reserveLarge(roomToGrow(bytes))
  arena.releaseReserved()
}
