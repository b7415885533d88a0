/** The pauses of V8's garbage collector in a server that was started with `--trace-gc`. */
import type { RunningServer } from './processes.ts'

const lookEveryMs = 100

export interface Collections {
  readonly count: number
  /** Of all collections since the server's start. */
  readonly longestMs: number
}

/** Reads the server's lines while it runs, because only the newest of them are kept. */
export function watchCollections(server: RunningServer): { stop(): Collections } {
  /** By the line's own text, which begins with the time since the start: looking twice counts once. */
  const pauses = new Map<string, number>()
  const look = () => {
    for (const line of server.lines) {
      // `[pid:isolate]  1234 ms: Scavenge 20.1 (25.0) -> 18.0 (26.0) MB, 1.52 / 0.00 ms  …`
      const found = /^\[\d+:\w+\] .* MB, ([\d.]+) \/ [\d.]+ ms/.exec(line)
      if (found !== null) pauses.set(line, Number(found[1]))
    }
  }
  const timer = setInterval(look, lookEveryMs)
  return {
    stop() {
      clearInterval(timer)
      look()
      if (pauses.size === 0) throw new Error('the server told of no collection: was it started with --trace-gc?')
      return { count: pauses.size, longestMs: Math.max(...pauses.values()) }
    },
  }
}
