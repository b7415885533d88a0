import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TcpNetwork } from '../../server/network/tcp-network.ts'
import { networkSuite } from './network.ts'

networkSuite('TCP', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-network-'))
  return {
    network: new TcpNetwork(),
    host: '127.0.0.1',
    path: join(directory, 'socket'),
    stop: () => rm(directory, { recursive: true, force: true }),
  }
})
