/**
 * RDB of all data, or of the functions, for whoever asks for it as replicas of Redis do: SYNC, or PSYNC, and no stream of commands behind it. One
 * transfer at a time; others wait. While the copy is made its receiver gets a newline each second, which keeps the connection alive; then the RDB as fast as
 * it reads. One that does not read for `repl-timeout` seconds is closed.
 *
 * With `eof` the length is not known before, and a mark of 40 characters ends the RDB; without, it is written twice, the first time to count it
 * ("Replication" in Redis's documentation).
 */
import type { Random } from '../../engine/random.ts'
import type { Clock, Timer } from '../../storage/clock.ts'
import type { Log } from '../logging.ts'
import type { Connection } from '../network/connection.ts'
import type { Shard } from '../shard/shard.ts'
import { CopiedShard, CopyAbandoned } from './copied-shard.ts'
import type { RdbContents } from './rdb-of-copy.ts'
import { RdbOfCopy } from './rdb-of-copy.ts'
import type { ShardCopies } from './shard-copies.ts'

const newlineMs = 1000
/** The next piece comes when no more than this waits to leave. */
const pendingBytesMax = 128 * 1024
const newline = Buffer.from('\n')

export interface TransferHost {
  readonly clock: Clock
  readonly log: Log
  readonly copies: ShardCopies
  readonly ports: { readonly random: Random }
  readonly config: { readonly values: { readonly 'repl-timeout': number; readonly rdbcompression: boolean } }
  /** Of the history of changes. */
  readonly replicationId: string
  /** Undefined while another one is opened. */
  readonly shard: Shard | undefined
}

export interface RdbWishes extends RdbContents {
  /** Whether a mark may end the RDB. */
  readonly eof: boolean
  /** Whether the receiver waits to be told of which history the RDB is, and of which of its records. */
  readonly isPsync: boolean
}

export class RdbTransfers {
  /** Transfers asked for. */
  begun = 0
  readonly #host: TransferHost
  readonly #all = new Set<RdbTransfer>()
  /** When the last one that has begun, or waits, has ended. Never rejects. */
  #newest: Promise<void> = Promise.resolve()

  constructor(host: TransferHost) {
    this.#host = host
  }

  /** Of the copy that is being sent. */
  get memoryBytes(): number {
    let bytes = 0
    for (const { memoryBytes } of this.#all) bytes += memoryBytes
    return bytes
  }

  begin(connection: Connection, wishes: RdbWishes): RdbTransfer {
    const transfer = new RdbTransfer(this.#host, connection, wishes, this.#newest)
    this.#all.add(transfer)
    this.begun++
    this.#newest = transfer.done.then(
      () => void this.#all.delete(transfer),
      () => void this.#all.delete(transfer),
    )
    return transfer
  }

  /** Ends all: the store is about to be closed. */
  async endAll(): Promise<void> {
    for (const transfer of this.#all) transfer.abandon()
    await this.#newest
  }
}

export class RdbTransfer {
  /** Resolves when all has been handed to the connection. Rejects with why it could not be. */
  readonly done: Promise<void>
  /** Something of the RDB has left. */
  hasBegun = false
  readonly #host: TransferHost
  readonly #connection: Connection
  readonly #wishes: RdbWishes
  /** As the setting was when it was asked for: what is written twice has to be the same. */
  readonly #compresses: boolean
  #copied: CopiedShard | undefined
  #isWanted = true
  #newlines: Timer | undefined

  constructor(host: TransferHost, connection: Connection, wishes: RdbWishes, before: Promise<void>) {
    this.#host = host
    this.#connection = connection
    this.#wishes = wishes
    this.#compresses = host.config.values.rdbcompression
    this.#sendNewlines()
    this.done = before.then(() => this.#run()).finally(() => this.#newlines?.cancel())
  }

  get memoryBytes(): number {
    return this.#copied?.memoryBytes ?? 0
  }

  /** Nobody wants it any more. */
  abandon(): void {
    this.#isWanted = false
    this.#copied?.abandon()
    this.#newlines?.cancel()
  }

  async #run(): Promise<void> {
    const { copies, clock, ports, log } = this.#host
    this.#requireWanted()
    const kept = await copies.keep()
    const { shard } = this.#host
    if (shard === undefined || !this.#isWanted) {
      await kept.close()
      throw new CopyAbandoned('the data are being opened anew')
    }
    const startMs = clock.monotonicMs()
    const copied = new CopiedShard(shard, kept, clock, ports.random)
    this.#copied = copied
    try {
      await copied.fill()
      const length = this.#wishes.eof ? undefined : await this.#lengthOf(copied)
      const bytes = await this.#send(copied, length)
      log.info('RDB sent', { bytes, lsn: copied.lsn, durationMs: clock.monotonicMs() - startMs })
    } finally {
      this.#copied = undefined
      await copied.close()
    }
  }

  #piecesOf(copied: CopiedShard): AsyncGenerator<Buffer> {
    return new RdbOfCopy(copied, this.#host.clock, this.#wishes, this.#compresses).pieces()
  }

  async #lengthOf(copied: CopiedShard): Promise<number> {
    let length = 0
    for await (const piece of this.#piecesOf(copied)) length += piece.length
    return length
  }

  /** Returns the bytes of the RDB. */
  async #send(copied: CopiedShard, length: number | undefined): Promise<number> {
    const { ports, replicationId } = this.#host
    const mark = randomHex(ports.random)
    const history = this.#wishes.isPsync ? `+FULLRESYNC ${replicationId} ${copied.lsn}\r\n` : ''
    this.#newlines?.cancel()
    this.#requireWanted()
    this.hasBegun = true
    await this.#give(Buffer.from(`${history}$${length ?? `EOF:${mark}`}\r\n`))
    let bytes = 0
    for await (const piece of this.#piecesOf(copied)) {
      bytes += piece.length
      await this.#give(piece)
    }
    if (length === undefined) await this.#give(Buffer.from(mark))
    return bytes
  }

  async #give(bytes: Buffer): Promise<void> {
    const connection = this.#connection
    connection.send(bytes)
    if (connection.leavingBytes > pendingBytesMax) {
      const { clock, config, log } = this.#host
      const timer = clock.after(config.values['repl-timeout'] * 1000, () => {
        log.warn('A client does not read the RDB that it has asked for; closed', { client: connection.pipe.remoteAddress })
        connection.close()
      })
      await connection.room(pendingBytesMax)
      timer.cancel()
    }
    if (connection.closed) throw new CopyAbandoned('the client has left')
  }

  #sendNewlines(): void {
    this.#newlines = this.#host.clock.after(newlineMs, () => {
      this.#connection.send(newline)
      this.#sendNewlines()
    })
  }

  #requireWanted(): void {
    if (!this.#isWanted) throw new CopyAbandoned('the client has left')
  }
}

/** The 40 characters of a mark. */
function randomHex(random: Random): string {
  return Array.from({ length: 5 }, () => random.nextUint32().toString(16).padStart(8, '0')).join('')
}
