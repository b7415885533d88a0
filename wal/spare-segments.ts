/**
 * Segments made ahead of need: files of the full size, written with real zeros so that a later write changes no metadata
 * and its sync costs one disk write. Made in the background, a piece at a time, each piece durable before the next, so
 * that commits get their turn between them. Trimmed segments come back here and save the zeros.
 *
 * Invariants: a spare's contents mean nothing (its name is not a segment's), so it may hold stale frames. Failing to make
 * one in the background is remembered, not fatal: the log goes on until it needs a segment and none can be made.
 */
import type { File, FileSystem } from '../storage/file-system.ts'
import type { CrashHook } from './crash-points.ts'
import { SEGMENT_HEADER_BYTES, spareName } from './segment.ts'

const PIECE_BYTES = 1 << 20
/** When the disk has no room for a full segment, one of this size may still fit. */
const SMALL_SEGMENT_BYTES = 1 << 20

export interface Spare {
  readonly path: string
  readonly bytes: number
}

export class SpareSegments {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #sparesMax: number
  readonly #crashPoint: CrashHook
  readonly #ready: Spare[] = []
  #serial = 0
  #making: Promise<void> | undefined
  #stopping = false
  /** Why the latest attempt to make one failed; undefined when it did not. */
  failure: Error | undefined

  constructor(files: FileSystem, directory: string, segmentBytes: number, sparesMax: number, crashPoint: CrashHook) {
    this.#files = files
    this.#directory = directory
    this.#segmentBytes = segmentBytes
    this.#sparesMax = sparesMax
    this.#crashPoint = crashPoint
  }

  /** Bytes on disk of the spares that are ready. */
  get bytes(): number {
    return this.#ready.length * this.#segmentBytes
  }

  /** Takes over files that an earlier run left: those of full size are spares, the others are removed. */
  async adopt(names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#serial = Math.max(this.#serial, Number.parseInt(name.slice('spare-'.length), 16))
      const path = `${this.#directory}/${name}`
      const file = await this.#files.open(path, { write: false })
      const bytes = await file.size().finally(() => file.close())
      if (bytes === this.#segmentBytes && this.hasRoom()) this.#ready.push({ path, bytes })
      else await this.#files.remove(path)
    }
  }

  /** Whether a trimmed segment is welcome. */
  hasRoom(): boolean {
    return this.#ready.length < this.#sparesMax
  }

  /** A path for a file that is to become a spare or a segment. */
  nextPath(): string {
    this.#serial += 1
    return `${this.#directory}/${spareName(this.#serial)}`
  }

  /** Takes in a trimmed segment of full size that has durably lost its name. */
  recycle(path: string): void {
    this.#ready.push({ path, bytes: this.#segmentBytes })
  }

  /** Starts making one in the background unless one is ready, or being made, or the last attempt failed. */
  prepare(): void {
    if (this.#ready.length > 0 || this.#making || this.#stopping || this.failure) return
    this.#making = this.#makeReady().finally(() => {
      this.#making = undefined
    })
  }

  /**
   * A spare that holds a frame of `frameBytes`, made now if there is none. Rejects when the disk has no room even for a
   * small one, or fails.
   */
  async take(frameBytes: number): Promise<Spare> {
    const needed = SEGMENT_HEADER_BYTES + frameBytes
    if (needed > this.#segmentBytes) return this.#makeOversize(needed)
    await this.#making
    if (this.#ready.length === 0) await this.#makeReady()
    const spare = this.#ready.shift()
    if (spare) return spare
    const failure = this.failure as NodeJS.ErrnoException
    const small = Math.max(needed, Math.min(SMALL_SEGMENT_BYTES, this.#segmentBytes))
    if (failure.code !== 'ENOSPC' || small >= this.#segmentBytes) throw failure
    return this.#make(small)
  }

  /** Lets the next `prepare` try again: room may have been made. */
  retry(): void {
    this.failure = undefined
  }

  /** Stops making one; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#making
  }

  /** Makes a full spare and puts it with the ready ones; a failure is remembered. */
  async #makeReady(): Promise<void> {
    try {
      this.failure = undefined
      const spare = await this.#make(this.#segmentBytes)
      if (this.#stopping) return
      this.#ready.push(spare)
      this.#crashPoint('spare:ready')
    } catch (error) {
      this.failure = error as Error
    }
  }

  async #make(bytes: number): Promise<Spare> {
    const path = this.nextPath()
    const file = await this.#files.open(path, { write: true, create: true, durable: true })
    try {
      await this.#fill(file, bytes)
    } catch (error) {
      await file.close().then(
        () => this.#files.remove(path),
        () => undefined,
      )
      throw error
    }
    await file.close()
    return { path, bytes }
  }

  async #fill(file: File, bytes: number): Promise<void> {
    const zeros = Buffer.alloc(Math.min(PIECE_BYTES, bytes))
    for (let at = 0; at < bytes && !this.#stopping; at += zeros.length) {
      await file.write(zeros.subarray(0, Math.min(zeros.length, bytes - at)), at)
      this.#crashPoint('spare:piece-written')
    }
  }

  /** A file for one large frame. It is written once and from end to end, so zeros would only double the work. */
  async #makeOversize(needed: number): Promise<Spare> {
    const path = this.nextPath()
    const bytes = Math.ceil(needed / SEGMENT_HEADER_BYTES) * SEGMENT_HEADER_BYTES
    const file = await this.#files.open(path, { write: true, create: true })
    try {
      await file.truncate(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    return { path, bytes }
  }
}
