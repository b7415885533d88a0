/** Messages to many subscribers: in slices, in order, encoded once, to those who were there when it was published. */
import { describe, expect, it } from 'vitest'
import type { SharedRange } from '../../engine/output-buffer.ts'
import type { Protocol } from '../../engine/reply-writer.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import { Turn } from '../../server/network/turn.ts'
import { eventClassesOf } from '../../server/pubsub/event-classes.ts'
import { PubSub } from '../../server/pubsub/pubsub.ts'
import { Subscriptions } from '../../server/pubsub/subscriptions.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

const perTurn = 8192

function textOf(ranges: readonly SharedRange[]): string {
  return Buffer.concat(ranges.map(({ bytes, start, end }) => bytes.subarray(start, end))).toString('latin1')
}

class Listener {
  readonly reply = new ReplyWriter()
  readonly subscriptions = new Subscriptions()
  readonly received: (readonly SharedRange[])[] = []
  readonly lsns: number[] = []
  readonly connection = {
    push: (message: readonly SharedRange[], lsn: number): void => {
      this.received.push(message)
      this.lsns.push(lsn)
    },
  }

  constructor(protocol: Protocol = 2) {
    this.reply.protocol = protocol
  }

  get words(): string[] {
    return this.received.map((pieces) => (/\r\n([^\r]*)\r\n$/.exec(textOf(pieces)) ?? [])[1] ?? '')
  }
}

function fixture(count: number) {
  const clock = new ManualClock()
  const pubsub = new PubSub(clock, new Turn(clock))
  const join = (listener: Listener, name = 'c', kind: 'channels' | 'patterns' = 'channels'): Listener => {
    pubsub.subscribe(listener, listener.subscriptions, kind, name)
    return listener
  }
  const listeners = Array.from({ length: count }, () => join(new Listener()))
  const publish = (payload: string, channel = 'c', lsn = 0): number => {
    const message = pubsub.published(Buffer.from(channel), Buffer.from(payload), false, false)
    if (message.receivers > 0) pubsub.send([message], lsn)
    return message.receivers
  }
  return { clock, pubsub, join, listeners, publish, turnOver: () => new Promise<void>((resolve) => clock.afterTurn(resolve)) }
}

describe('a message', () => {
  it('is encoded once for each protocol, and large ones are not copied', () => {
    const { join, listeners, publish } = fixture(3)
    const third = join(new Listener(3))
    publish('x'.repeat(100_000))
    expect(listeners[1]?.received[0]).toBe(listeners[0]?.received[0])
    const [head, payload] = third.received[0] as [SharedRange, SharedRange]
    expect(textOf([head])).toBe('>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$100000\r\n')
    expect(listeners[0]?.received[0]?.[1]?.bytes.buffer).toBe(payload.bytes.buffer)
  })

  it('waits for the end of the turn with those behind it, and comes with them as one range', async () => {
    const { pubsub, join, listeners, publish, turnOver } = fixture(2)
    const [first, second] = listeners as [Listener, Listener]
    join(second, 'other')
    pubsub.fanOut.atOnce = false
    for (const [payload, channel] of [['1'], ['2'], ['3', 'other'], ['4']] as const) publish(payload, channel)
    expect([first.received, pubsub.fanOut.bytes > 0, pubsub.fanOut.isBehind]).toEqual([[], true, false])
    await turnOver()
    expect(
      second.received.map((ranges) => [
        ranges.length,
        textOf(ranges)
          .match(/\$1\r\n\d/g)
          ?.map((word) => word.at(-1)),
      ]),
    ).toEqual([
      [1, ['1', '2']],
      [1, ['3']],
      [1, ['4']],
    ])
    expect([first.received.length, pubsub.fanOut.bytes]).toEqual([2, 0])
    publish('5')
    pubsub.fanOut.settle()
    expect(first.words.at(-1)).toBe('5')
  })

  it('goes to so many in a turn, and whoever would make more waits', async () => {
    const { pubsub, listeners, publish, turnOver } = fixture(perTurn * 2 + 10)
    let caughtUp = 0
    pubsub.fanOut.onCaughtUp = () => caughtUp++
    const reached = (): number => listeners.filter(({ received }) => received.length > 0).length
    expect(publish('1')).toBe(perTurn * 2 + 10)
    expect([reached(), pubsub.fanOut.isBehind, pubsub.fanOut.bytes > 0]).toEqual([perTurn, true, true])
    expect(pubsub.mustWait({ publishes: true, writes: false })).toBe(true)
    expect(pubsub.mustWait({ publishes: false, writes: true })).toBe(false)
    pubsub.eventClasses = eventClassesOf('KEA')
    expect(pubsub.mustWait({ publishes: false, writes: true })).toBe(true)
    publish('2')
    while (pubsub.fanOut.isBehind) await turnOver()
    expect(listeners.every(({ words }) => words.join() === '1,2')).toBe(true)
    expect([caughtUp, pubsub.fanOut.bytes, pubsub.mustWait({ publishes: true, writes: true })]).toEqual([1, 0, false])
  })

  it('goes to those who had subscribed, who get it before they hear no more', async () => {
    const { pubsub, join, listeners, publish, turnOver } = fixture(perTurn + 100)
    const [first, last] = [listeners[0] as Listener, listeners.at(-1) as Listener]
    join(last, 'other')
    publish('1')
    publish('2')
    publish('3', 'other')
    const late = join(new Listener())
    for (const leaving of [first, last]) pubsub.unsubscribe(leaving, leaving.subscriptions, 'channels', 'c')
    expect([first.words, last.words]).toEqual([
      ['1', '2'],
      ['1', '2', '3'],
    ])
    while (pubsub.fanOut.isBehind) await turnOver()
    publish('4')
    while (pubsub.fanOut.isBehind) await turnOver()
    expect([first.words, last.words, late.words, listeners[1]?.words]).toEqual([['1', '2'], ['1', '2', '3'], ['4'], ['1', '2', '4']])
  })

  it('comes once for each subscription that it meets, with the LSN that it waits for', () => {
    const { pubsub, join, publish } = fixture(0)
    const listener = new Listener()
    for (const name of ['c*', '*', 'x*']) join(listener, name, 'patterns')
    join(listener, 'c')
    expect([publish('1', 'c', 7), publish('2', 'd', 8), listener.lsns]).toEqual([3, 1, [7, 7, 7, 8]])
    pubsub.unsubscribeAll(listener, listener.subscriptions)
    expect([publish('3'), pubsub.bytes, listener.subscriptions.any]).toEqual([0, 0, false])
  })
})
