/**
 * Latencies counted in log-linear buckets: 128 to each power of two of microseconds, so a quantile is off by less than
 * one percent, recording allocates nothing, and ten million of them take a few kilobytes.
 */
const subBuckets = 128
const subBucketBits = 7
const powersMax = 32

export class LatencyHistogram {
  count = 0
  maxMs = 0
  readonly #counts = new Float64Array((powersMax + 1) * subBuckets)

  /** `times` equal latencies of `ms`. */
  record(ms: number, times = 1): void {
    if (times === 0) return
    this.count += times
    if (ms > this.maxMs) this.maxMs = ms
    const bucket = bucketOf(Math.min(2 ** 31 - 1, Math.max(0, Math.floor(ms * 1000))))
    this.#counts[bucket] = this.#counts[bucket]! + times
  }

  /** The latency in ms that a share (0 to 1) of all did not exceed; 0 without any. */
  quantileMs(share: number): number {
    const wanted = Math.ceil(this.count * share)
    let seen = 0
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= wanted && seen > 0) return Math.min(this.maxMs, upperUs(bucket) / 1000)
    }
    return this.maxMs
  }
}

/** Below 128 µs each has a bucket; above, the seven bits after the leading one choose it. */
function bucketOf(us: number): number {
  if (us < subBuckets) return us
  const power = 31 - Math.clz32(us)
  return (power - subBucketBits + 1) * subBuckets + ((us >>> (power - subBucketBits)) & (subBuckets - 1))
}

function upperUs(bucket: number): number {
  if (bucket < subBuckets) return bucket + 1
  const shift = Math.floor(bucket / subBuckets) - 1
  return (subBuckets + (bucket % subBuckets) + 1) * 2 ** shift
}
