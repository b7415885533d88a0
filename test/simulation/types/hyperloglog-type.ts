/**
 * HyperLogLogs in the simulation: registers and the estimate, written down from the papers that Redis names (Flajolet and others 2007, Heule and others 2013,
 * Ertl 2017). To clients they are strings, so they have keys of their own, which no other command changes.
 */
import { databases } from '../draw.ts'
import type { Model } from '../model.ts'
import { integer, ok } from '../model-replies.ts'
import type { ModelType } from '../model-type.ts'
import { on } from '../model-type.ts'

type Registers = ReadonlyMap<number, number>

const keys = ['hll0', 'hll1', 'hll2']
const indexBits = 14n
const registerCount = 1 << 14
const rankMax = 64 - 14

export const hyperloglogs: ModelType = {
  kind: 'hyperloglog',
  keys,
  isApart: true,
  weight: 4,
  request: (draw) => {
    const key = draw.pick(keys)
    const element = (): string[] => [`e${draw.below(draw.once(3) ? 100_000 : 200)}`]
    return draw.oneOf([
      () => ['PFADD', key, ...draw.some(element)],
      () => ['PFADD', key, ...draw.some(element)],
      () => ['PFADD', key, ...(draw.once(10) ? Array.from({ length: 400 }, element).flat() : element())],
      () => ['PFCOUNT', key],
      () => ['PFCOUNT', key, draw.pick(keys)],
      () => ['PFMERGE', key, draw.pick(keys), draw.pick(keys)],
      () => (draw.once(4) ? ['DEL', key] : ['TYPE', key]),
      () => ['RENAME', key, draw.pick(keys)],
      () => ['COPY', key, draw.pick(keys), 'DB', `${draw.below(databases)}`, 'REPLACE'],
      () => ['PEXPIRE', key, `${draw.pick([5, 100, 60_000])}`],
    ])
  },
  reads: (key) => [['PFCOUNT', key]],
  handlers: {
    pfadd: on('hyperloglog', (value, { args, put }) => {
      const registers = new Map(value?.registers)
      let isChanged = value === undefined
      for (const element of args) {
        const [index, rank] = placeOf(element)
        if ((registers.get(index) ?? 0) >= rank) continue
        registers.set(index, rank)
        isChanged = true
      }
      if (isChanged) put({ registers })
      return integer(isChanged ? 1 : 0)
    }),
    pfcount: (model, db, asked) => integer(estimate(merged(model, db, asked))),
    pfmerge: (model, db, [target, ...sources]) => {
      const item = model.get(db, target as string)
      const registers = merged(model, db, [target as string, ...sources])
      const former = item?.kind === 'hyperloglog' ? item.value.registers : undefined
      const isSame = former !== undefined && [...registers].every(([index, rank]) => former.get(index) === rank)
      if (!isSame) model.put(db, target as string, 'hyperloglog', { registers }, item?.expireAt ?? 0)
      return ok
    },
  },
}

function merged(model: Model, db: number, from: readonly string[]): Registers {
  const registers = new Map<number, number>()
  for (const key of from) {
    const item = model.get(db, key)
    if (item?.kind !== 'hyperloglog') continue
    for (const [index, rank] of item.value.registers) registers.set(index, Math.max(rank, registers.get(index) ?? 0))
  }
  return registers
}

/** The register of an element, and what it is at least. */
export function placeOf(element: string): [index: number, rank: number] {
  const hash = murmur64(Buffer.from(element, 'latin1'))
  let rest = (hash >> indexBits) | (1n << BigInt(rankMax))
  let rank = 1
  for (; (rest & 1n) === 0n; rest >>= 1n) rank++
  return [Number(hash & BigInt(registerCount - 1)), rank]
}

/** Ertl's improved raw estimator. */
export function estimate(registers: Registers): number {
  const histogram = Array.from({ length: rankMax + 2 }, () => 0)
  histogram[0] = registerCount - registers.size
  for (const rank of registers.values()) histogram[rank] = (histogram[rank] as number) + 1
  let z = registerCount * tau((registerCount - (histogram[rankMax + 1] as number)) / registerCount)
  for (let rank = rankMax; rank >= 1; rank--) z = (z + (histogram[rank] as number)) * 0.5
  z += registerCount * sigma((histogram[0] as number) / registerCount)
  return Math.round(((0.5 / Math.LN2) * registerCount * registerCount) / z)
}

function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY
  let x = share
  let y = 1
  let z = x
  for (let former = Number.NaN; former !== z; ) {
    x *= x
    former = z
    z += x * y
    y += y
  }
  return z
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0
  let x = share
  let y = 1
  let z = 1 - x
  for (let former = Number.NaN; former !== z; ) {
    x = Math.sqrt(x)
    former = z
    y *= 0.5
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}

const multiplier = 0xc6a4a7935bd1e995n
const mask = (1n << 64n) - 1n

/** MurmurHash64A (Austin Appleby) with Redis's seed. */
function murmur64(bytes: Buffer): bigint {
  let hash = 0xadc83b19n ^ ((BigInt(bytes.length) * multiplier) & mask)
  const mix = (word: bigint): bigint => {
    const product = (word * multiplier) & mask
    return ((product ^ (product >> 47n)) * multiplier) & mask
  }
  const whole = bytes.length & ~7
  for (let at = 0; at < whole; at += 8) hash = ((hash ^ mix(bytes.readBigUInt64LE(at))) * multiplier) & mask
  let rest = 0n
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8n) | BigInt(bytes[at] as number)
  if (bytes.length > whole) hash = ((hash ^ rest) * multiplier) & mask
  hash = ((hash ^ (hash >> 47n)) * multiplier) & mask
  return hash ^ (hash >> 47n)
}
