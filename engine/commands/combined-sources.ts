/**
 * The sets and sorted sets that a command combines while others are served. Whether a member is in the result, and with which score,
 * depends on what each source has of this member and on nothing else. So it is enough to know which members have changed since they
 * were looked at: edits of the sources name them (`KeyInterest.edited`). What was looked at in any number of turns then is, with those
 * looked at again, as of one moment: that of the command.
 *
 * A source in one piece is not walked over: its members count as changed from the start, and when the key gets another value, those
 * that it is known to have had, too. A tree that loses its key, or a key that gets a tree, makes everything begin anew.
 */
import { hasCold, wantRow, wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { setType, sortedSetType } from '../keyspace/entries.ts'
import type { Interest, InterestedParty, KeyOfInterest } from '../keyspace/interested-party.ts'
import { expirySet, valueEdited } from '../keyspace/key-change.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { hashSeparator } from '../types/score-separator.ts'
import { wantMember } from '../types/sorted-set-wants.ts'
import { MemberList } from './member-list.ts'

/** How the sources are, compared with how they were. */
export type SourcesState = 'same' | 'begin anew' | 'wrong type'

/** A source in one piece of which more members are known than these is begun anew when its key gets another value. */
const knownMax = 10_000
/** Cold leaves of a walk that are asked for at a time. */
const leavesAhead = 64
const separator = new Separator()
const at = new LeafRow()

/** One of them; for others to read only. */
export interface Source {
  readonly key: Buffer
  /** 0 while the key is missing. */
  entry: number
  /** The id of the tree, 0 for anything else. */
  treeId: number
  isSet: boolean
  length: number
  /** The key may have another value than when it was looked at last. */
  isReplaced: boolean
  /** Of a source in one piece: its members were taken as they were then. */
  isRead: boolean
  /** Of a source in one piece: members that it has or had; undefined once they are too many. */
  known: Set<string> | undefined
}

export class CombinedSources implements InterestedParty {
  readonly waits = false
  readonly #x: Execution
  readonly #database: number
  readonly #mayBeSorted: boolean
  /** One for each key that the command names, in that order; the same one for the same key. */
  readonly all: readonly Source[]
  readonly #distinct: readonly Source[]
  /** By key, as latin1. */
  readonly #byKey: ReadonlyMap<string, Source>
  readonly #interests: readonly Interest[]
  /** Members that are to be looked at again, as latin1. */
  readonly #changed = new Set<string>()
  #mustBegin = false

  /** Of the keys in the arguments from `first` up to one before `end`. */
  constructor(x: Execution, first: number, end: number, mayBeSorted: boolean) {
    const { args, database } = x
    this.#x = x
    this.#database = database
    this.#mayBeSorted = mayBeSorted
    const byKey = new Map<string, Source>()
    this.all = Array.from({ length: end - first }, (_, i) => {
      const name = args.string(first + i, 'latin1')
      const known = byKey.get(name) ?? newSource(Buffer.from(name, 'latin1'))
      byKey.set(name, known)
      return known
    })
    this.#byKey = byKey
    this.#distinct = [...byKey.values()]
    const { interest } = x.mutator
    this.#interests = this.#distinct.map(({ key }) => interest.register(database, key, this))
    this.begin()
  }

  /** Members that are to be looked at again, as far as they are known. */
  get changes(): number {
    return this.#changed.size
  }

  /** Whether there are more, in sources in one piece. */
  get hasPieces(): boolean {
    return this.#distinct.some(({ isReplaced }) => isReplaced)
  }

  /** How many members each source has. */
  get sizes(): number[] {
    return this.all.map(({ length }) => length)
  }

  get memoryBytes(): number {
    let bytes = this.#changed.size * 64
    for (const { known } of this.#distinct) if (known !== undefined) bytes += known.size * 64
    return bytes
  }

  /** Takes the sources as they are now; all of what they hold is to be looked at. */
  begin(): SourcesState {
    this.#changed.clear()
    this.#mustBegin = false
    for (const source of this.#distinct) {
      source.known = new Set()
      source.isReplaced = true
      source.isRead = false
      this.#find(source)
      source.treeId = this.#treeId(source)
      if (source.treeId === 0) continue
      source.known = undefined
      source.isReplaced = false
    }
    return this.#distinct.every((source) => this.#isOfType(source)) ? 'same' : 'wrong type'
  }

  /** Looks where the sources are now. Called before anything else in each turn. */
  look(): SourcesState {
    for (const source of this.#distinct) {
      const wasMissing = source.entry === 0
      this.#find(source)
      if (!this.#isOfType(source)) return 'wrong type'
      if (!this.#isKnown(source, this.#treeId(source), wasMissing)) this.#mustBegin = true
    }
    return this.#mustBegin ? 'begin anew' : 'same'
  }

  /** Notes what has become of a source; false if nobody knows how it differs from what was looked at. */
  #isKnown(source: Source, treeId: number, wasMissing: boolean): boolean {
    const { isReplaced, known } = source
    if (source.treeId !== 0) return treeId === source.treeId && !isReplaced
    if (treeId !== 0) {
      // It has grown, by edits that have named the members.
      source.treeId = treeId
      source.known = undefined
      return !isReplaced
    }
    if (source.entry !== 0) return !isReplaced || known !== undefined
    source.isReplaced = false
    if (wasMissing) return true
    for (const member of known ?? []) this.#changed.add(member)
    return known !== undefined
  }

  #find(source: Source): void {
    const { keyspace, now } = this.#x
    const { entries, logical } = keyspace
    keyspace.forgetLookUp()
    const entry = keyspace.find(logical[this.#database], source.key, 0, source.key.length)
    keyspace.forgetLookUp()
    const expireAt = entry === 0 ? 0 : entries.expireAt(entry)
    source.entry = expireAt !== 0 && expireAt < now ? 0 : entry
    source.isSet = source.entry !== 0 && entries.type(entry) === setType
    source.length = source.entry === 0 ? 0 : entries.length(entry)
  }

  #treeId({ entry }: Source): number {
    const { entries, trees } = this.#x.keyspace
    return entry !== 0 && entries.isTree(entry) ? trees.roots.id(entries.value(entry)) : 0
  }

  #isOfType({ entry, isSet }: Source): boolean {
    return entry === 0 || isSet || (this.#mayBeSorted && this.#x.keyspace.entries.type(entry) === sortedSetType)
  }

  keyTouched(key: KeyOfInterest, change: number): void {
    if ((change & (valueEdited | expirySet)) === 0) this.#sourceOf(key).isReplaced = true
  }

  keyEdited(key: KeyOfInterest, type: number, edit: number, payload: RecordReader): void {
    const source = this.#sourceOf(key)
    const { members } = this.#x.mutator.types.edit(type, edit)
    if (members === undefined) source.isReplaced = true
    else members(payload, (bytes, start, end) => this.#note(source, bytes.toString('latin1', start, end)))
  }

  #sourceOf({ key }: KeyOfInterest): Source {
    return this.#byKey.get(key.toString('latin1')) as Source
  }

  #note(source: Source, member: string): void {
    this.#changed.add(member)
    this.#know(source, member)
  }

  #know(source: Source, member: string): void {
    source.known?.add(member)
    if (source.known !== undefined && source.known.size > knownMax) source.known = undefined
  }

  /** Moves up to `max` members that are to be looked at again to a list. The pieces that `eachColdPiece` names must be resident. */
  takeChanges(into: MemberList, max: number): void {
    for (const source of this.#distinct) {
      if (this.#changed.size >= max) break
      if (source.isReplaced && !this.#isCold(source)) this.#notePiece(source)
    }
    for (const member of this.#changed) {
      if (into.count === max) return
      addText(into, member)
      this.#changed.delete(member)
    }
  }

  /** All members of a source in one piece are to be looked at, and those that it had. */
  #notePiece(source: Source): void {
    source.isReplaced = false
    for (const member of source.known ?? []) this.#changed.add(member)
    this.#each(source, (bytes, start, end) => this.#note(source, bytes.toString('latin1', start, end)))
  }

  /** Visits all members of a source in one piece, which then do not count as changed for being there. */
  readPiece(source: Source, visit: (bytes: Buffer, start: number, end: number, score: number) => void): void {
    // Named twice by the command, and replaced since it was read for the first time.
    if (source.isRead && source.isReplaced) {
      this.#notePiece(source)
      return
    }
    source.isRead = true
    source.isReplaced = false
    this.#each(source, (bytes, start, end, score) => {
      this.#know(source, bytes.toString('latin1', start, end))
      visit(bytes, start, end, score)
    })
  }

  #each({ entry, isSet }: Source, visit: (bytes: Buffer, start: number, end: number, score: number) => void): void {
    const { sets, sortedSets } = this.#x.mutator.types
    if (entry === 0) return
    if (isSet) sets.each(entry, (bytes, start, end) => visit(bytes, start, end, 1))
    else sortedSets.each(entry, visit)
  }

  /** The score of a member in a source, 1 in a set; NaN when it is not there. */
  score({ entry, isSet }: Source, bytes: Buffer, start: number, end: number): number {
    if (entry === 0) return Number.NaN
    const { sets, sortedSets } = this.#x.mutator.types
    if (!isSet) return sortedSets.score(entry, bytes, start, end)
    return sets.has(entry, bytes, start, end) ? 1 : Number.NaN
  }

  /** The seed of a source's order, 0 if it is no tree. */
  seed({ entry, treeId }: Source): number {
    const { entries, trees } = this.#x.keyspace
    return treeId === 0 ? 0 : trees.roots.seed(entries.value(entry))
  }

  /** Visits about `count` members of a source that is a tree, from a cursor on. Returns the next one, 0 at the end. */
  scan(
    { entry, isSet }: Source,
    cursor: number,
    count: number,
    visit: (bytes: Buffer, start: number, end: number, score: number) => void,
  ): number {
    const { sets, sortedSets } = this.#x.mutator.types
    if (!isSet) return sortedSets.scan(entry, cursor, count, visit)
    return sets.scan(entry, cursor, count, (bytes, start, end) => visit(bytes, start, end, 1))
  }

  /** Wants the leaves that a walk over a source meets next. */
  wantAhead(source: Source, cursor: number, wants: ColdWants): void {
    const { entry, isSet } = source
    const { entries, trees } = this.#x.keyspace
    if (source.treeId === 0) {
      if (this.#isCold(source)) wantValue(this.#x.keyspace, entry, wants)
      return
    }
    const root = entries.value(entry)
    if (trees.roots.coldLeaves(root) === 0) return
    trees.shape.locate(root, isSet ? separator.set(cursor) : hashSeparator(cursor, separator), at)
    for (let left = leavesAhead; left > 0 && trees.ref(at) === 0; left--) {
      wantRow(trees, root, at, wants)
      if (!trees.shape.next(at)) return
    }
  }

  /** Wants the pieces that `takeChanges` reads. */
  wantPieces(wants: ColdWants, max = leavesAhead): void {
    let left = max
    for (const source of this.#distinct) {
      if (!source.isReplaced || !this.#isCold(source)) continue
      wantValue(this.#x.keyspace, source.entry, wants)
      if (--left === 0) return
    }
  }

  #isCold({ entry }: Source): boolean {
    return entry !== 0 && hasCold(this.#x.keyspace, entry)
  }

  /** Wants what tells of some members whether they are in the sources. */
  wantMembers(list: MemberList, wants: ColdWants): void {
    for (const source of this.#distinct) {
      if (!this.#isCold(source)) continue
      if (source.treeId === 0) wantValue(this.#x.keyspace, source.entry, wants)
      else for (let i = 0; i < list.count; i++) this.#wantMember(source, list.buffer, list.start(i), list.end(i), wants)
    }
  }

  /** Members that are to be looked at again, as far as they are known. */
  peekChanges(): MemberList {
    const list = new MemberList()
    for (const member of this.#changed) addText(list, member)
    return list
  }

  #wantMember({ entry, isSet }: Source, bytes: Buffer, start: number, end: number, wants: ColdWants): void {
    const { sets, sortedSets } = this.#x.mutator.types
    if (isSet) sets.wantMember(entry, bytes, start, end, wants)
    else wantMember(sortedSets.trees, this.#x.keyspace.entries.value(entry), bytes, start, end, false, wants)
  }

  /** Whether something of a source is cold. */
  get hasCold(): boolean {
    return this.#distinct.some((source) => this.#isCold(source))
  }

  /** Hears of no more changes. */
  release(): void {
    for (const interest of this.#interests) this.#x.mutator.interest.unregister(interest)
  }
}

function addText(list: MemberList, member: string): void {
  const bytes = Buffer.from(member, 'latin1')
  list.add(bytes, 0, bytes.length)
}

function newSource(key: Buffer): Source {
  return { key, entry: 0, treeId: 0, isSet: false, length: 0, isReplaced: true, isRead: false, known: new Set() }
}
