/** Redis's commands on the model: what each changes and answers. Only what the workload sends; arguments are well-formed. */
import type { Item, Model } from './model.ts'

/** The reply's bytes as latin1 text, or where several answers are right a judge, who says what is wrong with them. */
export type Expected = string | ((raw: string) => string | undefined)

const ok = '+OK\r\n'
const nil = '$-1\r\n'
const nilArray = '*-1\r\n'
const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'
const notInteger = '-ERR value is not an integer or out of range\r\n'
const hashNotInteger = '-ERR hash value is not an integer\r\n'

type StringItem = Extract<Item, { kind: 'string' }>
type HashItem = Extract<Item, { kind: 'hash' }>
type ListItem = Extract<Item, { kind: 'list' }>
type Handler = (model: Model, db: number, args: readonly string[]) => Expected

export function modelReply(model: Model, db: number, words: readonly string[]): Expected {
  const handler = handlers[(words[0] as string).toLowerCase()]
  if (handler === undefined) throw new Error(`the model does not know ${words[0]}`)
  return handler(model, db, words.slice(1))
}

const handlers: Readonly<Record<string, Handler>> = {
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
  hmget: onHash((item, [, ...names]) => `*${names.length}\r\n${names.map((name) => bulk(item?.fields.get(name))).join('')}`),
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
  lpush: onList((item, [key, ...elements], model, db) => {
    const after = [...elements.toReversed(), ...(item?.elements ?? [])]
    model.putList(db, key as string, after, item?.expireAt ?? 0)
    return integer(after.length)
  }),
  rpush: onList((item, [key, ...elements], model, db) => {
    const after = [...(item?.elements ?? []), ...elements]
    model.putList(db, key as string, after, item?.expireAt ?? 0)
    return integer(after.length)
  }),
  lpop: onList((item, [key, count], model, db) => {
    if (item === undefined) return count === undefined ? nil : nilArray
    const popped = item.elements.slice(0, Number(count ?? 1))
    if (popped.length > 0) model.putList(db, key as string, item.elements.slice(popped.length), item.expireAt)
    return count === undefined ? bulk(popped[0]) : array(popped)
  }),
  rpop: onList((item, [key], model, db) => {
    if (item !== undefined) model.putList(db, key as string, item.elements.slice(0, -1), item.expireAt)
    return bulk(item?.elements.at(-1))
  }),
  lset: onList((item, [key, index, element], model, db) => {
    if (item === undefined) return '-ERR no such key\r\n'
    if (Number(index) >= item.elements.length) return '-ERR index out of range\r\n'
    model.putList(db, key as string, item.elements.with(Number(index), element as string), item.expireAt)
    return ok
  }),
  linsert: onList((item, [key, , pivot, element], model, db) => {
    const at = item?.elements.indexOf(pivot as string) ?? -1
    if (item === undefined || at < 0) return integer(item === undefined ? 0 : -1)
    model.putList(db, key as string, item.elements.toSpliced(at, 0, element as string), item.expireAt)
    return integer(item.elements.length + 1)
  }),
  lrem: onList((item, [key, , element], model, db) => {
    const after = item?.elements.filter((each) => each !== element) ?? []
    const removed = (item?.elements.length ?? 0) - after.length
    if (item !== undefined && removed > 0) model.putList(db, key as string, after, item.expireAt)
    return integer(removed)
  }),
  ltrim: onList((item, [key, start, stop], model, db) => {
    const after = item?.elements.slice(Number(start), Number(stop) + 1) ?? []
    if (item !== undefined && after.length < item.elements.length) model.putList(db, key as string, after, item.expireAt)
    return ok
  }),
  rpoplpush: onList((item, [from, to], model, db) => {
    const target = model.get(db, to as string)
    if (item === undefined) return nil
    if (target !== undefined && target.kind !== 'list') return wrongType
    const element = item.elements.at(-1) as string
    const rest = item.elements.slice(0, -1)
    if (from === to) model.putList(db, from as string, [element, ...rest], item.expireAt)
    else {
      model.putList(db, to as string, [element, ...(target?.elements ?? [])], target?.expireAt ?? 0)
      model.putList(db, from as string, rest, item.expireAt)
    }
    return bulk(element)
  }),
  llen: onList((item) => integer(item?.elements.length ?? 0)),
  lindex: onList((item, [, index]) => bulk(item?.elements.at(Number(index)))),
  lrange: onList((item, [, start, stop]) => array(item?.elements.slice(Number(start), stop === '-1' ? undefined : Number(stop) + 1) ?? [])),
}

function onList(work: (item: ListItem | undefined, args: readonly string[], model: Model, db: number) => Expected): Handler {
  return (model, db, args) => {
    const item = model.get(db, args[0] as string)
    return item !== undefined && item.kind !== 'list' ? wrongType : work(item, args, model, db)
  }
}

function array(items: readonly string[]): string {
  return `*${items.length}\r\n${items.map(bulk).join('')}`
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

function isInteger(text: string): boolean {
  return /^(0|-?[1-9]\d{0,15})$/.test(text)
}

function integer(value: number): string {
  return `:${value}\r\n`
}

function bulk(text: string | undefined): string {
  return text === undefined ? nil : `$${text.length}\r\n${text}\r\n`
}

/** The items of an array of bulks. */
function bulks(raw: string): string[] {
  const found: string[] = []
  let at = raw.indexOf('\r\n') + 2
  while (at < raw.length) {
    const end = raw.indexOf('\r\n', at)
    const length = Number(raw.slice(at + 1, end))
    found.push(raw.slice(end + 2, end + 2 + length))
    at = end + 4 + length
  }
  return found
}

/** What two lists have not in common, their order aside; undefined when they are the same. */
function difference(found: readonly string[], expected: readonly string[]): string | undefined {
  const missing = expected.filter((each) => !found.includes(each))
  const strange = found.filter((each) => !expected.includes(each))
  if (missing.length === 0 && strange.length === 0 && found.length === expected.length) return undefined
  return `missing: ${JSON.stringify(missing)}, not expected: ${JSON.stringify(strange)}, ${found.length} instead of ${expected.length}`
}
