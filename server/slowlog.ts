/** SLOWLOG: the last requests that took long, newest first, with their arguments shortened as Redis shortens them. */
import type { Arguments } from '../engine/arguments.ts'
import type { Client } from './client.ts'

const argumentsMax = 32
const argumentBytesMax = 128

export interface SlowRequest {
  readonly id: number
  readonly wallSeconds: number
  readonly us: number
  readonly args: readonly Buffer[]
  readonly client: string
  readonly clientName: string
}

export class Slowlog {
  entries: SlowRequest[] = []
  #nextId = 0

  add(client: Client, args: Arguments, us: number, wallMs: number, max: number): void {
    const { remoteAddress } = client.connection.pipe
    this.entries.unshift({
      id: this.#nextId++,
      wallSeconds: Math.floor(wallMs / 1000),
      us: Math.round(us),
      args: shortened(args, client.redacted),
      client: remoteAddress,
      clientName: client.name,
    })
    if (this.entries.length > max) this.entries.length = max
  }
}

function shortened(args: Arguments, redacted: readonly number[]): Buffer[] {
  const shown = args.count > argumentsMax ? argumentsMax - 1 : args.count
  const copies: Buffer[] = []
  for (let i = 0; i < shown; i++) {
    const length = args.length(i)
    if (redacted.includes(i)) copies.push(Buffer.from('(redacted)'))
    else if (length <= argumentBytesMax) copies.push(Buffer.from(args.bytes(i)))
    else {
      const head = args.buffer.subarray(args.start(i), args.start(i) + argumentBytesMax)
      copies.push(Buffer.concat([head, Buffer.from(`... (${length - argumentBytesMax} more bytes)`)]))
    }
  }
  if (shown < args.count) copies.push(Buffer.from(`... (${args.count - shown} more arguments)`))
  return copies
}
