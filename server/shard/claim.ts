/** What a primary says of itself in the log when it claims the leadership: who it is, where clients reach it, for how long others must let it lead. */

export interface Claim {
  readonly node: string
  readonly host: string
  readonly port: number
  /** For clients of a cluster; empty for none. */
  readonly hostname: string
  readonly leaseMs: number
  /** Version of the program that will write the records of this epoch. */
  readonly version: string
}

/** JSON, so that a person who looks into the log can read it, and a later version may say more. */
export function encodeClaim(claim: Claim): Buffer {
  return Buffer.from(JSON.stringify(claim))
}

/** Undefined when it is none that this version can read. */
export function decodeClaim(bytes: Buffer): Claim | undefined {
  try {
    const { node, host, port, hostname, leaseMs, version } = JSON.parse(bytes.toString()) as Partial<Claim>
    if (typeof node !== 'string' || typeof host !== 'string' || typeof port !== 'number' || typeof leaseMs !== 'number') return undefined
    return { node, host, port, hostname: typeof hostname === 'string' ? hostname : '', leaseMs, version: `${version}` }
  } catch {
    return undefined
  }
}
