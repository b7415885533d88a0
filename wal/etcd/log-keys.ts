/**
 * Where the parts of a log lie in etcd, below a prefix of its own (`docs/formats/etcd-log.md`): `id` tells the log from every
 * other, `log/epoch` who leads, `log/slots/…` the entries, `members/…` who reads. The epoch and the slots have a prefix in
 * common, so one watch shows both in the order in which they changed.
 */
import type { Leader } from '../leadership.ts'

const SLOT_DIGITS = 16
const EPOCH_HEADER_BYTES = 24
const EPOCH_VERSION = 1

export class LogKeys {
  readonly id: Buffer
  readonly epoch: Buffer
  /** Of the epoch and all slots. */
  readonly log: Buffer
  readonly slots: Buffer
  readonly members: Buffer
  readonly #slotPrefix: string

  constructor(prefix: string) {
    this.id = Buffer.from(`${prefix}/id`)
    this.log = Buffer.from(`${prefix}/log/`)
    this.epoch = Buffer.from(`${prefix}/log/epoch`)
    this.#slotPrefix = `${prefix}/log/slots/`
    this.slots = Buffer.from(this.#slotPrefix)
    this.members = Buffer.from(`${prefix}/members/`)
  }

  slot(slot: number): Buffer {
    return Buffer.from(this.#slotPrefix + slot.toString(16).padStart(SLOT_DIGITS, '0'))
  }

  /** The slot that a key stands for; undefined for another key. */
  slotOf(key: Buffer): number | undefined {
    if (key.length !== this.slots.length + SLOT_DIGITS || key.compare(this.slots, 0, this.slots.length, 0, this.slots.length) !== 0) {
      return undefined
    }
    const slot = Number.parseInt(key.toString('latin1', this.slots.length), 16)
    return Number.isSafeInteger(slot) ? slot : undefined
  }

  member(id: string): Buffer {
    return Buffer.concat([this.members, Buffer.from(id)])
  }

  memberOf(key: Buffer): string {
    return key.toString('utf8', this.members.length)
  }
}

/** What `log/epoch` holds. `nonce` tells a claim from every other, whatever became of the call that made it. */
export interface EpochValue extends Leader {
  readonly nonce: bigint
}

export function encodeEpoch({ epoch, nonce, claim, released }: EpochValue): Buffer {
  const header = Buffer.alloc(EPOCH_HEADER_BYTES)
  header[0] = EPOCH_VERSION
  header[1] = released === undefined ? 0 : 1
  header.writeUIntLE(epoch, 2, 6)
  header.writeBigUInt64LE(nonce, 8)
  header.writeUInt32LE(claim.length, 16)
  return Buffer.concat([header, claim, released ?? Buffer.alloc(0)])
}

/** Throws when it is none. */
export function decodeEpoch(bytes: Buffer): EpochValue {
  if (bytes.length < EPOCH_HEADER_BYTES || bytes[0] !== EPOCH_VERSION) throw new Error('the epoch in etcd is of no known version')
  const claimEnd = EPOCH_HEADER_BYTES + bytes.readUInt32LE(16)
  return {
    epoch: bytes.readUIntLE(2, 6),
    nonce: bytes.readBigUInt64LE(8),
    claim: Buffer.from(bytes.subarray(EPOCH_HEADER_BYTES, claimEnd)),
    released: bytes[1] === 1 ? Buffer.from(bytes.subarray(claimEnd)) : undefined,
  }
}
