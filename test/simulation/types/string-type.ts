/** Strings in the simulation. */
import type { Item, Model } from '../model.ts'
import type { Expected } from '../model-replies.ts'
import { bulk, integer, isInteger, nil, ok, wrongType } from '../model-replies.ts'
import type { ModelType } from '../model-type.ts'
import { on } from '../model-type.ts'

const keys = Array.from({ length: 18 }, (_, i) => `s${i}`)
const notInteger = '-ERR value is not an integer or out of range\r\n'

export const strings: ModelType = {
  kind: 'string',
  keys,
  weight: 24,
  request: (draw) => {
    const key = draw.key(keys)
    const options = [['NX'], ['XX'], ['GET'], ['KEEPTTL'], ['PX', `${1 + draw.below(300)}`], ['PX', '90000', 'GET']]
    return draw.oneOf([
      () => ['SET', key, draw.value()],
      () => ['SET', key, draw.value()],
      () => ['SET', key, draw.value(), ...draw.pick(options)],
      () => ['GET', key],
      () => ['GET', key],
      () => ['MGET', key, draw.key(keys)],
      () => ['MSET', key, draw.value(), draw.key(keys), draw.value()],
      () => ['STRLEN', key],
      () => ['GETRANGE', key, `${draw.below(20)}`, `${20 + draw.below(50)}`],
      () => ['APPEND', key, draw.mark()],
      () => ['APPEND', key, draw.mark()],
      () => ['SETRANGE', key, `${draw.below(300)}`, draw.mark()],
      () => ['INCRBY', draw.once(5) ? key : `s${draw.below(3)}`, `${draw.below(100) - 50}`],
      () => ['GETSET', key, draw.once(2) ? `${draw.below(1000)}` : draw.value()],
      () => ['GETDEL', key],
      () => ['GETEX', key, ...draw.pick([['PX', `${1 + draw.below(300)}`], ['PERSIST']])],
      () => ['MSETNX', key, draw.value(), draw.key(keys), draw.value()],
      // Never what makes one token look like another.
      () => ['SETBIT', key, `${8 * draw.below(draw.once(3) ? 400 : 20)}`, `${draw.below(2)}`],
      () => ['BITOP', 'NOT', draw.key(keys), key],
    ])
  },
  reads: (key) => [['GET', key]],
  handlers: {
    set,
    get: on('string', (text) => bulk(text)),
    strlen: on('string', (text) => integer(text?.length ?? 0)),
    getrange: on('string', (text, { args: [from, to] }) => bulk((text ?? '').slice(Number(from), Number(to) + 1))),
    append: on('string', (text = '', { args: [added], put }) => {
      put(text + added)
      return integer(text.length + (added as string).length)
    }),
    setrange: on('string', (text = '', { args: [offset, added], put }) => {
      const at = Number(offset)
      const after = text.slice(0, at).padEnd(at, '\0') + added + text.slice(at + (added as string).length)
      put(after)
      return integer(after.length)
    }),
    incrby: on('string', (text = '0', { args: [by], put }) => {
      if (!isInteger(text)) return notInteger
      put(`${Number(text) + Number(by)}`)
      return integer(Number(text) + Number(by))
    }),
    getset: on('string', (text, { model, db, key, args: [added] }) => {
      model.put(db, key, 'string', added as string, 0)
      return bulk(text)
    }),
    getdel: on('string', (text, { model, db, key }) => {
      if (text !== undefined) model.delete(db, key)
      return bulk(text)
    }),
    getex: on('string', (text, { model, db, key, args: [option, ms] }) => {
      const item = model.get(db, key)
      const expireAt = option === 'PX' ? model.nowMs + Number(ms) : 0
      if (item !== undefined && item.expireAt !== expireAt) model.setExpiry(db, key, item, expireAt)
      return bulk(text)
    }),
    msetnx: (model, db, [first, one, second, other]) => {
      if (model.get(db, first as string) !== undefined || model.get(db, second as string) !== undefined) return integer(0)
      model.put(db, first as string, 'string', one as string, 0)
      model.put(db, second as string, 'string', other as string, 0)
      return integer(1)
    },
    setbit: on('string', (text = '', { args: [offset, bit], put }) => {
      const at = Number(offset) >> 3
      const mask = 0x80 >> (Number(offset) & 7)
      const padded = text.padEnd(at + 1, '\0')
      const before = padded.charCodeAt(at)
      const after = bit === '1' ? before | mask : before & ~mask
      if (after !== before || padded !== text) put(`${padded.slice(0, at)}${String.fromCharCode(after)}${padded.slice(at + 1)}`)
      return integer((before & mask) === 0 ? 0 : 1)
    }),
    bitop: (model, db, [, target, source]) => {
      const item = model.get(db, source as string)
      if (item !== undefined && item.kind !== 'string') return wrongType
      const text = item?.value ?? ''
      const inverted = [...text].map((each) => String.fromCharCode(0xff ^ each.charCodeAt(0))).join('')
      const former = model.get(db, target as string)
      if (text !== '') model.put(db, target as string, 'string', inverted, 0)
      else if (former !== undefined) model.delete(db, target as string)
      return integer(text.length)
    },
    mset: (model, db, args) => {
      for (let i = 0; i < args.length; i += 2) model.put(db, args[i] as string, 'string', args[i + 1] as string, 0)
      return ok
    },
    mget: (model, db, args) => {
      const items = args.map((key): Item | undefined => model.get(db, key))
      return `*${items.length}\r\n${items.map((item) => (item?.kind === 'string' ? bulk(item.value) : nil)).join('')}`
    },
  },
}

function set(model: Model, db: number, [key, text, ...options]: readonly string[]): Expected {
  const item = model.get(db, key as string)
  const has = (option: string): boolean => options.includes(option)
  if (has('GET') && item !== undefined && item.kind !== 'string') return wrongType
  const answer = has('GET') ? bulk(item?.kind === 'string' ? item.value : undefined) : ok
  if ((has('NX') && item !== undefined) || (has('XX') && item === undefined)) return has('GET') ? answer : nil
  const px = options.indexOf('PX')
  const expireAt = px >= 0 ? model.nowMs + Number(options[px + 1]) : has('KEEPTTL') ? (item?.expireAt ?? 0) : 0
  model.put(db, key as string, 'string', text as string, expireAt)
  return answer
}
