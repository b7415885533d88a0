/** Where and with what a run took place. */
import { spawnSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface Machine {
  readonly date: string
  readonly commit: string
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly fileSystem: string
  readonly versions: { readonly node: string; readonly redis: string; readonly memcached: string }
}

/** Magic numbers of statfs(2). */
const fileSystems = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlayfs'],
])

/** `directory`: where the data of the run lies. */
export function describeMachine(directory: string): Machine {
  const { type } = statfsSync(directory)
  const dirty = said('git', 'status', '--porcelain', '--', 'engine', 'storage', 'wal', 'server') !== ''
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: `${said('git', 'rev-parse', '--short', 'HEAD') || 'unknown'}${dirty ? ' with local changes' : ''}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    fileSystem: fileSystems.get(type) ?? `file system 0x${type.toString(16)}`,
    versions: {
      node: process.versions.node,
      redis: /v=([\d.]+)/.exec(said('redis-server', '--version'))?.[1] ?? 'absent',
      memcached: /([\d.]+)/.exec(said('memcached', '-V'))?.[1] ?? 'absent',
    },
  }
}

function said(command: string, ...args: readonly string[]): string {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8', cwd: fileURLToPath(new URL('..', import.meta.url)) })
  return stdout?.trim() ?? ''
}
