/**
 * DEBUG DIGEST and DIGEST-VALUE: what Redis's tools compare two data sets by, the same hex digits as redis-server gives.
 *
 * Two ways to take something into a digest: `addAny` (xor with its SHA-1) does not depend on the order, `addNext` (that, and
 * then the SHA-1 of all so far) does. A value is its type, then a string's bytes, or each field with its value on their own
 * and in any order, or each element of a list in their order; then whether it expires. A key is its name and its value; a database its number and its keys in any order.
 */
import { createHash } from 'node:crypto'
import { formatDouble } from '../../engine/double.ts'
import { hashType, leafForm, listType, setType, sortedSetType, streamType } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { Separator } from '../../engine/tree/separator.ts'
import { visitElements } from '../../engine/types/hash-leaf.ts'
import { visitElements as visitListElements } from '../../engine/types/list-leaf.ts'
import type { VisitPair } from '../../engine/types/packed-fields.ts'
import { PackedCursor, visitPairs } from '../../engine/types/packed-fields.ts'
import { scoreRange } from '../../engine/types/score-separator.ts'
import { eachMember } from '../../engine/types/set-type.ts'
import { visitPlaces } from '../../engine/types/sorted-set-leaf.ts'
import { visitEntries } from '../../engine/types/stream-entries.ts'
import type { Clock } from '../../storage/clock.ts'
import type { Tier } from '../../storage/tier.ts'
import type { KeyVisitor, WalkedKey, WalkedLeaf } from './key-walk.ts'
import { KeyWalk } from './key-walk.ts'

const digestBytes = 20
/** Bytes that are hashed without a pause: a few milliseconds' worth. */
const sliceBytes = 4 * 1024 * 1024
/** Redis's numbers of its types, by ours. */
const redisTypes = [-1, 0, 4, 1, 2, 3, 6] as const

export interface DigestSource {
  readonly keyspace: Keyspace
  readonly tier: Tier
  readonly clock: Clock
}

/** Of all databases. Nobody may change a key meanwhile. Rejects when a value cannot be read. */
export async function datasetDigest(source: DigestSource): Promise<string> {
  const { keyspace, tier, clock } = source
  const whole = new Digest()
  for (const [number, db] of keyspace.logical.entries()) {
    if (keyspace.databases[db]!.index.size === 0) continue
    whole.addNext(numberBytes(number))
    // Keys are added in any order, so those of one database may be gathered apart.
    const digests = new KeyDigests(
      clock,
      (key) => startOf(key.key),
      (digest) => whole.addAny(digest),
    )
    await new KeyWalk(keyspace, tier, clock, digests).database(db)
  }
  return whole.hex()
}

/** Of the value of one entry; of a key that is missing it is `noDigest`. */
export async function valueDigest(source: DigestSource, entry: number): Promise<string> {
  const { keyspace, tier, clock } = source
  let found = noDigest
  const digests = new KeyDigests(
    clock,
    () => new Digest(),
    (digest) => {
      found = digest.toString('hex')
    },
  )
  await new KeyWalk(keyspace, tier, clock, digests).entry(entry)
  return found
}

export const noDigest = '0'.repeat(2 * digestBytes)

function startOf(key: Buffer): Digest {
  const digest = new Digest()
  digest.addNext(key)
  return digest
}

class KeyDigests implements KeyVisitor {
  readonly #clock: Clock
  readonly #begin: (key: WalkedKey) => Digest
  readonly #done: (digest: Buffer) => void
  #key: WalkedKey | undefined
  #digest = new Digest()

  constructor(clock: Clock, begin: (key: WalkedKey) => Digest, done: (digest: Buffer) => void) {
    this.#clock = clock
    this.#begin = begin
    this.#done = done
  }

  string(key: WalkedKey, bytes: Buffer, start: number, end: number): Promise<void> | undefined {
    const digest = this.#of(key)
    if (end - start > sliceBytes) return digest.addNextInSlices(bytes.subarray(start, end), this.#clock)
    digest.addNext(bytes.subarray(start, end))
    return undefined
  }

  blob(key: WalkedKey, bytes: Buffer, start: number, leaf: WalkedLeaf | undefined): void {
    // A large sorted set has every element twice.
    if (key.type === sortedSetType && leaf !== undefined && leaf.separator.words[0]! < scoreRange) return
    elementDigests[key.type]?.(this.#of(key), bytes, start, leaf !== undefined, key.encoding, leaf?.separator, this.#clock.wallMs())
  }

  end(key: WalkedKey): void {
    const digest = this.#of(key)
    if (key.expireAt !== 0) digest.addAny(Buffer.from('!!expire!!'))
    this.#key = undefined
    this.#done(digest.bytes)
  }

  /** The digest of the key in hand; the first piece begins it. */
  #of(key: WalkedKey): Digest {
    if (this.#key === key) return this.#digest
    this.#key = key
    this.#digest = this.#begin(key)
    this.#digest.addNext(numberBytes(redisTypes[key.type]!))
    return this.#digest
  }
}

/** By type: adds what a blob or a leaf holds. */
const elementDigests: (
  | ((digest: Digest, bytes: Buffer, start: number, isLeaf: boolean, form: number, separator: Separator | undefined, nowMs: number) => void)
  | undefined
)[] = []
elementDigests[hashType] = (digest, bytes, start, isLeaf, _form, _separator, nowMs) => {
  const visit: VisitPair = (buffer, { fieldStart, fieldEnd, valueStart, valueEnd, expireAt }) => {
    if (expireAt !== 0 && expireAt < nowMs) return
    const field = new Digest()
    field.addNext(buffer.subarray(fieldStart, fieldEnd))
    field.addNext(buffer.subarray(valueStart, valueEnd))
    if (expireAt !== 0) field.addAny(Buffer.from('!!hexpire!!'))
    digest.addAny(field.bytes)
  }
  if (isLeaf) visitElements(bytes, start, new PackedCursor(), visit)
  else visitPairs(bytes, start, new PackedCursor(), visit)
}
elementDigests[listType] = (digest, bytes, start) => {
  visitListElements(bytes, start, (buffer, from, to) => {
    digest.addNext(buffer.subarray(from, to))
    return true
  })
}

elementDigests[setType] = (digest, bytes, start, isLeaf, form) => {
  eachMember(isLeaf ? leafForm : form, bytes, start, (buffer, from, to) => digest.addAny(buffer.subarray(from, to)))
}

elementDigests[sortedSetType] = (digest, bytes, start) => {
  visitPlaces(bytes, start, (buffer, from, to, score) => {
    const element = new Digest()
    element.addNext(buffer.subarray(from, to))
    element.addNext(Buffer.from(formatDouble(score)))
    digest.addAny(element.bytes)
  })
}

elementDigests[streamType] = (digest, bytes, start, _isLeaf, _form, separator) => {
  visitEntries(bytes, start, separator, (entry) => {
    digest.addNext(Buffer.from(entry.id.toString().replace('-', '.')))
    for (entry.toFirstPart(); entry.nextPart(); ) digest.addNext(entry.bytes.subarray(entry.partStart, entry.partEnd))
  })
}

class Digest {
  bytes: Buffer = Buffer.alloc(digestBytes)

  addAny(data: Buffer): void {
    this.#xor(createHash('sha1').update(data).digest())
  }

  addNext(data: Buffer): void {
    this.addAny(data)
    this.bytes = createHash('sha1').update(this.bytes).digest()
  }

  async addNextInSlices(data: Buffer, clock: Clock): Promise<void> {
    const hash = createHash('sha1')
    for (let at = 0; at < data.length; at += sliceBytes) {
      hash.update(data.subarray(at, at + sliceBytes))
      await new Promise<void>((resolve) => clock.afterTurn(resolve))
    }
    this.#xor(hash.digest())
    this.bytes = createHash('sha1').update(this.bytes).digest()
  }

  hex(): string {
    return this.bytes.toString('hex')
  }

  #xor(other: Buffer): void {
    for (let i = 0; i < digestBytes; i++) this.bytes[i]! ^= other[i]!
  }
}

/** In network order. */
function numberBytes(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  return bytes
}
