/**
 * The keys of a large database that match a pattern, as KEYS replies them, in slices: parts that each show those whose hashes lie in a range, in the order of the
 * index. It hears of every key that is touched meanwhile, and looks whether its part still tells the truth of it; if not, the part is rendered anew.
 * In the command's turn the last of them are looked at, and parts with a key that has expired since are rendered anew: so the reply is of that moment.
 */
import type { Execution } from '../execution.ts'
import { globMatches } from '../glob.ts'
import type { KeyListener } from '../keyspace/interested-party.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { earlier } from '../types/hash-type.ts'
import { isLongWalk, membersAtOnce } from './combined-work.ts'

const hashEnd = 2 ** 32
const star = 0x2a
/** Touched keys that may be left for the command's own turn. */
const touchedLeft = 256
/** So often touched keys are looked at when all is rendered; then the command does the rest. */
const catchingUpMax = 10_000
/** Looking at a key is so much less than looking at a member of a collection. */
const keysPerMember = 4
/** Beside the reply's bytes, of each key. */
const placeBytes = 12

interface Part {
  /** Of hashes: from the first up to one before `end`. */
  readonly from: number
  readonly end: number
  bytes: Buffer
  /** Hash of each key, and where its name begins and ends in `bytes`. */
  places: Uint32Array
  /** When the first of its keys expires; 0 for never. */
  due: number
}

/** What is staged of KEYS; undefined for a small database. */
export function stageKeys(x: Execution): StagedWork | undefined {
  return isLongWalk(x, x.keyspace.databases[x.db].index.size) ? new KeysImage(x, Buffer.from(x.args.bytes(1))) : undefined
}

/** Whether a pattern matches the key of an entry. */
export function matchesKey({ keyspace }: Execution, entry: number, pattern: Buffer, start: number, end: number): boolean {
  if (end - start === 1 && pattern[start] === star) return true
  const { entries, arena } = keyspace
  const key = entries.keyStart(entry)
  return globMatches(pattern, start, end, arena.bytes(entry), key, key + entries.keyLength(entry))
}

export class KeysImage implements StagedWork, KeyListener {
  readonly #x: Execution
  readonly #database: number
  readonly #pattern: Buffer
  readonly #keysAtOnce: number
  readonly #reply = new ReplyWriter()
  #parts: Part[] = []
  readonly #stale = new Set<Part>()
  /** Names of keys that may have come or gone, or expire at another time, as latin1. */
  readonly #touched = new Set<string>()
  /** Where the next part begins. */
  #next = 0
  #catchingUp = 0
  #memoryBytes = 0

  constructor(x: Execution, pattern: Buffer) {
    this.#x = x
    this.#database = x.database
    this.#pattern = pattern
    this.#keysAtOnce = keysPerMember * membersAtOnce(x)
    x.mutator.interest.addListener(this)
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  get #db(): number {
    return this.#x.keyspace.logical[this.#database]
  }

  keyTouched(database: number, key: Uint8Array, start: number, end: number): void {
    if (database === this.#database) this.#touched.add(Buffer.from(key.buffer, key.byteOffset + start, end - start).toString('latin1'))
  }

  /** Another database, or none of its keys: all begins anew. */
  databaseTouched(database: number): void {
    if (database !== this.#database) return
    this.#parts = []
    this.#stale.clear()
    this.#touched.clear()
    this.#next = 0
    this.#memoryBytes = 0
  }

  step(): boolean {
    this.#x.keyspace.forgetLookUp()
    if (this.#next < hashEnd) {
      this.#add()
      return true
    }
    if (this.#catchingUp > catchingUpMax) return false
    const [stale] = this.#stale
    if (stale !== undefined) this.#render(stale)
    else if (this.#touched.size > touchedLeft) this.#lookAtTouched(touchedLeft)
    else return false
    this.#catchingUp++
    return true
  }

  /** Renders the part that comes next. */
  #add(): void {
    const from = this.#next
    const places: number[] = []
    let due = 0
    const { index } = this.#x.keyspace.databases[this.#db]
    const next = index.scan(from, this.#keysAtOnce, (entry) => {
      due = earlier(due, this.#show(entry, places))
    })
    this.#next = next === 0 ? hashEnd : next
    this.#parts.push({ from, end: this.#next, ...this.#take(places), due })
  }

  #render(part: Part): void {
    const { index } = this.#x.keyspace.databases[this.#db]
    const places: number[] = []
    part.due = 0
    for (let cursor = part.from; ; ) {
      cursor = index.scan(cursor, this.#keysAtOnce, (entry) => {
        if (this.#hashOf(entry) < part.end) part.due = earlier(part.due, this.#show(entry, places))
      })
      if (cursor === 0 || cursor >= part.end) break
    }
    this.#memoryBytes -= part.bytes.length + part.places.byteLength
    const { bytes, places: taken } = this.#take(places)
    part.bytes = bytes
    part.places = taken
    this.#stale.delete(part)
  }

  #take(places: readonly number[]): Pick<Part, 'bytes' | 'places'> {
    const taken = { bytes: this.#reply.output.takeAll(), places: Uint32Array.from(places) }
    this.#memoryBytes += taken.bytes.length + taken.places.byteLength
    return taken
  }

  #hashOf(entry: number): number {
    const { keyspace } = this.#x
    const start = keyspace.entries.keyStart(entry)
    return keyspace.keyHash(keyspace.arena.bytes(entry), start, start + keyspace.entries.keyLength(entry)) >>> 0
  }

  #isShown(entry: number): boolean {
    const { entries } = this.#x.keyspace
    const expireAt = entries.expireAt(entry)
    return (expireAt === 0 || expireAt >= this.#x.now) && matchesKey(this.#x, entry, this.#pattern, 0, this.#pattern.length)
  }

  /** Replies with a key if it is to be shown. Returns when it expires; 0 for never. */
  #show(entry: number, places: number[]): number {
    if (!this.#isShown(entry)) return 0
    const { entries, arena } = this.#x.keyspace
    const start = entries.keyStart(entry)
    const end = start + entries.keyLength(entry)
    this.#reply.bulk(arena.bytes(entry), start, end)
    const stop = this.#reply.output.pendingBytes - 2
    places.push(this.#hashOf(entry), stop - (end - start), stop)
    return entries.expireAt(entry)
  }

  /** Looks at up to `max` of the keys that were touched. */
  #lookAtTouched(max: number): void {
    let left = max
    for (const name of this.#touched) {
      if (left-- === 0) return
      this.#touched.delete(name)
      this.#lookAt(Buffer.from(name, 'latin1'))
    }
  }

  #lookAt(key: Buffer): void {
    const { keyspace } = this.#x
    const hash = keyspace.keyHash(key, 0, key.length) >>> 0
    // What is not rendered yet will be as it is then.
    if (hash >= this.#next) return
    const part = this.#partOf(hash)
    keyspace.forgetLookUp()
    const entry = keyspace.find(this.#db, key, 0, key.length)
    keyspace.forgetLookUp()
    const isThere = entry !== 0 && this.#isShown(entry)
    if (isThere !== shows(part, hash, key)) this.#stale.add(part)
    else if (isThere) part.due = earlier(part.due, keyspace.entries.expireAt(entry))
  }

  #partOf(hash: number): Part {
    const parts = this.#parts
    let low = 0
    let high = parts.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if ((parts[middle] as Part).from <= hash) low = middle
      else high = middle
    }
    return parts[low] as Part
  }

  /** In the command's turn: replies with the keys as they are now. */
  replyTo(reply: ReplyWriter): void {
    const { now } = this.#x
    while (this.#next < hashEnd) this.#add()
    this.#lookAtTouched(Number.POSITIVE_INFINITY)
    for (const part of this.#parts) if (part.due !== 0 && part.due < now) this.#stale.add(part)
    for (const part of this.#stale) this.#render(part)
    reply.array(this.#parts.reduce((count, { places }) => count + places.byteLength / placeBytes, 0))
    for (const { bytes } of this.#parts) if (bytes.length > 0) reply.rawShared(bytes)
  }

  release(): void {
    this.#x.mutator.interest.removeListener(this)
  }
}

/** Whether a part shows a key with this hash. */
function shows({ places, bytes }: Part, hash: number, key: Buffer): boolean {
  for (let i = 0; i < places.length; i += 3) {
    if (places[i] === hash && key.compare(bytes, places[i + 1], places[i + 2]) === 0) return true
  }
  return false
}
