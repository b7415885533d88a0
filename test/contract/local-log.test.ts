import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { File, FileSystem, OpenOptions } from '../../storage/file-system.ts'
import { NodeFileSystem } from '../../storage/node-file-system.ts'
import { LocalLog } from '../../wal/local-log.ts'
import type { SyncPolicy } from '../../wal/transaction-log.ts'
import { LogTrimmed } from '../../wal/transaction-log.ts'
import { chance } from '../chance.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { appendText, committed, readAll, transactionLogSuite } from './transaction-log.ts'

const SEGMENT_BYTES = 16 << 10

for (const syncPolicy of ['always', 'everysec', 'no'] as const) {
  transactionLogSuite(`local, ${syncPolicy}, node`, () => onNode(syncPolicy))
}
for (const syncPolicy of ['always', 'everysec'] as const) {
  transactionLogSuite(`local, ${syncPolicy}, simulated disk`, () => onSimulatedDisk(syncPolicy))
}

it('appends, reads, trims and changes its policy all at once on real files', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-log-'))
  const options = { files: new NodeFileSystem(), clock: new ManualClock(), random: chance(8), directory, segmentBytes: 64 << 10 }
  const log = await LocalLog.open({ ...options, syncPolicy: 'always' })
  const text = (lsn: number): string => `record ${lsn} `.padEnd(20 + ((lsn * 7919) % 3000), '.')
  let appending = true
  let readings = 0
  const reader = async (): Promise<void> => {
    while (appending) {
      // A reading that finds nothing takes no turn of the event loop, and would leave none to the appender.
      await new Promise(setImmediate)
      const after = Math.max(log.first - 1, log.committed - 200)
      try {
        for (const [index, [lsn, found]] of (await readAll(log, after)).entries()) {
          expect(lsn).toBe(after + 1 + index)
          expect(found).toBe(text(lsn))
        }
        readings += 1
      } catch (error) {
        if (!(error instanceof LogTrimmed)) throw error
      }
    }
  }
  const appender = async (): Promise<void> => {
    const trims: Promise<void>[] = []
    for (let round = 0; round < 300; round += 1) {
      for (let i = 0; i <= round % 17; i += 1) appendText(log, text(log.appended + 1))
      await committed(log, log.appended)
      if (round % 20 === 0) trims.push(log.trim(log.committed - 100))
      if (round % 30 === 0) log.setSyncPolicy((['no', 'always', 'everysec'] as const)[(round / 30) % 3]!)
    }
    await Promise.all(trims)
    appending = false
  }
  await Promise.all([appender(), reader(), reader()])
  expect(readings).toBeGreaterThan(0)
  expect(log.first).toBeGreaterThan(1000)
  const { appended, first } = log
  await log.close()
  const again = await LocalLog.open({ ...options, syncPolicy: 'always' })
  expect((await readAll(again, first - 1)).map(([lsn, found]) => found === text(lsn))).toEqual(Array(appended - first + 1).fill(true))
  await again.close()
  await rm(directory, { recursive: true })
})

/** On real files. A crash of the process is played by opening the files again while the old log lies idle. */
async function onNode(syncPolicy: SyncPolicy) {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-log-'))
  const files = new FailingFiles()
  const random = chance(5)
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

async function onSimulatedDisk(syncPolicy: SyncPolicy) {
  const disk = new SimulatedDisk(chance(6))
  let files = disk.mount()
  const random = chance(7)
  const clock = new ManualClock()
  return {
    open: () => LocalLog.open({ files, clock, random, directory: '/log', syncPolicy, segmentBytes: SEGMENT_BYTES }),
    crash: async () => {
      // Only what is synced before it counts as committed survives the machine.
      files = syncPolicy === 'always' ? disk.crash() : disk.endProcess()
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
    const writePiecesNow = file.writePiecesNow.bind(file)
    file.write = (bytes, position) =>
      this.failWrites ? Promise.reject(Object.assign(new Error('EIO: told to'), { code: 'EIO' })) : write(bytes, position)
    file.writePiecesNow = (pieces, position) => {
      if (this.failWrites) throw Object.assign(new Error('EIO: told to'), { code: 'EIO' })
      writePiecesNow(pieces, position)
    }
    return file
  }
}
