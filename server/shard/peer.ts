/** What a node tells the others about itself, beside the log: where it is and how far it has come. */

export interface Peer {
  readonly node: string
  readonly host: string
  readonly port: number
  /** For clients of a cluster; empty for none. */
  readonly hostname: string
  /** LSN of the newest committed record in its keyspace. */
  readonly applied: number
  /** LSN of its last durable checkpoint, or of an older one that is being copied from it. */
  readonly checkpoint: number
  readonly version: string
  /** Grows with each telling, so that a node that has nothing new to tell is known to live. */
  readonly beat: number
}

/** JSON, so that a person can read it, and a later version may say more. */
export function encodePeer(peer: Peer): Buffer {
  return Buffer.from(JSON.stringify(peer))
}

/** Undefined when it is none that this version can read. */
export function decodePeer(bytes: Buffer): Peer | undefined {
  try {
    const { node, host, port, hostname, applied, checkpoint, version, beat } = JSON.parse(bytes.toString()) as Partial<Peer>
    if (typeof node !== 'string' || typeof host !== 'string' || typeof port !== 'number' || typeof beat !== 'number') return undefined
    return {
      node,
      host,
      port,
      hostname: typeof hostname === 'string' ? hostname : '',
      applied: Number(applied) || 0,
      checkpoint: Number(checkpoint) || 0,
      version: `${version}`,
      beat,
    }
  } catch {
    return undefined
  }
}
