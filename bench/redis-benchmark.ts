/** Debian's redis-benchmark: one measured run, or load in the background while something else is measured. */
import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** A server that no longer answers must not hold the benchmark for ever. */
const runMsMax = 180_000

export interface BenchmarkRun {
  readonly port: number
  /** One of its tests, or a command with `__rand_int__` where a random number below `keys` belongs. */
  readonly test: string | readonly string[]
  readonly connections: number
  readonly pipeline: number
  readonly requests: number
  readonly keys: number
  readonly valueBytes: number
}

export interface BenchmarkSample {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Rejects when it fails or prints no figures. */
export async function measure(options: BenchmarkRun): Promise<BenchmarkSample> {
  const { stdout, stderr } = await run('redis-benchmark', ['--csv', ...flagsOf(options)], {
    maxBuffer: 2 ** 24,
    timeout: runMsMax,
    killSignal: 'SIGKILL',
  })
  const name = typeof options.test === 'string' ? options.test.toUpperCase() : options.test.join(' ')
  // "MSET (10 keys)" is what it calls `-t mset`.
  const row = stdout.split('\n').find((line) => line.startsWith(`"${name}"`) || line.startsWith(`"${name} (`))
  if (row === undefined) throw new Error(`redis-benchmark said: ${stdout}${stderr}`)
  // test, rps, avg, min, p50, p95, p99, max; latencies in ms
  const figures = row.slice(row.indexOf('",', name.length) + 2)
  const cells = [Number.NaN, ...figures.split(',').map((cell) => Number(cell.replaceAll('"', '')))]
  return { perSecond: cells[1]!, p50Ms: cells[4]!, p99Ms: cells[6]!, maxMs: cells[7]! }
}

export interface BackgroundLoad {
  /** Ends the load and answers its rate since it began. */
  stop(): Promise<number>
}

/** Load until stopped; `requests` bounds it, in case nobody stops it. Resolves when the first requests have been answered. */
export function startBackground(options: BenchmarkRun): Promise<BackgroundLoad> {
  const child = spawn('redis-benchmark', ['-q', ...flagsOf(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const killIt = () => child.kill('SIGKILL')
  process.once('exit', killIt)
  let perSecond = 0
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString('latin1')))
  const exit = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    child.kill('SIGKILL')
    await exit
    process.off('exit', killIt)
    return perSecond
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error(`redis-benchmark ended early: ${complaint}`)))
    child.stdout.on('data', (chunk: Buffer) => {
      for (const [, overall] of chunk.toString('latin1').matchAll(/overall: ([\d.]+)\) avg/g)) perSecond = Number(overall)
      if (perSecond > 0) resolve({ stop })
    })
  })
}

/** What is measured comes last: words after a command would belong to it. */
function flagsOf(options: BenchmarkRun): string[] {
  const { port, test, connections, pipeline, requests, keys, valueBytes } = options
  const numbers = { '-p': port, '-c': connections, '-P': pipeline, '-n': requests, '-r': keys, '-d': valueBytes }
  return [...Object.entries(numbers).flatMap(([flag, value]) => [flag, `${value}`]), ...(typeof test === 'string' ? ['-t', test] : test)]
}
