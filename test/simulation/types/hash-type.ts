/**
 * Hashes in the simulation, with fields that expire. A hash with such fields always has one that does not, so that whether the key is there never depends
 * on when the others are deleted; how many fields it has does: a large hash counts those that have expired until they are gone.
 */
import type { Draw } from '../draw.ts'
import type { Field } from '../model.ts'
import type { Expected } from '../model-replies.ts'
import { array, bulk, bulks, difference, integer, isInteger, list } from '../model-replies.ts'
import type { Call, ModelType } from '../model-type.ts'
import { on } from '../model-type.ts'

type Fields = ReadonlyMap<string, Field>

const keys = Array.from({ length: 5 }, (_, i) => `h${i}`)
const lasting = 'lasting'
const hashNotInteger = '-ERR hash value is not an integer\r\n'

function field(draw: Draw): string {
  return draw.once(10) ? `n${draw.below(4)}` : expiringField(draw)
}

function expiringField(draw: Draw): string {
  return `f${draw.below(draw.fieldsMax)}`
}

/** `FIELDS`, their number, and they. */
function counted(parts: readonly string[], each = 1): string[] {
  return ['FIELDS', `${parts.length / each}`, ...parts]
}

export const hashes: ModelType = {
  kind: 'hash',
  keys,
  weight: 14,
  request: (draw) => {
    const key = draw.key(keys)
    return draw.oneOf([
      () => ['HSET', key, ...draw.some(() => [field(draw), draw.element()])],
      () => ['HSET', key, ...draw.some(() => [field(draw), draw.element()])],
      () => ['HSET', key, field(draw), draw.element()],
      () => ['HDEL', key, ...draw.some(() => [field(draw)])],
      () => ['HINCRBY', key, `n${draw.below(4)}`, `${draw.below(100) - 50}`],
      () => ['HGET', key, field(draw)],
      () => ['HMGET', key, ...draw.some(() => [field(draw)])],
      () => ['HLEN', key],
      () => ['HGETALL', key],
      () => ['HPTTL', key, ...counted(draw.some(() => [field(draw)]))],
    ])
  },
  together: (draw) => {
    const key = draw.key(keys)
    const ms = `${draw.pick([0, 5, 20, 100, 500, 60_000])}`
    const fields = (): string[] => [...new Set(draw.some(() => [expiringField(draw)]))]
    const last = draw.oneOf([
      () => ['HPEXPIRE', key, ms, ...counted(fields())],
      () => ['HPEXPIRE', key, ms, ...counted(fields())],
      () => [
        'HSETEX',
        key,
        'PX',
        `${1 + Number(ms)}`,
        ...counted(
          fields().flatMap((name) => [name, draw.element()]),
          2,
        ),
      ],
      () => ['HGETEX', key, 'PX', `${1 + Number(ms)}`, ...counted(fields())],
      () => ['HPERSIST', key, ...counted(fields())],
      () => ['HGETDEL', key, ...counted(fields())],
    ])
    return [['HSET', key, lasting, draw.mark()], last]
  },
  reads: (key) => [
    ['HLEN', key],
    ['HGETALL', key],
    ['HPTTL', key, ...counted(['f0', 'f1', 'f2', 'f3', 'f4', lasting])],
  ],
  handlers: {
    hset: changing((fields, { args }) => {
      const before = fields.size
      for (let i = 0; i < args.length; i += 2) fields.set(args[i] as string, { text: args[i + 1] as string, expireAt: 0 })
      return integer(fields.size - before)
    }),
    hdel: changing((fields, { args }) => integer(args.filter((name) => fields.delete(name)).length)),
    hincrby: changing((fields, { args: [name, by] }) => {
      const { text, expireAt } = fields.get(name as string) ?? { text: '0', expireAt: 0 }
      if (!isInteger(text)) return hashNotInteger
      const after = Number(text) + Number(by)
      fields.set(name as string, { text: `${after}`, expireAt })
      return integer(after)
    }),
    hpexpire: changing((fields, { model, args: [ms, , , ...names] }) =>
      list(
        names.map((name) => {
          const found = fields.get(name)
          if (found === undefined) return integer(-2)
          if (Number(ms) === 0) fields.delete(name)
          else fields.set(name, { ...found, expireAt: model.nowMs + Number(ms) })
          return integer(Number(ms) === 0 ? 2 : 1)
        }),
      ),
    ),
    hsetex: changing((fields, { model, args: [, ms, , , ...pairs] }) => {
      const expireAt = model.nowMs + Number(ms)
      for (let i = 0; i < pairs.length; i += 2) fields.set(pairs[i] as string, { text: pairs[i + 1] as string, expireAt })
      return integer(1)
    }),
    hgetex: changing((fields, { model, args: [, ms, , , ...names] }) => {
      const found = names.map((name) => fields.get(name))
      for (const [i, name] of names.entries()) {
        const former = found[i]
        if (former !== undefined) fields.set(name, { ...former, expireAt: model.nowMs + Number(ms) })
      }
      return array(found.map((each) => each?.text))
    }),
    hpersist: changing((fields, { args: [, , ...names] }) =>
      list(
        names.map((name) => {
          const found = fields.get(name)
          if (found === undefined || found.expireAt === 0) return integer(found === undefined ? -2 : -1)
          fields.set(name, { ...found, expireAt: 0 })
          return integer(1)
        }),
      ),
    ),
    hgetdel: changing((fields, { args: [, , ...names] }) =>
      array(
        names.map((name) => {
          const text = fields.get(name)?.text
          fields.delete(name)
          return text
        }),
      ),
    ),
    hget: reading((fields, [name]) => bulk(fields.get(name as string)?.text)),
    hmget: reading((fields, names) => array(names.map((name) => fields.get(name)?.text))),
    hpttl: reading((fields, [, , ...names], nowMs) =>
      list(
        names.map((name) => {
          const found = fields.get(name)
          return integer(found === undefined ? -2 : found.expireAt === 0 ? -1 : found.expireAt - nowMs)
        }),
      ),
    ),
    hgetall: reading((fields) => {
      const pairs = [...fields].map(([name, { text }]) => `${name}\n${text}`)
      return (raw) => {
        const found = bulks(raw)
        const joined: string[] = []
        for (let i = 0; i < found.length; i += 2) joined.push(`${found[i]}\n${found[i + 1]}`)
        return difference(joined, pairs)
      }
    }),
    hlen: on('hash', (fields, { model }) => {
      const most = fields?.size ?? 0
      const least = living(fields, model.nowMs).size
      return (raw) => {
        const found = /^:(\d+)\r\n$/.exec(raw)?.[1]
        return found !== undefined && Number(found) >= least && Number(found) <= most ? undefined : `not ${least} to ${most}`
      }
    }),
  },
}

/** The fields whose time has not come. */
function living(fields: Fields | undefined, nowMs: number): Map<string, Field> {
  return new Map([...(fields ?? [])].filter(([, { expireAt }]) => expireAt === 0 || expireAt >= nowMs))
}

function reading(work: (fields: Fields, args: readonly string[], nowMs: number) => Expected): ModelType['handlers'][string] {
  return on('hash', (fields, { args, model }) => work(living(fields, model.nowMs), args, model.nowMs))
}

/** What `work` makes of the living fields; those that have expired stay with them, since the server may count them. */
function changing(work: (fields: Map<string, Field>, call: Call<'hash'>) => Expected): ModelType['handlers'][string] {
  return on('hash', (all, call) => {
    const before = living(all, call.model.nowMs)
    const after = new Map(before)
    const reply = work(after, call)
    const isSame = after.size === before.size && [...after].every(([name, each]) => before.get(name) === each)
    if (!isSame) call.put(new Map([...[...(all ?? [])].filter(([name]) => !before.has(name)), ...after]))
    return reply
  })
}
