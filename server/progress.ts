/**
 * Progress of long work: loading the catalog, replaying the log, tools. On a terminal a bar with rate and time left;
 * otherwise a log line at most every two seconds, so that short work says nothing but its end.
 */
import { Presets, SingleBar } from 'cli-progress'
import type { Clock } from '../storage/clock.ts'
import type { Log } from './logging.ts'

export interface Progress {
  /** How much is done of `total` in all; call it as often as convenient. */
  update(done: number): void
  /** Ends the bar, and says how long it took. */
  finish(): void
}

/** Begins the work `name` of `total` units (`keys`, `records`). */
export type StartProgress = (name: string, total: number, unit: string) => Progress

export interface ProgressOptions {
  readonly clock: Clock
  readonly log: Log
  /** A terminal to draw on; without one, lines go to the log. */
  readonly terminal?: NodeJS.WritableStream | undefined
}

/** Shows nothing. */
export const noProgress: StartProgress = () => ({ update: () => undefined, finish: () => undefined })

const lineIntervalMs = 2000

export function progressTo(options: ProgressOptions): StartProgress {
  const { clock, log, terminal } = options
  return (name, total, unit) => {
    const started = clock.monotonicMs()
    const show =
      terminal === undefined ? showInLog(name, total, unit, options, started) : showBar(name, total, unit, terminal, clock, started)
    let latest = 0
    const update = (done: number) => {
      latest = done
      show.update(done)
    }
    const finish = () => {
      show.end(latest)
      const seconds = (clock.monotonicMs() - started) / 1000
      log.info(`${name}: ${count(latest)} ${unit} in ${seconds.toFixed(1)} s`, { done: latest, seconds })
    }
    return { update, finish }
  }
}

interface Shown {
  update(done: number): void
  end(done: number): void
}

function showInLog(name: string, total: number, unit: string, options: ProgressOptions, started: number): Shown {
  let last = started
  const update = (done: number) => {
    const now = options.clock.monotonicMs()
    if (now - last < lineIntervalMs) return
    last = now
    const percent = total > 0 ? Math.floor((100 * done) / total) : 100
    const perSecond = rate(done, now - started)
    options.log.info(`${name}: ${percent}% (${count(done)} of ${count(total)} ${unit}, ${count(perSecond)}/s)`, { done, total, perSecond })
  }
  return { update, end: () => undefined }
}

function showBar(name: string, total: number, unit: string, terminal: NodeJS.WritableStream, clock: Clock, started: number): Shown {
  const format = `${name} [{bar}] {percentage}% | {value}/{total} ${unit} | {rate}/s | {eta_formatted} left`
  const bar = new SingleBar({ format, stream: terminal, fps: 5, hideCursor: true, clearOnComplete: true }, Presets.shades_classic)
  const payload = (done: number) => ({ rate: count(rate(done, clock.monotonicMs() - started)) })
  bar.start(total, 0, { rate: '0' })
  const update = (done: number) => bar.update(done, payload(done))
  const end = (done: number) => {
    update(done)
    bar.stop()
  }
  return { update, end }
}

function rate(done: number, elapsedMs: number): number {
  return elapsedMs > 0 ? Math.round((done * 1000) / elapsedMs) : 0
}

/** A number with thousands set apart. */
function count(value: number): string {
  return value.toLocaleString('en-US')
}
