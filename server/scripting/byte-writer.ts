/** Bytes that grow at their end, for values that libraries of scripts write. */
export class ByteWriter {
  bytes = Buffer.allocUnsafe(4096)
  length = 0

  clear(): void {
    this.length = 0
    if (this.bytes.length > 1024 * 1024) this.bytes = Buffer.allocUnsafe(4096)
  }

  byte(value: number): void {
    this.room(1)
    this.bytes[this.length++] = value
  }

  text(text: string): void {
    this.room(text.length)
    this.bytes.write(text, this.length, 'latin1')
    this.length += text.length
  }

  copy(from: Uint8Array, start: number, end: number): void {
    this.room(end - start)
    this.bytes.set(from.subarray(start, end), this.length)
    this.length += end - start
  }

  /** Makes room for so many bytes more. */
  room(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.length + bytes, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }
}
