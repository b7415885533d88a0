/**
 * Delivering entries to a consumer: they are replied, become pending in the group and for the consumer, and the group has come to the last of them. Many of a large
 * stream are rendered in slices beforehand; in the command's turn what is left is the change.
 */
import type { Execution } from '../execution.ts'
import type { TreeImage } from '../tree/tree-image.ts'
import type { NamedPlace } from '../types/stream-group-leaf.ts'
import { idBytes, StreamId } from '../types/stream-id.ts'
import type { StreamType } from '../types/stream-type.ts'
import { deliverEdit, hasPosition } from '../types/stream-type.ts'
import { putId, replyEntry, streamsOf, walkOf } from './stream-arguments.ts'
import { ReadCounter } from './stream-groups.ts'
import { eachId, replyOf } from './stream-image.ts'

/** Whom a request delivers to. */
export interface Recipient {
  /** Arguments: the stream's key, and the group's name with the consumer's behind it. */
  readonly keyAt: number
  readonly groupAt: number
  readonly entry: number
  /** Their units. */
  readonly group: number
  readonly consumer: number
  /** Nothing becomes pending. */
  readonly noAck: boolean
}

const idsKept = 1024

/** What is about to be delivered. One instance serves all requests. */
class Deliveries {
  readonly last = new StreamId()
  readonly #counter = new ReadCounter()
  #ids = Buffer.alloc(idsKept * idBytes)
  #count = 0
  /** Behind each id in the payload: its former consumer, if nobody has it pending; the time; the number of deliveries. */
  readonly #rest = Buffer.from([...new Array(17).fill(0), 1])
  readonly #id = new StreamId()

  begin(x: Execution, entry: number, group: NamedPlace): void {
    this.#counter.begin(x, entry, group)
    this.#count = 0
    if (this.#ids.length > idsKept * idBytes) this.#ids = Buffer.alloc(idsKept * idBytes)
  }

  add(id: StreamId): void {
    this.reserve(1)
    id.write(this.#ids, this.#count++ * idBytes)
    this.#counter.add(id)
    this.last.copy(id)
  }

  /** Makes room for so many more. */
  reserve(more: number): void {
    const needed = (this.#count + more) * idBytes
    if (needed <= this.#ids.length) return
    const ids = Buffer.allocUnsafe(Math.max(needed, 2 * this.#ids.length))
    this.#ids.copy(ids, 0, 0, this.#count * idBytes)
    this.#ids = ids
  }

  /** Writes it all to the mutator's payload, as *deliver* wants it. */
  write(x: Execution, { groupAt, entry, group, consumer, noAck }: Recipient): void {
    const { args, mutator } = x
    const formers = noAck ? undefined : this.#formers(streamsOf(x), streamsOf(x).rootOf(entry), group)
    const payload = mutator.payload()
    payload.byte(hasPosition)
    putId(payload, this.last)
    this.#counter.put(payload)
    payload.range(args.buffer, args.starts[groupAt], args.ends[groupAt])
    payload.u32(group)
    payload.u32(consumer)
    payload.u48(x.now)
    payload.range(args.buffer, args.starts[groupAt + 1], args.ends[groupAt + 1])
    const count = noAck ? 0 : this.#count
    payload.varint(count)
    const rest = this.#rest
    const ids = this.#ids
    rest.writeUIntLE(x.now, 4, 6)
    let at = payload.reserve(count * (idBytes + rest.length))
    const { bytes } = payload
    for (let i = 0, from = 0; i < count; i++) {
      for (const end = from + idBytes; from < end; ) bytes[at++] = ids[from++]
      if (formers !== undefined) rest.writeUInt32LE(formers[i], 0)
      for (let j = 0; j < rest.length; j++) bytes[at++] = rest[j]
    }
    rest.fill(0, 0, 4)
  }

  /** Who has them pending; undefined for nobody, as it mostly is: they lie behind all that the group has. */
  #formers({ pending }: StreamType, root: number, group: number): Uint32Array | undefined {
    const id = this.#id
    if (this.#count === 0 || pending.endsBefore(root, group, id.read(this.#ids, 0))) return undefined
    return Uint32Array.from({ length: this.#count }, (_, i) =>
      pending.find(root, group, id.read(this.#ids, i * idBytes)) ? pending.found.consumer : 0,
    )
  }
}

const deliveries = new Deliveries()

/** To be called while `group` is as it was found. */
export function beginDelivery(x: Execution, entry: number, group: NamedPlace): void {
  deliveries.begin(x, entry, group)
}

/** Delivers what the walk has come to, behind the group's last id, up to `count` entries; 0: all. */
export function deliverWalked(x: Execution, to: Recipient, count: number): void {
  const { reply } = x
  const walk = walkOf(x)
  const token = reply.arrayDeferred()
  let shown = 0
  do {
    replyEntry(reply, walk.entry)
    deliveries.add(walk.entry.id)
    shown++
  } while (shown !== count && walk.next())
  reply.resolve(token, shown)
  deliver(x, to)
}

/** Delivers what was rendered beforehand. */
export function deliverImage(x: Execution, to: Recipient, image: TreeImage): void {
  const { reply } = x
  const count = image.count()
  reply.array(count)
  deliveries.reserve(count)
  image.each((part) => {
    eachId(part, (id) => deliveries.add(id))
    reply.rawShared(replyOf(part))
  })
  deliver(x, to)
}

function deliver(x: Execution, to: Recipient): void {
  deliveries.write(x, to)
  x.edit(streamsOf(x), deliverEdit, to.keyAt)
}
