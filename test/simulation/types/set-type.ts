/** Sets in the simulation. */
import { integer, unordered, wrongType } from '../model-replies.ts'
import type { ModelType } from '../model-type.ts'
import { on, store, valuesOf } from '../model-type.ts'

type Members = ReadonlySet<string>

const keys = ['set0', 'set1', 'set2']

export const sets: ModelType = {
  kind: 'set',
  keys,
  weight: 9,
  request: (draw) => {
    const key = draw.key(keys)
    const member = (): string[] => [draw.member()]
    return draw.oneOf([
      () => ['SADD', key, ...draw.some(member)],
      () => ['SADD', key, ...draw.some(member)],
      () => ['SADD', key, `${draw.below(1000)}`],
      () => ['SREM', key, ...draw.some(member)],
      () => ['SMOVE', key, draw.key(keys), draw.member()],
      () => (draw.once(4) ? ['SPOP', key, '100000'] : ['SCARD', key]),
      () => ['SISMEMBER', key, draw.member()],
      () => ['SCARD', key],
      () => ['SMEMBERS', key],
      () => [draw.pick(['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']), draw.key(keys), key, draw.key(keys)],
    ])
  },
  reads: (key) => [
    ['SCARD', key],
    ['SMEMBERS', key],
  ],
  handlers: {
    sadd: on('set', (members, { args, put }) => {
      const after = new Set([...(members ?? []), ...args])
      const added = after.size - (members?.size ?? 0)
      if (added > 0) put(after)
      return integer(added)
    }),
    srem: on('set', (members, { args, put }) => {
      const after = new Set(members)
      const removed = args.filter((each) => after.delete(each)).length
      if (removed > 0) put(after)
      return integer(removed)
    }),
    spop: on('set', (members, { model, db, key }) => {
      if (members !== undefined) model.delete(db, key)
      return unordered([...(members ?? [])])
    }),
    smove: (model, db, [from, to, member]) => {
      const values = valuesOf(model, db, 'set', [from as string])
      if (values === undefined) return wrongType
      const [source] = values
      if (source === undefined) return integer(0)
      const targets = valuesOf(model, db, 'set', [to as string])
      if (targets === undefined) return wrongType
      const has = source.has(member as string)
      if (from === to || !has) return integer(has ? 1 : 0)
      model.put(
        db,
        from as string,
        'set',
        new Set([...source].filter((each) => each !== member)),
        model.get(db, from as string)?.expireAt ?? 0,
      )
      const expireAt = model.get(db, to as string)?.expireAt ?? 0
      model.put(db, to as string, 'set', new Set([...(targets[0] ?? []), member as string]), expireAt)
      return integer(1)
    },
    sismember: on('set', (members, { args: [member] }) => integer(members?.has(member as string) === true ? 1 : 0)),
    scard: on('set', (members) => integer(members?.size ?? 0)),
    smembers: on('set', (members) => unordered([...(members ?? [])])),
    sunionstore: stored((a, b) => [...a, ...b]),
    sinterstore: stored((a, b) => [...a].filter((each) => b.has(each))),
    sdiffstore: stored((a, b) => [...a].filter((each) => !b.has(each))),
  },
}

function stored(combine: (a: Members, b: Members) => string[]): ModelType['handlers'][string] {
  return (model, db, [target, ...sources]) => {
    const values = valuesOf(model, db, 'set', sources)
    if (values === undefined) return wrongType
    const members = new Set(combine(values[0] ?? new Set(), values[1] ?? new Set()))
    store(model, db, target as string, 'set', members)
    return integer(members.size)
  }
}
