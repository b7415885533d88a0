/**
 * What some tests need of the machine. Where it is missing they are skipped with the reason in their title, from which the
 * reporter of the summary (`summary-reporter.ts`) takes it: nothing is skipped without a word.
 */
import { spawnSync } from 'node:child_process'
import { describe } from 'vitest'
import { mayMakeNamespaces } from './faults/zoned-network.ts'
import { etcdIsInstalled } from './integration/etcd-cluster.ts'
import { moraineIsBuilt, redisIsInstalled } from './integration/processes.ts'

export interface Need {
  readonly isMet: boolean
  /** Why a test is skipped when it is not. */
  readonly otherwise: string
}

export const redisServer: Need = { isMet: redisIsInstalled, otherwise: 'redis-server is not installed' }
export const etcdServer: Need = { isMet: etcdIsInstalled, otherwise: 'etcd is not installed' }
export const networkNamespaces: Need = { isMet: mayMakeNamespaces(), otherwise: 'network namespaces are not permitted' }
export const openssl: Need = { isMet: spawnSync('openssl', ['version']).status === 0, otherwise: 'openssl is not installed' }
export const redisPy: Need = {
  isMet: spawnSync('/usr/bin/python3', ['-c', 'import redis']).status === 0,
  otherwise: 'redis-py is not installed',
}
export const builtMoraine: Need = { isMet: moraineIsBuilt, otherwise: 'Moraine is not built' }
export const linux: Need = { isMet: process.platform === 'linux', otherwise: 'this is not Linux' }

/** As `describe`; skipped, with the reason, where something is missing. */
export function describeWith(needs: readonly Need[], title: string, body: () => void): void {
  const missing = needs.filter(({ isMet }) => !isMet)
  if (missing.length === 0) describe(title, body)
  else describe.skip(`${title} (skipped: ${missing.map(({ otherwise }) => otherwise).join(', ')})`, body)
}
