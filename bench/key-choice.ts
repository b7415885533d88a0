/**
 * Which key comes next: in order, uniform, or zipf. All from a seed, so that two servers are asked the same.
 */
export type NextKey = () => number

/** mulberry32: uniform in [0, 1), from a seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `from`, `from + 1`, … `to − 1`, then −1: the end. */
export function inOrder(from: number, to: number): NextKey {
  let next = from
  return () => (next < to ? next++ : -1)
}

export function uniform(keys: number, seed: number): NextKey {
  const random = seededRandom(seed)
  return () => Math.floor(random() * keys)
}

/**
 * Zipf by the method of Gray et al., "Quickly generating billion-record synthetic databases" (SIGMOD 1994), as YCSB uses
 * it; `theta` below 1. Ranks are spread over the keys by a multiplication, so that hot keys are not neighbours.
 */
export function zipf(keys: number, theta: number, seed: number): NextKey {
  const random = seededRandom(seed)
  let zeta = 0
  for (let rank = 1; rank <= keys; rank++) zeta += 1 / rank ** theta
  const zetaOfTwo = 1 + 0.5 ** theta
  const alpha = 1 / (1 - theta)
  const eta = (1 - (2 / keys) ** (1 - theta)) / (1 - zetaOfTwo / zeta)
  const spread = (rank: number) => (rank * spreadingPrime) % keys
  return () => {
    const u = random()
    const scaled = u * zeta
    if (scaled < 1) return spread(0)
    if (scaled < zetaOfTwo) return spread(1)
    return spread(Math.min(keys - 1, Math.floor(keys * (eta * u - eta + 1) ** alpha)))
  }
}

/** A prime above every number of keys used here, whose product with one stays an exact integer. */
const spreadingPrime = 179_424_673
