/**
 * A pattern of SORT: BY or GET of an element names the key in which the element stands for the first `*`, or a field of the hash under that key behind `->`. C reads
 * a pattern up to its first zero byte where it looks for these signs.
 */
import type { Arguments } from '../arguments.ts'

const keyBytesMin = 256

export class SortPattern {
  /** `#`: the element itself. */
  readonly isElement: boolean
  /** Whether there is a `*`. Without it the pattern names nothing. */
  readonly namesKey: boolean
  /** The field of a hash, undefined for a string. */
  readonly field: Buffer | undefined
  readonly #prefix: Buffer
  readonly #suffix: Buffer
  /** The key that `name` has made. */
  key = Buffer.allocUnsafe(keyBytesMin)
  keyLength = 0

  constructor(args: Arguments, index: number) {
    const text = args.bytes(index).toString('latin1')
    const [seen] = text.split('\0', 1) as [string]
    const star = seen.indexOf('*')
    const arrow = star < 0 ? -1 : seen.indexOf('->', star + 1)
    const hasField = arrow >= 0 && arrow + 2 < seen.length
    this.isElement = seen === '#'
    this.namesKey = star >= 0
    this.field = hasField ? Buffer.from(text.slice(arrow + 2), 'latin1') : undefined
    this.#prefix = Buffer.from(text.slice(0, Math.max(star, 0)), 'latin1')
    this.#suffix = Buffer.from(text.slice(star + 1, hasField ? arrow : text.length), 'latin1')
  }

  /** Whether a key may be one that the pattern names. */
  mayName(key: Uint8Array, start: number, end: number): boolean {
    const prefix = this.#prefix
    const suffix = this.#suffix
    if (!this.namesKey || end - start < prefix.length + suffix.length) return false
    return prefix.every((byte, i) => key[start + i] === byte) && suffix.every((byte, i) => key[end - suffix.length + i] === byte)
  }

  /** Makes the key for an element. */
  name(bytes: Buffer, start: number, end: number): void {
    const prefix = this.#prefix.length
    const suffix = this.#suffix.length
    const length = prefix + end - start + suffix
    if (length > this.key.length) this.key = Buffer.allocUnsafe(length * 2)
    this.#prefix.copy(this.key, 0)
    bytes.copy(this.key, prefix, start, end)
    this.#suffix.copy(this.key, prefix + end - start)
    this.keyLength = length
  }
}
