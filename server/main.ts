/** The program: does one of its tools' work, if that is what it is called for; else reads the configuration, gives the server the real ports, starts it, and stops it in reverse on a signal. */
import { lockDirectory } from '../storage/directory-lock.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { Config } from './config/config.ts'
import { textInstead } from './config/help.ts'
import { ConfigError, loadConfig } from './config/load.ts'
import type { Values } from './config/settings.ts'
import { isDataTool } from './data-tool-names.ts'
import { failStopExitCode, stopMsMax } from './fail-stop.ts'
import { inlineMore } from './inlining.ts'
import { createLog } from './logging.ts'
import { startMetricsEndpoint } from './metrics/endpoint.ts'
import { Metrics } from './metrics/metrics.ts'
import { registerProcessMetrics, watchEventLoopDelay } from './metrics/process-metrics.ts'
import { registerServerMetrics } from './metrics/server-metrics.ts'
import { realPorts } from './real-ports.ts'
import { Server } from './server.ts'
import { moraineVersion } from './version.ts'
import { boundYoungGeneration } from './young-generation.ts'

async function main(): Promise<void> {
  const argv = process.argv.slice(2)
  const version = moraineVersion
  if (argv[0] === 'import' || argv[0] === 'export') {
    const { migrate } = await import('./tools/rdb/migration.ts')
    process.exit(await migrate(argv[0], argv.slice(1)))
  }
  if (isDataTool(argv[0])) {
    const { runDataTool } = await import('./tools/backups/data-tools.ts')
    process.exit(await runDataTool(argv[0], argv.slice(1)))
  }
  const text = textInstead(argv, version)
  if (text !== undefined) {
    process.stdout.write(text)
    return
  }
  boundYoungGeneration()
  inlineMore()
  const { values, path } = loadConfig(argv, version)
  const config = new Config(values, path)
  const terminal = process.stdout.isTTY === true && values.logfile === ''
  const log = createLog({ level: values.loglevel, file: values.logfile, terminal })
  await new NodeFileSystem().makeDirectory(values.dir)
  const lock = await lockDirectory(values.dir)
  const ports = realPorts(values, log, terminal ? process.stdout : undefined)
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

function refuseToStart(failure: Error): void {
  process.stderr.write(
    failure instanceof ConfigError ? `${failure.message}\n` : `Moraine cannot start: ${failure.stack ?? failure.message}\n`,
  )
  process.exit(1)
}

main().catch(refuseToStart)
