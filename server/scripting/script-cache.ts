/** The scripts that the server knows, by the SHA-1 of their text, and what each says of itself in its first line. */
import { sha1 } from './redis-library.ts'

export interface Script {
  readonly sha: string
  readonly source: Buffer
  /** Where the text begins that is compiled: behind the first line if that is for Redis. */
  readonly start: number
  /** Undefined without such a line: then all is allowed, as it was before there were flags. */
  readonly flags: ReadonlySet<string> | undefined
  /** The compiled function in the present interpreter; 0 when it has none. */
  reference: number
}

const knownFlags = ['no-writes', 'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys']
/** What a script takes beside its text, roughly: its entry here and the function. */
const scriptBytes = 600
const recentCount = 64

export class ScriptCache {
  readonly #scripts = new Map<string, Script>()
  /** Scripts by a cheap hash of their texts: one that is sent again and again need not be digested each time. */
  readonly #recent: (Script | undefined)[] = new Array(recentCount).fill(undefined)
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#scripts.size
  }

  find(sha: string): Script | undefined {
    return this.#scripts.get(sha.toLowerCase())
  }

  /** The known script with this text, or the digest that it has. */
  lookUp(buffer: Buffer, start: number, end: number): Script | string {
    const slot = slotOf(buffer, start, end)
    const recent = this.#recent[slot]
    if (recent?.source.equals(buffer.subarray(start, end))) return recent
    const sha = sha1(buffer.subarray(start, end))
    const known = this.#scripts.get(sha)
    if (known === undefined) return sha
    this.#recent[slot] = known
    return known
  }

  add(script: Script): void {
    this.#scripts.set(script.sha, script)
    this.#bytes += script.source.length + scriptBytes
  }

  /** The interpreter has gone, and with it the compiled functions. */
  forgetReferences(): void {
    for (const script of this.#scripts.values()) script.reference = 0
  }

  clear(): void {
    this.#scripts.clear()
    this.#recent.fill(undefined)
    this.#bytes = 0
  }
}

function slotOf(buffer: Buffer, start: number, end: number): number {
  const length = end - start
  if (length === 0) return 0
  return (length * 31 + buffer[end - 1] * 7 + buffer[start + (length >> 1)] + buffer[start + (length >> 2)] * 3) & (recentCount - 1)
}

/** Reads the first line of a script; an error's text if it is not as it should be. */
export function readScript(sha: string, source: Buffer): Script | string {
  if (source[0] !== 0x23 || source[1] !== 0x21) return { sha, source, start: 0, flags: undefined, reference: 0 }
  const end = source.indexOf(0x0a)
  if (end < 0) return 'ERR Invalid script shebang'
  const [engine, ...options] = source
    .toString('latin1', 0, end)
    .split(/\s+/)
    .filter((part) => part !== '') as [string, ...string[]]
  if (engine !== '#!lua') return `ERR Unexpected engine in script shebang: ${engine}`
  const flags = new Set<string>()
  for (const option of options) {
    if (!option.startsWith('flags=')) return `ERR Unknown lua shebang option: ${option}`
    const given = option.slice(6)
    for (const flag of given === '' ? [] : given.split(',')) {
      if (!knownFlags.includes(flag)) return `ERR Unexpected flag in script shebang: ${flag}`
      flags.add(flag)
    }
  }
  return { sha, source, start: end, flags, reference: 0 }
}
