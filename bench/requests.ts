/**
 * Requests as bytes and replies counted, for the two protocols spoken here. All keys have 16 bytes (`key:` and twelve
 * digits, as redis-benchmark makes them), all values of a set the same length, so a request is a template with some
 * bytes replaced: the client must not be what is measured.
 */
import { seededRandom } from './key-choice.ts'

export interface Requests {
  /** What a request takes at most. */
  readonly requestBytes: number
  /** Writes the request for a key at `at`. Returns the offset behind it. */
  encode(buffer: Buffer, at: number, key: number): number
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

/**
 * A request of these parts, in which each run of `#` is replaced by digits, with zeros in front: those of `number(n, i)` for run
 * number `i` of request `n`. A part `%400` is so many random printable bytes.
 */
export function respTemplate(parts: readonly string[], number: (n: number, i: number) => number = (n) => n): Requests {
  const runs: { readonly end: number; readonly digits: number }[] = []
  const noises: { readonly at: number; readonly bytes: number }[] = []
  let text = `*${parts.length}\r\n`
  for (const part of parts) {
    const bytes = part.startsWith('%') ? Number(part.slice(1)) : part.length
    text += `$${bytes}\r\n`
    if (part.startsWith('%')) noises.push({ at: text.length, bytes })
    for (const { index, 0: run } of part.matchAll(/#+/g)) runs.push({ end: text.length + index + run.length, digits: run.length })
    text += `${part.startsWith('%') ? 'x'.repeat(bytes) : part.replaceAll('#', '0')}\r\n`
  }
  const template = Buffer.from(text, 'latin1')
  const noise = noises.length > 0 ? printableNoise() : Buffer.alloc(0)
  return {
    requestBytes: template.length,
    encode(buffer, at, n) {
      template.copy(buffer, at)
      for (let i = 0; i < runs.length; i++) {
        const { end, digits } = runs[i]!
        let left = number(n, i)
        for (let place = at + end - 1; left > 0 && place >= at + end - digits; place--) {
          buffer[place] = 48 + (left % 10)
          left = Math.floor(left / 10)
        }
      }
      for (let i = 0; i < noises.length; i++) {
        const { at: within, bytes } = noises[i]!
        const from = (Math.imul(n * noises.length + i, 2654435761) >>> 0) % (noiseBytes - bytes)
        noise.copy(buffer, at + within, from, from + bytes)
      }
      return at + template.length
    },
    replies: () => new RespReplies(),
  }
}

/** Requests of several kinds: number `n` is number `n / kinds` of kind `n % kinds`. */
export function mixedRequests(kinds: readonly Requests[]): Requests {
  return {
    requestBytes: Math.max(...kinds.map(({ requestBytes }) => requestBytes)),
    encode: (buffer, at, n) => kinds[n % kinds.length]!.encode(buffer, at, Math.floor(n / kinds.length)),
    replies: () => new RespReplies(),
  }
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
      if (randomBytes > 0) {
        const from = (Math.imul(key, 2654435761) >>> 0) % places
        noise.copy(buffer, at + valueAt, from, from + randomBytes)
      }
      return at + template.length
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

/** RESP2's replies. A miss is nil, or an array without elements. */
class RespReplies implements Replies {
  misses = 0
  errors = 0
  firstError = ''
  #line = ''
  #skip = 0
  /** Values that are still to come of the arrays that have begun. */
  #left = 0

  feed(chunk: Buffer): number {
    let done = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, chunk.length - at)
        at += taken
        this.#skip -= taken
        if (this.#skip === 0 && this.#ends()) done++
        continue
      }
      if (this.#line === '' && this.#left === 0 && chunk[at] === plus && chunk[at + 4] === newline) {
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

  /** Whether the value that has ended is the last one of its reply. */
  #ends(): boolean {
    if (this.#left > 0) this.#left--
    return this.#left === 0
  }

  #lineIsReply(line: string): boolean {
    if (line.startsWith('$-1') || line.startsWith('_') || line.startsWith('*0') || line.startsWith('*-1')) {
      if (this.#left === 0) this.misses++
    } else if (line.startsWith('*')) {
      this.#left = Math.max(this.#left - 1, 0) + Number.parseInt(line.slice(1), 10)
      return false
    } else if (line.startsWith('$')) {
      this.#skip = Number.parseInt(line.slice(1), 10) + 2
      return false
    } else if (line.startsWith('-')) {
      this.errors++
      if (this.firstError === '') this.firstError = line.slice(1).trimEnd()
    }
    return this.#ends()
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
