/** A dump as the simulation's model has values, and values as lines that can be compared. */
import type { RdbElement } from '../../engine/rdb/rdb-input.ts'
import { RdbInput } from '../../engine/rdb/rdb-input.ts'
import { ValueDecoder } from '../../engine/rdb/value-decoder.ts'
import type { StreamId, StreamTotals, ValueKind } from '../../engine/rdb/value-sink.ts'
import { NoSink } from '../../engine/rdb/value-sink.ts'
import type { Field, Group, Item, Kind, Pending } from './model.ts'

export type DumpedValue = Pick<Item, 'kind' | 'value'>

/** Version and checksum. */
const footerBytes = 10

export function valueOfDump(dump: Buffer): DumpedValue {
  const input = new RdbInput(dump, 0, dump.length - footerBytes)
  const sink = new ValueGatherer()
  const decoder = new ValueDecoder(input, input.byte(), sink)
  while (decoder.step(Number.POSITIVE_INFINITY));
  return sink.value
}

class ValueGatherer extends NoSink {
  #kind: Kind = 'string'
  #text = ''
  readonly #elements: string[] = []
  readonly #fields = new Map<string, Field>()
  readonly #scores = new Map<string, number>()
  readonly #entries = new Map<string, readonly string[]>()
  #lastId = '0-0'
  readonly #groups = new Map<string, Group & { readonly consumers: Set<string>; readonly pending: Map<string, Pending> }>()
  #group = ''
  #consumer = ''

  get value(): DumpedValue {
    const values = {
      string: () => this.#text,
      hash: () => this.#fields,
      set: () => new Set(this.#elements),
      list: () => this.#elements,
      zset: () => this.#scores,
      stream: () => ({ entries: this.#entries, lastId: this.#lastId, groups: this.#groups }),
      hyperloglog: () => undefined,
    }
    return { kind: this.#kind, value: values[this.#kind]() } as DumpedValue
  }

  override begin(kind: ValueKind): void {
    this.#kind = kind
  }

  override string(value: RdbElement): void {
    this.#text = text(value)
  }

  override element(value: RdbElement): void {
    this.#elements.push(text(value))
  }

  override scored(member: RdbElement, score: number): void {
    this.#scores.set(text(member), score)
  }

  override field(field: RdbElement, value: RdbElement, expireAt: number): void {
    this.#fields.set(text(field), { text: text(value), expireAt })
  }

  override entry(id: StreamId, fields: readonly RdbElement[], count: number): void {
    this.#entries.set(idText(id), fields.slice(0, count).map(text))
  }

  override totals({ last }: StreamTotals): void {
    this.#lastId = idText(last)
  }

  override group(name: RdbElement, last: StreamId): void {
    this.#group = text(name)
    this.#groups.set(this.#group, { lastId: idText(last), consumers: new Set(), pending: new Map() })
  }

  override pending(id: StreamId, deliveredAt: number, deliveries: number): void {
    this.#groups.get(this.#group)?.pending.set(idText(id), { consumer: '', deliveredAt, deliveries })
  }

  override consumer(name: RdbElement): void {
    this.#consumer = text(name)
    this.#groups.get(this.#group)?.consumers.add(this.#consumer)
  }

  override consumerPending(id: StreamId): void {
    const pending = this.#groups.get(this.#group)?.pending
    const found = pending?.get(idText(id))
    if (found !== undefined) pending?.set(idText(id), { ...found, consumer: this.#consumer })
  }
}

/** When the pending entries of a stream's groups were delivered, in milliseconds since 1970, by group and id. */
export function deliveriesOf({ kind, value }: DumpedValue): Map<string, number> {
  if (kind !== 'stream') return new Map()
  const { groups } = value as Extract<Item, { kind: 'stream' }>['value']
  return new Map(
    [...groups].flatMap(([name, { pending }]) => [...pending].map(([id, each]) => [`${name} ${id}`, each.deliveredAt] as const)),
  )
}

/** Without fields that have expired, which may be there or not, and without times of delivery. */
export function linesOf({ kind, value }: DumpedValue, nowMs: number): string[] {
  if (kind === 'hash') {
    const living = [...(value as ReadonlyMap<string, Field>)].filter(([, { expireAt }]) => expireAt === 0 || expireAt >= nowMs)
    return living.map(([name, field]) => `${name} ${field.text} ${field.expireAt}`).sort()
  }
  if (kind === 'stream') {
    const { entries, lastId, groups } = value as Extract<Item, { kind: 'stream' }>['value']
    return [
      lastId,
      ...[...entries].map(([id, fields]) => `${id} ${fields.join(' ')}`),
      ...[...groups].flatMap(([name, group]) => groupLines(name, group)).sort(),
    ]
  }
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return [...(value as readonly string[])]
  return [...(value as ReadonlySet<string> | ReadonlyMap<string, number>)].map(String).sort()
}

function groupLines(name: string, { lastId, consumers, pending }: Group): string[] {
  return [
    `${name} ${lastId}`,
    ...[...consumers].map((each) => `${name} consumer ${each}`),
    ...[...pending].map(([id, { consumer, deliveries }]) => `${name} ${id} ${consumer} ${deliveries}`),
  ]
}

function text({ bytes, start, end }: RdbElement): string {
  return bytes.toString('latin1', start, end)
}

function idText({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`
}
