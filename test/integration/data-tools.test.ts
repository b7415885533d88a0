/** `moraine backup`, `verify-backup` and `move` as processes, on nodes with a log of their own and on nodes that share one in etcd. */
import { spawn } from 'node:child_process'
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeWith, etcdServer } from '../needs.ts'
import { ask, ClusterWriter, NodeCluster, pushed } from './node-cluster.ts'
import type { ServerProcess } from './processes.ts'
import { moraineMain, startMoraine } from './processes.ts'

interface Run {
  readonly code: number
  readonly output: string
}

let root: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'moraine-tools-'))
})

afterAll(() => rm(root, { recursive: true, force: true }))

function moraine(...words: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [moraineMain, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code: code ?? -1, output })))
}

async function expectDone(run: Promise<Run>): Promise<string> {
  const { code, output } = await run
  expect(code, output).toBe(0)
  return output
}

async function fill(node: ServerProcess): Promise<void> {
  await ask(node.port, 'EVAL', "for i = 1, 2000 do redis.call('SET', 'k' .. i, string.rep('v' .. i, 100)) end", '0')
  await ask(node.port, 'EVAL', "for i = 1, 3000 do redis.call('ZADD', 'scores', i, 'member ' .. i) end", '0')
}

/** How many transactions the pairs have seen, and which pair is not whole. */
const comparePairs = `
local total, strange = 0, ''
for at = 0, tonumber(ARGV[1]) - 1 do
  local left, right = redis.call('GET', 'left:' .. at), redis.call('LINDEX', 'right:' .. at, -1)
  if left ~= right then strange = strange .. at .. ' ' end
  total = total + redis.call('LLEN', 'right:' .. at)
end
if total ~= tonumber(redis.call('GET', 'transactions') or 0) then strange = strange .. 'transactions' end
return {total, strange}`

describe('a backup of a node with a log of its own', () => {
  let node: ServerProcess

  beforeAll(async () => {
    node = await startMoraine('--requirepass', '')
    await fill(node)
  })

  afterAll(() => node.stop())

  it('is taken while the node serves, verified, and served', async () => {
    const directory = join(root, 'backup')
    const from = `127.0.0.1:${node.port}`
    const digest = await ask(node.port, 'DEBUG', 'DIGEST')
    const output = await expectDone(moraine('backup', '--from', from, '--verify', directory))
    expect(output).toContain(`${digest}`)
    await ask(node.port, 'SET', 'k1', 'changed since')
    expect(await moraine('backup', '--from', from, directory)).toMatchObject({ code: 1, output: expect.stringContaining('is not empty') })
    const restored = await startMoraine('--dir', directory)
    expect(await ask(restored.port, 'DEBUG', 'DIGEST')).toBe(digest)
    await ask(restored.port, 'SET', 'new', 'x')
    await restored.stop('SIGKILL')
    const again = await startMoraine('--dir', directory)
    expect(await ask(again.port, 'GET', 'new')).toBe('x')
    await again.stop('SIGTERM')
  })

  it('has each transaction whole or not at all, that ran while it was made', async () => {
    const directory = join(root, 'beside-writes')
    const pairs = 5000
    const writer = new Redis({ port: node.port, host: '127.0.0.1' })
    let isOver = false
    let n = 0
    const write = async (): Promise<void> => {
      while (!isOver) {
        const at = (++n * 7919) % pairs
        await writer.multi().set(`left:${at}`, n).rpush(`right:${at}`, n).incr('transactions').exec()
      }
    }
    const writing = Promise.all(Array.from({ length: 20 }, write))
    try {
      await expectDone(moraine('backup', '--from', `127.0.0.1:${node.port}`, directory))
    } finally {
      isOver = true
      await writing
      writer.disconnect()
    }
    const restored = await startMoraine('--dir', directory)
    const [total, strange] = (await ask(restored.port, 'EVAL', comparePairs, '0', `${pairs}`)) as [number, string]
    await restored.stop('SIGTERM')
    expect(total).toBeGreaterThan(0)
    expect(strange).toBe('')
  })

  it('is found to be damaged when a byte of a value, or of the catalog, has changed', async () => {
    const directory = join(root, 'rotten')
    await expectDone(moraine('backup', '--from', `127.0.0.1:${node.port}`, directory))
    const before = await expectDone(moraine('verify-backup', directory))
    expect(await expectDone(moraine('verify-backup', directory))).toContain(/"?digest"?[^0-9a-f]+([0-9a-f]{40})/.exec(before)![1]!)
    await flip(await largest(join(directory, 'cold')))
    const { code, output } = await moraine('verify-backup', directory)
    expect(code, output).toBe(1)
    await rm(directory, { recursive: true })
    await expectDone(moraine('backup', '--from', `127.0.0.1:${node.port}`, directory))
    await flip(join(directory, (await readdir(directory)).find((name) => name.startsWith('catalog-'))!))
    expect(await moraine('verify-backup', directory)).toMatchObject({ code: 1, output: expect.stringContaining('catalog-') })
    expect(await readdir(root)).not.toContain('rotten.rehearsal')
  })

  it.each([
    ['nothing', ''],
    ['an error', '-ERR unknown command\r\n'],
    ['no copy', '*2\r\n:1\r\n:2\r\n'],
    ['no values', '*5\r\n:1\r\n:1\r\n:5\r\n:100\r\n:100\r\n*1\r\n:1\r\n'],
    ['a foreign catalog', `*5\r\n:1\r\n:1\r\n:5\r\n:100\r\n:100\r\n*0\r\n$100\r\n${'x'.repeat(100)}\r\n`],
    ['too much of a catalog', `*5\r\n:1\r\n:1\r\n:5\r\n:10\r\n:100\r\n*0\r\n$100\r\n${'x'.repeat(100)}\r\n`],
  ])('refuses a node that answers with %s, and leaves nothing', async (_, answers) => {
    const replies = answers.split(/(?<=\r\n)(?=\*0|\*1\r|\$)/)
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', () => {
        const reply = replies.shift() ?? ''
        if (reply === '') socket.end()
        else socket.write(reply)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const { code, output } = await moraine('backup', '--from', `127.0.0.1:${port}`, join(root, 'foreign'))
    server.close()
    expect(code, output).toBe(1)
    expect((await readdir(root)).filter((name) => name.startsWith('foreign'))).toEqual([])
  })
})

describeWith([etcdServer], 'nodes that share a log', () => {
  let cluster: NodeCluster

  beforeAll(async () => {
    // A primary that a busy machine holds up stays the primary, as the tests take for granted.
    cluster = await NodeCluster.start('--leader-lease-ms', '8000')
  })

  afterAll(() => cluster?.stop())

  const settings = (): string[] => ['--log-endpoints', cluster.etcd.addresses.join(',')]

  it('are backed up from a replica while they are written to, and the log after the backup meets its running checksum', async () => {
    const primary = await cluster.primary()
    await fill(cluster.node(primary))
    const writer = new ClusterWriter(cluster)
    await writer.more(50)
    const directory = join(root, 'of-replica')
    const output = await expectDone(moraine('backup', '--from', `127.0.0.1:${cluster.node(primary).port}`, '--from-replica', directory))
    expect(output).not.toContain(`127.0.0.1:${cluster.node(primary).port}`)
    await writer.more(50)
    await writer.stop()
    let verified = ''
    const compared = async (): Promise<number> => {
      verified = await expectDone(moraine('verify-backup', directory, ...settings()))
      const [lsn, comparedLsn] = ['"lsn', 'comparedLsn'].map((name) => Number(new RegExp(`${name}\\D+([0-9]+)`).exec(verified)![1]))
      expect(lsn).toBeGreaterThan(100)
      return comparedLsn! - lsn!
    }
    // It does not wait for long for a primary that is held up and tells no checksum.
    await expect.poll(compared).toBe(0)
    expect(verified).toContain(`${await ask(cluster.node(primary).port, 'DEBUG', 'DIGEST')}`)
    // What it holds by itself is older.
    expect(await expectDone(moraine('verify-backup', directory))).not.toContain(
      `${await ask(cluster.node(primary).port, 'DEBUG', 'DIGEST')}`,
    )
  })

  it('become one node with a log of its own, and again several, with all data', async () => {
    const directory = cluster.directory(await cluster.primary())
    const before = await pushed(cluster)
    const digest = await ask(cluster.node(await cluster.primary()).port, 'DEBUG', 'DIGEST')
    expect(await moraine('move', '--dir', cluster.directory(0), '--to', 'local', ...settings())).toMatchObject({ code: 1 })
    for (const index of [0, 1, 2]) await cluster.end(index)
    await expectDone(moraine('move', '--dir', directory, '--to', 'local', ...settings()))
    await expectDone(moraine('move', '--dir', directory, '--to', 'local', ...settings()))
    const alone = await startMoraine('--dir', directory)
    expect(await ask(alone.port, 'DEBUG', 'DIGEST')).toBe(digest)
    await ask(alone.port, 'RPUSH', 'pushed', 'alone')
    await alone.stop('SIGKILL')
    const first = [0, 1, 2].find((index) => cluster.directory(index) === directory)!
    await expect(cluster.startNode(first)).rejects.toThrow('has a log of its own')
    await expectDone(moraine('move', '--dir', directory, '--to', 'etcd', ...settings()))
    expect(await moraine('move', '--dir', directory, '--to', 'etcd', ...settings())).toMatchObject({ code: 0 })
    await cluster.startNode(first)
    for (const index of [0, 1, 2]) if (index !== first) await cluster.startNode(index)
    await cluster.areEqual()
    const after = (await cluster.askPrimary('LRANGE', 'pushed', '0', '-1')) as string[]
    expect(after).toEqual([...before.map(String), 'alone'])
  })
})

async function largest(directory: string): Promise<string> {
  const sizes = await Promise.all((await readdir(directory)).map(async (name) => [(await stat(join(directory, name))).size, name] as const))
  return join(directory, sizes.sort(([a], [b]) => b - a)[0]![1])
}

/** Changes a byte in the middle. */
async function flip(path: string): Promise<void> {
  const file = await open(path, 'r+')
  const at = Math.floor((await file.stat()).size / 2)
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0]! ^= 0xff
  await file.write(byte, 0, 1, at)
  await file.close()
}
