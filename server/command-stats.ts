/**
 * What a command has cost: calls, time, refusals, and a histogram of its durations with power-of-two buckets in
 * microseconds, as LATENCY HISTOGRAM shows it.
 */
const buckets = 32

export class CommandStats {
  calls = 0
  totalUs = 0
  /** Refused before execution: arity, permissions, memory. */
  rejected = 0
  /** Executed with an error reply. */
  failed = 0
  /** Bucket i counts durations of at most 2^i µs. */
  readonly histogram = new Float64Array(buckets)

  add(us: number): void {
    this.calls++
    this.totalUs += us
    this.histogram[us <= 1 ? 0 : Math.min(buckets - 1, 32 - Math.clz32(Math.ceil(us) - 1))]++
  }

  reset(): void {
    this.calls = 0
    this.totalUs = 0
    this.rejected = 0
    this.failed = 0
    this.histogram.fill(0)
  }

  /** The duration in µs that a share (0–1) of the calls did not exceed: a bucket's upper bound. */
  percentile(share: number): number {
    let seen = 0
    for (let i = 0; i < buckets; i++) {
      seen += this.histogram[i]
      if (seen >= this.calls * share && seen > 0) return 2 ** i
    }
    return 0
  }
}
