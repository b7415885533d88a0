/** All types of collections of a keyspace that are changed by edits, each made once. A new type is a field here. */
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { HashOperations } from '../mutation/hash-operations.ts'
import { RecordUnreadable } from '../mutation/record-unreadable.ts'
import type { CollectionEdit, CollectionType } from './collection-type.ts'
import { Collections } from './collections.ts'
import { HashType } from './hash-type.ts'
import { ListType } from './list-type.ts'
import { SetType } from './set-type.ts'
import { SortedSetType } from './sorted-set-type.ts'
import { StreamType } from './stream-type.ts'

export class CollectionTypes {
  readonly collections: Collections
  readonly hashes: HashType
  readonly lists: ListType
  readonly sets: SetType
  readonly sortedSets: SortedSetType
  readonly streams: StreamType
  readonly #byNumber: (CollectionType | undefined)[] = []

  constructor(keyspace: Keyspace, hashes: HashOperations) {
    this.collections = new Collections(keyspace)
    this.hashes = this.add(new HashType(this.collections, hashes))
    this.lists = this.add(new ListType(this.collections))
    this.sets = this.add(new SetType(this.collections))
    this.sortedSets = this.add(new SortedSetType(this.collections))
    this.streams = this.add(new StreamType(this.collections))
  }

  /** Throws for a type or an edit that is not known. */
  edit(type: number, edit: number): CollectionEdit {
    const found = this.#byNumber[type]?.edits[edit]
    if (found === undefined)
      throw new RecordUnreadable(`log record holds an unknown edit ${edit} of type ${type}: written by a newer Moraine`)
    return found
  }

  /** Makes a type known by its number. */
  add<T extends CollectionType>(type: T): T {
    this.#byNumber[type.number] = type
    return type
  }
}
