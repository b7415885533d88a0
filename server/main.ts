/** The program: imports or exports, if that is what it is called for; else reads the configuration, gives the server the real ports, starts it, and stops it in reverse on a signal. */
import { lockDirectory } from '../storage/directory-lock.ts'
import { LevelColdStore } from '../storage/level-cold-store.ts'
import { wipeLevelDirectory } from '../storage/level-directory.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { Config } from './config/config.ts'
import { textInstead } from './config/help.ts'
import { ConfigError, loadConfig } from './config/load.ts'
import type { Values } from './config/settings.ts'
import { failStopExitCode, stopMsMax } from './fail-stop.ts'
import type { Log } from './logging.ts'
import { createLog } from './logging.ts'
import { startMetricsEndpoint } from './metrics/endpoint.ts'
import { Metrics } from './metrics/metrics.ts'
import { registerProcessMetrics, watchEventLoopDelay } from './metrics/process-metrics.ts'
import { registerServerMetrics } from './metrics/server-metrics.ts'
import { TcpNetwork } from './network/tcp-network.ts'
import type { Ports } from './ports.ts'
import { progressTo } from './progress.ts'
import { realClock } from './real-clock.ts'
import { SystemRandom } from './real-random.ts'
import { Server } from './server.ts'
import { openSharedLog } from './shared-log.ts'
import { moraineVersion } from './version.ts'
import { boundYoungGeneration } from './young-generation.ts'

async function main(): Promise<void> {
  const argv = process.argv.slice(2)
  const version = moraineVersion
  if (argv[0] === 'import' || argv[0] === 'export') {
    const { migrate } = await import('./tools/rdb/migration.ts')
    process.exit(await migrate(argv[0], argv.slice(1)))
  }
  const text = textInstead(argv, version)
  if (text !== undefined) {
    process.stdout.write(text)
    return
  }
  boundYoungGeneration()
  const { values, path } = loadConfig(argv, version)
  const config = new Config(values, path)
  const terminal = process.stdout.isTTY === true && values.logfile === ''
  const log = createLog({ level: values.loglevel, file: values.logfile, terminal })
  const files = new NodeFileSystem()
  await files.makeDirectory(values.dir)
  const lock = await lockDirectory(values.dir)
  const ports: Ports = {
    clock: realClock,
    random: new SystemRandom(),
    files,
    network: new TcpNetwork(),
    log,
    progress: progressTo({ clock: realClock, log, terminal: terminal ? process.stdout : undefined }),
    openColdStore: (directory, fresh) => openColdStore(directory, fresh, values, log),
    openSharedLog: (known) => openSharedLog(values, realClock, ports.random, known),
    residentBytes: () => process.memoryUsage.rss(),
  }
  log.info(`Moraine ${version} starting`, { node: process.version, dir: values.dir })
  let server: Server | undefined
  const metrics =
    values['metrics-port'] > 0 ? await startMetrics(values, () => (server === undefined ? 'loading' : server.trouble)) : undefined
  const broke = (failure: unknown): void => {
    if (server === undefined) refuseToStart(failure as Error)
    else server.failStop.stop(failure)
  }
  process.on('uncaughtException', broke)
  process.on('unhandledRejection', broke)
  server = await Server.start(ports, config)
  server.failStop.onStopping = () => {
    process.exitCode = failStopExitCode
    setTimeout(() => process.exit(), stopMsMax * 2)
  }
  server.failStop.onStopped = () => void lock.release().finally(() => process.exit(failStopExitCode))
  if (metrics !== undefined) registerServerMetrics(metrics.metrics, server)
  const shutDown = async (reason: string): Promise<void> => {
    if (server.failStop.failure !== undefined) return
    log.info(`Stopping: ${reason}`)
    const failure = await server.stop().catch((cause: Error) => cause)
    if (failure !== undefined) log.error('Not everything could be closed', { error: failure })
    await metrics?.stop()
    await lock.release()
    log.info('Stopped; bye')
    process.exit(server.failStop.failure !== undefined ? failStopExitCode : failure !== undefined ? 1 : 0)
  }
  server.onShutdown = () => void shutDown('SHUTDOWN')
  process.once('SIGTERM', () => void shutDown('SIGTERM'))
  process.once('SIGINT', () => void shutDown('SIGINT'))
  const { shard } = server
  log.info('Ready to accept connections', {
    port: server.port,
    keys: shard?.keyspace.size,
    replayed: shard?.recoveredRecords,
    loadMs: shard?.recoveryMs,
  })
}

async function startMetrics(
  values: Values,
  trouble: () => string | undefined,
): Promise<{ readonly metrics: Metrics; stop(): Promise<void> }> {
  const metrics = new Metrics()
  const delay = watchEventLoopDelay()
  registerProcessMetrics(metrics, delay)
  const endpoint = await startMetricsEndpoint({ port: values['metrics-port'], bind: values['metrics-bind'], metrics, trouble })
  const stop = async (): Promise<void> => {
    await endpoint.close()
    delay.stop()
  }
  return { metrics, stop }
}

async function openColdStore(directory: string, fresh: boolean, values: Values, log: Log): Promise<LevelColdStore> {
  if (fresh) await wipeLevelDirectory(directory)
  const limit = Number(values.maxmemory)
  const share = limit === 0 ? Number.POSITIVE_INFINITY : limit / 32
  const writeBufferBytes = Math.max(2 ** 20, Math.min(Number(values['tier-write-buffer']), share))
  return LevelColdStore.open(directory, {
    clock: realClock,
    writeBufferBytes,
    cacheBytes: Number(values['tier-cache']),
    readsInFlight: values['tier-reads-in-flight'],
    onReopened: (error, restored) =>
      log.error('The cold store failed and was opened again; nothing is lost', { error, restoredValues: restored }),
  })
}

function refuseToStart(failure: Error): void {
  process.stderr.write(
    failure instanceof ConfigError ? `${failure.message}\n` : `Moraine cannot start: ${failure.stack ?? failure.message}\n`,
  )
  process.exit(1)
}

main().catch(refuseToStart)
