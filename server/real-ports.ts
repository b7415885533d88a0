/** The real ports, for the server and for the tools that open its data. */
import { LevelColdStore } from '../storage/level-cold-store.ts'
import { wipeLevelDirectory } from '../storage/level-directory.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import type { Values } from './config/settings.ts'
import type { Log } from './logging.ts'
import { TcpNetwork } from './network/tcp-network.ts'
import type { Ports } from './ports.ts'
import { progressTo } from './progress.ts'
import { realClock } from './real-clock.ts'
import { SystemRandom } from './real-random.ts'

/** Progress is drawn on `terminal`, if there is one. */
export function realPorts(values: Values, log: Log, terminal: NodeJS.WritableStream | undefined): Ports {
  const random = new SystemRandom()
  return {
    clock: realClock,
    random,
    files: new NodeFileSystem(),
    network: new TcpNetwork(),
    log,
    progress: progressTo({ clock: realClock, log, terminal }),
    openColdStore: (directory, fresh) => openColdStore(directory, fresh, values, log),
    // Loaded by those who have such a log alone: what speaks to etcd is a tenth of what a start loads.
    openSharedLog: async (known) => (await import('./shared-log.ts')).openSharedLog(values, realClock, random, known),
    residentBytes: () => process.memoryUsage.rss(),
  }
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
