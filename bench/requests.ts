/**
 * Requests as bytes and replies counted, for the two protocols spoken here. All keys have 16 bytes (`key:` and twelve
 * digits, as redis-benchmark makes them), all values of a set the same length, so a request is a template with some
 * bytes replaced: the client must not be what is measured.
 */
import { seededRandom } from './key-choice.ts'

export interface Requests {
  readonly requestBytes: number
  /** Writes the request for a key at `at`; it takes `requestBytes`. */
  encode(buffer: Buffer, at: number, key: number): void
  replies(): Replies
}

/** Counts the replies in a stream of bytes. */
export interface Replies {
  /** How many replies ended in this chunk. */
  feed(chunk: Buffer): number
  readonly misses: number
  readonly errors: number
  readonly firstError: string
}

export interface ValueShape {
  readonly bytes: number
  /** Share of the value that is random; the rest is one repeated letter. */
  readonly randomShare: number
}

export const smallValue: ValueShape = { bytes: 64, randomShare: 1 }
export const halfCompressible: ValueShape = { bytes: 400, randomShare: 0.5 }

export function respSet(shape: ValueShape): Requests {
  return templated(`*3\r\n$3\r\nSET\r\n$16\r\n`, `\r\n$${shape.bytes}\r\n`, shape, () => new RespReplies())
}

export function respGet(): Requests {
  return templated(`*2\r\n$3\r\nGET\r\n$16\r\n`, '', { bytes: 0, randomShare: 0 }, () => new RespReplies())
}

export function memcachedSet(shape: ValueShape): Requests {
  return templated('set ', ` 0 0 ${shape.bytes}\r\n`, shape, () => new MemcachedReplies())
}

export function memcachedGet(): Requests {
  return templated('get ', '', { bytes: 0, randomShare: 0 }, () => new MemcachedReplies())
}

const keyDigits = 12
const noiseBytes = 4 * 1024 * 1024

function templated(head: string, afterKey: string, shape: ValueShape, replies: () => Replies): Requests {
  const template = Buffer.from(`${head}key:${'0'.repeat(keyDigits)}${afterKey}${'x'.repeat(shape.bytes)}\r\n`, 'latin1')
  const lastDigit = head.length + 4 + keyDigits - 1
  const valueAt = lastDigit + 1 + afterKey.length
  const randomBytes = Math.round(shape.bytes * shape.randomShare)
  const noise = randomBytes > 0 ? printableNoise() : Buffer.alloc(0)
  const places = noiseBytes - randomBytes
  return {
    requestBytes: template.length,
    encode(buffer, at, key) {
      template.copy(buffer, at)
      let left = key
      for (let place = at + lastDigit; left > 0; place--) {
        buffer[place] = 48 + (left % 10)
        left = Math.floor(left / 10)
      }
      if (randomBytes === 0) return
      const from = (Math.imul(key, 2654435761) >>> 0) % places
      noise.copy(buffer, at + valueAt, from, from + randomBytes)
    },
    replies,
  }
}

function printableNoise(): Buffer {
  const noise = Buffer.allocUnsafe(noiseBytes)
  const random = seededRandom(7)
  for (let i = 0; i < noiseBytes; i++) noise[i] = 33 + Math.floor(random() * 94)
  return noise
}

/** Strings, errors, integers and bulk strings: what SET and GET are answered with. */
class RespReplies implements Replies {
  misses = 0
  errors = 0
  firstError = ''
  #line = ''
  #skip = 0

  feed(chunk: Buffer): number {
    let done = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, chunk.length - at)
        at += taken
        this.#skip -= taken
        if (this.#skip === 0) done++
        continue
      }
      if (this.#line === '' && chunk[at] === plus && chunk[at + 4] === newline) {
        at += 5
        done++
        continue
      }
      const end = chunk.indexOf(newline, at)
      if (end < 0) {
        this.#line += chunk.toString('latin1', at)
        break
      }
      if (this.#lineIsReply(this.#line + chunk.toString('latin1', at, end))) done++
      this.#line = ''
      at = end + 1
    }
    return done
  }

  #lineIsReply(line: string): boolean {
    if (line.startsWith('$-1') || line.startsWith('_')) {
      this.misses++
    } else if (line.startsWith('$')) {
      this.#skip = Number.parseInt(line.slice(1), 10) + 2
      return false
    } else if (line.startsWith('-')) {
      this.errors++
      if (this.firstError === '') this.firstError = line.slice(1).trimEnd()
    }
    return true
  }
}

const plus = 0x2b
const newline = 0x0a

/** Replies to `set` and to `get` of one key. */
class MemcachedReplies implements Replies {
  misses = 0
  errors = 0
  firstError = ''
  #line = ''
  #skip = 0
  #found = false

  feed(chunk: Buffer): number {
    let done = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, chunk.length - at)
        at += taken
        this.#skip -= taken
        continue
      }
      const end = chunk.indexOf(newline, at)
      if (end < 0) {
        this.#line += chunk.toString('latin1', at)
        break
      }
      if (this.#lineIsReply((this.#line + chunk.toString('latin1', at, end)).trimEnd())) done++
      this.#line = ''
      at = end + 1
    }
    return done
  }

  #lineIsReply(line: string): boolean {
    if (line.startsWith('VALUE ')) {
      this.#skip = Number(line.slice(line.lastIndexOf(' ') + 1)) + 2
      this.#found = true
      return false
    }
    if (line === 'END') {
      if (!this.#found) this.misses++
      this.#found = false
    } else if (line !== 'STORED') {
      this.errors++
      if (this.firstError === '') this.firstError = line
    }
    return true
  }
}
