/** LATENCY: for each kind of event the last 160 that took longer than `latency-monitor-threshold`, one a second at most. */
const samplesMax = 160

export interface LatencySample {
  readonly wallSeconds: number
  ms: number
}

export interface LatencyEvent {
  readonly samples: LatencySample[]
  maxMs: number
}

export class LatencyMonitor {
  readonly events = new Map<string, LatencyEvent>()

  add(name: string, ms: number, wallMs: number): void {
    let event = this.events.get(name)
    if (event === undefined) {
      event = { samples: [], maxMs: 0 }
      this.events.set(name, event)
    }
    if (ms > event.maxMs) event.maxMs = ms
    const wallSeconds = Math.floor(wallMs / 1000)
    const last = event.samples.at(-1)
    if (last?.wallSeconds === wallSeconds) {
      if (ms > last.ms) last.ms = ms
      return
    }
    event.samples.push({ wallSeconds, ms })
    if (event.samples.length > samplesMax) event.samples.shift()
  }
}
