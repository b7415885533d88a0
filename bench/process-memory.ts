/** Memory of a process as Linux counts it, once or sampled while something runs, and its processor time. */
import { readFileSync } from 'node:fs'

const sampleEveryMs = 50
/** Linux's USER_HZ, the same on all machines. */
const ticksPerSecond = 100

export interface ProcessMemory {
  /** Bytes: all that is resident, what is the process's own, and pages of files it maps. */
  readonly rss: number
  readonly anonymous: number
  readonly file: number
}

/** Throws when there is no such process. */
export function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
  return { rss: field('VmRSS'), anonymous: field('RssAnon'), file: field('RssFile') }
}

/** Seconds of processor that all threads of a process have had. */
export function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

export interface MemorySample extends ProcessMemory {
  readonly seconds: number
}

export interface MemoryWatch {
  /** Ends the sampling: all samples, and the one with most resident. */
  stop(): { readonly samples: readonly MemorySample[]; readonly peak: MemorySample }
}

/** Samples twenty times a second until stopped. */
export function watchMemory(pid: number): MemoryWatch {
  const samples: MemorySample[] = []
  const startedMs = performance.now()
  const sample = () => {
    try {
      samples.push({ seconds: (performance.now() - startedMs) / 1000, ...memoryOf(pid) })
    } catch {
      // The process has ended: whoever watches it is told by its connections.
    }
  }
  sample()
  const timer = setInterval(sample, sampleEveryMs)
  return {
    stop() {
      clearInterval(timer)
      sample()
      return { samples, peak: samples.reduce((most, each) => (each.rss > most.rss ? each : most)) }
    },
  }
}
