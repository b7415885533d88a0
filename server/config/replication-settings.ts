/** Settings of a server that shares its log with others: where the log is, how a node leads, and how clients find the one that does. */
import { int64Max } from '../../engine/integer.ts'
import type { Setting } from './setting.ts'
import { choice, int32Max, integer, memory, Refused, text, yesNo } from './setting.ts'

const hostnameLengthMax = 255

function hostname(summary: string): Setting<string> {
  const kind = text('', summary)
  return {
    ...kind,
    parse: ([word = '']) => {
      if (word.length > hostnameLengthMax) throw new Refused('Hostnames must be less than 256 characters')
      if (!/^[A-Za-z0-9.-]*$/.test(word)) throw new Refused('Hostnames may only contain alphanumeric characters, hyphens or dots')
      return word
    },
  }
}

const atStart = { when: 'start' } as const

export const replicationSettings = {
  log: choice(
    ['local', 'etcd'],
    'local',
    "Where a write has to be before it is acknowledged: on this machine's disk, or in an etcd cluster that several nodes share.",
    atStart,
  ),
  'log-endpoints': text('', 'Members of the etcd cluster, as `host:port`, separated by commas or blanks.', atStart),
  'log-prefix': text('/moraine/shard', 'Under which keys the log lies in etcd. Nodes with the same prefix are one shard.', atStart),
  'log-user': text('', "User of etcd; empty if it doesn't ask for one.", atStart),
  'log-password': text('', 'Password of that user.', atStart),
  'log-tls-ca-file': text(
    '',
    'Certificates of the authorities that vouch for etcd, in PEM format; empty for connections without TLS.',
    atStart,
  ),
  'log-tls-cert-file': text('', 'Certificate with which this node shows etcd who it is, in PEM format.', atStart),
  'log-tls-key-file': text('', 'Key of that certificate.', atStart),
  'leader-lease-ms': integer(
    2000,
    100n,
    int32Max,
    'Milliseconds for which a primary may answer after the log has last heard it; other nodes wait longer than that before one of them takes its place.',
    atStart,
  ),
  'log-trim-copies': integer(
    2,
    1n,
    100n,
    'A shared log keeps every record until so many nodes hold what it did in a checkpoint of their own.',
  ),
  'log-retain-bytes': memory(
    1024 * 1024 * 1024,
    1024n * 1024n,
    int64Max,
    'Bytes up to which a shared log is kept for a node that is behind; one that needs older records starts again from a copy.',
  ),
  'replica-announce-ip': text('', 'Address at which clients and other nodes reach this node; empty for the one that it listens on.', {
    aliases: ['slave-announce-ip'],
  }),
  'replica-announce-port': integer(
    0,
    0n,
    65535n,
    'Port at which clients and other nodes reach this node; 0 for the one that it listens on.',
    {
      aliases: ['slave-announce-port'],
    },
  ),
  'sentinel-master-name': text('mymaster', 'Name under which SENTINEL knows the shard.', atStart),
  'cluster-enabled': yesNo(
    false,
    'Whether nodes answer clients of a cluster: CLUSTER, MOVED to the primary, READONLY, and CROSSSLOT. The shard has all slots.',
    atStart,
  ),
  'cluster-announce-ip': text('', 'Address that takes the place of `replica-announce-ip` with `cluster-enabled`.'),
  'cluster-announce-hostname': hostname('Name of this node that clients of a cluster are told beside its address; empty for none.'),
  'cluster-preferred-endpoint-type': choice(
    ['ip', 'hostname', 'unknown-endpoint'],
    'ip',
    'Where clients of a cluster are sent: to the announced address, to the announced name, or to the address that they have used.',
  ),
  'cluster-announce-port': integer(0, 0n, 65535n, 'Port that takes the place of `replica-announce-port` with `cluster-enabled`.'),
}
