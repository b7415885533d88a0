/**
 * The real thing: a server under load, killed with SIGKILL again and again, always on the same data directory, with many
 * times more data than memory. MORAINE_TEST_SEED repeats the load (not its timing); MORAINE_SOAK_MINUTES goes on for longer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chance } from '../chance.ts'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine } from './processes.ts'
import { typeOf, Writer } from './writer.ts'

const soakMinutes = Number(process.env.MORAINE_SOAK_MINUTES ?? 0)
const kills = 12
const keysPerWriter = 5000
const valueBytesMax = 8000
const samplesPerWriter = 100
const memory = [
  '--maxmemory',
  '12mb',
  '--tier-cache',
  '256kb',
  '--tier-write-buffer',
  '1mb',
  '--checkpoint-log-bytes',
  '16mb',
  '--log-segment-bytes',
  '4mb',
]

describeWith([builtMoraine], 'a server that is killed under load', () => {
  const random = chance()
  const writers = Array.from({ length: 4 }, (_, i) => new Writer(`w${i}`, chance(1 + i), keysPerWriter, valueBytesMax))
  const queues = writers.flatMap((writer) => writer.queues)
  let directory: string
  let server: ServerProcess

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'moraine-kill-'))
    server = await startMoraine('--dir', directory, ...memory)
    await Promise.all(writers.map((writer) => writer.populate(server.port)))
    const client = new Redis(server.port)
    const info = await client.info('memory')
    console.log(`${await client.dbsize()} keys; ${/used_memory_human:\S+/.exec(info)?.[0]}`)
    client.disconnect()
  })

  afterAll(async () => {
    await server?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  /** Compares what the server has with what the writers know: all that is in doubt, and of the rest `samples` keys each, or all. */
  async function check(samples: number): Promise<void> {
    const client = new Redis(server.port)
    const read = async (key: string) => {
      const type = typeOf(key)
      return type === undefined ? ((await client.get(key)) ?? undefined) : type.read(client, key)
    }
    let queueKeys = 0
    try {
      for (const writer of writers) {
        await writer.reconcile(read)
        const keys = samples === Number.POSITIVE_INFINITY ? [...writer.values.keys()] : writer.sample(samples)
        for (let i = 0; i < keys.length; i += 100) {
          const some = keys.slice(i, i + 100)
          const found = await Promise.all(some.map(read))
          expect(some.map((key, j) => writer.difference(key, found[j])).filter((wrong) => wrong !== undefined)).toEqual([])
        }
        for (const queue of writer.queues) queueKeys += await queue.check(client)
      }
      expect(await client.dbsize()).toBe(writers.reduce((sum, { values }) => sum + values.size, queueKeys))
    } finally {
      client.disconnect()
    }
  }

  /** Under `everysec` a killed process loses nothing either: the system has what was acknowledged. */
  async function killAndCheck(): Promise<void> {
    await start()
    await delay(100 + (random.nextUint32() % 700))
    await server.stop('SIGKILL')
    await broken()
    const policy = random.nextUint32() % 2 === 0 ? 'always' : 'everysec'
    server = await startMoraine('--dir', directory, '--appendfsync', policy, ...memory)
    await check(samplesPerWriter)
  }

  it(`loses nothing in ${kills} kills`, { timeout: 1_200_000 }, async () => {
    const populated = acknowledged()
    for (let kill = 1; kill <= kills; kill++) {
      const before = acknowledged()
      await killAndCheck()
      const { replayed, loadMs } = server.ready
      console.log(
        `kill ${kill} of ${kills}: ${acknowledged() - before} acknowledged, ${queues.reduce((sum, { delivered }) => sum + delivered, 0)} taken, ${replayed} records replayed, ready after ${loadMs} ms`,
      )
    }
    // They were not killed before they had something to lose.
    expect(acknowledged()).toBeGreaterThan(populated)
  })

  const soak = `loses nothing in ${soakMinutes} minutes of kills`
  if (soakMinutes > 0)
    it(soak, { timeout: (soakMinutes + 5) * 60_000 }, async () => {
      const untilMs = performance.now() + soakMinutes * 60_000
      for (let kill = 1; performance.now() < untilMs; kill++) {
        await killAndCheck()
        if (kill % 10 === 0)
          console.log(`kill ${kill}: ${acknowledged()} acknowledged, ${Math.round((untilMs - performance.now()) / 1000)} s left`)
      }
    })

  it('stops in order on SIGTERM, loses nothing, and has nothing to replay', async () => {
    await start()
    await delay(300)
    process.kill(server.pid, 'SIGTERM')
    expect(await server.exited).toBe(0)
    await broken()
    await server.stop()
    server = await startMoraine('--dir', directory, ...memory)
    expect(server.ready.replayed).toBe(0)
    await check(Number.POSITIVE_INFINITY)
  })

  /** Writers write, and clients take what is pushed into queues. */
  async function start(): Promise<void> {
    await Promise.all(queues.map((queue) => queue.start(server.port)))
    await Promise.all(writers.map((writer) => writer.start(server.port)))
  }

  async function broken(): Promise<void> {
    await Promise.all([...writers, ...queues].map((each) => each.broken()))
  }

  function acknowledged(): number {
    return writers.reduce((sum, writer) => sum + writer.acknowledged, 0)
  }
})
