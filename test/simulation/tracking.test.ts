/** Clients that keep copies of what they have read, and are told to forget them: never too late, and never of what could still be lost. */
import { describe, expect, it } from 'vitest'
import { evictOne } from '../../engine/eviction.ts'
import { testRuns } from '../chance.ts'
import { runSession } from '../sessions.ts'
import type { PlainClient } from './scene.ts'
import { Scene } from './scene.ts'
import type { SeededRandom } from './seeded-random.ts'

const keys = ['k1', 'k2', 'k3', 'other'] as const
/** A piece of bytes takes a millisecond at most; reading the clock costs a little, too. */
const arrivedMs = 3
const counterScript = "for _, key in ipairs(KEYS) do redis.call('INCR', key) end return {redis.call('GET', KEYS[1])}"

/** A client with a cache of counters. It asks for one thing at a time, and checks whatever it hears. */
class CachingClient {
  readonly cache = new Map<string, number>()
  heard = 0
  /** What was forgotten: the counter must have risen since. */
  readonly forgotten = new Map<string, number>()
  readonly #client: PlainClient
  #broadcasts = false
  #asked: string | undefined
  #skips = 0

  constructor(client: PlainClient) {
    this.#client = client
  }

  get isIdle(): boolean {
    return this.#asked === undefined
  }

  async begin(words: readonly string[]): Promise<void> {
    this.#broadcasts = words.includes('BCAST')
    await this.#client.ask('HELLO', '3')
    expect(await this.#client.ask('CLIENT', 'TRACKING', 'ON', ...words)).toBe('+OK\r\n')
  }

  /** `before`: commands whose replies mean nothing. */
  get(key: string, before: readonly string[][] = [], around: 'alone' | 'transaction' | 'script' = 'alone'): void {
    this.#asked = key
    if (around === 'transaction') {
      this.#skips = before.length + 2
      this.#client.sendTogether(...before, ['MULTI'], ['GET', key], ['EXEC'])
    } else {
      this.#skips = before.length
      this.#client.sendTogether(...before, around === 'alone' ? ['GET', key] : ['EVAL', "return redis.call('GET', ARGV[1])", '0', key])
    }
  }

  async hear(): Promise<void> {
    while (this.#client.hasReply) {
      const raw = await this.#client.receive()
      if (raw.startsWith('>')) this.#forget(raw)
      else if (this.#skips > 0) this.#skips--
      else this.#remember(raw)
    }
  }

  /** What is read after it was to be forgotten is newer; with BCAST, which tells what has changed in a turn, it may have been read in that turn. */
  expectNewer(key: string, counter: number, before: number): void {
    expect([key, this.#broadcasts ? counter >= before : counter > before]).toEqual([key, true])
  }

  #forget(raw: string): void {
    const words = raw.split('\r\n')
    expect(words.slice(0, 3)).toEqual(['>2', '$10', 'invalidate'])
    for (let i = 5; i < words.length; i += 2) {
      const key = words[i] as string
      this.heard++
      const known = this.cache.get(key)
      if (known !== undefined) this.forgotten.set(key, known)
      this.cache.delete(key)
    }
  }

  #remember(raw: string): void {
    const key = this.#asked as string
    this.#asked = undefined
    const counter = Number(/(\d+)\r\n$/.exec(raw)?.[1] ?? 0)
    const before = this.forgotten.get(key)
    if (before !== undefined) this.expectNewer(key, counter, before)
    this.forgotten.delete(key)
    this.cache.set(key, counter)
  }
}

/** A client that counts up, and notes what was acknowledged. */
class Writer {
  readonly #client: PlainClient
  readonly #asked: (readonly string[])[] = []

  constructor(client: PlainClient) {
    this.#client = client
  }

  write(random: SeededRandom): void {
    const [one, two] = [keys[random.nextUint32() % keys.length] as string, keys[random.nextUint32() % keys.length] as string]
    const way = random.nextUint32() % 4
    if (way === 0) this.#client.send('INCR', one)
    else if (way === 1) this.#client.send('EVAL', counterScript, '1', one)
    else if (way === 2) this.#client.send('INCRBY', one, '1')
    else this.#client.sendTogether(['MULTI'], ['INCR', one], ['INCR', two], ['EXEC'])
    if (way === 3) this.#asked.push([], [], [], [one, two])
    else this.#asked.push([one])
  }

  async hear(acknowledged: (key: string, counter: number) => void): Promise<void> {
    while (this.#client.hasReply) {
      const raw = await this.#client.receive()
      const counters = [...raw.matchAll(/(?:^|\n):?(\d+)\r/g)].map((match) => Number(match[1]))
      for (const [i, key] of (this.#asked.shift() ?? []).entries()) acknowledged(key, counters[i] as number)
    }
  }
}

interface Acknowledged {
  readonly key: string
  readonly counter: number
  readonly ms: number
}

async function session(steps: Iterable<SeededRandom>, tell: (line: string) => void): Promise<{ heard: number; cached: number }> {
  const scene = new Scene(1, { config: { appendfsync: 'always' }, diskMsMax: 30 })
  await scene.startUnobserved()
  const readers = [
    { client: new CachingClient(await scene.plainClient()), words: [] },
    { client: new CachingClient(await scene.plainClient()), words: ['NOLOOP'] },
    { client: new CachingClient(await scene.plainClient()), words: ['OPTIN'] },
    { client: new CachingClient(await scene.plainClient()), words: ['BCAST'] },
    { client: new CachingClient(await scene.plainClient()), words: ['BCAST', 'PREFIX', 'k', 'PREFIX', 'oth'] },
  ]
  for (const { client, words } of readers) await client.begin(words)
  const writers = [new Writer(await scene.plainClient()), new Writer(await scene.plainClient())]
  let acknowledged: Acknowledged[] = []
  let cached = 0

  const hearAll = async (): Promise<void> => {
    for (const writer of writers) {
      await writer.hear((key, counter) => acknowledged.push({ key, counter, ms: scene.loop.nowMs }))
    }
    for (const { client } of readers) await client.hear()
    const old = acknowledged.filter(({ ms }) => ms + arrivedMs <= scene.loop.nowMs)
    for (const { client, words } of readers) {
      for (const { key, counter } of old) {
        const copy = client.cache.get(key)
        if (copy === undefined) continue
        cached++
        if (copy < counter) throw new Error(`${words.join(' ')}: ${key} is ${counter} or more, and the copy says ${copy}`)
      }
    }
    acknowledged = acknowledged.slice(-200)
  }

  for (const random of steps) {
    const action = random.nextUint32() % 10
    if (action < 3) {
      tell('write')
      ;(writers[random.nextUint32() % writers.length] as Writer).write(random)
    } else if (action < 8) {
      const { client, words } = readers[random.nextUint32() % readers.length] as (typeof readers)[number]
      const key = keys[random.nextUint32() % keys.length] as string
      const around = (['alone', 'alone', 'transaction', 'script'] as const)[random.nextUint32() % 4] as 'alone'
      if (client.isIdle) {
        tell(`${words.join(' ')} reads ${key} ${around}`)
        client.get(key, words[0] === 'OPTIN' ? [['CLIENT', 'CACHING', 'YES']] : [], around)
      }
    } else {
      await scene.pass(random.nextUint32() % 12)
      await hearAll()
    }
  }
  await scene.pass(200)
  await hearAll()
  // The power goes while writes are under way: whoever was told to forget finds something newer afterwards.
  for (let i = 0; i < 20; i++) (writers[i % 2] as Writer).write({ nextUint32: () => i } as SeededRandom)
  await scene.pass(4)
  await hearAll()
  scene.machine.crash()
  await scene.startUnobserved()
  const again = await scene.plainClient()
  for (const { client } of readers) {
    for (const [key, before] of client.forgotten) {
      client.expectNewer(key, Number((await again.ask('GET', key)).split('\r\n')[1]), before)
    }
  }
  return { heard: readers.reduce((sum, { client }) => sum + client.heard, 0), cached }
}

describe('copies that clients keep', () => {
  it('are never older than what was acknowledged, and are not forgotten for writes that a crash undoes', async () => {
    let heard = 0
    let cached = 0
    for (let run = 1; run <= testRuns(4); run++) {
      const result = await runSession({ steps: 400, stream: 700 + run }, session)
      heard += result.heard
      cached += result.cached
    }
    expect(heard).toBeGreaterThan(testRuns(4) * 50)
    expect(cached).toBeGreaterThan(testRuns(4) * 100)
  })

  it('stay when the value goes to disk and comes back', async () => {
    const scene = new Scene(2, { config: { 'tier-cool-start-percent': 0, 'tier-drop-percent': 0, 'tier-min-value-size': 0 } })
    await scene.startUnobserved()
    const [reader, writer] = [await scene.plainClient(), await scene.plainClient()]
    await reader.ask('HELLO', '3')
    await reader.ask('CLIENT', 'TRACKING', 'ON')
    await writer.ask('SET', 'k', 'v'.repeat(1000))
    await reader.ask('GET', 'k')
    await scene.checkpoint()
    const { tier, keyspace } = scene.server.primary
    while (tier.demoteOne() >= 0) await scene.pass(1)
    expect(keyspace.coldCount).toBe(1)
    expect(await writer.ask('STRLEN', 'k')).toBe(':1000\r\n')
    expect(await writer.ask('GETRANGE', 'k', '0', '1')).toBe('$2\r\nvv\r\n')
    await scene.pass(20)
    expect(reader.hasReply).toBe(false)
    await writer.ask('APPEND', 'k', 'x')
    expect(await reader.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
  })

  it('are forgotten when the value is deleted for memory, and when its time has come', async () => {
    const scene = new Scene(3, { config: { 'maxmemory-policy': 'allkeys-random' } })
    await scene.startUnobserved()
    const [reader, writer] = [await scene.plainClient(), await scene.plainClient()]
    await reader.ask('HELLO', '3')
    await reader.ask('CLIENT', 'TRACKING', 'ON')
    await writer.ask('SET', 'k', 'v', 'PX', '50')
    await reader.ask('GET', 'k')
    expect(await reader.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
    expect(await writer.ask('EXISTS', 'k')).toBe(':0\r\n')
    await writer.ask('SET', 'k', 'v')
    await reader.ask('GET', 'k')
    scene.server.primary.change((x) => evictOne(x, 'allkeys-random', 5))
    scene.server.turn.schedule()
    expect(await reader.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
  })

  it('are forgotten all together when the data are read again', async () => {
    const scene = new Scene(4, { config: { 'enable-debug-command': 'yes' } })
    await scene.startUnobserved()
    const [reader, writer] = [await scene.plainClient(), await scene.plainClient()]
    await reader.ask('HELLO', '3')
    await reader.ask('CLIENT', 'TRACKING', 'ON')
    await reader.ask('GET', 'k')
    await writer.ask('DEBUG', 'RELOAD')
    expect(await reader.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n_\r\n')
    await reader.ask('GET', 'k')
    await writer.ask('SET', 'k', '1')
    expect(await reader.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
    await writer.ask('CONFIG', 'SET', 'appendonly', 'no')
    expect(await reader.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n_\r\n')
    await reader.ask('GET', 'k')
    await writer.ask('SET', 'k', '2')
    expect(await reader.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
  })

  it('of what a script changes that takes long are forgotten at its end, behind its own reply', async () => {
    const scene = new Scene(5, { config: { 'busy-reply-threshold': 1 } })
    await scene.startUnobserved()
    const [reader, caller] = [await scene.plainClient(), await scene.plainClient()]
    for (const client of [reader, caller]) {
      await client.ask('HELLO', '3')
      await client.ask('CLIENT', 'TRACKING', 'ON')
    }
    const prefixed = await scene.plainClient()
    await prefixed.ask('HELLO', '3')
    await prefixed.ask('CLIENT', 'TRACKING', 'ON', 'BCAST')
    await reader.ask('GET', 'k')
    caller.send('EVAL', "redis.call('GET', 'k') redis.call('SET', 'k', 1) for i = 1, 5e7 do end return 1", '0')
    await scene.pass(2)
    expect(await reader.ask('GET', 'k')).toMatch(/^-BUSY/)
    expect([reader.hasReply, prefixed.hasReply]).toEqual([false, false])
    expect(await caller.receive()).toBe(':1\r\n')
    for (const client of [reader, caller, prefixed]) expect(await client.receive()).toBe('>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
  })

  it('are counted in the memory of the server, and cost nothing once nobody keeps any', async () => {
    const scene = new Scene(6)
    await scene.startUnobserved()
    const client = await scene.plainClient()
    const { tracking, primary } = scene.server
    await client.ask('HELLO', '3')
    expect(primary.mutator.interest.active).toBe(0)
    await client.ask('CLIENT', 'TRACKING', 'ON')
    const before = scene.server.shard?.budget.measure() ?? 0
    for (let i = 0; i < 100; i++) await client.ask('MGET', ...Array.from({ length: 500 }, (_, j) => `key:${i}:${j}`))
    expect([tracking.keys, tracking.items]).toEqual([50_000, 50_000])
    expect(tracking.bytes).toBeGreaterThan(50_000 * 30)
    expect((scene.server.shard?.budget.measure() ?? 0) - before).toBeGreaterThan(50_000 * 30)
    client.leave()
    await scene.pass(10)
    expect([tracking.isActive, tracking.keys, tracking.bytes, primary.mutator.interest.active]).toEqual([false, 0, 0, 0])
  })
})
