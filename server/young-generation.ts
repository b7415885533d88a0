/**
 * Keeps V8's young generation small. Its two halves double while values survive in them, up to 16 MiB each, and stay:
 * that is memory beside `maxmemory`, touched in turn, and slower than halves of 4 MiB, which fit the processor's caches.
 * The bound itself can be given only on Node's command line, but the factor of growth is read at each growth.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const halfBytesMax = 4 * 1024 * 1024
const lookEveryMs = 20

/** Bytes committed for both halves. */
export function youngGenerationBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0
}

/** For the life of the process, because V8 makes the halves small again when it is idle, and must let them grow after that. */
export function boundYoungGeneration(): void {
  let factor = 2
  const look = () => {
    const wanted = youngGenerationBytes() < 2 * halfBytesMax ? 2 : 1
    if (wanted !== factor) setFlagsFromString(`--semi-space-growth-factor=${wanted}`)
    factor = wanted
  }
  look()
  setInterval(look, lookEveryMs).unref()
}
