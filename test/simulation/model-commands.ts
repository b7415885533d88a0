/** Redis's commands on the model: what each changes and answers. Only what the workload sends; arguments are well-formed. */
import type { Item, Model } from './model.ts'
import { collectionHandlers } from './model-collections.ts'
import type { Expected, Handler } from './model-replies.ts'
import { array, bulk, bulks, difference, integer, isInteger, nil, ok, wrongType } from './model-replies.ts'

export type { Expected } from './model-replies.ts'

const notInteger = '-ERR value is not an integer or out of range\r\n'
const hashNotInteger = '-ERR hash value is not an integer\r\n'

type StringItem = Extract<Item, { kind: 'string' }>
type HashItem = Extract<Item, { kind: 'hash' }>

export function modelReply(model: Model, db: number, words: readonly string[]): Expected {
  const handler = handlers[(words[0] as string).toLowerCase()]
  if (handler === undefined) throw new Error(`the model does not know ${words[0]}`)
  return handler(model, db, words.slice(1))
}

const handlers: Readonly<Record<string, Handler>> = {
  ...collectionHandlers,
  set,
  get: onString((item) => bulk(item?.text)),
  strlen: onString((item) => integer(item?.text.length ?? 0)),
  getrange: onString((item, [, from, to]) => bulk((item?.text ?? '').slice(Number(from), Number(to) + 1))),
  append: onString((item, [key, text], model, db) => {
    const joined = (item?.text ?? '') + text
    model.putString(db, key as string, joined, item?.expireAt ?? 0)
    return integer(joined.length)
  }),
  setrange: onString((item, [key, offset, text], model, db) => {
    const before = item?.text ?? ''
    const at = Number(offset)
    const after = before.slice(0, at).padEnd(at, '\0') + text + before.slice(at + (text as string).length)
    model.putString(db, key as string, after, item?.expireAt ?? 0)
    return integer(after.length)
  }),
  incrby: onString((item, [key, by], model, db) => {
    const before = item?.text ?? '0'
    if (!isInteger(before)) return notInteger
    const after = Number(before) + Number(by)
    model.putString(db, key as string, `${after}`, item?.expireAt ?? 0)
    return integer(after)
  }),
  getset: onString((item, [key, text], model, db) => {
    model.putString(db, key as string, text as string, 0)
    return bulk(item?.text)
  }),
  getdel: onString((item, [key], model, db) => {
    if (item !== undefined) model.delete(db, key as string)
    return bulk(item?.text)
  }),
  mset: (model, db, args) => {
    for (let i = 0; i < args.length; i += 2) model.putString(db, args[i] as string, args[i + 1] as string, 0)
    return ok
  },
  mget: (model, db, args) => {
    const items = args.map((key) => model.get(db, key))
    return `*${items.length}\r\n${items.map((item) => (item?.kind === 'string' ? bulk(item.text) : nil)).join('')}`
  },
  del: (model, db, args) => {
    let deleted = 0
    for (const key of args) {
      if (model.get(db, key) === undefined) continue
      model.delete(db, key)
      deleted++
    }
    return integer(deleted)
  },
  exists: (model, db, args) => integer(args.filter((key) => model.get(db, key) !== undefined).length),
  type: (model, db, [key]) => `+${model.get(db, key as string)?.kind ?? 'none'}\r\n`,
  pexpire: (model, db, [key, ms]) => {
    const item = model.get(db, key as string)
    if (item === undefined) return integer(0)
    model.setExpiry(db, key as string, item, model.nowMs + Number(ms))
    return integer(1)
  },
  persist: (model, db, [key]) => {
    const item = model.get(db, key as string)
    if (item === undefined || item.expireAt === 0) return integer(0)
    model.setExpiry(db, key as string, item, 0)
    return integer(1)
  },
  pttl: (model, db, [key]) => {
    const item = model.get(db, key as string)
    return integer(item === undefined ? -2 : item.expireAt === 0 ? -1 : item.expireAt - model.nowMs)
  },
  rename: (model, db, [from, to]) => {
    const item = model.get(db, from as string)
    if (item === undefined) return '-ERR no such key\r\n'
    if (from === to) return ok
    model.putItem(db, to as string, item)
    model.delete(db, from as string)
    return ok
  },
  renamenx: (model, db, [from, to]) => {
    const item = model.get(db, from as string)
    if (item === undefined) return '-ERR no such key\r\n'
    if (model.get(db, to as string) !== undefined) return integer(0)
    model.putItem(db, to as string, item)
    model.delete(db, from as string)
    return integer(1)
  },
  copy: (model, db, [from, to, , toDb, replace]) => {
    const item = model.get(db, from as string)
    const target = Number(toDb)
    if (item === undefined || (replace === undefined && model.get(target, to as string) !== undefined)) return integer(0)
    model.putItem(target, to as string, item)
    return integer(1)
  },
  move: (model, db, [key, toDb]) => {
    if (Number(toDb) === db) return '-ERR source and destination objects are the same\r\n'
    const item = model.get(db, key as string)
    const target = Number(toDb)
    if (item === undefined || model.get(target, key as string) !== undefined) return integer(0)
    model.putItem(target, key as string, item)
    model.delete(db, key as string)
    return integer(1)
  },
  dbsize: (model, db) => {
    const least = model.livingKeys(db).length
    const most = model.size(db)
    model.seenLsn = Math.max(model.seenLsn, model.lsn - 1)
    return (raw) =>
      /^:\d+\r\n$/.test(raw) && Number(raw.slice(1)) >= least && Number(raw.slice(1)) <= most ? undefined : `not ${least} to ${most}`
  },
  keys: (model, db) => {
    const keys = model.livingKeys(db)
    model.seenLsn = Math.max(model.seenLsn, model.lsn - 1)
    return (raw) => difference(bulks(raw), keys)
  },
  flushdb: (model, db) => {
    model.flush(db)
    return ok
  },
  swapdb: (model, _db, [a, b]) => {
    model.swap(Number(a), Number(b))
    return ok
  },
  hset: onHash((item, [key, ...pairs], model, db) => {
    const fields = new Map(item?.fields)
    for (let i = 0; i < pairs.length; i += 2) fields.set(pairs[i] as string, pairs[i + 1] as string)
    model.putHash(db, key as string, fields, item?.expireAt ?? 0)
    return integer(fields.size - (item?.fields.size ?? 0))
  }),
  hdel: onHash((item, [key, ...names], model, db) => {
    const fields = new Map(item?.fields)
    for (const name of names) fields.delete(name)
    const deleted = (item?.fields.size ?? 0) - fields.size
    if (deleted > 0) model.putHash(db, key as string, fields, item?.expireAt ?? 0)
    return integer(deleted)
  }),
  hincrby: onHash((item, [key, name, by], model, db) => {
    const before = item?.fields.get(name as string) ?? '0'
    if (!isInteger(before)) return hashNotInteger
    const after = Number(before) + Number(by)
    model.putHash(db, key as string, new Map(item?.fields).set(name as string, `${after}`), item?.expireAt ?? 0)
    return integer(after)
  }),
  hget: onHash((item, [, name]) => bulk(item?.fields.get(name as string))),
  hmget: onHash((item, [, ...names]) => array(names.map((name) => item?.fields.get(name)))),
  hlen: onHash((item) => integer(item?.fields.size ?? 0)),
  hgetall: onHash((item) => {
    const pairs = [...(item?.fields ?? [])].map(([name, value]) => `${name}\n${value}`)
    return (raw) => {
      const found = bulks(raw)
      const joined: string[] = []
      for (let i = 0; i < found.length; i += 2) joined.push(`${found[i]}\n${found[i + 1]}`)
      return difference(joined, pairs)
    }
  }),
}

function set(model: Model, db: number, [key, text, ...options]: readonly string[]): Expected {
  const nameOf = key as string
  const item = model.get(db, nameOf)
  const has = (option: string): boolean => options.includes(option)
  if (has('GET') && item !== undefined && item.kind !== 'string') return wrongType
  const answer = has('GET') ? bulk(item?.kind === 'string' ? item.text : undefined) : ok
  if ((has('NX') && item !== undefined) || (has('XX') && item === undefined)) return has('GET') ? answer : nil
  const px = options.indexOf('PX')
  const expireAt = px >= 0 ? model.nowMs + Number(options[px + 1]) : has('KEEPTTL') ? (item?.expireAt ?? 0) : 0
  model.putString(db, nameOf, text as string, expireAt)
  return answer
}

function onString(work: (item: StringItem | undefined, args: readonly string[], model: Model, db: number) => Expected): Handler {
  return (model, db, args) => {
    const item = model.get(db, args[0] as string)
    return item !== undefined && item.kind !== 'string' ? wrongType : work(item, args, model, db)
  }
}

function onHash(work: (item: HashItem | undefined, args: readonly string[], model: Model, db: number) => Expected): Handler {
  return (model, db, args) => {
    const item = model.get(db, args[0] as string)
    return item !== undefined && item.kind !== 'hash' ? wrongType : work(item, args, model, db)
  }
}
