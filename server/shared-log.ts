/** Opens the log that the settings name, in an etcd cluster, or makes one there. */
import { readFileSync } from 'node:fs'
import type { Random } from '../engine/random.ts'
import type { Clock } from '../storage/clock.ts'
import type { EtcdTls } from '../wal/etcd/etcd-connection.ts'
import { EtcdEndpoint } from '../wal/etcd/etcd-endpoint.ts'
import { EtcdEndpoints } from '../wal/etcd/etcd-endpoints.ts'
import { openEtcdLog } from '../wal/etcd/etcd-log.ts'
import { EtcdToken } from '../wal/etcd/etcd-token.ts'
import type { LogPlace } from '../wal/etcd/made-log.ts'
import { createEtcdLog, etcdLogExists } from '../wal/etcd/made-log.ts'
import type { TransactionLog } from '../wal/transaction-log.ts'
import { ConfigError } from './config/load.ts'
import type { Values } from './config/settings.ts'
import type { KnownLog, SharedLogs } from './ports.ts'

const endpointPattern = /^(\[[0-9a-fA-F:]+\]|[\w.-]+):[0-9]{1,5}$/

/** Waits for etcd for as long as it takes. Throws `ConfigError` when the settings make no sense, `LogCorrupt` when the log is not the one that the data come from. */
export async function openSharedLog(values: Values, clock: Clock, random: Random, known: KnownLog): Promise<TransactionLog> {
  const { endpoints, prefix } = placeOf(values, clock)
  return openEtcdLog({ endpoints, clock, random, prefix, ...known })
}

/** Throws as `openSharedLog`. */
export function sharedLogs(values: Values, clock: Clock): SharedLogs {
  return {
    exists: async () => etcdLogExists(placeOf(values, clock)),
    create: async (logId, after) => createEtcdLog(placeOf(values, clock), logId, after),
  }
}

/** Throws `ConfigError` when the settings make no sense. */
function placeOf(values: Values, clock: Clock): LogPlace {
  const addresses = values['log-endpoints'].split(/[\s,]+/).filter((address) => address !== '')
  if (addresses.length === 0) throw new ConfigError("'log etcd' needs 'log-endpoints': where etcd is, as host:port")
  const wrong = addresses.find((address) => !endpointPattern.test(address))
  if (wrong !== undefined) throw new ConfigError(`'log-endpoints': '${wrong}' is not host:port`)
  const tls = tlsOf(values)
  const token = values['log-user'] === '' ? undefined : new EtcdToken({ name: values['log-user'], password: values['log-password'] })
  const endpoints = new EtcdEndpoints(addresses.map((address) => new EtcdEndpoint({ address, clock, tls, token })))
  return { endpoints, clock, prefix: values['log-prefix'].replace(/\/+$/, '') }
}

function tlsOf(values: Values): EtcdTls | undefined {
  if (values['log-tls-ca-file'] === '') return undefined
  const certificate = fileOf(values, 'log-tls-cert-file')
  const key = fileOf(values, 'log-tls-key-file')
  return { authorities: fileOf(values, 'log-tls-ca-file') as Buffer, certificate, key }
}

function fileOf(values: Values, name: 'log-tls-ca-file' | 'log-tls-cert-file' | 'log-tls-key-file'): Buffer | undefined {
  if (values[name] === '') return undefined
  try {
    return readFileSync(values[name])
  } catch (failure) {
    throw new ConfigError(`'${name}': ${(failure as Error).message}`)
  }
}
