/** Commands on keys of any type in the simulation, and on whole databases. */
import type { Draw } from './draw.ts'
import { databases } from './draw.ts'
import type { Model } from './model.ts'
import { integer, noSuchKey, ok, unordered } from './model-replies.ts'
import type { Family } from './model-type.ts'

const times = [-1, 5, 20, 100, 500, 60_000, 90_000]

export const keyCommands: Family = {
  weight: 14,
  request: (draw) => {
    const key = draw.anyKey()
    if (draw.once(25)) return draw.pick([['FLUSHDB'], ['SWAPDB', `${draw.below(databases)}`, `${draw.below(databases)}`]])
    return draw.oneOf([
      () => ['DEL', key, ...(draw.once(3) ? [draw.anyKey()] : [])],
      () => ['EXISTS', key, draw.anyKey()],
      () => ['TYPE', key],
      () => ['PTTL', key],
      () => ['PEXPIRE', key, `${draw.pick(times)}`],
      () => ['PEXPIRE', key, `${60_000 + draw.below(1000)}`],
      () => ['PERSIST', key],
      () => ['RENAME', key, draw.anyKey()],
      () => ['RENAME', key, draw.anyKey()],
      () => ['RENAMENX', key, draw.anyKey()],
      () => ['MOVE', key, `${draw.below(databases)}`],
      () => copy(draw, key),
      () => copy(draw, key),
    ])
  },
  handlers: {
    del: (model, db, args) => {
      const there = args.filter((key, i) => args.indexOf(key) === i && model.get(db, key) !== undefined)
      for (const key of there) model.delete(db, key)
      return integer(there.length)
    },
    exists: (model, db, args) => integer(args.filter((key) => model.get(db, key) !== undefined).length),
    type: (model, db, [key]) => {
      const kind = model.get(db, key as string)?.kind ?? 'none'
      return `+${kind === 'hyperloglog' ? 'string' : kind}\r\n`
    },
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
      if (item === undefined) return noSuchKey
      if (from === to) return ok
      model.putItem(db, to as string, item)
      model.delete(db, from as string)
      return ok
    },
    renamenx: (model, db, [from, to]) => {
      const item = model.get(db, from as string)
      if (item === undefined) return noSuchKey
      if (model.get(db, to as string) !== undefined) return integer(0)
      model.putItem(db, to as string, item)
      model.delete(db, from as string)
      return integer(1)
    },
    copy: (model, db, [from, to, , toDb, replace]) => {
      const target = Number(toDb)
      if (target === db && from === to) return '-ERR source and destination objects are the same\r\n'
      const item = model.get(db, from as string)
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
      seesAll(model)
      return (raw) =>
        /^:\d+\r\n$/.test(raw) && Number(raw.slice(1)) >= least && Number(raw.slice(1)) <= most ? undefined : `not ${least} to ${most}`
    },
    keys: (model, db) => {
      seesAll(model)
      return unordered(model.livingKeys(db))
    },
    flushdb: (model, db) => {
      model.flush(db)
      return ok
    },
    swapdb: (model, _db, [a, b]) => {
      model.swap(Number(a), Number(b))
      return ok
    },
  },
}

/** What is asked of a whole database depends on everything before. */
function seesAll(model: Model): void {
  model.seenLsn = Math.max(model.seenLsn, model.lsn - 1)
}

/** COPY with its database always named. */
function copy(draw: Draw, key: string): string[] {
  return ['COPY', key, draw.anyKey(), 'DB', `${draw.below(databases)}`, ...(draw.once(2) ? ['REPLACE'] : [])]
}
