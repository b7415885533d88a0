/**
 * What a command combines while others are served, member by member. A command that replies has it in a tree that belongs to no key. One that
 * stores has it under a key that no client can see, in the server's own database: it is written there a part at a time, each part a
 * record of the log, and in the end given to the destination as RENAME would. So it goes to disk and becomes cold as any other
 * collection, no record is large, and whatever happens before the end leaves the destination as it was. What a crash leaves of it, the next start
 * deletes (`unfinished.ts`).
 */
import { hasCold, wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { treeForm } from '../keyspace/entries.ts'
import { ownDatabase } from '../keyspace/keyspace.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import type { ColdWants } from '../need.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { Separator } from '../tree/separator.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { scoreRange } from '../types/score-separator.ts'
import { addEdit, removeEdit } from '../types/set-type.ts'
import { setEdit, removeEdit as unsetEdit, writePayloadElement } from '../types/sorted-set-type.ts'
import { wantMember, wantPlace } from '../types/sorted-set-wants.ts'
import { MemberList } from './member-list.ts'
import { ResultImage } from './result-image.ts'
import { setFormFor } from './set-change.ts'
import { Growth, sortedSetFormFor } from './sorted-set-change.ts'
import { findUnfinished, unfinishedName } from './unfinished.ts'

export interface CombinedResult {
  /** Whether its changes are recorded: only in a record of their own, or the command's. */
  readonly isStored: boolean
  /** Members in it. */
  readonly count: number
  /** Something of it is cold. */
  readonly hasCold: boolean
  /** The score of a member of a sorted one, NaN without. What `wants` names without scores must be resident. */
  score(bytes: Buffer, start: number, end: number): number
  /** Gives the members in a list their scores, NaN for those that are not in it. What `wants` names must be resident. */
  set(list: MemberList, scores: readonly number[]): void
  /** Names what `set` needs, once the scores are known; without them what `score` needs. */
  wants(list: MemberList, scores: readonly number[], wants: ColdWants): void
  /** Gives it up, unless it has become a key's. */
  release(): void
}

/** A result in a tree of its own, which is in memory. */
export class TreeResult implements CombinedResult {
  readonly isStored = false
  readonly hasCold = false
  readonly isSorted: boolean
  /** Root block of the tree; it does not move. */
  readonly #root: number
  readonly #x: Execution
  /** Takes the place of LSNs: it counts changes. */
  #version = 1
  #image: ResultImage | undefined
  readonly #separator = new Separator()
  readonly #at = new LeafRow()

  /** `seed`: of its order; a walk over a source with the same one adds members in the order of the tree. */
  constructor(x: Execution, isSorted: boolean, seed: number) {
    const { keyspace, mutator } = x
    this.#x = x
    this.isSorted = isSorted
    this.#root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0)
    if (isSorted) mutator.types.sortedSets.trees.begin(this.#root, 0)
  }

  get count(): number {
    const { roots } = this.#x.keyspace.trees
    return this.isSorted ? roots.count(this.#root) / 2 : roots.count(this.#root)
  }

  /** The reply, told of changes from now on. */
  image(renderer: LeafRenderer, partBytes: number): ResultImage {
    // A sorted set has its elements twice, the second time in order of score.
    const first = this.#separator.set(this.isSorted ? scoreRange : 0)
    this.#image = new ResultImage(this.#x.keyspace, this.#root, first, renderer, partBytes)
    return this.#image
  }

  score(bytes: Buffer, start: number, end: number): number {
    return this.#x.mutator.types.sortedSets.trees.score(this.#root, bytes, start, end)
  }

  set(list: MemberList, scores: readonly number[]): void {
    const { sets, sortedSets } = this.#x.mutator.types
    const version = ++this.#version
    const { buffer, count } = list
    for (let i = 0; i < count; i++) {
      const start = list.start(i)
      const end = list.end(i)
      const score = scores[i] as number
      const isGone = Number.isNaN(score)
      if (this.isSorted) {
        if (this.#image !== undefined) this.#touchPlace(sortedSets.trees.score(this.#root, buffer, start, end), buffer, start, end)
        if (isGone) sortedSets.trees.remove(this.#root, buffer, start, end, version)
        else sortedSets.trees.set(this.#root, score, buffer, start, end, version)
        if (this.#image !== undefined) this.#touchPlace(score, buffer, start, end)
        continue
      }
      const isChanged = isGone
        ? sets.trees.remove(this.#root, buffer, start, end, version)
        : sets.trees.add(this.#root, buffer, start, end, version)
      if (isChanged) this.#image?.touched(sets.trees.separatorOf(this.#root, buffer, start, end))
    }
  }

  #touchPlace(score: number, buffer: Buffer, start: number, end: number): void {
    if (Number.isNaN(score)) return
    const { trees } = this.#x.mutator.types.sortedSets
    trees.places.locate(this.#root, score, buffer, start, end, this.#at)
    this.#image?.touched(trees.leaves.shape.separator(this.#at, this.#separator))
  }

  wants(): void {
    // All of it is in memory.
  }

  release(): void {
    dropTree(this.#x.keyspace, this.#root)
  }
}

/** A result under a key that no client can see. */
export class StoredResult implements CombinedResult {
  readonly isStored = true
  readonly isSorted: boolean
  readonly #x: Execution
  readonly #name: Buffer
  readonly #seed: number
  readonly #growth = new Growth()
  readonly #added = new MemberList()
  readonly #removed = new MemberList()
  readonly #scores: number[] = []

  constructor(x: Execution, isSorted: boolean, seed: number) {
    this.#x = x
    this.#name = unfinishedName(x.keyspace)
    this.isSorted = isSorted
    this.#seed = seed
  }

  /** 0 while it is empty. */
  get entry(): number {
    return findUnfinished(this.#x.keyspace, this.#name)
  }

  get count(): number {
    const { entry } = this
    return entry === 0 ? 0 : this.#x.keyspace.entries.length(entry)
  }

  get hasCold(): boolean {
    const { entry } = this
    return entry !== 0 && hasCold(this.#x.keyspace, entry)
  }

  score(bytes: Buffer, start: number, end: number): number {
    const { entry } = this
    return entry === 0 ? Number.NaN : this.#x.mutator.types.sortedSets.score(entry, bytes, start, end)
  }

  set(list: MemberList, scores: readonly number[]): void {
    const { entry } = this
    const added = this.#added
    const removed = this.#removed
    added.clear()
    removed.clear()
    this.#scores.length = 0
    for (let i = 0; i < list.count; i++) {
      const start = list.start(i)
      const end = list.end(i)
      if (!Number.isNaN(scores[i])) {
        added.add(list.buffer, start, end)
        this.#scores.push(scores[i] as number)
      } else if (entry !== 0 && this.#has(entry, list.buffer, start, end)) removed.add(list.buffer, start, end)
    }
    if (removed.count > 0) this.#remove(removed)
    if (added.count === 0) return
    if (this.isSorted) this.#setScores(added)
    else this.#add(added)
  }

  #has(entry: number, bytes: Buffer, start: number, end: number): boolean {
    const { sets, sortedSets } = this.#x.mutator.types
    return this.isSorted ? !Number.isNaN(sortedSets.score(entry, bytes, start, end)) : sets.has(entry, bytes, start, end)
  }

  #remove(members: MemberList): void {
    const { mutator } = this.#x
    const payload = mutator.payload()
    payload.varint(members.count)
    for (let i = 0; i < members.count; i++) payload.range(members.buffer, members.start(i), members.end(i))
    this.#edit(this.isSorted ? unsetEdit : removeEdit)
  }

  #add(members: MemberList): void {
    const payload = this.#begin(setFormFor(this.#x, this.entry, members, 0))
    payload.varint(members.count)
    for (let i = 0; i < members.count; i++) payload.range(members.buffer, members.start(i), members.end(i))
    this.#edit(addEdit)
  }

  #setScores(members: MemberList): void {
    const { entry } = this
    const growth = this.#growth.clear()
    // A tree stays one, whatever comes.
    const isTree = entry !== 0 && this.#x.keyspace.entries.isTree(entry)
    for (let i = 0; i < members.count && !isTree; i++) {
      const isNew = entry === 0 || !this.#has(entry, members.buffer, members.start(i), members.end(i))
      if (isNew) growth.add(members.end(i) - members.start(i))
    }
    const payload = this.#begin(sortedSetFormFor(this.#x, entry, growth))
    payload.varint(members.count)
    for (let i = 0; i < members.count; i++) {
      writePayloadElement(payload, this.#scores[i] as number, members.buffer, members.start(i), members.end(i))
    }
    this.#edit(setEdit)
  }

  #begin(form: number): RecordBuffer {
    const payload = this.#x.mutator.payload()
    payload.byte(form)
    if (form === treeForm) payload.u32(this.#seed)
    return payload
  }

  #edit(edit: number): void {
    const { mutator, keyspace } = this.#x
    const { changes, types } = mutator
    keyspace.forgetLookUp()
    mutator.edit(this.isSorted ? types.sortedSets : types.sets, edit, ownDatabase, this.#name, 0, this.#name.length)
    keyspace.forgetLookUp()
    // Nobody has asked for a change that nobody sees.
    mutator.changes = changes
  }

  wants(list: MemberList, scores: readonly number[], wants: ColdWants): void {
    const { entry } = this
    const { keyspace, mutator } = this.#x
    if (entry === 0 || !hasCold(keyspace, entry)) return
    if (!keyspace.entries.isTree(entry)) {
      wantValue(keyspace, entry, wants)
      return
    }
    const { sets, sortedSets } = mutator.types
    const root = keyspace.entries.value(entry)
    for (let i = 0; i < list.count; i++) {
      const start = list.start(i)
      const end = list.end(i)
      if (!this.isSorted) sets.wantMember(entry, list.buffer, start, end, wants)
      else if (wantMember(sortedSets.trees, root, list.buffer, start, end, true, wants) && i < scores.length && !Number.isNaN(scores[i])) {
        wantPlace(sortedSets.trees, root, scores[i] as number, list.buffer, start, end, wants)
      }
    }
  }

  /** Deletes what is left of it. */
  release(): void {
    const { mutator } = this.#x
    const { changes } = mutator
    const { entry } = this
    if (entry !== 0) mutator.deleteEntry(entry)
    mutator.changes = changes
  }
}
