/** The fields of a hash, and maybe their values, as a record has them: ranges of its bytes. Reused. */
import type { FieldSource } from './field-source.ts'
import type { RecordReader } from './record-reader.ts'

export class ReadFields implements FieldSource {
  count = 0
  #buffer: Buffer = Buffer.alloc(0)
  #ranges = new Int32Array(64)

  read(reader: RecordReader, withValues: boolean): void {
    this.#buffer = reader.bytes
    this.count = reader.varint()
    if (this.#ranges.length < this.count * 4) this.#ranges = new Int32Array(this.count * 8)
    for (let i = 0; i < this.count; i++) {
      reader.range()
      this.#ranges[i * 4] = reader.start
      this.#ranges[i * 4 + 1] = reader.stop
      if (!withValues) continue
      reader.range()
      this.#ranges[i * 4 + 2] = reader.start
      this.#ranges[i * 4 + 3] = reader.stop
    }
  }

  buffer(): Buffer {
    return this.#buffer
  }

  fieldStart(index: number): number {
    return this.#ranges[index * 4]
  }

  fieldEnd(index: number): number {
    return this.#ranges[index * 4 + 1]
  }

  valueStart(index: number): number {
    return this.#ranges[index * 4 + 2]
  }

  valueEnd(index: number): number {
    return this.#ranges[index * 4 + 3]
  }
}
