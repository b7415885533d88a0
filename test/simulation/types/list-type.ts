/** Lists in the simulation, and commands that wait for their elements. */
import type { Draw } from '../draw.ts'
import type { Model } from '../model.ts'
import type { Expected, Handler } from '../model-replies.ts'
import { array, bulk, integer, list, nil, nilArray, noSuchKey, ok, wrongType } from '../model-replies.ts'
import type { ModelType } from '../model-type.ts'
import { on, servedBy } from '../model-type.ts'

const ordinary = ['list0', 'list1', 'list2']
/** Mostly empty, so that who pops from them waits. */
const queues = ['queue0', 'queue1']
const keys = [...ordinary, ...queues]
const indexOutOfRange = '-ERR index out of range\r\n'

const end = (draw: Draw): string => draw.pick(['L', 'R'])
/** An element that is there more than once. */
const again = (draw: Draw): string => `again${draw.below(2)}`
const side = (draw: Draw): string => draw.pick(['LEFT', 'RIGHT'])

export const lists: ModelType = {
  kind: 'list',
  keys,
  weight: 11,
  request: (draw) => {
    const key = draw.key(ordinary)
    return draw.oneOf([
      () => [`${end(draw)}PUSH`, key, ...draw.some(() => [draw.element()])],
      () => [`${end(draw)}PUSH`, key, ...draw.some(() => [draw.element()])],
      () => [`${end(draw)}POP`, key, ...(draw.once(2) ? [] : [`${draw.below(6)}`])],
      () => ['LMOVE', key, draw.key(keys), side(draw), side(draw)],
      () => ['RPUSH', draw.pick(queues), draw.element()],
      () => ['RPUSH', draw.pick(queues), draw.element(), draw.element()],
      () => ['LPOP', draw.pick(queues)],
      () => ['DEL', draw.pick(queues)],
      () => ['LSET', key, `${draw.below(40)}`, draw.element()],
      () => ['LRANGE', key, `${draw.below(40)}`, `${draw.below(60) - 1}`],
      () => ['LLEN', key],
      () => ['RPUSH', key, ...draw.some(() => [again(draw)])],
      () => ['LREM', key, `${draw.below(5) - 2}`, again(draw)],
      () => ['LINSERT', key, draw.pick(['BEFORE', 'AFTER']), again(draw), draw.element()],
      () => (draw.once(3) ? ['LTRIM', key, `${draw.below(5)}`, `${draw.below(draw.once(3) ? 6 : 400)}`] : ['LLEN', key]),
    ])
  },
  waits: (draw) => {
    const one = (): string => (draw.once(4) ? draw.key(keys) : draw.pick(queues))
    const some = (): string[] => [one(), ...(draw.once(3) ? [one()] : [])]
    return draw.oneOf([
      () => [`B${end(draw)}POP`, ...some(), draw.timeout()],
      () => ['BLMOVE', one(), draw.key(keys), side(draw), side(draw), draw.timeout()],
      () => {
        const from = some()
        return ['BLMPOP', draw.timeout(), `${from.length}`, ...from, side(draw), 'COUNT', `${1 + draw.below(4)}`]
      },
    ])
  },
  reads: (key) => [
    ['LLEN', key],
    ['LRANGE', key, '0', '-1'],
  ],
  handlers: {
    rpush: push(false),
    lpush: push(true),
    rpop: pop(false),
    lpop: pop(true),
    llen: on('list', (elements) => integer(elements?.length ?? 0)),
    lrange: on('list', (elements = [], { args: [from, to] }) => {
      const last = Number(to) < 0 ? elements.length + Number(to) : Number(to)
      return array(elements.slice(Number(from), last + 1))
    }),
    lset: on('list', (elements, { args: [index, text], put }) => {
      if (elements === undefined) return noSuchKey
      if (Number(index) >= elements.length) return indexOutOfRange
      put(elements.with(Number(index), text as string))
      return ok
    }),
    ltrim: on('list', (elements = [], { args: [from, to], put }) => {
      const kept = elements.slice(Number(from), Number(to) + 1)
      if (kept.length < elements.length) put(kept)
      return ok
    }),
    lrem: on('list', (elements = [], { args: [count, text], put }) => {
      const same = [...elements.keys()].filter((i) => elements[i] === text)
      const wanted = Math.abs(Number(count)) || same.length
      const gone = Number(count) < 0 ? same.slice(Math.max(0, same.length - wanted)) : same.slice(0, wanted)
      if (gone.length > 0) put(elements.filter((_, i) => !gone.includes(i)))
      return integer(gone.length)
    }),
    linsert: on('list', (elements = [], { args: [where, pivot, text], put }) => {
      const at = elements.indexOf(pivot as string)
      if (at < 0) return integer(elements.length === 0 ? 0 : -1)
      put(elements.toSpliced(where === 'AFTER' ? at + 1 : at, 0, text as string))
      return integer(elements.length + 1)
    }),
    lmove: (model, db, [from, to, ...sides]) => {
      const item = model.get(db, from as string)
      if (item === undefined) return nil
      return item.kind === 'list' ? moved(model, db, from as string, to as string, sides) : wrongType
    },
    blpop: popsOne(true),
    brpop: popsOne(false),
    blmove: (model, db, [from, to, ...sides]) =>
      servedBy(model, db, 'list', [from as string], () => moved(model, db, from as string, to as string, sides), nil),
    blmpop: (model, db, [, count, ...rest]) => {
      const [where, , popped] = rest.slice(Number(count))
      return servedBy(
        model,
        db,
        'list',
        rest.slice(0, Number(count)),
        (key) => list([bulk(key), array(taken(model, db, key, where === 'LEFT', Number(popped)))]),
        nilArray,
      )
    },
  },
}

function push(atHead: boolean): Handler {
  return on('list', (elements = [], { args, put }) => {
    const after = atHead ? [...args.toReversed(), ...elements] : [...elements, ...args]
    put(after)
    return integer(after.length)
  })
}

function pop(atHead: boolean): Handler {
  return on('list', (elements, { model, db, key, args: [count] }) => {
    if (elements === undefined) return count === undefined ? nil : nilArray
    const popped = taken(model, db, key, atHead, Number(count ?? 1))
    return count === undefined ? bulk(popped[0]) : array(popped)
  })
}

function popsOne(atHead: boolean): Handler {
  return (model, db, args) =>
    servedBy(model, db, 'list', args.slice(0, -1), (key) => array([key, ...taken(model, db, key, atHead, 1)]), nilArray)
}

/** Takes elements off a list that is there. */
function taken(model: Model, db: number, key: string, atHead: boolean, count: number): string[] {
  const item = model.get(db, key)
  if (item?.kind !== 'list' || count === 0) return []
  const { value, expireAt } = item
  const wanted = Math.min(count, value.length)
  model.put(db, key, 'list', atHead ? value.slice(wanted) : value.slice(0, value.length - wanted), expireAt)
  return atHead ? value.slice(0, wanted) : value.slice(value.length - wanted).reverse()
}

/** Moves an element of a list that is there. */
function moved(model: Model, db: number, from: string, to: string, [fromSide, toSide]: readonly string[]): Expected {
  const before = model.get(db, to)
  if (before !== undefined && before.kind !== 'list') return wrongType
  const [element] = taken(model, db, from, fromSide === 'LEFT', 1)
  const target = model.get(db, to)
  const elements = target?.kind === 'list' ? target.value : []
  const after = toSide === 'LEFT' ? [element as string, ...elements] : [...elements, element as string]
  // A list that is turned keeps its expiry, also when it has one element only.
  model.put(db, to, 'list', after, before?.expireAt ?? 0)
  return bulk(element)
}
