/** A collection as the commands that make it, some at a time: for what is too large for one RESTORE. */
import { formatDouble } from '../../../engine/double.ts'
import type { RdbElement } from '../../../engine/rdb/rdb-input.ts'
import type { StreamId, StreamTotals, ValueKind, ValueSink } from '../../../engine/rdb/value-sink.ts'
import type { RequestPart } from './resp-client.ts'

const partsPerRequestMax = 512

const adding: Readonly<Partial<Record<ValueKind, string>>> = { list: 'RPUSH', set: 'SADD', zset: 'ZADD', hash: 'HSET' }

interface Pending {
  readonly deliveredMs: number
  readonly deliveries: number
}

export class ValueCommands implements ValueSink {
  readonly #key: Buffer
  readonly #done: RequestPart[][] = []
  #command = ''
  #parts: RequestPart[] = []
  #length = 0
  #group: Buffer = Buffer.alloc(0)
  #consumer: Buffer = Buffer.alloc(0)
  #pending = new Map<string, Pending>()

  constructor(key: Buffer) {
    this.#key = key
  }

  /** The requests that are complete; `all`: those that are begun, too. */
  take(all: boolean): RequestPart[][] {
    if (all) this.#flush()
    return this.#done.splice(0)
  }

  begin(kind: ValueKind): void {
    this.#command = adding[kind] ?? ''
  }

  string(): void {
    throw new Error('a string is restored as it is')
  }

  element(value: RdbElement): void {
    this.#add(value.toBuffer())
  }

  scored(member: RdbElement, score: number): void {
    this.#add(formatDouble(score), member.toBuffer())
  }

  field(field: RdbElement, value: RdbElement, expireAt: number): void {
    this.#add(field.toBuffer(), value.toBuffer())
    if (expireAt === 0) return
    this.#flush()
    this.#done.push(['HPEXPIREAT', this.#key, expireAt, 'FIELDS', 1, field.toBuffer()])
  }

  entry(id: StreamId, fields: readonly RdbElement[], count: number): void {
    const parts = fields.slice(0, count).map((field) => field.toBuffer())
    this.#done.push(['XADD', this.#key, idText(id), ...parts])
    this.#length++
  }

  totals({ last, maxDeleted, added }: StreamTotals): void {
    if (this.#length === 0) {
      // A stream without entries cannot be made but by an entry that goes again.
      this.#done.push(['XADD', this.#key, 'MAXLEN', 0, '0-1', 'x', 'y'])
    }
    this.#done.push(['XSETID', this.#key, idText(last), 'ENTRIESADDED', String(added), 'MAXDELETEDID', idText(maxDeleted)])
  }

  group(name: RdbElement, last: StreamId, read: bigint | undefined): void {
    this.#group = name.toBuffer()
    this.#pending = new Map()
    const known = read === undefined ? [] : ['ENTRIESREAD', String(read)]
    this.#done.push(['XGROUP', 'CREATE', this.#key, this.#group, idText(last), ...known])
  }

  pending(id: StreamId, deliveredMs: number, deliveries: number): void {
    this.#pending.set(idText(id), { deliveredMs, deliveries })
  }

  consumer(name: RdbElement): void {
    this.#consumer = name.toBuffer()
    this.#done.push(['XGROUP', 'CREATECONSUMER', this.#key, this.#group, this.#consumer])
  }

  consumerPending(id: StreamId): void {
    const text = idText(id)
    const { deliveredMs, deliveries } = this.#pending.get(text) ?? { deliveredMs: 0, deliveries: 1 }
    const how = ['TIME', deliveredMs, 'RETRYCOUNT', deliveries, 'JUSTID', 'FORCE']
    this.#done.push(['XCLAIM', this.#key, this.#group, this.#consumer, 0, text, ...how])
  }

  end(): void {
    this.#flush()
  }

  #add(...parts: readonly RequestPart[]): void {
    this.#parts.push(...parts)
    if (this.#parts.length >= partsPerRequestMax) this.#flush()
  }

  #flush(): void {
    if (this.#parts.length === 0) return
    this.#done.push([this.#command, this.#key, ...this.#parts])
    this.#parts = []
  }
}

function idText({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`
}
