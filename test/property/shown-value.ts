/** A collection as plain lines that can be compared, whatever its type, encoding and order in memory: what its dump says. */
import { footerBytes } from '../../engine/dump/dump-footer.ts'
import { writeDump } from '../../engine/dump/dump-work.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { RdbElement } from '../../engine/rdb/rdb-input.ts'
import { RdbInput } from '../../engine/rdb/rdb-input.ts'
import { ValueDecoder } from '../../engine/rdb/value-decoder.ts'
import type { StreamId, StreamTotals, ValueKind } from '../../engine/rdb/value-sink.ts'
import { NoSink } from '../../engine/rdb/value-sink.ts'
import { Collections } from '../../engine/types/collections.ts'
import { SortedSetType } from '../../engine/types/sorted-set-type.ts'

export interface ShownValue {
  readonly lines: readonly string[]
  readonly elements: number
}

/** The collection of an entry; all of it must be in memory. */
export function shownValue(keyspace: Keyspace, entry: number): ShownValue {
  const dump = writeDump(keyspace, entry)
  const input = new RdbInput(Buffer.from(dump.bytes.subarray(0, dump.end)), 0, dump.end - footerBytes)
  const lines = new Lines()
  const decoder = new ValueDecoder(input, input.byte(), lines)
  while (decoder.step(Number.POSITIVE_INFINITY));
  const { ordered, unordered, elements } = lines
  return { lines: [...(lines.kind === 'zset' ? inOrder(keyspace, entry, ordered) : ordered), ...unordered.sort()], elements }
}

/** A large sorted set has each element twice, and its dump shows those by member. These are the ones by score, which must be the same. */
function inOrder(keyspace: Keyspace, entry: number, byMember: readonly string[]): string[] {
  const byScore: string[] = []
  new SortedSetType(new Collections(keyspace)).each(entry, (bytes, start, end, score) => {
    byScore.push(`${bytes.toString('latin1', start, end)} ${score}`)
  })
  const [some, others] = [byMember, byScore].map((each) => each.toSorted().join())
  if (some !== others) throw new Error(`a sorted set is by member ${some}, by score ${others}`)
  return byScore
}

class Lines extends NoSink {
  readonly ordered: string[] = []
  readonly unordered: string[] = []
  elements = 0
  kind: ValueKind = 'string'
  #group = ''
  #consumer = ''

  override begin(kind: ValueKind): void {
    this.kind = kind
  }

  override element(value: RdbElement): void {
    this.elements++
    if (this.kind === 'set') this.unordered.push(text(value))
    else this.ordered.push(text(value))
  }

  override scored(member: RdbElement, score: number): void {
    this.elements++
    this.ordered.push(`${text(member)} ${score}`)
  }

  override field(field: RdbElement, value: RdbElement, expireAt: number): void {
    this.elements++
    this.unordered.push(`${text(field)} ${text(value)} ${expireAt}`)
  }

  override entry(id: StreamId, fields: readonly RdbElement[], count: number): void {
    this.elements++
    this.ordered.push(`${idText(id)} ${fields.slice(0, count).map(text).join(' ')}`)
  }

  override totals({ last, first, maxDeleted, added }: StreamTotals): void {
    this.ordered.push(`last ${idText(last)} first ${idText(first)} deleted ${idText(maxDeleted)} added ${added}`)
  }

  override group(name: RdbElement, last: StreamId, read: bigint | undefined): void {
    this.#group = `group ${text(name)}`
    this.unordered.push(`${this.#group} ${idText(last)} ${read ?? 'unknown'}`)
  }

  override pending(id: StreamId, deliveredMs: number, deliveries: number): void {
    this.unordered.push(`${this.#group} pending ${idText(id)} ${deliveredMs} ${deliveries}`)
  }

  override consumer(name: RdbElement, seenMs: number): void {
    this.#consumer = `${this.#group} consumer ${text(name)}`
    this.unordered.push(`${this.#consumer} ${seenMs}`)
  }

  override consumerPending(id: StreamId): void {
    this.unordered.push(`${this.#consumer} has ${idText(id)}`)
  }
}

function text({ bytes, start, end }: RdbElement): string {
  return bytes.toString('latin1', start, end)
}

function idText({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`
}
