/**
 * Client-side caching on random sessions, on redis-server and on Moraine: clients of both protocols turn tracking on in all its ways,
 * read, change, subscribe, redirect to each other, and leave. After each request, what each client has heard is compared.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import { encodeRequest, formatInline } from '../commands/notation.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedis } from '../integration/processes.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'

const runs = testRuns(30)
const clients = ['a', 'b', 'c', 's'] as const
type Name = (typeof clients)[number]

interface Request {
  readonly client: Name
  /** Commands that are sent together, each in words; `@s` stands for the number of a client. */
  readonly commands: readonly (readonly string[])[]
}

const client = fc.constantFrom(...clients)
const key = fc.constantFrom('k1', 'k2', 'l1', 'l2')
const mode = fc.constantFrom(
  'ON',
  'ON',
  'ON NOLOOP',
  'ON OPTIN',
  'ON OPTOUT NOLOOP',
  'ON BCAST',
  'ON BCAST PREFIX k',
  'ON BCAST NOLOOP PREFIX l PREFIX k2',
  'ON REDIRECT @s',
  'ON REDIRECT @s',
  'ON REDIRECT @c NOLOOP',
  'ON BCAST REDIRECT @s PREFIX k',
  'ON BCAST OPTIN',
  'ON PREFIX k',
  'ON REDIRECT 12345678',
  'OFF',
)
const transactional = fc.oneof(
  key.map((k) => ['GET', k]),
  key.map((k) => ['SET', k, 'v']),
  fc.constant(['FLUSHALL']),
  key.map((k) => ['DEL', k]),
)
const words = fc.oneof(
  { weight: 3, arbitrary: mode.map((text) => ['CLIENT', 'TRACKING', ...text.split(' ')]) },
  { weight: 8, arbitrary: key.map((k) => ['GET', k]) },
  { weight: 2, arbitrary: fc.array(key, { minLength: 1, maxLength: 4 }).map((ks) => ['MGET', ...ks]) },
  { weight: 2, arbitrary: key.map((k) => ['STRLEN', k]) },
  { weight: 8, arbitrary: key.map((k) => ['SET', k, 'v']) },
  { weight: 2, arbitrary: key.map((k) => ['APPEND', k, 'x']) },
  { weight: 2, arbitrary: fc.array(key, { minLength: 1, maxLength: 4 }).map((ks) => ['MSET', ...ks.flatMap((k) => [k, 'v'])]) },
  { weight: 2, arbitrary: fc.array(key, { minLength: 1, maxLength: 4 }).map((ks) => ['DEL', ...ks]) },
  { weight: 1, arbitrary: fc.tuple(key, key).map(([a, b]) => ['RENAME', a, b]) },
  { weight: 1, arbitrary: fc.tuple(key, key).map(([a, b]) => ['COPY', a, b, 'REPLACE']) },
  { weight: 1, arbitrary: key.map((k) => ['EXPIRE', k, '1000']) },
  { weight: 1, arbitrary: key.map((k) => ['EVAL', "redis.call('GET', KEYS[1]) return redis.call('SET', KEYS[1], 's')", '1', k]) },
  { weight: 1, arbitrary: key.map((k) => ['EVAL_RO', "return redis.call('GET', KEYS[1])", '1', k]) },
  {
    weight: 7,
    arbitrary: fc
      .constantFrom(
        'CLIENT CACHING YES|CLIENT CACHING NO|CLIENT TRACKINGINFO|CLIENT TRACKINGINFO|FLUSHALL|FLUSHDB|SUBSCRIBE __redis__:invalidate|SUBSCRIBE x|UNSUBSCRIBE|SELECT 1|SELECT 0|LEAVE|LEAVE|HELLO 3|HELLO 2|RESET'
          .split('|')
          .map((text) => text.split(' ')),
      )
      .chain((lists) => fc.constantFrom(...lists)),
  },
)
const commands = fc.oneof(
  { weight: 9, arbitrary: words.map((one) => [one]) },
  { weight: 1, arbitrary: fc.array(transactional, { minLength: 1, maxLength: 4 }).map((some) => [['MULTI'], ...some, ['EXEC']]) },
)
const requests = fc.array(fc.record({ client, commands }), { minLength: 20, maxLength: 60, size: 'max' })
/** Each begins with most clients tracked, and one that has subscribed. */
const session: fc.Arbitrary<readonly Request[]> = fc
  .tuple(fc.array(mode, { minLength: 3, maxLength: 3 }), requests)
  .map(([modes, rest]) => [
    { client: 's', commands: [['SUBSCRIBE', '__redis__:invalidate']] },
    ...modes.map((text, i) => ({ client: clients[i] as Name, commands: [['CLIENT', 'TRACKING', ...text.split(' ')]] })),
    ...rest,
  ])

/** The name of each client: who asks for it has received all that was sent before. It ends no CLIENT CACHING. */
const barrier = 'all-that-there-was'

function isMessage(text: string): boolean {
  return /"invalidate"|__redis__:invalidate" (\[|n)|tracking-redir-broken/.test(text)
}

/** Replies in their order, then messages in any: keys of one request come in any order. */
function sorted(texts: readonly string[]): string[] {
  return [...texts.filter((text) => !isMessage(text)), ...texts.filter(isMessage).sort()]
}

/** One server's clients. A client that has left comes back when it is used again, with another number. */
class Side {
  heard = 0
  readonly #target: SocketTarget
  readonly #generations = new Map<Name, number>()
  readonly #numbers = new Map<Name, string>()

  constructor(target: SocketTarget) {
    this.#target = target
  }

  async begin(): Promise<void> {
    await this.#target.reset()
    this.#generations.clear()
    this.#numbers.clear()
    for (const name of clients) await this.#connect(name)
    await this.#ask('a', ['HELLO', '3'])
    await this.#ask('b', ['HELLO', '3'])
  }

  /** Does the request; what all clients have received then, in a form that is the same on both servers. */
  async run({ client: name, commands: given }: Request): Promise<string> {
    for (const command of given) {
      if (command[0] === 'LEAVE') {
        await this.#send(name, ['QUIT'])
        while ((await this.#target.receive(this.#connection(name))) !== 'closed');
        await this.#connect(name)
      } else await this.#send(name, command)
      if (command[0] === 'RESET') await this.#send(name, ['CLIENT', 'SETNAME', barrier])
    }
    // What is told at the end of a turn may come behind the barrier that arrived in the same turn, and before a second one.
    const heard = new Map<Name, string[]>(clients.map((each) => [each, []]))
    for (let round = 0; round < 2; round++) {
      for (const each of [name, ...clients.filter((other) => other !== name)]) heard.get(each)?.push(...(await this.#collect(each)))
    }
    return clients.map((each) => `${each}: ${sorted(heard.get(each) as string[]).join(' ')}`).join('\n')
  }

  async #connect(name: Name): Promise<void> {
    this.#generations.set(name, (this.#generations.get(name) ?? 0) + 1)
    const reply = await this.#ask(name, ['CLIENT', 'ID'])
    this.#numbers.set(name, reply.slice(1))
    await this.#ask(name, ['CLIENT', 'SETNAME', barrier])
  }

  #connection(name: Name): string {
    return `${name}${this.#generations.get(name)}`
  }

  async #send(name: Name, asked: readonly string[]): Promise<void> {
    const parts = asked.map((word) => Buffer.from(word.startsWith('@') ? (this.#numbers.get(word.slice(1) as Name) as string) : word))
    await this.#target.send(this.#connection(name), encodeRequest(parts))
  }

  async #ask(name: Name, asked: readonly string[]): Promise<string> {
    await this.#send(name, asked)
    const received = await this.#target.receive(this.#connection(name))
    return received === 'closed' ? received : formatInline(received.reply)
  }

  async #collect(name: Name): Promise<string[]> {
    await this.#send(name, ['CLIENT', 'GETNAME'])
    const texts: string[] = []
    for (;;) {
      const received = await this.#target.receive(this.#connection(name))
      if (received === 'closed') throw new Error(`${name} was closed`)
      const text = this.#named(formatInline(received.reply))
      if (text === `"${barrier}"` || text.includes("Can't execute 'client|getname'")) return texts
      if (isMessage(text)) this.heard++
      // Redis writes the null of the tracked client's protocol.
      texts.push(isMessage(text) ? text.replace(/nil/g, 'null') : text)
    }
  }

  /** Numbers of clients by their names. */
  #named(text: string): string {
    if (/"proto"/.test(text)) return 'hello'
    if (!/redirect|redir-broken/.test(text)) return text
    let named = text
    for (const [name, number] of this.#numbers) named = named.replace(new RegExp(`:${number}\\b`, 'g'), `:<${name}>`)
    return named.replace(/(redirect" (?:=> )?|redir-broken" ):[1-9]\d*/g, '$1:<gone>')
  }
}

describeWith([redisServer, builtMoraine], 'client-side caching beside redis-server', () => {
  const servers: ServerProcess[] = []
  const targets: SocketTarget[] = []
  beforeAll(async () => {
    servers.push(await startRedis(), await startMoraine('--appendfsync', 'no'))
    targets.push(new SocketTarget('redis', servers[0]?.port ?? 0), new SocketTarget('moraine', servers[1]?.port ?? 0))
  })
  afterAll(async () => {
    for (const target of targets) await target.close()
    for (const server of servers) await server.stop()
  })

  it('tells the same clients of the same keys', async () => {
    const [redis, moraine] = targets.map((target) => new Side(target)) as [Side, Side]
    const property = fc.asyncProperty(session, async (requests) => {
      await redis.begin()
      await moraine.begin()
      const asked: string[] = []
      for (const request of requests) {
        const expected = await redis.run(request)
        const found = await moraine.run(request)
        asked.push(`${request.client}> ${request.commands.map((command) => command.join(' ')).join('; ')}`)
        if (found !== expected) throw new Error(`${asked.join('\n')}\nredis-server:\n${expected}\nMoraine:\n${found}`)
      }
    })
    await fc.assert(property, { numRuns: runs })
    expect(moraine.heard).toBeGreaterThan(runs)
  })
})
