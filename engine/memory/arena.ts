/**
 * Memory off the V8 heap for keys and values: a slab allocator over a few large regions.
 *
 * A region is 64 MiB, cut into runs of 64 KiB; a run serves slots of one size class, holding
 * all entries, all values or all tables of indexes.
 * A ref is a 32-bit number: below `largeBase` it counts 8-byte units through the regions; above it names a large block
 * with a buffer of its own (`LargeBlocks`). 0 is no ref. An empty run goes back to be used for any class.
 *
 * Access is by `bytes(ref)[at(ref) + n]` or `words(ref)[wordAt(ref) + n]`: no object is made per record.
 * Every slot is aligned to 8 bytes. Only a large block made here begins zeroed: the system does that, page by page as it is
 * used. It knows nothing of what the slots hold.
 *
 * The system may refuse memory: whoever asks it for some then gets a RangeError. A change that must not fail half-way reserves its memory
 * first. The arena's own limit is handled alike: `reserveSlots` and `mustHold` refuse what may exceed it before anything is allocated.
 */
import { LargeBlocks } from './large-blocks.ts'
import { memoryRefusal } from './refusal.ts'

const regionBytes = 64 * 1024 * 1024
/** Runs kept free at least by `reserveSlots`: a change may need one of nearly every size class. */
const spareRuns = 64
/** The emergency runs, which changes that make something new never get, are so many if the limit is not small. */
const emergencyRunsMax = 4096
/** Any change may need so many. */
const sparestRuns = 8
const runBytes = 64 * 1024
const runUnits = runBytes / 8 // 2^13
const runsPerRegion = regionBytes / runBytes
const largeBase = 0xf0000000
const none = 0xffffffff

/** What a run's slots hold; kinds are never mixed, so that a stale ref is recognised. Nodes are those of trees, tables the indexes'. */
export type Kind = 0 | 1 | 2 | 3 | 4 | 5
export const entryKind: Kind = 0
export const valueKind: Kind = 1
export const nodeKind: Kind = 2
/** From here on slots stay where they are: no run of these kinds is drained. */
export const tableKind: Kind = 3
/** Tables that an index has gone over lately, and those that it went over the time before. */
export const evenTableKind: Kind = 4
export const oddTableKind: Kind = 5
const kindCount = 6

/** Slots above this many bytes get a buffer of their own. */
export const slotBytesMax = 32 * 1024

const classSizes = makeClassSizes()
const classCount = classSizes.length
const classOfUnits = makeClassOfUnits()
const noClass = 0xffff

export class Arena {
  readonly #bytes: Buffer[] = []
  readonly #words: Uint32Array[] = []
  readonly #halves: Uint16Array[] = []
  readonly #large = new LargeBlocks()

  /** Per run: size class + kind * classCount, live slots, never-used watermark, head of the free list (slot + 1), neighbours in its list. */
  #runClass = new Uint16Array(0)
  #runLive = new Uint16Array(0)
  #runBump = new Uint16Array(0)
  #runFree = new Uint16Array(0)
  #runNext = new Uint32Array(0)
  #runPrevious = new Uint32Array(0)
  #runCount = 0
  readonly #emptyRuns: number[] = []
  /** Per class and kind: first run with a free slot. */
  readonly #partial = new Uint32Array(classCount * kindCount).fill(none)

  /** The run being emptied, which gives out no slots. */
  #draining = -1
  #drainCursor = 0
  #usedRuns = 0
  /** Bytes of slots that were given out since their run was taken. */
  #touchedTotal = 0
  #liveTotal = 0
  readonly #limitRuns: number
  readonly #emergencyRuns: number

  constructor(limitBytes = largeBase * 8) {
    this.#limitRuns = Math.floor(limitBytes / runBytes)
    this.#emergencyRuns = Math.min(emergencyRunsMax, this.#limitRuns >>> 3)
  }

  /**
   * Bytes of slots that live or have lived since their run was taken, and of large blocks. What lies behind them in a run nothing has been
   * written to, and each class has one such run at most: a few large collections are not charged for dozens of runs that they have begun.
   */
  get activeBytes(): number {
    return this.#touchedTotal + this.#large.totalBytes
  }

  /** Bytes in live slots and large blocks. */
  get liveBytes(): number {
    return this.#liveTotal + this.#large.totalBytes
  }

  /** Bytes of runs that were used once and stand empty: resident, but free for anything. */
  get idleBytes(): number {
    return this.#emptyRuns.length * runBytes
  }

  /** Runs that may still be taken before the limit. */
  get #runsLeft(): number {
    return this.#limitRuns - this.#usedRuns
  }

  /** Whether only the emergency runs are left, which are for changes that make nothing new. */
  get isNearlyFull(): boolean {
    return this.#runsLeft <= this.#emergencyRuns
  }

  /** Whether `bytes` in slots, to be safe twice as many, fit without the emergency runs. */
  takes(bytes: number): boolean {
    return this.#runsLeft >= this.#emergencyRuns + sparestRuns + (bytes * 2) / runBytes
  }

  /** Throws when `bytes` in slots, to be safe twice as many, might not fit. The emergency runs may be used for them. */
  mustHold(bytes: number): void {
    if (this.#runsLeft < sparestRuns + (bytes * 2) / runBytes) throw memoryRefusal()
  }

  /** Reserves runs for about `bytes` in slots, a region at most. Throws when the system refuses it, or when only the emergency runs would be left. */
  reserveSlots(bytes: number): void {
    if (!this.takes(bytes)) throw memoryRefusal()
    const runs = this.#emptyRuns.length + this.#bytes.length * runsPerRegion - this.#runCount
    const wanted = spareRuns + Math.min(bytes, regionBytes) / runBytes
    if (runs < wanted && this.#bytes.length * runsPerRegion < this.#limitRuns) this.#addRegion()
  }

  /** Reserves memory for one more slot of `size` bytes, if that is a large block. Throws when the system refuses it. */
  reserveLarge(size: number): void {
    if (size > slotBytesMax) this.#large.reserve(size)
  }

  /** Whether memory is reserved for the next slot of `size` bytes. */
  isReserved(size: number): boolean {
    return this.#large.isReserved(size)
  }

  /** Gives back what was reserved for large blocks and not used. */
  releaseReserved(): void {
    this.#large.releaseReserved()
  }

  /** A slot of at least `size` bytes, contents arbitrary. Throws when 30 GiB are in use. */
  allocate(size: number, kind: Kind): number {
    if (size > slotBytesMax) return largeBase + this.#large.allocate(size, kind)
    const sizeClass = classOfUnits[(size + 7) >>> 3]
    const list = sizeClass + kind * classCount
    let run = this.#partial[list]
    if (run === none) run = this.#takeRun(sizeClass, list)
    const slotSize = classSizes[sizeClass]
    const free = this.#runFree[run]
    let slot: number
    if (free !== 0) {
      slot = free - 1
      const ref = run * runUnits + (slot * slotSize) / 8
      this.#runFree[run] = this.#words[ref >>> 23][((ref & 0x7fffff) << 1) >>> 0]
    } else {
      slot = this.#runBump[run]++
      this.#touchedTotal += slotSize
    }
    const live = ++this.#runLive[run]
    if (live === slotsPerRun(slotSize)) this.#unlink(run, list)
    this.#liveTotal += slotSize
    return run * runUnits + (slot * slotSize) / 8
  }

  release(ref: number): void {
    if (ref >= largeBase) {
      this.#large.release(ref - largeBase)
      return
    }
    const run = ref >>> 13
    const list = this.#runClass[run]
    const slotSize = classSizes[list % classCount]
    const slot = ((ref - run * runUnits) * 8) / slotSize
    this.#words[ref >>> 23][((ref & 0x7fffff) << 1) >>> 0] = this.#runFree[run]
    this.#runFree[run] = slot + 1
    this.#liveTotal -= slotSize
    const live = --this.#runLive[run]
    if (live === slotsPerRun(slotSize) - 1) this.#link(run, list)
    if (live === 0) this.#giveRunBack(run, list)
  }

  /**
   * Chooses a run that is at most `fullShare` full, whose class has free slots elsewhere, and gives out none of its slots
   * until `endDrain`. Tables stay where they are. -1 when there is none among the next `look` runs.
   */
  beginDrain(fullShare: number, look: number): number {
    for (let i = 0; i < look && i < this.#runCount; i++) {
      this.#drainCursor = this.#drainCursor + 1 < this.#runCount ? this.#drainCursor + 1 : 1
      const run = this.#drainCursor
      if (run >= this.#runCount) return -1
      const list = this.#runClass[run]
      if (list === noClass || kindOf(list) >= tableKind) continue
      const slots = slotsPerRun(classSizes[list % classCount])
      if (this.#runLive[run] > slots * fullShare || this.#runLive[run] === slots) continue
      this.#unlink(run, list)
      if (this.#partial[list] === none) {
        this.#link(run, list)
        continue
      }
      this.#draining = run
      return run
    }
    return -1
  }

  runKind(run: number): Kind {
    return kindOf(this.#runClass[run])
  }

  /** Appends to `refs` every slot of a run that has ever been in use; the caller can tell which still are. */
  slotsOf(run: number, refs: number[]): void {
    const units = classSizes[this.#runClass[run] % classCount] / 8
    for (let slot = 0; slot < this.#runBump[run]; slot++) refs.push(run * runUnits + slot * units)
  }

  /** True when the run became empty. */
  endDrain(run: number): boolean {
    const drained = this.#draining === -1
    if (!drained) {
      this.#draining = -1
      this.#link(run, this.#runClass[run])
    }
    return drained
  }

  /** Bytes that the slot can hold. */
  capacity(ref: number): number {
    if (ref >= largeBase) return this.#large.bytes(ref - largeBase).length
    return classSizes[this.#runClass[ref >>> 13] % classCount]
  }

  /** The buffer that a ref's slot lies in. */
  bytes(ref: number): Buffer {
    return ref < largeBase ? this.#bytes[ref >>> 23] : this.#large.bytes(ref - largeBase)
  }

  /** Where in `bytes(ref)` the slot begins. */
  at(ref: number): number {
    return ref < largeBase ? (ref & 0x7fffff) << 3 : 0
  }

  /** The same memory as 32-bit words. */
  words(ref: number): Uint32Array {
    return ref < largeBase ? this.#words[ref >>> 23] : this.#large.words(ref - largeBase)
  }

  wordAt(ref: number): number {
    return ref < largeBase ? (ref & 0x7fffff) << 1 : 0
  }

  /** The same memory as 16-bit words. */
  halves(ref: number): Uint16Array {
    return ref < largeBase ? this.#halves[ref >>> 23] : new Uint16Array(this.#large.words(ref - largeBase).buffer)
  }

  halfAt(ref: number): number {
    return ref < largeBase ? (ref & 0x7fffff) << 2 : 0
  }

  /** Whether a slot this large has a buffer of its own, which replies may share. */
  isLarge(ref: number): boolean {
    return ref >= largeBase
  }

  /** Whether a remembered ref still points at the start of a slot of this kind that has been in use, or at a large block. */
  isSlot(ref: number, kind: Kind): boolean {
    if (ref >= largeBase) return this.#large.kind(ref - largeBase) === kind
    const run = ref >>> 13
    if (run >= this.#runCount) return false
    const list = this.#runClass[run]
    if (list === noClass || kindOf(list) !== kind) return false
    const offset = (ref - run * runUnits) * 8
    const slotSize = classSizes[list % classCount]
    return offset % slotSize === 0 && offset / slotSize < this.#runBump[run]
  }

  /** The size that a slot for `size` bytes really takes. */
  static roundedSize(size: number): number {
    return size > slotBytesMax ? (size + 7) & ~7 : classSizes[classOfUnits[(size + 7) >>> 3]]
  }

  #takeRun(sizeClass: number, list: number): number {
    const run = this.#emptyRuns.pop() ?? this.#newRun()
    this.#runClass[run] = list
    this.#runLive[run] = 0
    this.#runBump[run] = run === 0 ? Math.ceil(8 / classSizes[sizeClass]) : 0
    this.#runFree[run] = 0
    this.#usedRuns++
    this.#touchedTotal += this.#runBump[run] * classSizes[sizeClass]
    if (run === 0) this.#runLive[run] = 1
    this.#link(run, list)
    return run
  }

  #newRun(): number {
    const run = this.#runCount
    if (run >= this.#limitRuns) throw new Error(`arena: all ${(this.#limitRuns * runBytes) / 2 ** 30} GiB are in use`)
    if (run === this.#bytes.length * runsPerRegion) this.#addRegion()
    if (run === this.#runClass.length) this.#growRuns()
    this.#runCount = run + 1
    return run
  }

  #addRegion(): void {
    const memory = new ArrayBuffer(regionBytes)
    this.#bytes.push(Buffer.from(memory))
    this.#words.push(new Uint32Array(memory))
    this.#halves.push(new Uint16Array(memory))
  }

  #growRuns(): void {
    const length = Math.max(runsPerRegion, this.#runClass.length * 2)
    this.#runClass = grown(this.#runClass, new Uint16Array(length))
    this.#runLive = grown(this.#runLive, new Uint16Array(length))
    this.#runBump = grown(this.#runBump, new Uint16Array(length))
    this.#runFree = grown(this.#runFree, new Uint16Array(length))
    this.#runNext = grown(this.#runNext, new Uint32Array(length))
    this.#runPrevious = grown(this.#runPrevious, new Uint32Array(length))
  }

  #giveRunBack(run: number, list: number): void {
    if (this.#draining === run) this.#draining = -1
    else this.#unlink(run, list)
    this.#touchedTotal -= this.#runBump[run] * classSizes[list % classCount]
    this.#runClass[run] = noClass
    this.#emptyRuns.push(run)
    this.#usedRuns--
  }

  #link(run: number, list: number): void {
    const head = this.#partial[list]
    this.#runNext[run] = head
    this.#runPrevious[run] = none
    if (head !== none) this.#runPrevious[head] = run
    this.#partial[list] = run
  }

  #unlink(run: number, list: number): void {
    const next = this.#runNext[run]
    const previous = this.#runPrevious[run]
    if (previous === none) this.#partial[list] = next
    else this.#runNext[previous] = next
    if (next !== none) this.#runPrevious[next] = previous
  }

  /**
   * Makes a large block of `size` bytes, whatever its size, of memory that came from elsewhere and is nobody else's:
   * `memory` from `at` on, a multiple of 8, with room for `size` rounded up to one. All of `memory` counts as reserved.
   */
  adopt(memory: ArrayBuffer, at: number, size: number, kind: Kind): number {
    return largeBase + this.#large.adopt(memory, at, size, kind)
  }
}

function kindOf(list: number): Kind {
  return Math.floor(list / classCount) as Kind
}

function slotsPerRun(slotSize: number): number {
  return (runBytes / slotSize) | 0
}

/** 8-byte steps up to 256 bytes, then about an eighth more each time, chosen to divide a run well. */
function makeClassSizes(): number[] {
  const sizes: number[] = []
  for (let size = 16; size <= 256; size += 8) sizes.push(size)
  let slots = (runBytes / 256) | 0
  while (slots > 2) {
    slots = Math.min(slots - 1, Math.floor(slots / 1.12))
    const size = ((runBytes / slots) | 0) & ~7
    if (size <= slotBytesMax) sizes.push(size)
  }
  if (sizes[sizes.length - 1] !== slotBytesMax) sizes.push(slotBytesMax)
  return sizes
}

function makeClassOfUnits(): Uint8Array {
  const table = new Uint8Array(slotBytesMax / 8 + 1)
  let sizeClass = 0
  for (let units = 0; units < table.length; units++) {
    while (classSizes[sizeClass] < units * 8) sizeClass++
    table[units] = sizeClass
  }
  return table
}

function grown<T extends Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
