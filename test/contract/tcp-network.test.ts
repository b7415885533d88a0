import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
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

it('takes over the path of a process that was killed, not of one that listens, with the permissions wanted', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-network-'))
  const path = join(directory, 'socket')
  const network = new TcpNetwork()
  try {
    const other = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('listens'))`,
    ])
    await once(other.stdout, 'data')
    await expect(network.listen({ path }, () => undefined)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    other.kill('SIGKILL')
    await once(other, 'exit')
    const port = await network.listen({ path, mode: 0o600 }, (pipe) => pipe.destroy())
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    ;(await network.connect({ path })).destroy()
    await port.close()
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
