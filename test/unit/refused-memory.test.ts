/** The system gives no memory: the request that needs it fails alone, and nothing of it happens, in memory or in the log. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ChunkPool } from '../../engine/chunk-pool.ts'
import { RequestParser } from '../../server/resp/request-parser.ts'
import { Scene } from '../simulation/scene.ts'

const oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
const RealArrayBuffer = ArrayBuffer
const realAllocate = Buffer.allocUnsafeSlow
const text = (length: number): string => 'v'.repeat(length)

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

function refusal(): RangeError {
  return new RangeError('Array buffer allocation failed')
}

/** From now on the system refuses pieces of at least so many bytes, after it has granted `granted` of them. */
function refuse(bytes: number, granted = 0): void {
  let left = granted
  vi.stubGlobal(
    'ArrayBuffer',
    class extends RealArrayBuffer {
      constructor(length: number) {
        if (length >= bytes && left-- <= 0) throw refusal()
        super(length)
      }
    },
  )
}

/** As `refuse` for the memory that requests arrive in. */
function refuseRequests(bytes: number): void {
  vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((size) => {
    if (size >= bytes) throw refusal()
    return Buffer.alloc(size)
  })
}

async function begin(seed: number, ...requests: string[][]) {
  const scene = new Scene(seed)
  await scene.startUnobserved()
  const client = await scene.plainClient()
  for (const request of requests) await client.ask(...request)
  return { scene, client }
}

describe('a command that the system gives no memory for', () => {
  it.each<[string, string[][], string[]]>([
    ['SETBIT on a missing key', [], ['SETBIT', 'k', '8000000', '1']],
    ['SETRANGE on a missing key', [], ['SETRANGE', 'k', '1000000', 'x']],
    ['BITFIELD on a missing key', [], ['BITFIELD', 'k', 'SET', 'u8', '8000000', '1']],
    ['SETBIT behind the end', [['SET', 'k', 'old']], ['SETBIT', 'k', '8000000', '1']],
    ['BITFIELD behind the end', [['SET', 'k', 'old']], ['BITFIELD', 'k', 'GET', 'u8', '0', 'SET', 'u8', '8000000', '1']],
    ['APPEND', [['SETRANGE', 'k', '900000', 'x']], ['APPEND', 'k', text(200_000)]],
    ['COPY', [['SETRANGE', 'k', '900000', 'x']], ['COPY', 'k', 'other']],
    ['BITOP', [['SETRANGE', 'k', '900000', 'x']], ['BITOP', 'NOT', 'other', 'k']],
  ])('%s: changes and records nothing', async (_, before, request) => {
    const { scene, client } = await begin(1, ...before)
    const { primary, stats } = scene.server
    const { keyspace, log } = primary
    const contents = await client.ask('GET', 'k')
    const found = { size: keyspace.size, reserved: keyspace.arena.activeBytes, appended: log.appended, errors: stats.errors }
    refuse(500_000)
    expect(await client.ask(...request)).toBe(oom)
    expect(await client.ask('GET', 'k')).toBe(contents)
    expect(keyspace.size).toBe(found.size)
    expect(keyspace.arena.activeBytes).toBe(found.reserved)
    expect(log.appended).toBe(found.appended)
    expect(stats.errors).toBe(found.errors + 1)
    vi.unstubAllGlobals()
    expect(await client.ask(...request)).not.toBe(oom)
    expect(log.appended).toBe(found.appended + 1)
  })

  it('deletes the expired key that it met, and no more', async () => {
    const { scene, client } = await begin(2, ['SET', 'k', 'old', 'PX', '5'])
    await scene.pass(10)
    const { keyspace, log } = scene.server.primary
    const { appended } = log
    refuse(500_000)
    expect(await client.ask('SETBIT', 'k', '8000000', '1')).toBe(oom)
    expect(keyspace.size).toBe(0)
    expect(log.appended).toBe(appended + 1)
    vi.unstubAllGlobals()
    scene.machine.crash()
    await scene.startUnobserved()
    expect(scene.server.primary.keyspace.size).toBe(0)
  })

  it('MSET: sets all keys or none', async () => {
    const { scene, client } = await begin(3, ['SET', 'a', 'old'])
    const { keyspace, log } = scene.server.primary
    const { appended } = log
    refuse(300_000, 1)
    expect(await client.ask('MSET', 'a', text(300_000), 'b', text(300_000), 'c', text(300_000))).toBe(oom)
    expect(await client.ask('MGET', 'a', 'b', 'c')).toBe('*3\r\n$3\r\nold\r\n$-1\r\n$-1\r\n')
    expect(keyspace.size).toBe(1)
    expect(log.appended).toBe(appended)
  })

  it('HSET: finds out before anything is recorded', async () => {
    const { scene, client } = await begin(4, ['HSET', 'h', 'f', 'old'])
    const { log } = scene.server.primary
    const { appended } = log
    refuse(9_000_000)
    expect(await client.ask('HSET', 'h', 'f', text(8_500_000))).toBe(oom)
    expect(await client.ask('HGETALL', 'h')).toBe('*2\r\n$1\r\nf\r\n$3\r\nold\r\n')
    expect(log.appended).toBe(appended)
  })

  it('fails alone within EXEC', async () => {
    const { scene, client } = await begin(5, ['SET', 'a', '0'])
    const { log } = scene.server.primary
    await client.ask('MULTI')
    for (const request of [
      ['SET', 'a', '1'],
      ['SETBIT', 'k', '8000000', '1'],
      ['SET', 'b', '2'],
    ])
      await client.ask(...request)
    refuse(500_000)
    expect(await client.ask('EXEC')).toBe(`*3\r\n+OK\r\n${oom}+OK\r\n`)
    expect(log.appended).toBe(2)
    vi.unstubAllGlobals()
    scene.machine.crash()
    await scene.startUnobserved()
    const after = await scene.plainClient()
    expect(await after.ask('MGET', 'a', 'k', 'b')).toBe('*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n')
  })

  it('does not begin when the keyspace could not grow by a region', async () => {
    const { scene, client } = await begin(6)
    refuse(1)
    expect(await client.ask('SET', 'k', 'v')).toBe(oom)
    expect(scene.server.primary.log.appended).toBe(0)
    vi.unstubAllGlobals()
    expect(await client.ask('SET', 'k', 'v')).toBe('+OK\r\n')
  })

  it('ends the process when a change may be half-done', async () => {
    const { scene } = await begin(7)
    const { primary, commands, sessions } = scene.server
    const [session] = sessions.values()
    const command = commands.all.find(({ name }) => name === 'set')
    vi.spyOn(primary.keyspace, 'insert').mockImplementation(() => {
      throw refusal()
    })
    const { Arguments } = await import('../../engine/arguments.ts')
    expect(() => primary.run(command as never, Arguments.of('SET', 'k', 'v'), (session as never as { reply: never }).reply, 0)).toThrow(
      'Array buffer allocation failed',
    )
  })
})

describe('a request that the system gives no memory for', () => {
  it('closes its client, and nobody else', async () => {
    const { scene, client } = await begin(8)
    const other = await scene.plainClient()
    const warned = vi.spyOn(scene.server.log, 'warn')
    const asked = client.ask('SET', 'k', text(2_000_000))
    refuseRequests(1_000_000)
    expect(await asked).toBe('closed')
    expect(warned).toHaveBeenCalledTimes(1)
    expect(await other.ask('EXISTS', 'k')).toBe(':0\r\n')
    expect(scene.server.sessions.size).toBe(1)
    vi.restoreAllMocks()
    expect(await other.ask('SET', 'k', text(2_000_000))).toBe('+OK\r\n')
  })

  it('leaves no memory counted, wherever it is refused', () => {
    const bytes = Buffer.from(
      `*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000\r\n${text(3000)}\r\n$9000\r\n${text(9000)}\r\n*1\r\n$4\r\nPING\r\n`.repeat(2),
    )
    let refused = 0
    for (let allowed = 0; allowed < 12; allowed++) {
      const pool = new ChunkPool()
      const parser = new RequestParser(pool, { bulkBytesMax: 1 << 29, queryBytesMax: 1 << 30, largeBulkBytes: 500 })
      let left = allowed
      const spy = vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((size) => {
        if (left-- <= 0) throw refusal()
        return realAllocate(size)
      })
      for (let at = 0; at < bytes.length && !parser.lacksMemory; at += 700) {
        parser.feed(bytes, at, Math.min(at + 700, bytes.length))
        while (parser.next() === 'request');
        parser.retain(false)
      }
      spy.mockRestore()
      if (!parser.lacksMemory) continue
      refused++
      expect(parser.next()).toBe('failure')
      expect(parser.failure).toBe('')
      expect(pool.usedBytes).toBe(0)
    }
    expect(refused).toBeGreaterThan(5)
    expect(refused).toBeLessThan(12)
  })
})
