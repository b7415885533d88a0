/** A reply, or most of one, that is made in slices: written as any other, and kept in parts that the command's own reply then refers to. */
import { ReplyWriter } from '../reply-writer.ts'

export class ReplyParts {
  readonly writer = new ReplyWriter()
  /** Of the parts. */
  bytes = 0
  readonly #parts: Buffer[] = []

  constructor({ protocol }: ReplyWriter) {
    this.writer.protocol = protocol
  }

  /** Bytes written since the last part. */
  get pendingBytes(): number {
    return this.writer.output.pendingBytes
  }

  /** Makes a part of what was written since the last one. */
  endPart(): void {
    const part = this.writer.output.takeAll()
    if (part.length === 0) return
    this.bytes += part.length
    this.#parts.push(part)
  }

  each(visit: (bytes: Buffer) => void): void {
    for (const part of this.#parts) visit(part)
  }
}
