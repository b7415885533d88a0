/** The request that a session has in hand: where it waits, what it holds meanwhile, and that it lets go of it at every end. */
import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { memoryRefusal } from '../../engine/memory/refusal.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import type { Command } from '../../server/command-table.ts'
import { Gate } from '../../server/gate.ts'
import { Request } from '../../server/request.ts'
import type { Shard } from '../../server/shard/shard.ts'
import { StagedWorkQueue } from '../../server/staged-work.ts'
import { Transaction } from '../../server/transaction.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import type { Tier } from '../../storage/tier.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

const command = (name: string, more: Partial<Command> = {}): Command =>
  ({ name, isWrite: false, denyOom: false, publishes: false, executesQueue: name === 'exec', ...more }) as Command
const get = command('get')
const set = command('set', { isWrite: true, denyOom: true })
const del = command('del', { isWrite: true })
const copy = command('copy', { isWrite: true, stages: () => undefined })
const args = Arguments.of('x')
const { trees } = new Keyspace(new SeededRandom(1), noObserver)

/** A read of a cold value that the test ends. */
class ColdRead {
  readonly set = new ColdSet(trees)
  done: (failure: Error | undefined) => void = () => undefined

  end(): void {
    this.done(undefined)
  }

  fail(failure: Error): void {
    this.done(failure)
  }
}

function fixture() {
  const clock = new ManualClock()
  const gate = new Gate(clock)
  const events: string[] = []
  /** What the next try needs, in this order. */
  const needed: { work?: StagedWork; cold?: ColdRead; breaks?: 'admit' | 'retry' } = {}
  const reads = new Map<ColdSet, ColdRead>()
  const tier = {
    hasCold: true,
    fetchTo: (set: ColdSet, done: (failure: Error | undefined) => void) => {
      ;(reads.get(set) as ColdRead).done = done
    },
    admit: (set: ColdSet) => {
      if (needed.breaks === 'admit') throw new Error('broken')
      events.push(set.former === undefined ? 'admitted' : 'admitted, with what was read before')
    },
  } as unknown as Tier
  const primary = {
    stage: () => needed.work,
    coldNeeds: () => {
      const { cold } = needed
      if (cold !== undefined) reads.set(cold.set, cold)
      return cold?.set
    },
  }
  const keyspace = { forgetLookUp: () => undefined, trees }
  const shard = { keyspace, tier, primary: { ...primary, keyspace } } as unknown as Shard
  const stagedWork = new StagedWorkQueue(clock, () => shard)
  const coldReadFailed = (failure: Error): void => void events.push(`logged: ${failure.message}`)
  const transaction = new Transaction()
  const owner = {
    database: 0,
    transaction,
    retry: () => {
      if (needed.breaks === 'retry') throw new Error('broken')
      events.push('retried')
    },
    answer: (write: () => void, ms: number | undefined) => {
      write()
      events.push(`answered after ${ms ?? 'uncounted'} ms`)
      request.end()
    },
    reply: new ReplyWriter(),
    failed: (text: string) => events.push(`failed: ${text}`),
    broke: (failure: unknown) => void events.push(`broke: ${(failure as Error).message}`),
  }
  const request: Request = new Request({ clock, gate, stagedWork, shard, coldReadFailed }, owner)
  const begin = (which: Command): boolean => {
    request.begin(which, args)
    return request.mustWait(false)
  }
  const write = (text: string) => (): void => void events.push(text)
  return { clock, gate, events, needed, stagedWork, transaction, request, begin, write }
}

/** Lets promises that are settled be noticed, and turns end. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

class Work implements StagedWork {
  readonly memoryBytes = 1000
  steps = 0
  released = 0
  left: number

  constructor(steps: number) {
    this.left = steps
  }

  step(): boolean {
    this.steps++
    return --this.left > 0
  }

  release(): void {
    this.released++
  }
}

describe('a request', () => {
  it('knows what it may do, in EXEC what is queued may', () => {
    const { request, transaction } = fixture()
    const wants = (which: Command): unknown[] => {
      request.begin(which, args)
      return [request.writes, request.wantsMemory]
    }
    expect([wants(get), wants(set), wants(del)]).toEqual([
      [false, false],
      [true, true],
      [true, false],
    ])
    const exec = command('exec')
    transaction.queued = [{ command: get, args }]
    expect(wants(exec)).toEqual([false, false])
    transaction.queued.push({ command: del, args })
    expect(wants(exec)).toEqual([true, false])
    transaction.queued.push({ command: set, args })
    expect(wants(exec)).toEqual([true, true])
  })

  it('waits for nothing when there is nothing to wait for', () => {
    const { request, begin } = fixture()
    expect([begin(set), request.state]).toEqual([false, 'running'])
    request.end()
    expect(request.state).toBe('done')
  })

  it('waits at the gate until it is told, and is forgotten there when its client leaves', () => {
    const { gate, request, begin, events } = fixture()
    gate.memoryShort = () => true
    expect([begin(set), request.state, gate.waiting, request.waitsForOthers]).toEqual([true, 'awaitsMemory', 1, false])
    gate.retry()
    expect([events, request.state, gate.waiting]).toEqual([['retried'], 'running', 0])
    gate.pause(100, 'write')
    expect([request.mustWait(false), request.state, request.waitsForOthers]).toEqual([true, 'awaitsPause', true])
    request.end()
    expect([gate.waiting, request.state]).toEqual([0, 'done'])
    request.retry()
    expect(events).toEqual(['retried'])
    gate.close()
  })

  it('waits at the gate, but for nothing else, when it only queues', () => {
    const { gate, needed, request } = fixture()
    needed.cold = new ColdRead()
    request.begin(set, args)
    expect(request.mustWait(true)).toBe(false)
    gate.pause(100, 'all')
    expect(request.mustWait(true)).toBe(true)
    request.end()
    gate.close()
  })

  it('has work staged, and holds what came of it until its end', async () => {
    const { needed, stagedWork, request, begin, events } = fixture()
    const work = new Work(3)
    needed.work = work
    expect([begin(copy), request.state]).toEqual([true, 'awaitsStagedWork'])
    expect(stagedWork.memoryBytes).toBe(1000)
    await turns()
    expect([events, work.steps, stagedWork.count, request.staged === work]).toEqual([['retried'], 3, 0, true])
    expect(request.mustWait(false)).toBe(false)
    request.end()
    expect([request.staged, work.released]).toEqual([undefined, 1])
  })

  it('waits for no memory when it has what was made or read for it, which nothing else would give back', async () => {
    const { gate, needed, request, begin } = fixture()
    let isShort = false
    gate.memoryShort = () => isShort
    const work = new Work(3)
    needed.work = work
    begin(command('hset', { isWrite: true, denyOom: true, stages: () => undefined }))
    isShort = true
    await turns()
    expect([request.staged === work, request.mustWait(false)]).toEqual([true, false])
    request.end()
    isShort = false
    needed.cold = new ColdRead()
    begin(set)
    isShort = true
    needed.cold.end()
    await turns()
    // What comes next is the next cold read.
    expect([request.mustWait(false), request.state]).toEqual([true, 'awaitsCold'])
    request.end()
    expect([begin(set), request.state]).toEqual([true, 'awaitsMemory'])
    request.end()
  })

  it('gives up what was made for it when it blocks: nobody knows for how long', async () => {
    const { needed, request, begin } = fixture()
    const work = new Work(3)
    needed.work = work
    begin(copy)
    await turns()
    expect([request.mustWait(false), work.released]).toEqual([false, 0])
    request.block({ timeoutMs: 0, timedOut: () => undefined })
    expect([request.state, request.staged, work.released]).toEqual(['blocked', undefined, 1])
    request.end()
    expect(work.released).toBe(1)
  })

  it('gives staged work up when its client leaves', async () => {
    const { needed, stagedWork, request, begin, events } = fixture()
    const work = new Work(1e9)
    needed.work = work
    begin(copy)
    request.end()
    expect([stagedWork.count, stagedWork.memoryBytes]).toEqual([0, 0])
    const { steps } = work
    await turns()
    expect([work.steps, work.released, events]).toEqual([steps, 1, []])
  })

  it('releases staged work once, however it ends', async () => {
    const { needed, stagedWork, request, begin, events } = fixture()
    const released = async (steps: number, end: () => void): Promise<number> => {
      const work = new Work(steps)
      needed.work = work
      begin(copy)
      if (steps < 100) await turns()
      end()
      request.end()
      await turns()
      return work.released
    }
    expect(await released(3, () => undefined)).toBe(1)
    expect(await released(1e9, () => undefined)).toBe(1)
    expect(await released(3, () => request.shardReplaced())).toBe(1)
    expect(await released(1e9, () => stagedWork.abandon())).toBe(1)
    events.length = 0
    const work = new Work(1e9)
    needed.work = work
    begin(copy)
    work.step = () => {
      throw new Error('broken')
    }
    await turns()
    request.end()
    expect([events, work.released, stagedWork.count]).toEqual([['broke: broken'], 1, 0])
  })

  it('has its work staged anew when another shard takes the place of the one that it began with', async () => {
    const { needed, stagedWork, request, begin, events } = fixture()
    const [first, second] = [new Work(1e9), new Work(3)]
    needed.work = first
    begin(copy)
    stagedWork.abandon()
    expect([events, request.state, stagedWork.count]).toEqual([['retried'], 'running', 0])
    needed.work = second
    expect([request.mustWait(false), request.state]).toEqual([true, 'awaitsStagedWork'])
    await turns()
    expect([request.staged === second, first.released, second.released]).toEqual([true, 1, 0])
    request.shardReplaced()
    expect([request.staged, second.released]).toEqual([undefined, 1])
    needed.work = new Work(3)
    expect([request.mustWait(false), request.state]).toEqual([true, 'awaitsStagedWork'])
    request.end()
  })

  it('tells its owner of what is thrown in a later turn', async () => {
    const { needed, gate, request, begin, events, write } = fixture()
    needed.breaks = 'admit'
    needed.cold = new ColdRead()
    begin(get)
    needed.cold.end()
    await turns()
    expect(events.splice(0)).toEqual(['broke: broken'])
    request.end()
    needed.breaks = 'retry'
    gate.memoryShort = () => true
    begin(set)
    gate.retry()
    expect(events.splice(0)).toEqual(['broke: broken'])
    request.end()
    begin(get)
    const answer = request.defer('counted')
    answer(() => {
      write('written')()
      throw new Error('no reply')
    })
    expect(events).toEqual(['written', 'broke: no reply'])
  })

  it('says what EXEC is about to execute, unless that has failed already', () => {
    const { request, transaction } = fixture()
    transaction.queued = [{ command: set, args }]
    request.begin(set, args)
    expect(request.unit).toBeUndefined()
    request.begin(command('exec'), args)
    expect(request.unit).toEqual([{ command: set, args }])
    transaction.failed = true
    expect(request.unit).toBeUndefined()
  })

  it('waits for cold values, and for more with what it has got', async () => {
    const { needed, request, begin, events } = fixture()
    const [first, second] = [new ColdRead(), new ColdRead()]
    needed.cold = first
    expect([begin(get), request.state]).toEqual([true, 'awaitsCold'])
    first.end()
    await turns()
    expect(events).toEqual(['admitted', 'retried'])
    needed.cold = second
    expect(request.mustWait(false)).toBe(true)
    second.end()
    await turns()
    expect(events.slice(2)).toEqual(['admitted, with what was read before', 'retried'])
    // The next request begins with nothing.
    request.end()
    needed.cold = new ColdRead()
    begin(get)
    expect(needed.cold.set.former).toBeUndefined()
  })

  it('drops what was read for it when it had to wait for something else', async () => {
    const { gate, needed, request, begin } = fixture()
    const [first, second] = [new ColdRead(), new ColdRead()]
    needed.cold = first
    begin(get)
    first.end()
    await turns()
    gate.pause(100, 'all')
    expect(request.mustWait(false)).toBe(true)
    gate.close()
    request.retry()
    gate.unpause()
    needed.cold = second
    request.mustWait(false)
    expect(second.set.former).toBeUndefined()
  })

  it('does not notice a cold read that ends when its client has left, or asks for something else', async () => {
    const { needed, request, begin, events } = fixture()
    const [late, next, failing] = [new ColdRead(), new ColdRead(), new ColdRead()]
    needed.cold = late
    begin(get)
    request.end()
    needed.cold = next
    begin(get)
    late.end()
    await turns()
    expect([events, request.state]).toEqual([[], 'awaitsCold'])
    request.end()
    needed.cold = failing
    begin(get)
    request.end()
    failing.fail(new Error('no disk'))
    await turns()
    expect(events).toEqual(['logged: no disk'])
  })

  it('fails with a cold read', async () => {
    const { needed, request, begin, events } = fixture()
    needed.cold = new ColdRead()
    begin(get)
    needed.cold.fail(new Error('no disk'))
    await turns()
    expect([events, request.state]).toEqual([['logged: no disk', 'failed: ERR a cold value could not be read: no disk'], 'done'])
  })

  it('is refused when there is no memory for what was read', async () => {
    const { needed, request, begin, events } = fixture()
    needed.cold = new ColdRead()
    begin(get)
    needed.cold.fail(memoryRefusal())
    await turns()
    expect([events[1], request.state]).toEqual(["failed: OOM command not allowed when used memory > 'maxmemory'.", 'done'])
  })

  it('is answered later, once', () => {
    const { clock, request, begin, events, write } = fixture()
    begin(get)
    const answer = request.defer('counted')
    expect([request.state, request.countsUntilAnswer, request.waitsForOthers]).toEqual(['deferred', true, false])
    clock.advance(30)
    answer(write('reply'))
    answer(write('again'))
    expect([events, request.state]).toEqual([['reply', 'answered after 30 ms'], 'done'])
    begin(get)
    request.defer('uncounted')
    expect(request.countsUntilAnswer).toBe(false)
  })

  it('is blocked until it is answered, retried, its time is over, or its client leaves, and is released each time', () => {
    const { clock, request, begin, events, write } = fixture()
    const block = (timeoutMs: number) => {
      begin(get)
      return request.block({ release: write('released'), timeoutMs, timedOut: write('timed out') })
    }
    const happened = (): string[] => events.splice(0)
    const answer = block(100)
    expect([request.state, request.waitsForOthers, clock.waiting]).toEqual(['blocked', true, 1])
    answer(write('reply'))
    expect([happened(), clock.waiting]).toEqual([['released', 'reply', 'answered after uncounted ms'], 0])
    const late = block(100)
    clock.advance(100)
    expect([happened(), request.state]).toEqual([['released', 'timed out', 'answered after uncounted ms'], 'done'])
    block(100)
    late(write('too late for the one, wrong for the other'))
    expect([happened(), request.state]).toEqual([[], 'blocked'])
    request.retry()
    expect([happened(), request.state, clock.waiting]).toEqual([['released', 'retried'], 'running', 0])
    block(0)
    expect(clock.waiting).toBe(0)
    request.end()
    expect([happened(), request.state]).toEqual([['released'], 'done'])
  })

  it('that is blocked can be unblocked by another client, once, in the next turn', async () => {
    const { request, begin, events, write } = fixture()
    const block = (): void => {
      begin(get)
      request.block({ timeoutMs: 0, timedOut: write('timed out') })
    }
    expect(request.unblock(undefined)).toBe(false)
    block()
    expect([request.unblock(undefined), request.unblock(undefined), events]).toEqual([true, false, []])
    await turns()
    expect([events.splice(0), request.state]).toEqual([['timed out', 'answered after uncounted ms'], 'done'])
    block()
    request.unblock(write('error'))
    await turns()
    expect(events.splice(0)).toEqual(['error', 'answered after uncounted ms'])
    begin(get)
    request.defer('uncounted')
    expect(request.unblock(undefined)).toBe(false)
  })
})
