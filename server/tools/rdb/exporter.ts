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
import type { RespReply } from '../../resp/reply-reader.ts'
import type { RespClient } from './resp-client.ts'

const footerBytes = 10
/** Values that are asked for at a time take about so much. */
const batchBytes = 4 * 1024 * 1024
const scanCountMin = 16
const scanCountMax = 2048
/** A Set takes 2^24 keys at most. */
const seenSets = 256

const flushBytes = 1024 * 1024
const dumpWord = Buffer.from('DUMP')
const expireTimeWord = Buffer.from('PEXPIRETIME')

interface Dumped {
  readonly key: Buffer
  dump: Buffer | null
  expireAt: number
}

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
      await this.#database(db, expiring)
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

  async #database(db: number, expiring: number): Promise<void> {
    const { clients, isShared } = this.#options
    const [first] = clients as [RespClient]
    await Promise.all(clients.map((client) => client.must('SELECT', db)))
    this.#seen = Array.from({ length: seenSets }, () => new Set())
    const mayExpire = isShared || expiring > 0
    let batch: Promise<Dumped[]> = Promise.resolve([])
    let cursor = '0'
    do {
      const [next, keys] = (await first.must('SCAN', cursor, 'COUNT', this.#scanCount)) as [Buffer, Buffer[]]
      cursor = String(next)
      // What was asked for before is written while the server works on this.
      const former = batch
      batch = this.#dumps(isShared ? keys.filter((key) => this.#isNew(key)) : keys, mayExpire)
      // It is awaited later, or never, if something else fails before.
      batch.catch(() => undefined)
      await this.#values(await former)
    } while (cursor !== '0')
    await this.#values(await batch)
  }

  #isNew(key: Buffer): boolean {
    // Of a long key a digest is kept: its bytes, when there are many keys, are too many.
    const mark = key.length <= 20 ? key.toString('latin1') : createHash('sha1').update(key).digest('base64')
    let sum = key.length
    for (let i = 0; i < key.length; i++) sum = Math.imul(sum, 31) + key[i]
    const seen = this.#seen[sum & (seenSets - 1)] as Set<string>
    if (seen.has(mark)) return false
    seen.add(mark)
    return true
  }

  /** Asks for values and expiries of keys. */
  #dumps(keys: readonly Buffer[], mayExpire: boolean): Promise<Dumped[]> {
    const { clients } = this.#options
    return new Promise((resolve, reject) => {
      const all = keys.map((key): Dumped => ({ key, dump: null, expireAt: 0 }))
      let left = keys.length * (mayExpire ? 2 : 1)
      if (left === 0) resolve(all)
      const taken = (): void => {
        if (--left === 0) resolve(all)
      }
      for (const [i, each] of all.entries()) {
        const client = clients[i % clients.length] as RespClient
        const dumped = (reply: RespReply): void => {
          if (reply instanceof Error) reject(reply)
          else if (Buffer.isBuffer(reply)) each.dump = reply
          taken()
        }
        const expires = (reply: RespReply): void => {
          if (reply instanceof Error) reject(reply)
          else if (typeof reply === 'number') each.expireAt = reply
          taken()
        }
        client.post([dumpWord, each.key], dumped, reject)
        if (mayExpire) client.post([expireTimeWord, each.key], expires, reject)
      }
    })
  }

  async #values(all: readonly Dumped[]): Promise<void> {
    let bytes = 0
    for (const each of all) {
      // A key that went meanwhile has none.
      if (each.dump === null) continue
      bytes += each.dump.length
      this.#value(each.key, each.dump, each.expireAt)
      if (this.#out.end >= flushBytes) await this.#flush()
    }
    if (bytes > 0) this.#scanCount = Math.round(Math.max(scanCountMin, Math.min(scanCountMax, (batchBytes * all.length) / bytes)))
    this.#options.onProgress(this.figures.keys, this.#total)
  }

  #value(key: Buffer, dump: Buffer, expireAt: number): void {
    const out = this.#out
    if (expireAt > 0) {
      out.byte(expireMsOpcode)
      out.u64(BigInt(expireAt))
    }
    out.byte(dump[0] as number)
    out.string(key, 0, key.length)
    out.raw(dump, 1, dump.length - footerBytes)
    this.figures.keys++
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
