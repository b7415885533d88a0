/**
 * A local log on a simulated disk beside a model of what was appended: crash, open again, compare. The model is the list of
 * payloads by LSN; `safe` is the LSN up to which nothing may be lost.
 */
import { expect } from 'vitest'
import type { CrashHook } from '../../wal/crash-points.ts'
import { LocalLog } from '../../wal/local-log.ts'
import type { SyncPolicy } from '../../wal/transaction-log.ts'
import { ManualClock } from './manual-clock.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedDisk } from './simulated-disk.ts'

export const LOG_DIRECTORY = '/log'

export class LogRun {
  readonly disk: SimulatedDisk
  readonly clock = new ManualClock()
  readonly segmentBytes: number
  readonly #random: SeededRandom
  syncPolicy: SyncPolicy = 'always'
  crashPoint: CrashHook = () => undefined
  /** Payload of record n + 1. */
  readonly written: string[] = []
  safe = 0
  /** LSN up to which was asked to be trimmed. */
  trimmed = 0
  log!: LocalLog
  #files

  constructor(seed: number, segmentBytes = 16 << 10) {
    this.#random = new SeededRandom(seed)
    this.disk = new SimulatedDisk(this.#random)
    this.#files = this.disk.mount()
    this.segmentBytes = segmentBytes
  }

  /** Opens the log and compares it with the model. */
  async open(knownCommitted = 0): Promise<void> {
    this.log = await LocalLog.open({
      files: this.#files,
      clock: this.clock,
      random: this.#random,
      directory: LOG_DIRECTORY,
      syncPolicy: this.syncPolicy,
      segmentBytes: this.segmentBytes,
      digestBytes: 300,
      crashPoint: (point) => this.crashPoint(point),
      knownCommitted,
    })
    await this.compare()
  }

  append(bytes: number): number {
    const lsn = this.log.appended + 1
    const text = `record ${lsn} ${this.#random.nextUint32()} `.padEnd(bytes, String.fromCharCode(97 + (lsn % 26)))
    this.written.length = lsn - 1
    this.written.push(text)
    if (lsn % 3 === 0) this.#appendReferring(Buffer.from(text))
    else this.log.append(Buffer.from(text), 0, text.length)
    return lsn
  }

  /** Appends a record of which two parts are not copied. */
  #appendReferring(text: Buffer): void {
    const half = text.length >>> 1
    const references = [
      { at: 10, bytes: text.subarray(10, half) },
      { at: 15, bytes: text.subarray(half + 5) },
    ]
    const payload = Buffer.concat([text.subarray(0, 10), text.subarray(half, half + 5)])
    this.log.append(payload, 0, payload.length, references)
  }

  /** Commits what was appended. Rejects if the log fails. */
  async commit(): Promise<void> {
    const { log } = this
    const upTo = log.appended
    if (log.committed >= upTo) return
    await new Promise<void>((resolve, reject) => {
      if (log.stats().failed) return reject(new Error('the log had failed before'))
      log.onFailed = reject
      log.onCommitted = (now) => {
        // Under `always` a commit is a promise about everything before it, too.
        if (this.syncPolicy === 'always') this.safe = now
        if (now >= upTo) resolve()
      }
      log.flush()
    })
  }

  async trim(upTo: number): Promise<void> {
    this.trimmed = Math.max(this.trimmed, Math.min(upTo, this.log.committed))
    await this.log.trim(upTo)
  }

  /** Cuts the power and starts the machine again. */
  crash(): void {
    if (this.log) this.safe = Math.max(this.safe, this.log.synced)
    this.#files = this.disk.crash()
  }

  async close(): Promise<void> {
    await this.log.close()
    this.safe = this.log.committed
  }

  /** Everything safe is there, everything there was appended, nothing is missing in between. */
  async compare(): Promise<void> {
    const { log, written } = this
    expect(log.appended).toBe(log.committed)
    expect(log.appended).toBeGreaterThanOrEqual(this.safe)
    expect(log.appended).toBeLessThanOrEqual(written.length)
    expect(log.first).toBeLessThanOrEqual(this.trimmed + 1)
    written.length = log.appended
    const found: string[] = []
    if (log.first <= log.committed) {
      for await (const batch of log.read(log.first - 1)) {
        for (const record of batch.records) {
          expect(record.lsn).toBe(log.first + found.length)
          found.push(record.payload.toString())
        }
        if (log.first + found.length > log.committed) break
      }
    }
    expect(found).toEqual(written.slice(log.first - 1))
    this.safe = log.appended
  }
}
