/**
 * One knob: `maxmemory` bounds everything that grows with data or load. Values, entries, indexes and the tier's lists are
 * counted as they are; clients' buffers and the log's as they report; the cold store's caches as its options say; copies that are being
 * made with all that they will come to. What the rest leaves for values has marks: where background cooling begins, where values are dropped, where writers wait.
 *
 * Keys cannot leave memory. When they fill it, the limit gives way to them by a tenth and 100 MB before writes are refused.
 * Values keep an eighth beside the keys while that takes no more than a tenth and 60 MB; then as much as is on its way to
 * the disk, because a write that waits for the one before it to be there crawls. The process itself, without any key, takes
 * another 100 MB.
 */
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { Room, Tier } from './tier.ts'

export interface BudgetSettings {
  /** 0: no limit. */
  maxmemoryBytes: number
  coolStartPercent: number
  dropPercent: number
  throttlePercent: number
  /** Bytes that the cold store may take on disk; 0: no limit. Beyond it nothing more is moved there. */
  diskBytesMax: number
  /** Whether keys are deleted where values cannot be moved to disk. */
  evicts: boolean
}

const sliceMs = 1
/** How far the limit gives way to keys, and how far so that values keep their share; beyond, they keep a few batches of the write-out. */
const overdraftShare = 0.1
const overdraftBytes = 100 * 1024 * 1024
const valuesOverdraftBytes = 60 * 1024 * 1024
const valuesShareMin = 1 / 8
const valuesBytesMin = 4 * 1024 * 1024
/** Slack of the arena that is worth compacting: whole runs that stand half empty. */
const slackShare = 1.1
const slackBytes = 8 * 1024 * 1024

export class MemoryBudget {
  readonly settings: BudgetSettings
  peakBytes = 0
  /** The last attempt to make room found nothing that could go. */
  stuck = false
  readonly #keyspace: Keyspace
  readonly #tier: Tier
  /** Memory outside of the keyspace and the tier: buffers of clients and log, the store's caches. */
  readonly #others: () => number
  readonly #nowMs: () => number
  readonly #compact: () => boolean
  readonly #diskBytes: () => number
  #used = 0

  constructor(options: {
    settings: BudgetSettings
    keyspace: Keyspace
    tier: Tier
    others: () => number
    nowMs: () => number
    /** Moves values together so that runs of the arena become free; false when there is nothing to gain. */
    compact: () => boolean
    /** What the cold store takes on disk, as last known. */
    diskBytes: () => number
  }) {
    this.settings = options.settings
    this.#keyspace = options.keyspace
    this.#tier = options.tier
    this.#others = options.others
    this.#nowMs = options.nowMs
    this.#compact = options.compact
    this.#diskBytes = options.diskBytes
    this.measure()
  }

  /** As of the last `measure`: at the end of each turn and wherever memory is freed. */
  get usedBytes(): number {
    return this.#used
  }

  measure(): number {
    const { memoryBytes, trees } = this.#keyspace
    this.#used = memoryBytes + trees.roots.unowned.bytesToCome + this.#tier.memoryBytes + this.#others()
    if (this.#used > this.peakBytes) this.peakBytes = this.#used
    return this.#used
  }

  get limited(): boolean {
    return this.settings.maxmemoryBytes > 0
  }

  /** Whether values may still be written to the cold store to make room in memory. */
  get hasDisk(): boolean {
    return this.settings.diskBytesMax === 0 || this.#diskBytes() < this.settings.diskBytesMax
  }

  /** Whether background cooling is due. */
  get wantsCooling(): boolean {
    return this.limited && this.hasDisk && this.usedBytes > this.#mark(this.settings.coolStartPercent)
  }

  /** Whether values must be dropped. */
  get wantsRoom(): boolean {
    return this.limited && this.usedBytes > this.#mark(this.settings.dropPercent)
  }

  /** Whether writers must wait until values have been dropped. */
  get isShort(): boolean {
    return (
      this.limited &&
      this.#tier.settings.demotes &&
      this.hasDisk &&
      !this.stuck &&
      this.usedBytes > this.#mark(this.settings.throttlePercent)
    )
  }

  /** Whether the limit is reached and nothing can be demoted: deletion by policy, or an error, must follow. */
  get isExhausted(): boolean {
    if (!this.limited) return false
    const { maxmemoryBytes } = this.settings
    if (!this.#tier.settings.demotes || !this.hasDisk) return this.usedBytes > maxmemoryBytes
    return (this.stuck ? this.usedBytes : this.#fixedBytes) > this.#limitMax
  }

  /** How much room there is for values that come back. */
  room(): Room {
    if (this.#keyspace.arena.isNearlyFull) return 'none'
    if (!this.limited) return 'ample'
    const used = this.usedBytes
    if (used < this.#mark(this.settings.coolStartPercent)) return 'ample'
    return used < this.#mark((this.settings.dropPercent + this.settings.throttlePercent) / 2) ? 'some' : 'none'
  }

  /**
   * Whether so many bytes more have a place now beside what cannot be moved to disk: where values would still keep their share. `isKept`: keys may be evicted
   * for them.
   */
  hasPlaceFor(bytes: number, isKept = false): boolean {
    if (!this.limited) return true
    const { maxmemoryBytes, evicts } = this.settings
    // Others may have reserved memory in this turn.
    this.measure()
    if (!this.#tier.settings.demotes || !this.hasDisk) return (isKept && evicts) || this.usedBytes + bytes <= maxmemoryBytes
    return this.#fixedBytes + bytes <= maxmemoryBytes * (1 + overdraftShare) + valuesOverdraftBytes
  }

  /** Drops cool values for about a millisecond, until there is room. Returns whether there is work left that can be done. */
  makeRoom(): boolean {
    this.measure()
    if (!this.#tier.settings.demotes || !this.wantsRoom) {
      this.stuck = false
      return false
    }
    const until = this.#nowMs() + sliceMs
    let hot = 0
    let demoted = 0
    for (let i = 0; this.wantsRoom; i++, this.measure()) {
      // Where all that was met is hot, it is the write-out's turn.
      if ((i & 15) === 15 && this.#nowMs() > until) return demoted > 0
      if (this.#hasSlack() && this.#compact()) {
        if (this.#nowMs() > until) return true
        continue
      }
      const gained = this.#tier.demoteOne()
      if (gained < 0) {
        if (this.compact()) return true
        this.stuck = !this.#tier.lag.any && this.#tier.lazyFree.count === 0
        return false
      }
      if (gained > 0) demoted++
      else if (++hot > 256) return false
    }
    this.stuck = false
    return false
  }

  /** Makes room by moving values together, however little there is to gain; false when there is nothing. */
  compact(): boolean {
    const { arena } = this.#keyspace
    return arena.activeBytes > arena.liveBytes * slackShare && this.#compact()
  }

  #hasSlack(): boolean {
    const { arena } = this.#keyspace
    return arena.activeBytes > arena.liveBytes * slackShare + slackBytes
  }

  /** All that cannot be moved to disk. Leaves of trees that no key has yet are among the values that could leave, and stay. */
  get #fixedBytes(): number {
    const { unowned } = this.#keyspace.trees.roots
    return this.usedBytes - Math.max(0, this.#tier.residency.bytes - unowned.residentBytes)
  }

  /** How far `maxmemory` gives way to keys. */
  get #limitMax(): number {
    return this.settings.maxmemoryBytes * (1 + overdraftShare) + overdraftBytes
  }

  /** A share of what is left for values once all else has its place. */
  #mark(percent: number): number {
    const { maxmemoryBytes } = this.settings
    const fixed = this.#fixedBytes
    const share = maxmemoryBytes * valuesShareMin
    const shared = Math.min(Math.max(maxmemoryBytes, fixed + share), maxmemoryBytes * (1 + overdraftShare) + valuesOverdraftBytes)
    const limit = Math.max(shared, fixed + Math.min(share, valuesBytesMin))
    return fixed + ((limit - fixed) * percent) / 100
  }
}
