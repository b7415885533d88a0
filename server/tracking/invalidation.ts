/**
 * What a client is told: that it must forget keys, or (`everything`) all of them. In RESP3 a push; in RESP2 a message on the channel
 * `__redis__:invalidate`, for a client that has subscribed. Encoded once for each protocol.
 */
import type { SharedRange } from '../../engine/output-buffer.ts'
import type { Protocol } from '../../engine/reply-writer.ts'

const heads = { 2: '*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n', 3: '>2\r\n$10\r\ninvalidate\r\n' } as const
const nulls = { 2: '$-1\r\n', 3: '_\r\n' } as const

export class Invalidation {
  readonly #keys: string | undefined
  readonly #encoded: Partial<Record<Protocol, readonly SharedRange[]>> = {}

  private constructor(keys: string | undefined) {
    this.#keys = keys
  }

  /** Names as Latin-1. */
  static of(names: readonly string[]): Invalidation {
    let keys = `*${names.length}\r\n`
    for (const name of names) keys += `$${name.length}\r\n${name}\r\n`
    return new Invalidation(keys)
  }

  static everything(): Invalidation {
    return new Invalidation(undefined)
  }

  bytes(protocol: Protocol): readonly SharedRange[] {
    const known = this.#encoded[protocol]
    if (known !== undefined) return known
    const made = wholeOf(heads[protocol] + (this.#keys ?? nulls[protocol]))
    this.#encoded[protocol] = made
    return made
  }
}

/** Tells a client of RESP3 that the client `id`, which should get its messages, is gone. */
export function redirectBroken(id: number): readonly SharedRange[] {
  return wholeOf(`>2\r\n$21\r\ntracking-redir-broken\r\n:${id}\r\n`)
}

function wholeOf(text: string): readonly SharedRange[] {
  const bytes = Buffer.from(text, 'latin1')
  return [{ bytes, start: 0, end: bytes.length }]
}
