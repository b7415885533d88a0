/** `moraine backup`, `verify-backup` and `move`: what they do in which order, with a bar, and what they say in the end. */
import { resolve } from 'node:path'
import { lockDirectory } from '../../../storage/directory-lock.ts'
import { loadConfig } from '../../config/load.ts'
import type { Values } from '../../config/settings.ts'
import { chooseReplica } from '../../copy/choose-replica.ts'
import { rehearse } from '../../copy/rehearse.ts'
import type { DataTool } from '../../data-tool-names.ts'
import { createLog } from '../../logging.ts'
import { moveToLocal, moveToShared } from '../../move/move.ts'
import type { Ports } from '../../ports.ts'
import { realPorts } from '../../real-ports.ts'
import { sharedLogs } from '../../shared-log.ts'
import { moraineVersion } from '../../version.ts'
import { makeBackup } from './backup.ts'
import type { DataOptions } from './data-options.ts'
import { dataToolsHelp, parseDataOptions, UsageError } from './data-options.ts'
import { withScratchCopy } from './scratch-copy.ts'

const terminal = process.stdout.isTTY === true
const log = createLog({ level: 'notice', file: '', terminal })

/** Runs one of them, and returns the exit code. */
export async function runDataTool(tool: DataTool, argv: readonly string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(`${dataToolsHelp}\n`)
    return 0
  }
  try {
    const options = parseDataOptions(tool, argv)
    if (tool === 'backup') await backup(options)
    else if (tool === 'verify-backup') await verify(options)
    else await move(options)
    return 0
  } catch (failure) {
    process.stderr.write(`moraine ${tool}: ${(failure as Error).message}\n`)
    if (failure instanceof UsageError) process.stderr.write(`\n${dataToolsHelp}\n`)
    return 1
  }
}

/** The settings of a server of this directory, and what of the world it has. */
function settled(directory: string, settings: readonly string[]): { readonly values: Values; readonly ports: Ports } {
  const { values } = loadConfig(['--dir', directory, ...settings], moraineVersion)
  return { values, ports: realPorts(values, log, terminal ? process.stdout : undefined) }
}

async function backup(options: DataOptions): Promise<void> {
  const directory = resolve(options.directory)
  const { ports } = settled(directory, options.settings)
  const asked = options.from as NonNullable<DataOptions['from']>
  const nodes = { network: ports.network, clock: ports.clock, password: options.password }
  const source = options.fromReplica ? await chooseReplica(nodes, asked) : asked
  const from = `${source.host}:${source.port}`
  const lsn = await makeBackup(ports, source, options.password, directory)
  log.info('The backup is complete', { directory, from, lsn })
  if (options.verify) await verify(options)
}

async function verify(options: DataOptions): Promise<void> {
  const withLog = options.settings.includes('--log-endpoints') ? 'etcd' : 'local'
  await withScratchCopy(resolve(options.directory), async (scratch) => {
    const found = await rehearse(settled(scratch, options.settings), withLog)
    log.info('The backup can be restored', { ...found })
    if (withLog === 'etcd' && found.comparedLsn === 0) log.warn('The log told no running checksum that this backup could be compared with')
  })
}

async function move({ directory, to, settings }: DataOptions): Promise<void> {
  const data = settled(directory, settings)
  const lock = await lockDirectory(data.values.dir)
  try {
    const shared = sharedLogs(data.values, data.ports.clock)
    const { lsn, isOld } = to === 'etcd' ? await moveToShared(data, shared) : await moveToLocal(data, shared)
    log.info(isOld ? 'The data had been moved before' : 'The data have been moved', { to, lsn })
  } finally {
    await lock.release()
  }
}
