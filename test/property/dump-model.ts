/** What a dump holds, as plain lines that can be compared: a sink that writes down what it is given. */
import { Crc64 } from '../../engine/rdb/crc64.ts'
import type { RdbElement } from '../../engine/rdb/rdb-input.ts'
import { RdbInput } from '../../engine/rdb/rdb-input.ts'
import { ValueDecoder } from '../../engine/rdb/value-decoder.ts'
import type { StreamId, StreamTotals, ValueKind, ValueSink } from '../../engine/rdb/value-sink.ts'

export class Notes implements ValueSink {
  kind: ValueKind | undefined
  readonly lines: string[] = []
  ended = false

  begin(kind: ValueKind): void {
    this.kind = kind
  }

  string(value: RdbElement): void {
    this.lines.push(text(value))
  }

  element(value: RdbElement): void {
    this.lines.push(text(value))
  }

  scored(member: RdbElement, score: number): void {
    this.lines.push(`${text(member)} ${Object.is(score, -0) ? 0 : score}`)
  }

  field(field: RdbElement, value: RdbElement, expireAt: number): void {
    this.lines.push(`${text(field)} ${text(value)}${expireAt === 0 ? '' : ` ${expireAt}`}`)
  }

  entry(id: StreamId, fields: readonly RdbElement[], count: number): void {
    this.lines.push(`${idText(id)} ${fields.slice(0, count).map(text).join(' ')}`)
  }

  totals({ length, last, first, maxDeleted, added }: StreamTotals): void {
    this.lines.push(`length ${length} last ${idText(last)} first ${idText(first)} deleted ${idText(maxDeleted)} added ${added}`)
  }

  group(name: RdbElement, last: StreamId, read: bigint | undefined): void {
    this.lines.push(`group ${text(name)} ${idText(last)} ${read ?? 'unknown'}`)
  }

  pending(id: StreamId, deliveredMs: number, deliveries: number): void {
    this.lines.push(`pending ${idText(id)} ${deliveredMs} ${deliveries}`)
  }

  consumer(name: RdbElement, seenMs: number): void {
    this.lines.push(`consumer ${text(name)} ${seenMs}`)
  }

  consumerPending(id: StreamId): void {
    this.lines.push(`has ${idText(id)}`)
  }

  end(): void {
    this.ended = true
  }
}

function text({ bytes, start, end }: RdbElement): string {
  return bytes.toString('hex', start, end)
}

function idText({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`
}

/** What a dump with its footer holds. */
export function notesOf(dump: Buffer, sliceBytes = Number.POSITIVE_INFINITY): Notes {
  const notes = new Notes()
  const input = new RdbInput(dump, 0, dump.length - 10)
  const decoder = new ValueDecoder(input, input.byte(), notes)
  while (decoder.step(sliceBytes));
  if (input.at !== input.end) throw new Error(`${input.end - input.at} bytes are left behind the value`)
  return notes
}

/** A dump with a footer that is right, of what stands before it. */
export function sealed(value: Buffer, version = 10): Buffer {
  const dump = Buffer.alloc(value.length + 10)
  value.copy(dump)
  dump.writeUInt16LE(version, value.length)
  const crc = new Crc64()
  crc.update(dump, 0, value.length + 2)
  crc.write(dump, value.length + 2)
  return dump
}
