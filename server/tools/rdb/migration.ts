/** `moraine import` and `moraine export`: what they do in which order, with a bar, and what they say in the end. */
import type { FileHandle } from 'node:fs/promises'
import { open, rename, rm } from 'node:fs/promises'
import { createLog } from '../../logging.ts'
import { progressTo } from '../../progress.ts'
import { realClock } from '../../real-clock.ts'
import { follow } from './follow.ts'
import { Importer } from './importer.ts'
import { startLocalServer } from './local-server.ts'
import type { MigrationOptions } from './migration-options.ts'
import { migrationHelp, parseMigration, UsageError } from './migration-options.ts'
import { FileSource } from './rdb-source.ts'
import { ReplicaSource } from './replica-source.ts'
import type { Address } from './resp-client.ts'
import { RespClient } from './resp-client.ts'

const terminal = process.stdout.isTTY === true
const log = createLog({ level: 'notice', file: '', terminal })
const progress = progressTo({ clock: realClock, log, terminal: terminal ? process.stdout : undefined })

/** Runs one of the two, and returns the exit code. */
export async function migrate(kind: 'import' | 'export', argv: readonly string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(`${migrationHelp}\n`)
    return 0
  }
  try {
    const options = parseMigration(kind, argv)
    if (kind === 'import') await runImport(options)
    else await runExport(options)
    return 0
  } catch (failure) {
    process.stderr.write(`moraine ${kind}: ${(failure as Error).message}\n`)
    if (failure instanceof UsageError) process.stderr.write(`\n${migrationHelp}\n`)
    return 1
  }
}

/** Does something with a server: the one at an address, or one that serves a directory meanwhile. */
async function withServer(
  address: Address | undefined,
  { directory, settings }: MigrationOptions,
  work: (address: Address) => Promise<void>,
): Promise<void> {
  if (address !== undefined) return await work(address)
  const server = await startLocalServer(directory, settings)
  try {
    await work({ host: '127.0.0.1', port: server.port, user: undefined, password: undefined })
  } finally {
    await server.stop()
  }
}

async function runImport(options: MigrationOptions): Promise<void> {
  const { file, from, to } = options
  // The file is looked at first: a server that is started for nothing leaves a directory.
  const source = file !== undefined ? await FileSource.open(file) : await ReplicaSource.open(from as Address, options.follow)
  try {
    await withServer(to, options, async (address) => {
      const target = await RespClient.open(address)
      try {
        await load(source, target, options)
      } finally {
        target.close()
      }
    })
  } finally {
    await source.close()
  }
}

async function load(source: FileSource | ReplicaSource, target: RespClient, options: MigrationOptions): Promise<void> {
  const bar = progress('import', source.totalBytes ?? 0, 'bytes')
  const importer = new Importer({ source, target, onProgress: bar.update, warn: (text) => log.warn(text) })
  const figures = await importer.run()
  bar.finish()
  log.info('Imported', { ...figures })
  if (!(source instanceof ReplicaSource)) return
  await source.endRdb(importer.rest)
  if (!options.follow) return
  let isStopped = false
  process.once('SIGINT', () => {
    isStopped = true
    void source.close()
  })
  log.info('Following what is written there; interrupt to end')
  const changes = await follow(source, target, () => isStopped)
  log.info('Followed', { changes })
}

async function runExport(options: MigrationOptions): Promise<void> {
  const file = options.file as string
  await withServer(options.from, options, async (address) => {
    const source = await ReplicaSource.open(address, false)
    // A file by this name is there when it is complete, and not before.
    const temporary = `${file}.part`
    try {
      const into = await open(temporary, 'w')
      try {
        await save(source, into)
        await into.sync()
      } finally {
        await into.close()
      }
      await rename(temporary, file)
    } catch (failure) {
      await rm(temporary, { force: true })
      throw failure
    } finally {
      await source.close()
    }
  })
}

async function save(source: ReplicaSource, into: FileHandle): Promise<void> {
  const bar = progress('export', source.totalBytes ?? 0, 'bytes')
  let bytes = 0
  for await (const piece of source.pieces()) {
    await into.writeFile(piece)
    bytes += piece.length
    bar.update(bytes)
  }
  bar.finish()
  log.info('Exported', { bytes })
}
