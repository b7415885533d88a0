/**
 * The keys of one database in which somebody is interested, and for each the interests in the order of their arrival. It knows no keyspace:
 * whoever asks brings the key's hash.
 */
import type { Interest, InterestedParty, KeyOfInterest } from './interested-party.ts'

/** The keys of interest of one database, by hash. */
export class InterestTable {
  readonly database: number
  readonly #firsts = new Map<number, KeyNode>()

  constructor(database: number) {
    this.database = database
  }

  get isEmpty(): boolean {
    return this.#firsts.size === 0
  }

  find(hash: number, key: Uint8Array, start: number, end: number): KeyNode | undefined {
    let node = this.#firsts.get(hash | 0)
    while (node !== undefined && !node.is(key, start, end)) node = node.next
    return node
  }

  add(node: KeyNode): void {
    node.next = this.#firsts.get(node.hash | 0)
    this.#firsts.set(node.hash | 0, node)
  }

  remove(node: KeyNode): void {
    const first = this.#firsts.get(node.hash | 0)
    if (first === node) {
      if (node.next === undefined) this.#firsts.delete(node.hash | 0)
      else this.#firsts.set(node.hash | 0, node.next)
      return
    }
    let before = first
    while (before !== undefined && before.next !== node) before = before.next
    if (before !== undefined) before.next = node.next
  }

  clear(): void {
    this.#firsts.clear()
  }

  /** Keys may be removed meanwhile: those that are passed already, the one in hand, or others. */
  *nodes(): Generator<KeyNode> {
    for (const first of this.#firsts.values()) for (let node: KeyNode | undefined = first; node !== undefined; node = node.next) yield node
  }
}

export class KeyNode implements KeyOfInterest {
  readonly database: number
  readonly key: Buffer
  hash: number
  /** Another key with the same hash. */
  next: KeyNode | undefined = undefined
  /** Parties that hear at once, and those that wait. */
  atOnce: InterestList | undefined = undefined
  waiting: InterestList | undefined = undefined
  /** The changes that `drain` has still to tell. */
  pending = 0

  constructor(database: number, key: Buffer, hash: number) {
    this.database = database
    this.key = key
    this.hash = hash
  }

  get isIdle(): boolean {
    return this.atOnce?.first === undefined && this.waiting?.first === undefined
  }

  is(key: Uint8Array, start: number, end: number): boolean {
    const own = this.key
    if (own.length !== end - start) return false
    for (let i = 0; i < own.length; i++) if (own[i] !== key[start + i]) return false
    return true
  }

  listFor(party: InterestedParty): InterestList {
    if (party.waits) {
      this.waiting ??= new InterestList()
      return this.waiting
    }
    this.atOnce ??= new InterestList()
    return this.atOnce
  }
}

const never = (): boolean => false

export class InterestLink implements Interest {
  readonly key: KeyNode
  readonly party: InterestedParty
  /** Counts those that came to the key before it. */
  readonly arrival: number
  previous: InterestLink | undefined
  next: InterestLink | undefined = undefined
  hasEnded = false

  constructor(key: KeyNode, party: InterestedParty, arrival: number, previous: InterestLink | undefined) {
    this.key = key
    this.party = party
    this.arrival = arrival
    this.previous = previous
  }
}

/** Interests in the order of their arrival. */
class InterestList {
  first: InterestLink | undefined = undefined
  #last: InterestLink | undefined = undefined
  #arrivals = 0

  append(key: KeyNode, party: InterestedParty): InterestLink {
    const link = new InterestLink(key, party, this.#arrivals++, this.#last)
    if (this.#last === undefined) this.first = link
    else this.#last.next = link
    this.#last = link
    return link
  }

  /** The link keeps its `next`, for whoever stands at it. */
  remove(link: InterestLink): void {
    link.hasEnded = true
    if (link.previous === undefined) this.first = link.next
    else link.previous.next = link.next
    if (link.next === undefined) this.#last = link.previous
    else link.next.previous = link.previous
  }

  /** Parties may come and go meanwhile. Those that come are not told; nor are those that are left when `isOver`. */
  tell(change: number, isOver = never): void {
    const until = this.#arrivals
    for (let link = this.first; link !== undefined && link.arrival < until; link = link.next) {
      if (link.hasEnded) continue
      link.party.keyTouched(link.key, change)
      if (isOver()) return
    }
  }
}
