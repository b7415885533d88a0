/** Reads RESP2 replies from bytes that come in portions. A large string is gathered in memory of its own, each byte copied once. */

export type RespReply = string | number | bigint | Buffer | null | Error | readonly RespReply[]

const lineEnd = 0x0a
const openMark = Symbol('array')
/** Strings from this length on are gathered apart. */
const largeBytesMin = 64 * 1024

/** An array that is being read. */
interface Open {
  readonly items: RespReply[]
  left: number
}

export class RespReader {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  readonly #open: Open[] = []
  /** A large string, of which so many bytes are there; its line end is read with it. */
  #large: Buffer | undefined
  #largeBytes = 0

  push(bytes: Buffer): void {
    let from = 0
    if (this.#large !== undefined) {
      from = bytes.copy(this.#large, this.#largeBytes)
      this.#largeBytes += from
      if (from === bytes.length) return
    }
    const rest = from === 0 ? bytes : bytes.subarray(from)
    this.#bytes = this.#at === this.#bytes.length ? rest : Buffer.concat([this.#bytes.subarray(this.#at), rest])
    this.#at = 0
  }

  /** The next whole reply; undefined when there is none yet. */
  next(): RespReply | undefined {
    for (;;) {
      let value: RespReply | typeof openMark | undefined = this.#value()
      if (value === undefined) return undefined
      for (;;) {
        const open = this.#open.at(-1)
        if (open === undefined) return value as RespReply
        if (value !== openMark) {
          open.items.push(value)
          open.left--
        }
        if (open.left > 0) break
        this.#open.pop()
        value = open.items
      }
    }
  }

  /** One string, number or beginning of an array. */
  #value(): RespReply | typeof openMark | undefined {
    if (this.#large !== undefined) return this.#finishLarge()
    const end = this.#bytes.indexOf(lineEnd, this.#at)
    if (end < 0) return undefined
    const kind = this.#bytes[this.#at]
    const text = this.#bytes.toString('latin1', this.#at + 1, end - 1)
    if (kind === 0x24) return this.#string(Number(text), end + 1)
    this.#at = end + 1
    if (kind === 0x2b) return text
    if (kind === 0x2d) return new Error(text)
    if (kind === 0x3a) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)
    if (kind !== 0x2a) throw new Error(`not a reply: ${String.fromCharCode(kind)}${text.slice(0, 60)}`)
    if (text === '-1') return null
    this.#open.push({ items: [], left: Number(text) })
    return openMark
  }

  #string(length: number, from: number): Buffer | null | undefined {
    const bytes = this.#bytes
    if (length < 0) {
      this.#at = from
      return null
    }
    if (bytes.length >= from + length + 2) {
      this.#at = from + length + 2
      return bytes.subarray(from, from + length)
    }
    if (length < largeBytesMin) return undefined
    this.#large = Buffer.allocUnsafeSlow(length + 2)
    this.#largeBytes = bytes.copy(this.#large, 0, from)
    this.#at = bytes.length
    return this.#finishLarge() as Buffer | undefined
  }

  #finishLarge(): Buffer | undefined {
    const large = this.#large as Buffer
    if (this.#largeBytes < large.length) return undefined
    this.#large = undefined
    return large.subarray(0, large.length - 2)
  }
}
