/**
 * Combining large sets and sorted sets in slices: the sources are walked over, what is found is put into a result, and members that change meanwhile
 * are looked at again (`combined-sources.ts`). In its own turn the command looks at the last of them, and has what it would have found
 * if it had done everything then.
 *
 * A slice fills a batch with members, finds their scores, and puts these into the result; where something is cold it stops in between,
 * and is told what to fetch.
 */
import { CountedWants } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { isMemoryRefusal } from '../memory/refusal.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { StoredResult, TreeResult } from './combined-result.ts'
import type { CombinedSources, Source } from './combined-sources.ts'
import { MemberList } from './member-list.ts'
import type { ResultImage } from './result-image.ts'

/** How a command combines sources, which have numbers in the order in which it names them. */
export interface Combination {
  /** Takes note of the sources' sizes. Returns the numbers of those of which each member of the result is in one at least. */
  begin(sizes: readonly number[]): readonly number[]
  /** Whether the sizes may be what they are now: they may decide how sums are rounded. */
  allows(sizes: readonly number[]): boolean
  /**
   * The score of a member, given those that it has in the sources (NaN where it is missing); NaN if it is not in the result. `known` is the number
   * of a source that has it, −1 if none is known to.
   */
  score(scoreIn: (source: number) => number, known: number): number
  /**
   * Where the result follows from the sources one after the other: the score that a member comes to which has `former` from those before (NaN
   * without), and `own` in the source with this number. Then no member has to be looked up in all sources, unless it changes meanwhile.
   */
  accumulate?: ((former: number, source: number, own: number) => number) | undefined
}

/** What is to become of a result. */
export interface CombinationPlan {
  readonly combination: Combination
  /** Whether the result is a sorted set. */
  readonly isSorted: boolean
  readonly isStored: boolean
  /** How the result is replied; missing if it is stored or counted. */
  readonly renderer?: LeafRenderer
  /** So many members of the result are enough; 0: all are wanted. */
  readonly countMax?: number
}

/** Of members of which only is asked where they are. */
const noScores: readonly number[] = []
/** Of a batch. */
const membersMax = 128
const bytesMax = 64 * 1024
/** Bytes of leaves in one part of a reply. */
const partBytesMax = 64 * 1024
/** Members that are looked at in one slice. */
export function membersAtOnce({ limits }: Execution): number {
  return Math.max(1, Math.min(membersMax, Math.floor((limits.slicedValueBytes ?? slicedValueBytes) * batchShare)))
}

/** A member counts for so many bytes where these say what is large, and for how much of that in a batch. */
const memberCost = 128
const batchShare = 1 / 32
/** Look-ups in sources for one batch. */
const lookUpsMax = 2048
/** Changed members that may be left for the command's own turn, and look-ups for all of them. */
const changesLeft = 64
const lookUpsLeft = 8192
/** Each may make it render three parts anew. */
const changesLeftOfReply = 4
/** So often members that have changed are looked at when all else is done; then the command does the rest. */
const catchingUpMax = 100_000
/** So often everything is begun anew; then the command does all of it in its turn. */
const beginningsMax = 16
/** Members by which a count may shrink before it has to go on. */
const countMargin = 1024

/** Whether looking at so many members takes too long for one turn. */
export function isLongWalk({ limits }: Execution, members: number): boolean {
  return members * memberCost >= (limits.slicedValueBytes ?? slicedValueBytes)
}

export class CombinationWork implements StagedWork {
  readonly isRecorded: boolean
  readonly #x: Execution
  readonly #plan: CombinationPlan
  readonly #sources: CombinedSources
  readonly #partBytes: number
  readonly #batchMax: number
  /** For one member. */
  readonly #lookUps: number
  #result!: TreeResult | StoredResult
  /** Of the result's order. */
  #seed = 0
  /** Numbers of sources that are still to be walked over, the first at present. */
  #walks: number[] = []
  #cursor = 0
  readonly #batch = new MemberList()
  /** Of the members of the batch, in the source that it is of, and in the result. */
  readonly #ownScores: number[] = []
  readonly #scores: number[] = []
  /** The number of the source that the batch is of; -1 for members that have changed. */
  #batchOf = -1
  #phase: 'filling' | 'scoring' | 'putting' = 'filling'
  #memberBytes = 64
  #image: ResultImage | undefined
  /** All is done that is to be done beforehand. */
  #isReady = false
  #isGivenUp = false
  #beginnings = 1
  #catchingUp = 0

  /** Of sources all of which are of the right type. They are released with the work. */
  constructor(x: Execution, sources: CombinedSources, plan: CombinationPlan) {
    const largeBytes = x.limits.slicedValueBytes ?? slicedValueBytes
    this.#x = x
    this.#sources = sources
    this.#plan = plan
    this.isRecorded = plan.isStored
    this.#partBytes = Math.min(partBytesMax, largeBytes)
    this.#lookUps = Math.max(1, sources.all.length)
    this.#batchMax = membersAtOnce(x)
    this.#begin()
  }

  get memoryBytes(): number {
    return this.#sources.memoryBytes + this.#batch.bytes + (this.#image?.memoryBytes ?? 0)
  }

  #begin(): void {
    const { combination, isSorted, isStored } = this.#plan
    this.#walks = this.#walksOf(combination.begin(this.#sources.sizes))
    this.#cursor = 0
    this.#batch.clear()
    this.#phase = 'filling'
    this.#image = undefined
    const { all } = this.#sources
    const seeds = this.#walks.map((number) => this.#sources.seed(all[number] as Source))
    this.#seed = seeds.find((each) => each !== 0) ?? this.#x.random.nextUint32()
    this.#result = isStored ? new StoredResult(this.#x, isSorted, this.#seed) : new TreeResult(this.#x, isSorted, this.#seed)
  }

  /** Of the sources that the command walks over: each once, and unless they are taken one after the other only trees. */
  #walksOf(numbers: readonly number[]): number[] {
    const { all } = this.#sources
    if (this.#accumulates) return numbers.filter((number) => (all[number] as Source).entry !== 0)
    const met = new Set<Source>()
    return numbers.filter((number) => {
      const source = all[number] as Source
      const isNew = source.treeId !== 0 && !met.has(source)
      met.add(source)
      return isNew
    })
  }

  get #accumulates(): boolean {
    return this.#plan.combination.accumulate !== undefined
  }

  step(): boolean {
    if (this.#isGivenUp) return false
    try {
      this.#isReady = this.#looks() && this.#advances()
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      this.#isGivenUp = true
    }
    return !this.#isReady && !this.#isGivenUp
  }

  /** Finds the sources again. False if all is begun anew, or it is no use to go on. */
  #looks(): boolean {
    const state = this.#sources.look()
    if (state === 'same') return true
    if (state === 'begin anew' && this.#beginnings++ < beginningsMax && this.#sources.begin() === 'same') {
      this.#result.release()
      this.#begin()
    } else this.#isGivenUp = true
    return false
  }

  /** Does a slice. True when nothing is left to do beforehand. */
  #advances(): boolean {
    const sources = this.#sources
    if (this.#phase === 'filling') {
      if (this.#isCaughtUp) return this.#renders()
      this.#fill()
      if (sources.hasCold) return false
    }
    if (this.#phase === 'scoring') {
      if (this.#batchOf >= 0 && this.#accumulates) this.#inOrder(() => this.#accumulate(this.#batch, this.#batchOf))
      else this.#score(this.#batch, this.#batchOf)
      this.#phase = 'putting'
      if (this.#result.hasCold) return false
    }
    this.#put()
    return this.#isCaughtUp && this.#plan.renderer === undefined
  }

  /** Whether all walks have come to their end, or enough was found, and not much has changed since. */
  get #isCaughtUp(): boolean {
    const { changes, hasPieces } = this.#sources
    if (this.#walks.length > 0 && !this.#hasEnough(countMargin)) return false
    const most = this.#plan.renderer === undefined ? changesLeft : changesLeftOfReply
    const left = Math.min(most, Math.floor(lookUpsLeft / this.#lookUps))
    return (changes <= left && !hasPieces) || this.#catchingUp > catchingUpMax
  }

  #hasEnough(margin: number): boolean {
    const { countMax = 0 } = this.#plan
    return countMax > 0 && this.#result.count >= countMax + margin
  }

  #renders(): boolean {
    if (this.#plan.renderer === undefined || this.#result.count === 0) return true
    this.#image ??= this.#newImage(this.#plan.renderer)
    return !this.#image.step()
  }

  #newImage(renderer: LeafRenderer): ResultImage {
    return (this.#result as TreeResult).image(renderer, this.#partBytes)
  }

  #fill(): void {
    const sources = this.#sources
    const batch = this.#batch
    const most = Math.min(this.#batchMax, Math.floor(bytesMax / this.#memberBytes))
    const max = Math.max(1, Math.min(most, Math.floor(lookUpsMax / this.#lookUps)))
    const [number] = this.#walks
    // A member that is taken from one source after the other has no score of its own as long as some of them are missing.
    if (number === undefined || (sources.changes >= max && !this.#accumulates)) {
      this.#batchOf = -1
      sources.takeChanges(batch, max)
      if (number === undefined) this.#catchingUp++
    } else {
      this.#batchOf = number
      this.#walk(sources.all[number] as Source, this.#accumulates ? Math.max(1, most) : max)
      if (this.#cursor === 0) this.#walks.shift()
    }
    if (batch.count > 0) this.#memberBytes = Math.max(1, batch.bytes / batch.count)
    this.#phase = 'scoring'
  }

  /** Takes the next members of a source, of one in a piece all. */
  #walk(source: Source, max: number): void {
    const batch = this.#batch
    const add = (bytes: Buffer, start: number, end: number, score: number): void => {
      this.#ownScores[batch.count] = score
      batch.add(bytes, start, end)
    }
    if (source.treeId !== 0) this.#cursor = this.#sources.scan(source, this.#cursor, max, add)
    else this.#sources.readPiece(source, add)
  }

  #score(list: MemberList, of: number): void {
    const { combination } = this.#plan
    const sources = this.#sources
    const { all } = sources
    const own = all[of]
    let index = 0
    const scoreIn = (number: number): number => {
      const source = all[number] as Source
      if (source === own) return this.#ownScores[index] as number
      return sources.score(source, list.buffer, list.start(index), list.end(index))
    }
    const known = own === undefined ? -1 : all.indexOf(own)
    for (; index < list.count; index++) this.#scores[index] = combination.score(scoreIn, known)
  }

  /** As `#score` for members of a source that comes behind those whose members are in the result. */
  #accumulate(list: MemberList, of: number): void {
    const { combination } = this.#plan
    const result = this.#result
    for (let i = 0; i < list.count; i++) {
      const former = result.score(list.buffer, list.start(i), list.end(i))
      this.#scores[i] = combination.accumulate?.(former, of, this.#ownScores[i] as number) ?? Number.NaN
    }
  }

  /** Looks members of the batch up in the result: in its order, if the source that they are of has the same. */
  #inOrder(look: () => void): void {
    const { sets, sortedSets } = this.#x.mutator.types
    const source = this.#sources.all[this.#batchOf]
    const trees = this.#plan.isSorted ? sortedSets.trees : sets.trees
    trees.comesInOrder = source !== undefined && this.#sources.seed(source) === this.#seed
    try {
      look()
    } finally {
      trees.comesInOrder = false
    }
  }

  #put(): void {
    const { arena } = this.#x.keyspace
    const batch = this.#batch
    // Nothing may be missing half-way.
    arena.reserveSlots(4 * batch.bytes + 512 * batch.count)
    this.#inOrder(() => this.#result.set(batch, this.#scores))
    arena.releaseReserved()
    batch.clear()
    this.#phase = 'filling'
  }

  eachCold(wants: ColdWants): boolean {
    const sources = this.#sources
    if (this.#isGivenUp) return false
    if (sources.look() !== 'same') return !this.#isReady
    if (this.#isReady) return this.#isSound && this.#wantRest(wants)
    if (this.#phase === 'scoring' && this.#batchOf >= 0 && this.#accumulates) this.#result.wants(this.#batch, noScores, wants)
    else if (this.#phase === 'scoring') sources.wantMembers(this.#batch, wants)
    else if (this.#phase === 'putting') this.#result.wants(this.#batch, this.#scores, wants)
    else if (this.#walks.length === 0) sources.wantPieces(wants)
    else sources.wantAhead(sources.all[this.#walks[0] as number] as Source, this.#cursor, wants)
    return true
  }

  /** Whether what the command has still to do is little, and right. */
  get #isSound(): boolean {
    const { changes, hasPieces, sizes } = this.#sources
    if (!this.#plan.combination.allows(sizes)) return false
    return this.#walks.length === 0 || (!hasPieces && this.#hasEnough(changes))
  }

  /** Wants what `settle` needs. */
  #wantRest(wants: ColdWants): boolean {
    const sources = this.#sources
    if (!sources.hasCold && !this.#result.hasCold) return true
    const counted = new CountedWants(wants)
    sources.wantPieces(counted, Number.POSITIVE_INFINITY)
    const rest = sources.peekChanges()
    sources.wantMembers(rest, counted)
    if (counted.any) return true
    this.#score(rest, -1)
    this.#result.wants(rest, this.#scores, wants)
    return true
  }

  /** In the command's turn: looks at all that has changed. False if the work is of no use. */
  settle(): boolean {
    const sources = this.#sources
    if (!this.#isReady || this.#isGivenUp || sources.look() !== 'same' || !this.#isSound) return false
    while (sources.changes > 0 || sources.hasPieces) {
      sources.takeChanges(this.#batch, membersMax)
      this.#score(this.#batch, -1)
      this.#put()
    }
    return true
  }

  /** What the result came to, after `settle`. */
  get count(): number {
    return this.#result.count
  }

  /** Whether a stored result is so large that it is a tree. */
  get isTree(): boolean {
    const { entry } = this
    return entry !== 0 && this.#x.keyspace.entries.isTree(entry)
  }

  /** Entry of the key under which a stored result lies; 0 if it is empty. */
  get entry(): number {
    return (this.#result as StoredResult).entry
  }

  /** Visits the reply, after `settle`. */
  eachPart(visit: (bytes: Buffer) => void): void {
    const { renderer } = this.#plan
    if (renderer === undefined || this.#result.count === 0) return
    const image = this.#image ?? this.#newImage(renderer)
    image.each(visit)
  }

  release(): void {
    this.#sources.release()
    this.#result.release()
  }
}
