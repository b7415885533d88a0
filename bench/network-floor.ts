/**
 * What do bytes in and bytes out cost, before any keyspace? A server that answers SET with OK and GET with a fixed value
 * goes through the parser, the reply writer, connections and TCP; redis-server stands beside it, in the same run.
 * Prints requests per second (median of three), processor time per request, and the ratios.
 *
 *   tsx bench/network-floor.ts                 all of it
 *   tsx bench/network-floor.ts serve 7000      only the server, for a profiler (node --cpu-prof)
 */
import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Arguments } from '../engine/arguments.ts'
import type { Connection, RequestHandler, RequestOutcome } from '../server/network/connection.ts'
import { defaultLimits, Listener } from '../server/network/listener.ts'
import { TcpNetwork } from '../server/network/tcp-network.ts'
import { Turn } from '../server/network/turn.ts'
import type { Clock } from '../storage/clock.ts'

const run = promisify(execFile)
const value = Buffer.alloc(64, 'x')

/** The clock of this process, as far as the network needs one. */
const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  afterTurn: (work) => void setImmediate(work),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

const fixedReplies: RequestHandler = {
  request(connection: Connection, args: Arguments): RequestOutcome {
    if (args.is(0, 'GET')) connection.reply.bulk(value, 0, value.length)
    else connection.reply.ok()
    return 'next'
  },
  closed(): void {},
}

async function serve(port: number): Promise<void> {
  const listener = new Listener(new TcpNetwork(), new Turn(clock), clock, defaultLimits(), () => fixedReplies)
  await listener.listen({ host: '127.0.0.1', port })
  process.once('SIGTERM', () => process.exit(0))
}

interface Contender {
  readonly name: string
  readonly port: number
  readonly process: ChildProcess
}

interface Sample {
  readonly requestsPerSecond: number
  readonly microsecondsPerRequest: number
}

async function compare(): Promise<void> {
  const contenders = [
    await start('redis-server', (port) =>
      spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: 'ignore' }),
    ),
    await start('network floor', (port) =>
      spawn(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), 'serve', String(port)], { stdio: 'inherit' }),
    ),
  ] as const
  console.log(`node ${process.version}, ${availableParallelism()} cores, 50 connections, 64-byte values, median of 3`)
  try {
    for (const [pipeline, requests] of [
      [1, 150_000],
      [16, 1_000_000],
      [64, 1_500_000],
    ] as const) {
      for (const test of ['set', 'get']) {
        const samples: Sample[][] = [[], []]
        for (let round = 0; round < 3; round++) {
          for (const [i, contender] of contenders.entries()) samples[i]!.push(await measure(contender, test, pipeline, requests))
        }
        report(test, pipeline, samples[0]!, samples[1]!)
      }
    }
  } finally {
    for (const contender of contenders) contender.process.kill('SIGTERM')
  }
}

function report(test: string, pipeline: number, redis: Sample[], floor: Sample[]): void {
  const beside = median(redis.map((sample) => sample.requestsPerSecond))
  const ours = median(floor.map((sample) => sample.requestsPerSecond))
  const besideCost = median(redis.map((sample) => sample.microsecondsPerRequest))
  const ourCost = median(floor.map((sample) => sample.microsecondsPerRequest))
  console.log(
    `${test.toUpperCase()} P=${String(pipeline).padEnd(2)}  redis-server ${beside.toFixed(0).padStart(8)}/s ${besideCost.toFixed(2)} µs  ` +
      `floor ${ours.toFixed(0).padStart(8)}/s ${ourCost.toFixed(2)} µs  ratio ${(ours / beside).toFixed(2)}`,
  )
}

async function start(name: string, launch: (port: number) => ChildProcess): Promise<Contender> {
  const port = await freePort()
  const child = launch(port)
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await answers(port)) return { name, port, process: child }
    await wait(50)
  }
  throw new Error(`${name} did not start`)
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

async function measure(contender: Contender, test: string, pipeline: number, requests: number): Promise<Sample> {
  const before = processorMs(contender.process)
  const flags = ['-c', '50', '-P', String(pipeline), '-d', '64', '-r', '100000', '-n', String(requests), '-t', test, '-q']
  const { stdout } = await run('redis-benchmark', ['-p', String(contender.port), ...flags])
  const found = /([\d.]+) requests per second/.exec(stdout)
  if (found === null) throw new Error(`redis-benchmark said: ${stdout}`)
  return {
    requestsPerSecond: Number(found[1]),
    microsecondsPerRequest: ((processorMs(contender.process) - before) * 1000) / requests,
  }
}

/** Processor time of a process so far, in milliseconds, from Linux's accounting in ticks of 10 ms. */
function processorMs(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!
}

if (process.argv[2] === 'serve') await serve(Number(process.argv[3]))
else await compare()
