/** Opens the shard that the server will serve from, as the settings say; a node that is too far behind its log starts from a copy of another one's data. */
import type { EngineLimits } from '../engine/engine-limits.ts'
import type { Clock } from '../storage/clock.ts'
import type { Sizes } from '../storage/sizes.ts'
import type { Config } from './config/config.ts'
import { startFromCopy } from './copy/start-from-copy.ts'
import type { Log } from './logging.ts'
import type { Ports } from './ports.ts'
import type { ServerObservers } from './server-view.ts'
import type { Shard } from './shard/shard.ts'
import { openShard } from './shard/shard.ts'
import { TooFarBehind } from './shard/too-far-behind.ts'
import type { ServerStats } from './stats.ts'

const logPatienceMs = 3000

/** What the shard is opened with. */
interface OpeningServer {
  readonly ports: Ports
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly limits: EngineLimits
  readonly sizes: Sizes
  readonly nodeId: string
  readonly stats: ServerStats
  readonly observers: ServerObservers
  readonly isStopping: boolean
  readonly shardSwitch: { readonly isRunning: boolean }
  /** Memory that clients take, in bytes. */
  readonly clientBytes: number
}

/** The shard does not serve yet. */
export async function openServedShard(server: OpeningServer): Promise<Shard> {
  for (;;) {
    try {
      return await openOwn(server)
    } catch (failure) {
      if (!(failure instanceof TooFarBehind) || server.isStopping) throw failure
      const { ports, clock, config } = server
      const { network, files, progress } = ports
      const openColdStore = (directory: string, fresh: boolean) => ports.openColdStore(directory, fresh)
      const target = { network, clock, files, progress, directory: config.values.dir, password: config.values.requirepass, openColdStore }
      await startFromCopy(target, failure, server.nodeId, clock, server.log)
    }
  }
}

function openOwn(server: OpeningServer): Promise<Shard> {
  // At the start the log is waited for; later, clients should be told.
  const patience = server.shardSwitch.isRunning ? { patienceMs: logPatienceMs } : {}
  return openShard({
    ...patience,
    ports: server.ports,
    values: server.config.values,
    limits: server.limits,
    clientBytes: () => server.clientBytes,
    coldReadMs: (ms) => {
      server.stats.coldReadMs(ms)
      server.observers.coldRead?.(ms)
    },
    sizes: server.sizes,
  })
}
