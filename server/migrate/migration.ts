/**
 * MIGRATE: keys are dumped, restored by another server, and then deleted here. It goes on beside everything else, so a key may
 * change meanwhile: what the other server has is then sent anew, and only a key that is still as it was sent is deleted. So a key is
 * never lost, and its last value is what the other server has in the end.
 */
import type { Execution } from '../../engine/execution.ts'
import { genericEvent } from '../../engine/messages.ts'
import type { Clock } from '../../storage/clock.ts'
import type { Network } from '../network/network.ts'
import type { Shard } from '../shard/shard.ts'
import type { StagedWorkQueue } from '../staged-work.ts'
import type { DumpedKey } from './key-dump.ts'
import { KeyDump } from './key-dump.ts'
import { TargetConnection } from './target-connection.ts'

/** A key that changes all the time is given up after so many times. */
const sendingsMax = 16

export interface MigrationRequest {
  readonly host: string
  readonly port: number
  /** The number of the source's database as clients know it. */
  readonly from: number
  readonly to: string
  readonly timeoutMs: number
  readonly copies: boolean
  readonly replaces: boolean
  /** AUTH's arguments; empty without. */
  readonly credentials: readonly Buffer[]
  readonly keys: readonly Buffer[]
}

/** What of the server it works with. */
export interface MigrationHost {
  readonly clock: Clock
  readonly network: Network
  readonly stagedWork: StagedWorkQueue
  /** Undefined while another one is opened. */
  readonly shard: Shard | undefined
}

/** What has become of it: the error to reply, if any, and the LSN of the newest deletion, 0 for none. */
export interface MigrationOutcome {
  readonly error: string | undefined
  readonly lsn: number
}

interface SentKey {
  readonly key: Buffer
  readonly lsn: number
}

export class Migration {
  readonly #host: MigrationHost
  readonly #request: MigrationRequest
  #connection!: TargetConnection
  #error: string | undefined
  #lsn = 0

  constructor(host: MigrationHost, request: MigrationRequest) {
    this.#host = host
    this.#request = request
  }

  /** Rejects with `TargetFailure`, or when a value could not be read. */
  async run(): Promise<MigrationOutcome> {
    const { host, port, timeoutMs, replaces, keys } = this.#request
    const { network, clock } = this.#host
    this.#connection = await TargetConnection.open(network, clock, host, port, timeoutMs)
    try {
      await this.#begin()
      let left = keys
      for (let sending = 0; left.length > 0 && this.#error === undefined; sending++) {
        if (sending === sendingsMax)
          this.#error = 'ERR A key keeps changing: it stays here, and the target instance has a former value of it'
        else left = await this.#send(left, replaces || sending > 0)
      }
      return { error: this.#error, lsn: this.#lsn }
    } finally {
      this.#connection.close()
    }
  }

  async #begin(): Promise<void> {
    const { credentials, to } = this.#request
    if (credentials.length > 0) await this.#connection.write(encoded('AUTH', ...credentials))
    await this.#connection.write(encoded('SELECT', to))
    if (credentials.length > 0) this.#noteError(await this.#connection.line())
    this.#noteError(await this.#connection.line())
  }

  /** Sends keys, and deletes those that are still what was sent. Returns the others. */
  async #send(keys: readonly Buffer[], replaces: boolean): Promise<Buffer[]> {
    const sent: SentKey[] = []
    for (const key of keys) {
      const lsn = await this.#sendOne(key, replaces)
      if (lsn !== undefined) sent.push({ key, lsn })
    }
    const changed: Buffer[] = []
    for (const each of sent) {
      const isTaken = this.#noteError(await this.#connection.line())
      if (isTaken && !this.#request.copies && !this.#deleteUnlessChanged(each)) changed.push(each.key)
    }
    return changed
  }

  /** Returns the LSN of the key's last change before it was sent; undefined when there is no such key. */
  async #sendOne(key: Buffer, replaces: boolean): Promise<number | undefined> {
    const { shard, stagedWork, clock } = this.#host
    if (shard === undefined) throw new Error('another log takes the place of the one that served')
    const { keyspace } = shard
    const work = new KeyDump(keyspace, keyspace.logical[this.#request.from] as number, key)
    try {
      const dumped = await this.#dump(work)
      if (dumped === undefined) return undefined
      const { dump, lsn, expireAt } = dumped
      const ttl = expireAt === 0 ? 0 : Math.max(expireAt - clock.wallMs(), 1)
      const head = `*${replaces ? 5 : 4}\r\n$7\r\nRESTORE\r\n$${key.length}\r\n`
      const middle = `\r\n$${String(ttl).length}\r\n${ttl}\r\n$${dump.bytes}\r\n`
      const end = replaces ? '\r\n$7\r\nREPLACE\r\n' : '\r\n'
      await this.#connection.write([Buffer.from(head), key, Buffer.from(middle), ...dump.pieces, Buffer.from(end)])
      return lsn
    } finally {
      stagedWork.release(work)
    }
  }

  #dump(work: KeyDump): Promise<DumpedKey | undefined> {
    return new Promise((resolve, reject) => {
      this.#host.stagedWork.add({
        work,
        done: () => resolve(this.#isExpired(work.find()) ? undefined : work.take()),
        failed: reject,
        abandoned: () => reject(new Error('another log takes the place of the one that served')),
        broke: (failure) => reject(failure as Error),
      })
    })
  }

  #isExpired(entry: number): boolean {
    const { shard, clock } = this.#host
    const expireAt = entry === 0 || shard === undefined ? 0 : shard.keyspace.entries.expireAt(entry)
    return expireAt !== 0 && expireAt < clock.wallMs()
  }

  /** Whether the reply says that all is well. The first that does not is the reply of MIGRATE. */
  #noteError(line: string): boolean {
    if (!line.startsWith('-')) return true
    this.#error ??= `ERR Target instance replied with error: ${line.slice(1)}`
    return false
  }

  /** False when the key has changed since it was sent. */
  #deleteUnlessChanged({ key, lsn }: SentKey): boolean {
    const { shard } = this.#host
    if (shard === undefined) return true
    const { primary, keyspace } = shard
    const db = keyspace.logical[this.#request.from] as number
    keyspace.forgetLookUp()
    const entry = keyspace.find(db, key, 0, key.length)
    if (entry === 0) return true
    if (keyspace.entries.lsn(entry) !== lsn) return false
    const deleted = primary.change((x: Execution) => {
      x.notifyEntry(genericEvent, 'del', entry)
      x.mutator.deleteEntry(entry)
    })
    if (deleted > this.#lsn) this.#lsn = deleted
    return true
  }
}

function encoded(...parts: readonly (string | Buffer)[]): Buffer[] {
  const bytes = parts.map((part) => Buffer.from(part as string))
  return [Buffer.from(`*${parts.length}\r\n`), ...bytes.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])]
}
