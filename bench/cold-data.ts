/** Ten million small keys whose values all rest on disk: loaded, checkpointed, the server ended. Made once for the questions that need it. */
import { rm } from 'node:fs/promises'
import type { Context } from './context.ts'
import { inOrder } from './key-choice.ts'
import type { LoadResult } from './loader.ts'
import { load } from './loader.ts'
import type { RunningServer } from './processes.ts'
import { redisCli } from './processes.ts'
import type { Requests } from './requests.ts'
import { respSet, smallValue } from './requests.ts'

export interface ColdData {
  readonly directory: string
  readonly keys: number
  readonly loadedPerSecond: number
  readonly checkpointSeconds: number
  /** How long the server took to end after SIGTERM. */
  readonly stopMs: number
}

/** Checkpoints only when asked for, so that none runs while something is measured. */
export const noCheckpoints = ['--checkpoint-interval-seconds', '0', '--checkpoint-log-bytes', '64gb']

export function keysOf(context: Context): number {
  return context.size(10_000_000, 300_000)
}

export function coldData(context: Context): Promise<ColdData> {
  return context.shared('cold data', () => makeColdData(context))
}

async function makeColdData(context: Context): Promise<ColdData> {
  const keys = keysOf(context)
  const server = await context.moraine({ flags: ['--appendfsync', 'everysec', ...noCheckpoints] })
  const { perSecond } = await fill(context, server, keys, respSet(smallValue))
  const checkpointSeconds = await checkpoint(context, server)
  const stopMs = await server.stop('SIGTERM')
  await rm(`${server.directory}/volatile`, { recursive: true, force: true })
  return { directory: server.directory, keys, loadedPerSecond: perSecond, checkpointSeconds, stopMs }
}

/** Sets all keys in order, with progress; rejects when a reply is an error. */
export async function fill(context: Context, server: RunningServer, keys: number, requests: Requests): Promise<LoadResult> {
  const shown = context.progress(`${server.name}: loading`, keys, 'keys')
  const result = await load({
    port: server.port,
    connections: 4,
    pipeline: 128,
    requests,
    nextKey: inOrder(0, keys),
    stopAtError: true,
    onProgress: (done) => shown.update(done),
  })
  shown.update(result.replies)
  shown.finish()
  if (result.errors > 0) throw new Error(`${server.name} refused a SET after ${result.replies}: ${result.firstError}`)
  return result
}

/** Makes a checkpoint and answers how long it took, in seconds. */
export async function checkpoint(context: Context, server: RunningServer): Promise<number> {
  const startedMs = performance.now()
  const ticker = setInterval(() => context.say(`checkpoint: ${Math.round((performance.now() - startedMs) / 1000)} s`), 5000)
  try {
    await redisCli(server.port, 'SAVE')
  } finally {
    clearInterval(ticker)
  }
  return (performance.now() - startedMs) / 1000
}
