import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { File, FileSystem, OpenOptions } from '../../storage/file-system.ts'
import { NodeFileSystem } from '../../storage/node-file-system.ts'
import { LocalLog } from '../../wal/local-log.ts'
import type { SyncPolicy } from '../../wal/transaction-log.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { transactionLogSuite } from './transaction-log.ts'

const SEGMENT_BYTES = 16 << 10

for (const syncPolicy of ['always', 'everysec', 'no'] as const) {
  transactionLogSuite(`local, ${syncPolicy}, node`, () => onNode(syncPolicy))
}
transactionLogSuite('local, always, simulated disk', onSimulatedDisk)

/** On real files. A crash of the process is played by opening the files again while the old log lies idle. */
async function onNode(syncPolicy: SyncPolicy) {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-log-'))
  const files = new FailingFiles()
  const random = new SeededRandom(5)
  const options = { files, clock: new ManualClock(), random, directory: `${directory}/log`, syncPolicy, segmentBytes: SEGMENT_BYTES }
  return {
    open: () => LocalLog.open(options),
    crash: async (log: { close(): Promise<void> }) => {
      files.failWrites = true
      await log.close().catch(() => undefined)
      files.failWrites = false
    },
    failNextGroup: () => {
      files.failWrites = true
    },
    stop: () => rm(directory, { recursive: true }),
  }
}

async function onSimulatedDisk() {
  const disk = new SimulatedDisk(new SeededRandom(6))
  let files = disk.mount()
  const random = new SeededRandom(7)
  const clock = new ManualClock()
  return {
    open: () => LocalLog.open({ files, clock, random, directory: '/log', syncPolicy: 'always', segmentBytes: SEGMENT_BYTES }),
    crash: async () => {
      files = disk.crash()
    },
    failNextGroup: () => disk.failNext('write', 'EIO'),
    stop: async () => undefined,
  }
}

/** Real files whose writes can be made to fail. */
class FailingFiles extends NodeFileSystem implements FileSystem {
  failWrites = false

  override async open(path: string, options: OpenOptions): Promise<File> {
    const file = await super.open(path, options)
    const write = file.write.bind(file)
    file.write = (bytes, position) =>
      this.failWrites ? Promise.reject(Object.assign(new Error('EIO: told to'), { code: 'EIO' })) : write(bytes, position)
    return file
  }
}
