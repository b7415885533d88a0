/** INFO's sections on commands and errors. */
import type { Command } from '../command-table.ts'
import type { ServerView } from '../server-view.ts'
import type { InfoLine } from './info-line.ts'

export function* commandStatsSection(server: ServerView): Generator<InfoLine> {
  for (const { name, stats } of server.commands.everyOne()) {
    if (stats.calls === 0 && stats.rejected === 0 && stats.failed === 0) continue
    const us = Math.round(stats.totalUs)
    const each = (stats.calls === 0 ? 0 : stats.totalUs / stats.calls).toFixed(2)
    yield [
      `cmdstat_${name}`,
      `calls=${stats.calls},usec=${us},usec_per_call=${each},rejected_calls=${stats.rejected},failed_calls=${stats.failed}`,
    ]
  }
}

export function* errorStatsSection(server: ServerView): Generator<InfoLine> {
  for (const [code, count] of server.stats.errorsByCode) yield [`errorstat_${code}`, `count=${count}`]
}

export function* latencyStatsSection(server: ServerView): Generator<InfoLine> {
  if (!server.config.values['latency-tracking']) return
  const percentiles = server.config.values['latency-tracking-info-percentiles']
  for (const command of server.commands.everyOne()) {
    if (command.stats.calls > 0) yield [`latency_percentiles_usec_${command.name}`, percentileText(command, percentiles)]
  }
}

function percentileText({ stats }: Command, percentiles: readonly number[]): string {
  return percentiles.map((percent) => `p${percent}=${stats.percentile(percent / 100).toFixed(3)}`).join(',')
}
