/** The checkers of histories, on histories that are right because they are made so, and on the same with one thing wrong. */
import { describe, expect, it } from 'vitest'
import { chance } from '../chance.ts'
import type { Operation } from './linearizability.ts'
import { linearizationFailure } from './linearizability.ts'
import type { ListRequest } from './list-history.ts'
import { listFailure } from './list-history.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { StringRequest } from './string-history.ts'
import { strings } from './string-history.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Histories of clients that each do one thing after the other, on an object whose every operation takes effect at one moment. */
class Histories<R> {
  readonly random: SeededRandom
  readonly #draw: (token: number) => R
  readonly #apply: (request: R) => string

  constructor(random: SeededRandom, draw: (token: number) => R, apply: (request: R) => string) {
    this.random = random
    this.#draw = draw
    this.#apply = apply
  }

  make(count: number, clients: number, unknownShare: number): Mutable<Operation<R>>[] {
    const { random } = this
    const history: Mutable<Operation<R>>[] = []
    const inHand: ({ operation: Mutable<Operation<R>>; answer: string | undefined } | undefined)[] = []
    /** Of operations of unknown outcome that may still happen. */
    const late: Mutable<Operation<R>>[] = []
    for (let moment = 0, begun = 0; begun < count || inHand.some((each) => each !== undefined); moment++) {
      if (late.length > 0 && random.once(20)) this.#apply((late.splice(random.below(late.length), 1)[0] as Operation<R>).request)
      const client = random.below(clients)
      const mine = inHand[client]
      if (mine === undefined) {
        if (begun === count) continue
        const operation = { request: this.#draw(begun++), reply: undefined, start: moment, end: Number.POSITIVE_INFINITY }
        history.push(operation)
        inHand[client] = { operation, answer: undefined }
      } else if (random.drawn(unknownShare)) {
        if (mine.answer === undefined && random.once(2)) late.push(mine.operation)
        inHand[client] = undefined
      } else if (mine.answer === undefined) mine.answer = this.#apply(mine.operation.request)
      else {
        mine.operation.reply = mine.answer
        mine.operation.end = moment
        inHand[client] = undefined
      }
    }
    return history
  }
}

function stringHistories(random: SeededRandom, names: readonly string[]): Histories<StringRequest> {
  let state = strings.initial
  return new Histories<StringRequest>(
    random,
    (token) => {
      const name = random.pick(names)
      return name === 'GET' || name === 'DEL' ? [name, 'k'] : [name, 'k', name === 'INCRBY' ? '1' : `<${token}>`]
    },
    (request) => {
      for (const reply of candidates(state, request)) {
        const after = strings.after(state, { request, reply, start: 0, end: 1 })
        if (after === undefined) continue
        state = after
        return reply
      }
      throw new Error('no reply is right')
    },
  )
}

/** Replies of which one is right. */
function candidates(state: string, [name, , value = '']: StringRequest): string[] {
  const text = state.startsWith('=') ? state.slice(1) : ''
  if (name === 'SET') return ['+OK\r\n']
  if (name === 'GET') return [`$${text.length}\r\n${text}\r\n`, '$-1\r\n'].slice(state.startsWith('=') ? 0 : 1)
  if (name === 'DEL') return [':0\r\n', ':1\r\n']
  if (name === 'APPEND') return [`:${text.length + value.length}\r\n`]
  return ['-ERR value is not an integer or out of range\r\n', `:${Number(text) + Number(value)}\r\n`]
}

const failureOf = (history: readonly Operation<StringRequest>[]): string | undefined => linearizationFailure(history, strings)
const mixes: readonly (readonly string[])[] = [
  ['SET', 'GET'],
  ['SET', 'GET', 'DEL'],
  ['INCRBY', 'GET', 'DEL'],
  ['APPEND', 'GET', 'GET', 'SET', 'DEL'],
  ['SET', 'GET', 'DEL', 'INCRBY', 'APPEND'],
]

let moment = 0
/** An operation that is over before the next one that a test writes down begins. */
function done(reply: string, ...request: string[]): Operation<StringRequest> {
  moment += 2
  return { request: request as unknown as StringRequest, reply, start: moment, end: moment + 1 }
}
function unknown(...request: string[]): Operation<StringRequest> {
  moment += 2
  return { request: request as unknown as StringRequest, reply: undefined, start: moment, end: Number.POSITIVE_INFINITY }
}
function together(...operations: Operation<StringRequest>[]): Operation<StringRequest>[] {
  const start = Math.min(...operations.map((each) => each.start))
  return operations.map((each, i) => ({ ...each, start: start + i / 100, end: each.reply === undefined ? each.end : moment + 1 + i / 100 }))
}
const ok = '+OK\r\n'
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`

describe('the checker of histories of a string', () => {
  it('accepts what can be explained, however many clients there are and whatever outcome is unknown', () => {
    const random = chance(1)
    for (let round = 0; round < 200; round++) {
      const histories = stringHistories(random, random.pick(mixes))
      const history = histories.make(20 + random.below(120), 1 + random.below(8), random.pick([0, 0.02, 0.1]))
      expect(failureOf(history)).toBeUndefined()
    }
  })

  it('judges 10,000 operations in seconds', () => {
    const random = chance(2)
    for (const names of mixes.slice(0, 3)) {
      const history = stringHistories(random, names).make(10_000, 6, 0.002)
      expect(failureOf(history)).toBeUndefined()
      const last = history.findLast(({ request, reply }) => request[0] === 'GET' && reply !== undefined) as Mutable<
        Operation<StringRequest>
      >
      last.reply = bulk('never written')
      expect(failureOf(history)).toContain('no order')
    }
  })

  it('judges 2000 operations in seconds when the last of them is wrong', () => {
    const random = chance(6)
    const history = stringHistories(random, ['SET', 'GET', 'GET']).make(2000, 4, 0.002)
    const last = history.findLast(({ request, reply }) => request[0] === 'GET' && reply !== undefined) as Mutable<Operation<StringRequest>>
    const old = history.findLast(({ reply, end }) => reply?.startsWith('$') === true && reply !== last.reply && end < last.start - 300)
    last.reply = old?.reply
    expect(failureOf(history)).toContain('no order')
  })

  it('finds one wrong answer among many', () => {
    const random = chance(3)
    let planted = 0
    for (let round = 0; round < 100; round++) {
      const history = stringHistories(random, ['SET', 'GET', 'DEL']).make(100, 4, 0)
      const reads = history.filter(({ request, reply }) => request[0] === 'GET' && reply?.startsWith('$1') === false && reply !== '$-1\r\n')
      if (reads.length < 10) continue
      const read = reads[5 + random.below(reads.length - 5)] as Mutable<Operation<StringRequest>>
      // What was overwritten long before: by now others have set and read it.
      const past = history.filter(
        ({ end, reply }) => end < read.start - 60 && reply?.startsWith('$') && reply !== read.reply && reply !== '$-1\r\n',
      )
      const old = past.at(0)
      if (old === undefined) continue
      read.reply = old.reply
      planted++
      expect(failureOf(history)).toContain('no order')
    }
    expect(planted).toBeGreaterThan(20)
  })

  it('finds a stale reading', () => {
    expect(failureOf([done(ok, 'SET', 'k', 'a'), done(ok, 'SET', 'k', 'b'), done(bulk('a'), 'GET', 'k')])).toContain('no order')
    const overlapping = together(done(ok, 'SET', 'k', 'b'), done(bulk('a'), 'GET', 'k'))
    expect(failureOf([{ ...done(ok, 'SET', 'k', 'a'), start: 0, end: 1 }, ...overlapping])).toBeUndefined()
  })

  it('finds a write that was acknowledged and is lost', () => {
    expect(failureOf([done(ok, 'SET', 'k', 'a'), done('$-1\r\n', 'GET', 'k')])).toContain('no order')
    expect(
      failureOf([done(':1\r\n', 'INCRBY', 'k', '1'), done(':2\r\n', 'INCRBY', 'k', '1'), done(':2\r\n', 'INCRBY', 'k', '1')]),
    ).toContain('no order')
    expect(
      failureOf([done(':3\r\n', 'APPEND', 'k', '<1>'), done(':6\r\n', 'APPEND', 'k', '<2>'), done(bulk('<2>'), 'GET', 'k')]),
    ).toContain('no order')
  })

  it('finds a write that comes back', () => {
    const read = (text: string): Operation<StringRequest> => done(bulk(text), 'GET', 'k')
    expect(failureOf([done(ok, 'SET', 'k', 'a'), done(ok, 'SET', 'k', 'b'), read('b'), read('a')])).toContain('no order')
    // One of unknown outcome may come late, but only once.
    const late = [done(ok, 'SET', 'k', 'a'), unknown('SET', 'k', 'b'), read('a'), read('b')]
    expect(failureOf(late)).toBeUndefined()
    expect(failureOf([...late, read('a')])).toContain('no order')
    expect(failureOf([...late, done(ok, 'SET', 'k', 'c'), read('b')])).toContain('no order')
  })

  it('finds two that saw two writes in different orders', () => {
    const [a, b] = together(done(ok, 'SET', 'k', 'a'), done(ok, 'SET', 'k', 'b'))
    const first = done(bulk('a'), 'GET', 'k')
    const second = done(bulk('b'), 'GET', 'k')
    const third = done(bulk('a'), 'GET', 'k')
    expect(failureOf([a!, b!, first])).toBeUndefined()
    expect(failureOf([a!, b!, first, second])).toContain('no order')
    expect(failureOf([a!, b!, second, third])).toContain('no order')
  })

  it('finds what was read before anybody wrote it, or though nobody did', () => {
    expect(failureOf([done(bulk('a'), 'GET', 'k'), done(ok, 'SET', 'k', 'a')])).toContain('no order')
    expect(failureOf([done(bulk('a'), 'GET', 'k'), unknown('SET', 'k', 'a')])).toContain('no order')
    expect(failureOf([done(bulk('x'), 'GET', 'k')])).toContain('no order')
  })

  it('uses several of unknown outcome together', () => {
    const two = [unknown('INCRBY', 'k', '1'), unknown('INCRBY', 'k', '1')]
    expect(failureOf([...two, done(':3\r\n', 'INCRBY', 'k', '1')])).toBeUndefined()
    expect(failureOf([...two, done(':4\r\n', 'INCRBY', 'k', '1')])).toContain('no order')
    const three = [unknown('DEL', 'k'), unknown('APPEND', 'k', '<1>'), unknown('APPEND', 'k', '<2>')]
    expect(failureOf([done(ok, 'SET', 'k', 'a'), ...three, done(bulk('<2><1>'), 'GET', 'k')])).toBeUndefined()
    expect(failureOf([done(ok, 'SET', 'k', 'a'), ...three, done(bulk('<2><1><2>'), 'GET', 'k')])).toContain('no order')
  })
})

describe('the checker of histories of a list', () => {
  const elementsOf = ({ reply = '' }: Operation<ListRequest>): string[] => reply.split(' ').filter((each) => each !== '')

  function listHistory(
    random: SeededRandom,
    count: number,
    unknownShare = 0.02,
  ): { operations: Mutable<Operation<ListRequest>>[]; final: string[] } {
    const list: string[] = []
    const histories = new Histories<ListRequest>(
      random,
      (token) => (random.once(2) ? ['LRANGE', 'k'] : ['RPUSH', 'k', `${token}`, ...(random.once(3) ? [`${token}+`] : [])]),
      ([name, , ...elements]) => {
        if (name === 'LRANGE') return list.join(' ')
        list.push(...elements)
        return `:${list.length}\r\n`
      },
    )
    return { operations: histories.make(count, 6, unknownShare), final: list }
  }

  it('accepts what can be explained', () => {
    const random = chance(4)
    for (let round = 0; round < 100; round++) {
      expect(listFailure({ ...listHistory(random, 100 + random.below(200)), elementsOf })).toBeUndefined()
    }
    expect(listFailure({ ...listHistory(random, 2000), elementsOf })).toBeUndefined()
  })

  function broken(change: (history: { operations: Mutable<Operation<ListRequest>>[]; final: string[] }) => void): string | undefined {
    // All outcomes are known: otherwise what goes may be something that nobody knows of.
    const history = listHistory(chance(5), 200, 0)
    change(history)
    return listFailure({ ...history, elementsOf })
  }
  const reads = (operations: Mutable<Operation<ListRequest>>[]): Mutable<Operation<ListRequest>>[] =>
    operations.filter(({ request, reply }) => request[0] === 'LRANGE' && reply !== undefined)

  it('finds each kind of wrong', () => {
    expect(broken(({ final }) => final.pop())).toMatch(/not in the list|stay together|nothing is in the end/)
    expect(broken(({ final }) => final.splice(20, 1))).toBeDefined()
    expect(broken(({ final }) => final.push(final[3] as string))).toContain('twice')
    expect(broken(({ final }) => final.push('invented'))).toContain('were pushed')
    // Stale: what was there when the history began.
    expect(
      broken(({ operations }) => {
        reads(operations).at(-1)!.reply = ''
      }),
    ).toContain('comes in the list before')
    // Two elements in the other order.
    expect(
      broken(({ operations }) => {
        const last = reads(operations).at(-1)!
        const seen = elementsOf(last)
        last.reply = [seen[1], seen[0], ...seen.slice(2)].join(' ')
      }),
    ).toContain('in the end')
    // From the future.
    expect(
      broken(({ operations, final }) => {
        reads(operations)[0]!.reply = final.join(' ')
      }),
    ).toContain('comes in the list before')
    expect(
      broken(({ operations }) => {
        const push = operations.find(({ request, reply }) => request[0] === 'RPUSH' && reply !== undefined)!
        push.reply = ':12345\r\n'
      }),
    ).toContain('came to')
    // A part of what came together.
    expect(
      broken(({ operations, final }) => {
        const at = final.findIndex((element) => element.endsWith('+'))
        const read = reads(operations).find((each) => elementsOf(each).length === at + 1)
        if (read === undefined) operations.push({ request: ['LRANGE', 'k'], reply: final.slice(0, at).join(' '), start: 0.5, end: 1e9 })
        else read.reply = final.slice(0, at).join(' ')
      }),
    ).toMatch(/a part of|comes in the list before/)
  })
})
