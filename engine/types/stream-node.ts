/**
 * A run of a stream's entries, as Redis has it in one listpack: in the blob of a small stream, or a leaf of a large one. Redis's nodes can
 * be seen by trimming (`~` takes whole nodes), so a node begins where Redis's would.
 *
 * Header: master id (16 bytes, of the first entry ever) · last id that was appended (16) · bytes that Redis's listpack would have, without its
 * two counts (u32) · entries (u32) · entries that were deleted (u32) · bytes of the header (u32) · varint count of the master's fields · the fields.
 * Integers are big-endian. Then the entries:
 *
 *   varint bytes that follow · flags u8 (1: its fields are the master's, 2: its id stands as 16 bytes) · id: varint ms above the master's ·
 *   varint sequence number, above the master's if the ms are the same · unless flag 1 varint count of fields · fields and values, or the values only
 *
 * A varint here has up to 53 bits; field and value are a varint length and bytes.
 */
import { readU32BE, writeU32BE } from '../memory/byte-order.ts'
import { putBytes, readVarint, sameBytes, varintBytes, writeVarint } from '../memory/packed-bytes.ts'
import { integerElementBytes, listpackEmptyBytes, stringElementBytes } from './listpack-size.ts'
import { idBytes, StreamId } from './stream-id.ts'

export const sameFieldsFlag = 1
const wholeIdFlag = 2

const tailOffset = 16
const listpackOffset = 32
const liveOffset = 36
const deletedOffset = 40
const headerOffset = 44
const fixedBytes = 48
const highOfSafe = 2 ** 21

/** Fields and values of an entry that comes in: ranges of one buffer. */
export class EntryFields {
  bytes: Buffer = Buffer.alloc(0)
  /** Fields, or pairs of field and value. */
  count = 0
  ranges = new Int32Array(32)

  begin(bytes: Buffer, count: number): void {
    this.bytes = bytes
    this.count = count
    if (this.ranges.length < count * 4) this.ranges = new Int32Array(count * 8)
  }
}

export function nodeTail(bytes: Buffer, node: number, into: StreamId): StreamId {
  return into.read(bytes, node + tailOffset)
}

export function nodeMaster(bytes: Buffer, node: number, into: StreamId): StreamId {
  return into.read(bytes, node)
}

/** Entries of a node. */
export function nodeLive(bytes: Buffer, node: number): number {
  return readU32BE(bytes, node + liveOffset)
}

/** Entries that a node has had, deleted ones too. */
export function nodeCount(bytes: Buffer, node: number): number {
  return readU32BE(bytes, node + liveOffset) + readU32BE(bytes, node + deletedOffset)
}

/** Bytes that Redis's listpack has. */
export function nodeListpackBytes(bytes: Buffer, node: number): number {
  const counts = integerElementBytes(readU32BE(bytes, node + liveOffset)) + integerElementBytes(readU32BE(bytes, node + deletedOffset))
  return readU32BE(bytes, node + listpackOffset) + counts
}

/** Notes that entries have gone. */
export function nodeLost(bytes: Buffer, node: number, count: number): void {
  writeU32BE(bytes, node + liveOffset, readU32BE(bytes, node + liveOffset) - count)
  writeU32BE(bytes, node + deletedOffset, readU32BE(bytes, node + deletedOffset) + count)
}

/** Copies of the fields that the first entry had. */
export function masterFields(bytes: Buffer, node: number): Buffer[] {
  const fields: Buffer[] = []
  const count = readVarint(bytes, node + fixedBytes)
  let at = node + fixedBytes + varintBytes(count)
  for (let i = 0; i < count; i++) {
    const length = readVarint(bytes, at)
    at += varintBytes(length)
    fields.push(Buffer.from(bytes.subarray(at, at + length)))
    at += length
  }
  return fields
}

/** Where the first entry of a node begins. */
export function entriesAt(bytes: Buffer, node: number): number {
  return node + readU32BE(bytes, node + headerOffset)
}

/** Bytes of the header of a node whose first entry has these fields. */
export function headerBytesFor(fields: EntryFields): number {
  const { ranges, count } = fields
  let bytes = fixedBytes + varintBytes(count)
  for (let i = 0; i < count; i++) bytes += rangeBytes(ranges[i * 4], ranges[i * 4 + 1])
  return bytes
}

/** Writes the header of a node without entries. */
export function writeHeader(bytes: Buffer, node: number, id: StreamId, fields: EntryFields): void {
  const { ranges, count } = fields
  let listpack = listpackEmptyBytes + integerElementBytes(count) + integerElementBytes(0)
  let at = writeVarint(bytes, node + fixedBytes, count)
  for (let i = 0; i < count; i++) {
    at = putRange(bytes, at, fields.bytes, ranges[i * 4], ranges[i * 4 + 1])
    listpack += stringElementBytes(fields.bytes, ranges[i * 4], ranges[i * 4 + 1])
  }
  id.write(bytes, node)
  id.write(bytes, node + tailOffset)
  writeU32BE(bytes, node + listpackOffset, listpack)
  writeU32BE(bytes, node + liveOffset, 0)
  writeU32BE(bytes, node + deletedOffset, 0)
  writeU32BE(bytes, node + headerOffset, at - node)
}

/** Whether an entry's fields are those of the node's master entry. */
export function hasMasterFields(bytes: Buffer, node: number, fields: EntryFields): boolean {
  let at = node + fixedBytes
  const { ranges, count } = fields
  if (readVarint(bytes, at) !== count) return false
  at += varintBytes(count)
  for (let i = 0; i < count; i++) {
    const length = readVarint(bytes, at)
    const start = ranges[i * 4]
    if (length !== ranges[i * 4 + 1] - start) return false
    at += varintBytes(length)
    if (!sameBytes(bytes, at, fields.bytes, start, length)) return false
    at += length
  }
  return true
}

const master = new StreamId()

/** An entry that is to be written behind a node's others: first its size is told, then it is written. */
export class EntryWriter {
  #flags = 0
  #ms = 0
  #seq = 0
  #body = 0
  #listpack = 0

  /** Bytes that the entry takes. `isSame`: its fields are the master's, whose id is `first`. */
  measure(first: StreamId, id: StreamId, fields: EntryFields, isSame: boolean): number {
    const { bytes, ranges, count } = fields
    const ms = (id.msHigh - first.msHigh) * 2 ** 32 + (id.msLow - first.msLow)
    const isSafe = id.seqHigh < highOfSafe && first.seqHigh < highOfSafe && ms >= 0 && ms < Number.MAX_SAFE_INTEGER
    this.#ms = ms
    this.#seq = ms === 0 ? id.seq - first.seq : id.seq
    const asWhole = !isSafe || this.#seq < 0
    this.#flags = (isSame ? sameFieldsFlag : 0) | (asWhole ? wholeIdFlag : 0)
    let body = 1 + (asWhole ? idBytes : longVarintBytes(this.#ms) + longVarintBytes(this.#seq))
    let listpack = 2 + integerElementBytes(ms) + integerElementBytes(id.seq - first.seq)
    if (!isSame) {
      body += varintBytes(count)
      listpack += integerElementBytes(count)
    }
    for (let i = 0; i < count; i++) {
      const r = i * 4
      if (!isSame) {
        body += rangeBytes(ranges[r], ranges[r + 1])
        listpack += stringElementBytes(bytes, ranges[r], ranges[r + 1])
      }
      body += rangeBytes(ranges[r + 2], ranges[r + 3])
      listpack += stringElementBytes(bytes, ranges[r + 2], ranges[r + 3])
    }
    this.#body = body
    this.#listpack = listpack + integerElementBytes(isSame ? count + 3 : count * 2 + 4)
    return varintBytes(body) + body
  }

  /** Writes what was measured at `at`, and notes it in the header of its node. */
  write(bytes: Buffer, node: number, at: number, id: StreamId, fields: EntryFields): void {
    const { ranges, count } = fields
    const isSame = (this.#flags & sameFieldsFlag) !== 0
    let to = writeVarint(bytes, at, this.#body)
    bytes[to++] = this.#flags
    if ((this.#flags & wholeIdFlag) !== 0) {
      id.write(bytes, to)
      to += idBytes
    } else to = writeLongVarint(bytes, writeLongVarint(bytes, to, this.#ms), this.#seq)
    if (!isSame) to = writeVarint(bytes, to, count)
    for (let i = 0; i < count; i++) {
      const r = i * 4
      if (!isSame) to = putRange(bytes, to, fields.bytes, ranges[r], ranges[r + 1])
      to = putRange(bytes, to, fields.bytes, ranges[r + 2], ranges[r + 3])
    }
    id.write(bytes, node + tailOffset)
    writeU32BE(bytes, node + listpackOffset, readU32BE(bytes, node + listpackOffset) + this.#listpack)
    writeU32BE(bytes, node + liveOffset, readU32BE(bytes, node + liveOffset) + 1)
  }
}

/** Where an entry of a node is. */
export class EntryCursor {
  readonly id = new StreamId()
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  end = 0
  /** Fields of the entry. */
  count = 0
  #isSame = false
  #fields = 0
  #values = 0
  #node = 0
  readonly #master = new StreamId()

  /** Goes to a node, before its first entry. */
  enter(bytes: Buffer, node: number): void {
    this.bytes = bytes
    this.#node = node
    this.#master.read(bytes, node)
    this.end = entriesAt(bytes, node)
  }

  /** Reads the entry that begins at `at`. */
  read(at: number): void {
    const { bytes } = this
    const body = readVarint(bytes, at)
    let from = at + varintBytes(body)
    this.at = at
    this.end = from + body
    const flags = bytes[from++]
    const { id } = this
    const first = this.#master
    if ((flags & wholeIdFlag) !== 0) {
      id.read(bytes, from)
      from += idBytes
    } else {
      const ms = readLongVarint(bytes, from)
      const seq = readLongVarint(bytes, longEnd)
      from = longEnd
      addTo(first, ms, seq, id)
    }
    this.#isSame = (flags & sameFieldsFlag) !== 0
    if (this.#isSame) {
      this.#fields = this.#node + fixedBytes
      this.count = readVarint(bytes, this.#fields)
      this.#fields += varintBytes(this.count)
      this.#values = from
    } else {
      this.count = readVarint(bytes, from)
      this.#values = from + varintBytes(this.count)
    }
  }

  /** Whether the fields are those of the node's first entry. */
  get isSame(): boolean {
    return this.#isSame
  }

  /** The part that `nextPart` has come to: fields and values by turns. */
  partStart = 0
  partEnd = 0
  #partsLeft = 0
  #nextField = 0
  #nextValue = 0

  toFirstPart(): void {
    this.#partsLeft = this.count * 2
    this.#nextField = this.#fields
    this.#nextValue = this.#values
  }

  nextPart(): boolean {
    if (this.#partsLeft === 0) return false
    const isMasters = this.#isSame && (this.#partsLeft & 1) === 0
    this.#partsLeft--
    const at = isMasters ? this.#nextField : this.#nextValue
    const length = readVarint(this.bytes, at)
    this.partStart = at + (length < 0x80 ? 1 : varintBytes(length))
    this.partEnd = this.partStart + length
    if (isMasters) this.#nextField = this.partEnd
    else this.#nextValue = this.partEnd
    return true
  }
}

/** Where the first entry begins whose id is not below `id`; `end`, where the node ends, when there is none. */
export function seekEntry(bytes: Buffer, node: number, end: number, id: StreamId): number {
  let at = entriesAt(bytes, node)
  if (at === end) return end
  master.read(bytes, node)
  const scratch = seekId
  const wantedMs = (id.msHigh - master.msHigh) * 2 ** 32 + (id.msLow - master.msLow)
  if (wantedMs < 0) return at
  while (at < end) {
    const body = readVarint(bytes, at)
    const from = at + varintBytes(body)
    if ((bytes[from] & wholeIdFlag) !== 0) scratch.read(bytes, from + 1)
    else {
      const ms = readLongVarint(bytes, from + 1)
      if (ms < wantedMs && wantedMs < Number.MAX_SAFE_INTEGER) {
        at = from + body
        continue
      }
      addTo(master, ms, readLongVarint(bytes, longEnd), scratch)
    }
    if (scratch.compare(id) >= 0) return at
    at = from + body
  }
  return end
}

const seekId = new StreamId()

function addTo(first: StreamId, ms: number, seq: number, into: StreamId): void {
  if (ms === 0) {
    const low = first.seqLow + (seq >>> 0)
    const carry = low >= 2 ** 32 ? 1 : 0
    into.set(first.msHigh, first.msLow, first.seqHigh + Math.floor(seq / 2 ** 32) + carry, low >>> 0)
    return
  }
  const low = first.msLow + (ms >>> 0)
  const carry = low >= 2 ** 32 ? 1 : 0
  const high = first.msHigh + Math.floor(ms / 2 ** 32) + carry
  into.set(high, low >>> 0, Math.floor(seq / 2 ** 32), seq >>> 0)
}

function rangeBytes(start: number, end: number): number {
  return varintBytes(end - start) + end - start
}

function putRange(into: Buffer, at: number, bytes: Buffer, start: number, end: number): number {
  return putBytes(into, writeVarint(into, at, end - start), bytes, start, end)
}

function longVarintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

/** Where the varint ended that was read last. */
let longEnd = 0

function readLongVarint(bytes: Buffer, at: number): number {
  const first = bytes[at]
  if (first < 0x80) {
    longEnd = at + 1
    return first
  }
  let value = 0
  let scale = 1
  let from = at
  for (;;) {
    const byte = bytes[from++]
    value += (byte & 0x7f) * scale
    if (byte < 0x80) break
    scale *= 0x80
  }
  longEnd = from
  return value
}

function writeLongVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value
  let to = at
  while (rest >= 0x80) {
    bytes[to++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[to++] = rest
  return to
}
