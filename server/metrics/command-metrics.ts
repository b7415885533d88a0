/** Figures of each command, from the counters that dispatch keeps. */
import type { Metrics } from './metrics.ts'

export interface CommandFigures {
  /** As INFO commandstats has it: `get`, `config|set`. */
  readonly name: string
  readonly calls: number
  readonly microseconds: number
  readonly rejectedCalls: number
  readonly failedCalls: number
}

/** Registers the commands' metrics. `figures` yields the commands that were called at all. */
export function registerCommandMetrics(metrics: Metrics, figures: () => Iterable<CommandFigures>): void {
  metrics.readRows('moraine_command_calls_total', (emit) => {
    for (const command of figures()) emit([command.name], command.calls)
  })
  metrics.readRows('moraine_command_seconds_total', (emit) => {
    for (const command of figures()) emit([command.name], command.microseconds / 1e6)
  })
  metrics.readRows('moraine_command_rejected_calls_total', (emit) => {
    for (const command of figures()) emit([command.name], command.rejectedCalls)
  })
  metrics.readRows('moraine_command_failed_calls_total', (emit) => {
    for (const command of figures()) emit([command.name], command.failedCalls)
  })
}
