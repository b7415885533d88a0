/** LATENCY GRAPH and LATENCY DOCTOR: the latency monitor's samples for people. */
import type { LatencyEvent } from './latency-monitor.ts'
import type { ServerView } from './server-view.ts'

const rows = 4
const columnsMax = 80

/** Bars of the newest samples, the oldest left, with their age below each, written downwards. */
export function latencyGraph(name: string, { samples, maxMs }: LatencyEvent, wallMs: number): string {
  const shown = samples.slice(-columnsMax)
  const high = shown.reduce((most, { ms }) => Math.max(most, ms), 0)
  const low = shown.reduce((least, { ms }) => Math.min(least, ms), Number.POSITIVE_INFINITY)
  let text = `${name} - high ${high} ms, low ${low} ms (all time high ${maxMs} ms)\n${'-'.repeat(columnsMax)}\n`
  const heights = shown.map(({ ms }) => (high === low ? rows : 1 + Math.round(((ms - low) / (high - low)) * (rows - 1))))
  for (let row = rows; row > 0; row--)
    text += `${heights.map((height) => (height === row ? '#' : height > row ? '|' : row === 1 ? '_' : ' ')).join('')}\n`
  const ages = shown.map(({ wallSeconds }) => ageText(Math.max(0, Math.floor(wallMs / 1000) - wallSeconds)))
  const longest = ages.reduce((most, age) => Math.max(most, age.length), 0)
  for (let line = 0; line < longest; line++) text += `\n${ages.map((age) => age[line] ?? ' ').join('')}`
  return `${text}\n`
}

function ageText(seconds: number): string {
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`
}

export function latencyReport({ latency, config }: ServerView): string {
  const thresholdMs = config.values['latency-monitor-threshold']
  if (thresholdMs === 0) return 'Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n'
  if (latency.events.size === 0) return `Nothing has taken ${thresholdMs} ms or more since the monitor was set back.\n`
  let text = ''
  for (const [name, { samples, maxMs }] of latency.events) {
    const mean = samples.reduce((sum, { ms }) => sum + ms, 0) / samples.length
    const deviation = samples.reduce((sum, { ms }) => sum + Math.abs(ms - mean), 0) / samples.length
    text += `${name}: ${samples.length} samples, ${mean.toFixed(0)} ms on average (mean deviation ${deviation.toFixed(0)} ms), ${maxMs} ms at worst.\n`
  }
  const slowerThanUs = config.values['slowlog-log-slower-than']
  if (slowerThanUs < 0 || slowerThanUs > thresholdMs * 1000) {
    text += `SLOWLOG does not show all of these requests: CONFIG SET slowlog-log-slower-than ${thresholdMs * 1000} would.\n`
  } else text += 'SLOWLOG GET shows which requests these were.\n'
  return text
}
