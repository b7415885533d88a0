/**
 * Writes an RDB of what a running server holds: all keys by SCAN, their values by DUMP, cold ones too, over several connections at
 * once. Each value is as it was when it was read; keys that are written to meanwhile are not all of one moment.
 */
import { createHash } from 'node:crypto'
import { Crc64, crcBytes } from '../../../engine/rdb/crc64.ts'
import {
  auxOpcode,
  endOpcode,
  expireMsOpcode,
  function2Opcode,
  rdbVersion,
  resizeOpcode,
  selectOpcode,
} from '../../../engine/rdb/rdb-format.ts'
import { RdbOutput } from '../../../engine/rdb/rdb-output.ts'
import type { RespClient } from './resp-client.ts'
import type { RespReply } from './resp-reader.ts'

const footerBytes = 10
/** Values that are asked for at a time take about so much. */
const batchBytes = 4 * 1024 * 1024
const scanCountMin = 16
const scanCountMax = 2048
/** A Set takes 2^24 keys at most. */
const seenSets = 256

export interface ExportFigures {
  keys: number
  bytes: number
}

export interface ExportOptions {
  readonly clients: readonly RespClient[]
  /** Takes the next bytes of the file. */
  write(bytes: Buffer): Promise<void>
  /** Told how many keys have been written, and how many there were in the beginning. */
  readonly onProgress: (keys: number, total: number) => void
  /** Seconds since 1970. */
  readonly nowSeconds: number
  /** Whether others may write meanwhile: then SCAN may name a key twice. */
  readonly isShared: boolean
}

export class Exporter {
  readonly figures: ExportFigures = { keys: 0, bytes: 0 }
  readonly #options: ExportOptions
  readonly #out = new RdbOutput()
  readonly #crc = new Crc64()
  #seen: Set<string>[] = []
  #total = 0
  #scanCount = scanCountMin

  constructor(options: ExportOptions) {
    this.#options = options
  }

  async run(): Promise<ExportFigures> {
    const out = this.#out
    const [client] = this.#options.clients as [RespClient]
    const info = String(await client.must('INFO'))
    const header = Buffer.from(`REDIS${String(rdbVersion).padStart(4, '0')}`)
    out.raw(header, 0, header.length)
    this.#aux('redis-ver', /redis_version:(\S+)/.exec(info)?.[1] ?? '7.0.0')
    this.#aux('redis-bits', '64')
    this.#aux('ctime', String(this.#options.nowSeconds))
    await this.#functions(client)
    const databases = [...info.matchAll(/^db(\d+):keys=(\d+),expires=(\d+)/gm)].map(([, db, keys, expiring]) => ({
      db: Number(db),
      keys: Number(keys),
      expiring: Number(expiring),
    }))
    this.#total = databases.reduce((sum, { keys }) => sum + keys, 0)
    for (const { db, keys, expiring } of databases) {
      out.byte(selectOpcode)
      out.length(db)
      out.byte(resizeOpcode)
      out.length(keys)
      out.length(expiring)
      await this.#database(db)
    }
    out.byte(endOpcode)
    await this.#flush()
    out.room(crcBytes)
    out.end = this.#crc.write(out.bytes, out.end)
    await this.#flush()
    return this.figures
  }

  #aux(name: string, value: string): void {
    this.#out.byte(auxOpcode)
    for (const text of [name, value]) {
      const bytes = Buffer.from(text)
      this.#out.string(bytes, 0, bytes.length)
    }
  }

  /** The dump of all functions is as the file has them. */
  async #functions(client: RespClient): Promise<void> {
    const reply = await client.send('FUNCTION', 'DUMP')
    if (!Buffer.isBuffer(reply) || reply.length <= footerBytes || reply[0] !== function2Opcode) return
    this.#out.raw(reply, 0, reply.length - footerBytes)
  }

  async #database(db: number): Promise<void> {
    const { clients, isShared } = this.#options
    const [first] = clients as [RespClient]
    await Promise.all(clients.map((client) => client.must('SELECT', db)))
    this.#seen = Array.from({ length: seenSets }, () => new Set())
    let cursor = '0'
    do {
      const [next, keys] = (await first.must('SCAN', cursor, 'COUNT', this.#scanCount)) as [Buffer, Buffer[]]
      cursor = String(next)
      await this.#keys(isShared ? keys.filter((key) => this.#isNew(key)) : keys)
    } while (cursor !== '0')
  }

  #isNew(key: Buffer): boolean {
    // Of a long key a digest is kept: its bytes, when there are many keys, are too many.
    const mark = key.length <= 20 ? key.toString('latin1') : createHash('sha1').update(key).digest('base64')
    let sum = key.length
    for (const byte of key) sum = Math.imul(sum, 31) + byte
    const seen = this.#seen[sum & (seenSets - 1)] as Set<string>
    if (seen.has(mark)) return false
    seen.add(mark)
    return true
  }

  async #keys(keys: readonly Buffer[]): Promise<void> {
    const { clients, onProgress } = this.#options
    const replies = await Promise.all(
      keys.map(async (key, i) => {
        const client = clients[i % clients.length] as RespClient
        return await Promise.all([client.must('DUMP', key), client.must('PEXPIRETIME', key)])
      }),
    )
    let bytes = 0
    for (const [i, [dump, expireAt]] of replies.entries()) {
      if (!Buffer.isBuffer(dump)) continue
      bytes += dump.length
      await this.#value(keys[i] as Buffer, dump, expireAt)
    }
    if (bytes > 0) this.#scanCount = Math.round(Math.max(scanCountMin, Math.min(scanCountMax, (batchBytes * keys.length) / bytes)))
    onProgress(this.figures.keys, this.#total)
  }

  async #value(key: Buffer, dump: Buffer, expireAt: RespReply): Promise<void> {
    const out = this.#out
    if (typeof expireAt === 'number' && expireAt > 0) {
      out.byte(expireMsOpcode)
      out.u64(BigInt(expireAt))
    }
    out.byte(dump[0] as number)
    out.string(key, 0, key.length)
    out.raw(dump, 1, dump.length - footerBytes)
    this.figures.keys++
    if (out.end >= 1024 * 1024) await this.#flush()
  }

  async #flush(): Promise<void> {
    const out = this.#out
    const bytes = Buffer.from(out.bytes.subarray(0, out.end))
    out.end = 0
    this.#crc.update(bytes, 0, bytes.length)
    this.figures.bytes += bytes.length
    await this.#options.write(bytes)
  }
}
