/**
 * What a command has cost: calls, time, refusals, and a histogram of its durations with power-of-two buckets in
 * microseconds, as LATENCY HISTOGRAM shows it. Calls are counted; the time of brief commands is sampled, for asking the
 * clock costs as much as half of one of them.
 */
const buckets = 32
/** Once a brief command has been called this often, one call in `sampleWeight` is timed and stands for the others. */
const timedCallsMin = 1024
const sampleWeight = 8

export class CommandStats {
  calls = 0
  totalUs = 0
  /** Refused before execution: arity, permissions, memory. */
  rejected = 0
  /** Executed with an error reply. */
  failed = 0
  /** Bucket i counts durations of at most 2^i µs. */
  readonly histogram = new Float64Array(buckets)

  /** Whether the next call of a brief command is to be timed. */
  get samplesNext(): boolean {
    return this.calls < timedCallsMin || this.calls % sampleWeight === 0
  }

  add(us: number): void {
    this.#count(us, 1)
  }

  /** A call that was timed because of `samplesNext`. */
  addSample(us: number): void {
    this.#count(us, this.calls < timedCallsMin ? 1 : sampleWeight)
  }

  /** A call that was not timed. */
  addUntimed(): void {
    this.calls++
  }

  #count(us: number, weight: number): void {
    this.calls++
    this.totalUs += us * weight
    this.histogram[us <= 1 ? 0 : Math.min(buckets - 1, 32 - Math.clz32(Math.ceil(us) - 1))] += weight
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
