/**
 * Figures of the process itself. The delay of the event loop is what a client feels when something holds the loop: it is
 * measured by a native timer of 10 ms that notes how late it was.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Metrics } from './metrics.ts'

const resolutionMs = 10
const quantiles = ['0.5', '0.99', '0.999'] as const

export interface EventLoopDelay {
  /** Seconds by quantile (`0.5`, `0.99`, `0.999`, `1`) since the last call. */
  take(): readonly (readonly [quantile: string, seconds: number])[]
  /** The longest delay since the start, in seconds. */
  maxSeconds(): number
  stop(): void
}

export function watchEventLoopDelay(): EventLoopDelay {
  const recent = monitorEventLoopDelay({ resolution: resolutionMs })
  // Resetting a histogram loses the sample that spans the reset; this one is never reset and so misses no delay.
  const lifetime = monitorEventLoopDelay({ resolution: resolutionMs })
  recent.enable()
  lifetime.enable()
  let maxAtTake = 0
  const maxSeconds = () => (lifetime.count === 0 ? 0 : lateSeconds(lifetime.max))
  const take = () => {
    const rows = quantiles.map(
      (quantile) => [quantile, recent.count === 0 ? 0 : lateSeconds(recent.percentile(Number(quantile) * 100))] as const,
    )
    const recentMax = recent.count === 0 ? 0 : lateSeconds(recent.max)
    const newMax = maxSeconds() > maxAtTake ? maxSeconds() : 0
    maxAtTake = maxSeconds()
    recent.reset()
    return [...rows, ['1', Math.max(recentMax, newMax)] as const]
  }
  const stop = () => {
    recent.disable()
    lifetime.disable()
  }
  return { take, maxSeconds, stop }
}

/** A sample in nanoseconds without the timer's own period, which is part of it. */
function lateSeconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - resolutionMs / 1e3)
}

export function registerProcessMetrics(metrics: Metrics, delay: EventLoopDelay): void {
  metrics.read({
    moraine_uptime_seconds: () => process.uptime(),
    moraine_cpu_seconds_total: () => {
      const used = process.cpuUsage()
      return (used.user + used.system) / 1e6
    },
    moraine_resident_bytes: () => process.memoryUsage.rss(),
    moraine_heap_used_bytes: () => process.memoryUsage().heapUsed,
    moraine_event_loop_delay_max_seconds: () => delay.maxSeconds(),
  })
  metrics.readRows('moraine_event_loop_delay_seconds', (emit) => {
    for (const [quantile, seconds] of delay.take()) emit([quantile], seconds)
  })
}
