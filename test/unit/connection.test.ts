import { describe, expect, it } from 'vitest'
import type { Arguments } from '../../engine/arguments.ts'
import { ChunkPool } from '../../engine/chunk-pool.ts'
import type { SharedRange } from '../../engine/output-buffer.ts'
import type { ConnectionHost, RequestHandler, RequestOutcome } from '../../server/network/connection.ts'
import { Connection } from '../../server/network/connection.ts'
import { defaultLimits } from '../../server/network/listener.ts'
import type { Pipe, PipeOwner } from '../../server/network/network.ts'
import { Turn } from '../../server/network/turn.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

/** A pipe whose other side is the test. */
class TestPipe implements Pipe {
  readonly remoteAddress = 'client:1'
  readonly localAddress = 'server:2'
  /** Whether the system takes writes at once. */
  taking = true
  pendingBytes = 0
  paused = false
  ended = false
  destroyed = false
  readonly writes: string[] = []
  #owner: PipeOwner | undefined
  #untaken: readonly Uint8Array[] = []

  start(owner: PipeOwner): void {
    this.#owner = owner
  }

  write(views: readonly Uint8Array[]): boolean {
    if (this.taking) {
      this.writes.push(Buffer.concat(views).toString())
      return true
    }
    this.#untaken = [...views]
    this.pendingBytes = views.reduce((sum, view) => sum + view.length, 0)
    return false
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  end(): void {
    this.ended = true
  }

  destroy(): void {
    this.destroyed = true
  }

  /** The client sends. */
  deliver(text: string): void {
    const lent = Buffer.from(text)
    this.#owner?.onData(lent, 0, lent.length)
    lent.fill(0)
  }

  /** The client reads what the system had not taken. */
  drain(): void {
    this.writes.push(Buffer.concat(this.#untaken).toString())
    this.pendingBytes = 0
    this.#owner?.onDrain()
  }

  finish(): void {
    this.#owner?.onEnd()
  }
}

/** Answers each request with its words; `W` writes (a new LSN, held), `R` reads what `W` wrote, `PAUSE` waits, `BIG n` is long. */
class TestHandler implements RequestHandler {
  appended = 0
  closes = 0
  readonly seen: string[] = []
  waitingArgs: Arguments | undefined
  /** Whether a request that waits ends by itself. */
  willGoOn = false

  goesOn(): boolean {
    return this.willGoOn
  }

  request(connection: Connection, args: Arguments): RequestOutcome {
    const words = Array.from({ length: args.count }, (_, i) => args.string(i)).join(' ')
    this.seen.push(words)
    if (args.is(0, 'PAUSE')) {
      this.waitingArgs = args
      return 'wait'
    }
    if (args.is(0, 'BIG')) connection.reply.status('b'.repeat(args.integer(1)))
    else connection.reply.status(words)
    if (args.is(0, 'W')) this.appended++
    if (args.is(0, 'W') || args.is(0, 'R')) connection.hold(this.appended)
    return args.is(0, 'QUIT') ? 'close' : 'next'
  }

  closed(): void {
    this.closes++
  }
}

function open(change: Partial<ReturnType<typeof defaultLimits>> = {}) {
  const clock = new ManualClock()
  const turn = new Turn(clock)
  const pool = new ChunkPool()
  const pipe = new TestPipe()
  const handler = new TestHandler()
  const gone: Connection[] = []
  const starved: Connection[] = []
  const host: ConnectionHost = {
    turn,
    pool,
    limits: { ...defaultLimits(), ...change },
    counts: { inputBytes: 0, outputBytes: 0, copyBytes: 0, reads: 0, writes: 0 },
    open: () => handler,
    lackedMemory: (connection) => starved.push(connection),
    overflowed: () => undefined,
    left: (connection) => gone.push(connection),
  }
  const connection = new Connection(7, pipe, host)
  connection.start()
  return { clock, turn, pool, pipe, handler, gone, starved, host, connection }
}

/** Lets the turn end. */
const turnOver = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function rangeOf(bytes: Buffer): SharedRange {
  return { bytes, start: 0, end: bytes.length }
}

describe('Connection', () => {
  it('lets replies leave, and others be served, after a millisecond of work', async () => {
    const { turn, pipe, handler } = open()
    const request = handler.request.bind(handler)
    handler.request = (connection, args) => {
      if (args.is(0, 'LONG')) turn.reachedMs += 1
      return request(connection, args)
    }
    pipe.deliver('LONG 1\r\nPING 2\r\nLONG 3\r\nLONG 4\r\nPI')
    expect(handler.seen).toEqual(['LONG 1'])
    pipe.deliver('NG 5\r\n')
    pipe.finish()
    expect(handler.seen).toEqual(['LONG 1'])
    for (let i = 0; i < 5; i++) await turnOver()
    expect(pipe.writes).toEqual(['+LONG 1\r\n', '+PING 2\r\n+LONG 3\r\n', '+LONG 4\r\n', '+PING 5\r\n'])
    expect(pipe.ended).toBe(true)
  })

  it('answers all requests of a turn in one write, after the hooks', async () => {
    const { turn, pipe, pool, host } = open()
    const order: string[] = []
    turn.beforeFlush(() => order.push(`hook ${pipe.writes.length}`))
    turn.beforeFlush(() => order.push('second'))
    const pieces = ['PING\r\n*2\r\n$1\r\na\r\n$1\r\n', 'b\r\nPING 2\r\n']
    for (const piece of pieces) pipe.deliver(piece)
    expect(pipe.writes).toEqual([])
    await turnOver()
    expect(pipe.writes).toEqual(['+PING\r\n+a b\r\n+PING 2\r\n'])
    expect(order).toEqual(['hook 0', 'second'])
    expect(pool.usedBytes).toBe(0)
    expect(host.counts).toEqual({ inputBytes: pieces.join('').length, outputBytes: 22, copyBytes: 0, reads: pieces.length, writes: 1 })
  })

  it('holds back replies until the log has committed, and what follows them', async () => {
    const { turn, pipe } = open()
    pipe.deliver('PING\r\nW 1\r\nPING 2\r\nW 2\r\nR 2\r\nPING 3\r\n')
    await turnOver()
    expect(pipe.writes).toEqual(['+PING\r\n'])
    expect(turn.heldCount).toBe(1)
    turn.released(1)
    expect(pipe.writes.slice(1)).toEqual(['+W 1\r\n+PING 2\r\n'])
    turn.released(2)
    expect(pipe.writes.slice(2)).toEqual(['+W 2\r\n+R 2\r\n+PING 3\r\n'])
    expect(turn.heldCount).toBe(0)
    pipe.deliver('R 3\r\n')
    await turnOver()
    expect(pipe.writes.slice(3)).toEqual(['+R 3\r\n'])
  })

  it('visits only the connections that a commit releases', async () => {
    const clock = new ManualClock()
    const turn = new Turn(clock)
    const flushed: string[] = []
    const member = (name: string, heldLsn: number) => ({
      dirty: false,
      held: false,
      heldLsn,
      flush(): void {
        flushed.push(name)
        this.heldLsn = 0
      },
    })
    turn.hold(member('a', 3))
    turn.hold(member('b', 5))
    turn.hold(member('c', 4))
    turn.released(4)
    expect([flushed, turn.heldCount]).toEqual([['a', 'c'], 1])
    turn.released(4)
    turn.released(5)
    expect([flushed, turn.heldCount]).toEqual([['a', 'c', 'b'], 0])
  })

  it('keeps a waiting request, and parses nothing until it goes on', async () => {
    const { pipe, handler, connection, pool } = open()
    pipe.deliver('PING\r\n*2\r\n$5\r\nPAUSE\r\n$3\r\nkey\r\nPI')
    for (let i = 0; i < 500; i++) pipe.deliver(`NG ${'x'.repeat(100)}\r\nPI`)
    await turnOver()
    expect(pipe.writes).toEqual(['+PING\r\n'])
    expect(handler.seen).toEqual(['PING', 'PAUSE key'])
    expect(handler.waitingArgs?.string(1)).toBe('key')
    expect(connection.queryBytes).toBeGreaterThan(50_000)
    connection.reply.status('done')
    connection.resume()
    await turnOver()
    expect(handler.seen).toHaveLength(502)
    expect(pipe.writes.join('').startsWith('+PING\r\n+done\r\n+PING xxx')).toBe(true)
    pipe.deliver('NG\r\n')
    await turnOver()
    expect(pool.usedBytes).toBe(0)
  })

  it('stops reading when too much arrives while a request waits', () => {
    const { pipe, connection } = open()
    pipe.deliver('PAUSE\r\n')
    for (let i = 0; i < 10 && !pipe.paused; i++) pipe.deliver('PING\r\n'.repeat(10_000))
    expect(pipe.paused).toBe(true)
    expect(connection.memoryBytes).toBeLessThan(1_000_000)
    connection.resume()
    expect(pipe.paused).toBe(false)
  })

  it('executes nothing more for a client that does not read, and goes on when it does', async () => {
    const { pipe, handler, connection } = open({ outputPauseBytes: 100_000 })
    pipe.taking = false
    const requests = Array.from({ length: 200 }, (_, i) => `BIG ${1000 + i}\r\n`).join('')
    for (let i = 0; i < 5; i++) {
      pipe.deliver(requests)
      await turnOver()
    }
    const executed = handler.seen.length
    expect(executed).toBeLessThan(250)
    expect(pipe.paused).toBe(true)
    expect(connection.memoryBytes).toBeLessThan(400_000)
    while (handler.seen.length < 1000) {
      pipe.drain()
      await turnOver()
    }
    pipe.taking = true
    pipe.drain()
    await turnOver()
    expect(pipe.paused).toBe(false)
    expect(pipe.writes.join('')).toBe(Array.from({ length: 1000 }, (_, i) => `+${'b'.repeat(1000 + (i % 200))}\r\n`).join(''))
  })

  it('closes after the last reply when the handler says so, even if that reply is held', async () => {
    const { turn, pipe, handler } = open()
    pipe.deliver('W\r\nQUIT\r\nPING\r\n')
    pipe.deliver('PING\r\n')
    await turnOver()
    expect([pipe.writes, pipe.ended]).toEqual([[], false])
    turn.released(1)
    expect([pipe.writes, pipe.ended]).toEqual([['+W\r\n+QUIT\r\n'], true])
    expect(handler.seen).toEqual(['W', 'QUIT'])
  })

  it('answers a protocol error and closes', async () => {
    const { pipe } = open()
    pipe.deliver('PING\r\n*1\r\n$a\r\nPING\r\n')
    await turnOver()
    expect([pipe.writes, pipe.ended]).toEqual([['+PING\r\n-ERR Protocol error: invalid bulk length\r\n'], true])
  })

  it('closes without a word a client that exceeds the query buffer', () => {
    const { pipe, handler } = open({ queryBytesMax: 50_000 })
    pipe.deliver('*1\r\n$100000\r\n')
    pipe.deliver('x'.repeat(30_000))
    expect(pipe.destroyed).toBe(false)
    pipe.deliver('x'.repeat(30_000))
    expect([pipe.destroyed, pipe.writes, handler.closes]).toEqual([true, [], 1])
  })

  it('closes at once a client whose replies exceed the hard limit', async () => {
    const { pipe, pool, handler } = open({ output: { hardBytes: 10_000, softBytes: 0, softMs: 0 } })
    pipe.taking = false
    pipe.deliver('BIG 20000\r\n')
    await turnOver()
    expect([pipe.destroyed, handler.closes, pool.usedBytes]).toEqual([true, 1, 0])
  })

  it('closes a client that stays above the soft limit for too long', async () => {
    const { clock, turn, pipe, connection } = open({ output: { hardBytes: 0, softBytes: 1000, softMs: 5000 } })
    pipe.taking = false
    pipe.deliver('BIG 20000\r\n')
    await turnOver()
    const later = (ms: number): void => {
      clock.advance(ms)
      turn.tick()
      connection.sweep()
    }
    later(4000)
    expect(pipe.destroyed).toBe(false)
    later(2000)
    expect(pipe.destroyed).toBe(true)
  })

  it('holds a subscriber to the limits of its class, what is gathered in a turn included, and lets it be silent', async () => {
    const { clock, turn, pipe, connection } = open({
      output: { hardBytes: 1000, softBytes: 0, softMs: 0 },
      subscriberOutput: { hardBytes: 50_000, softBytes: 0, softMs: 0 },
      idleMs: 10_000,
    })
    connection.subscribed = true
    clock.advance(20_000)
    turn.tick()
    connection.sweep()
    expect(pipe.destroyed).toBe(false)
    for (let i = 0; i < 5; i++) connection.push([rangeOf(Buffer.alloc(10_000))], 0)
    expect([pipe.destroyed, connection.output.memoryBytes >= 50_000]).toEqual([false, true])
    connection.push([rangeOf(Buffer.alloc(1))], 0)
    expect([pipe.destroyed, pipe.writes]).toEqual([true, []])
  })

  it('sends a message when the log has committed its LSN, though replies are discarded', async () => {
    const { turn, pipe, connection } = open()
    connection.output.discarding = true
    connection.reply.status('nobody sees this')
    connection.push([rangeOf(Buffer.from('one'))], 5)
    connection.push([rangeOf(Buffer.from('two'))], 0)
    connection.reply.status('nor this')
    await turnOver()
    expect(pipe.writes.join('')).toBe('')
    turn.released(5)
    expect(pipe.writes.join('')).toBe('onetwo')
  })

  it('closes a silent client, but not one whose request waits', async () => {
    const { clock, turn, pipe, connection } = open({ idleMs: 10_000 })
    const later = (ms: number): void => {
      clock.advance(ms)
      turn.tick()
      connection.sweep()
    }
    later(9000)
    pipe.deliver('PAUSE\r\n')
    await turnOver()
    later(60_000)
    expect(pipe.destroyed).toBe(false)
    connection.resume()
    later(1)
    expect(pipe.destroyed).toBe(true)
  })

  it('sends what it promised to a client that has said all', async () => {
    const { turn, pipe } = open()
    pipe.deliver('W\r\n')
    pipe.finish()
    await turnOver()
    expect([pipe.writes, pipe.ended, pipe.destroyed]).toEqual([[], false, false])
    turn.released(1)
    expect([pipe.writes, pipe.ended]).toEqual([['+W\r\n'], true])
  })

  it('gives up a waiting request when its client leaves', () => {
    const { pipe, handler, gone, connection, pool } = open()
    pipe.deliver('PAUSE\r\nPING\r\n')
    pipe.finish()
    expect([pipe.destroyed, handler.closes, gone]).toEqual([true, 1, [connection]])
    connection.resume()
    connection.close()
    expect([handler.seen, handler.closes, pool.usedBytes]).toEqual([['PAUSE'], 1, 0])
  })

  it('answers all that a client has asked before its end, if what it waits for comes by itself', async () => {
    const { pipe, handler, connection, pool } = open()
    handler.willGoOn = true
    pipe.deliver('PING\r\nPAUSE\r\nPING 2\r\nPAUSE\r\nPING 3\r\nPI')
    pipe.finish()
    for (const last of [false, true]) {
      connection.reply.status('done')
      connection.resume()
      await turnOver()
      expect([pipe.ended, pipe.destroyed, handler.closes]).toEqual([last, false, 0])
    }
    expect(pipe.writes.join('')).toBe('+PING\r\n+done\r\n+PING 2\r\n+done\r\n+PING 3\r\n')
    expect(pool.usedBytes).toBe(0)
  })

  it('gives up what a request behind the end waits for, if that may never come', async () => {
    for (const others of ['at once', 'later']) {
      const { pipe, handler, connection } = open()
      handler.willGoOn = true
      pipe.deliver(others === 'at once' ? 'PAUSE\r\nPAUSE\r\n' : 'PAUSE\r\n')
      pipe.finish()
      expect(pipe.destroyed).toBe(false)
      handler.willGoOn = false
      if (others === 'at once') connection.resume()
      else connection.resume('wait')
      expect([pipe.destroyed, handler.closes]).toEqual([true, 1])
    }
  })

  it('executes all requests of a client that reads slowly, though it has said all', async () => {
    const { pipe, handler } = open({ outputPauseBytes: 10_000 })
    handler.willGoOn = true
    pipe.taking = false
    pipe.deliver('BIG 6000\r\n'.repeat(8))
    pipe.finish()
    for (let reads = 0; !pipe.ended; reads++) {
      expect(reads).toBeLessThan(20)
      await turnOver()
      if (pipe.pendingBytes > 0) pipe.drain()
    }
    expect(handler.seen).toHaveLength(8)
    expect(pipe.writes.join('')).toHaveLength(8 * 6003)
  })

  it('is forgotten by the turn when it closes while holding replies', async () => {
    const { turn, pipe, connection } = open()
    pipe.deliver('W\r\n')
    await turnOver()
    connection.close()
    turn.released(1)
    expect([turn.heldCount, pipe.writes]).toEqual([0, []])
  })

  it('sends what answers no request', async () => {
    const { pipe, connection } = open()
    connection.reply.push(1)
    connection.reply.text('news')
    connection.wrote()
    await turnOver()
    expect(pipe.writes).toEqual(['*1\r\n$4\r\nnews\r\n'])
  })
})
