/**
 * A disk in memory that forgets what was not synced, fails on demand, and can lose power at any operation. Everything that
 * chance decides comes from one `Random`, so a run is its seed.
 *
 * What a crash does:
 * - Each write not covered by a sync is, independently, kept, lost, or torn: any subset of its 512-byte sectors arrives.
 *   A write under way counts as not synced, even on a durable file; so does a truncation, which is kept or lost whole.
 * - Each creation, rename or removal not covered by `syncDirectory` is, independently, kept or lost. As on ext4, syncing a
 *   file (or writing to it durably) also makes its own creation durable. Directories themselves are durable at once.
 *
 * A restarted program sees the disk through a new `mount()`. Mounts and files from before the crash only throw
 * `SimulatedCrash`. Called directly, the disk's own file-system methods act on the newest mount.
 */
import type { Random } from '../../engine/random.ts'
import type { File, FileSystem, OpenOptions } from '../../storage/file-system.ts'
import { SimulatedFileData } from './simulated-file-data.ts'

/** The power is off. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash'
  constructor() {
    super('the simulated machine has crashed')
  }
}

export type DiskOperation =
  | 'open'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'write'
  | 'read'
  | 'sync'
  | 'truncate'
  | 'size'
  | 'close'

interface Change {
  readonly kind: 'create' | 'rename' | 'remove'
  readonly data: SimulatedFileData
  readonly from: string
  readonly to: string
}

export interface SimulatedDiskOptions {
  /** Runs an operation's completion later; a microtask unless told. */
  readonly schedule?: (work: () => void) => void
}

export class SimulatedDisk implements FileSystem {
  /** Files that were opened and not closed, those of crashed processes included. */
  openFiles = 0
  readonly #random: Random
  readonly #schedule: (work: () => void) => void
  #entries = new Map<string, SimulatedFileData>()
  #durableEntries = new Map<string, SimulatedFileData>()
  #changes: Change[] = []
  #failures: { operation: DiskOperation | number; code: string }[] = []
  #freeBytes = Number.POSITIVE_INFINITY
  #crashAt = 0
  #epoch = 0
  #poweredOff = false
  #mounted: SimulatedMount
  /** Called before a write that its caller waits for, which may take time. */
  beforeWriteNow: (() => void) | undefined
  /** Operations begun since the disk was made. */
  operations = 0
  /** Of these, how many were `write`, `sync` and so on. */
  readonly counts = new Map<DiskOperation, number>()

  constructor(random: Random, options: SimulatedDiskOptions = {}) {
    this.#random = random
    this.#schedule = options.schedule ?? queueMicrotask
    this.#mounted = new SimulatedMount(this, this.#epoch)
  }

  /** The disk as the program running now sees it: dead after the next crash. */
  mount(): FileSystem {
    return this.#mounted
  }

  /** Makes the next operation of a kind fail with an error that carries `code`, without effect. */
  failNext(operation: DiskOperation, code: string): void {
    this.#failures.push({ operation, code })
  }

  /** Makes the operation with this number (see `operations`) fail with an error that carries `code`, without effect. */
  failAt(operation: number, code: string): void {
    this.#failures.push({ operation, code })
  }

  /** Nothing that was to fail and has not come to it fails any more. */
  cancelFailures(): void {
    this.#failures = []
  }

  /** From now on files can grow by this many bytes together before ENOSPC; removing a file gives its bytes back at once. */
  limitFreeBytes(bytes: number): void {
    this.#freeBytes = bytes
  }

  /** Loses power while the operation with this number is under way: it may have had its effect, or a part of it. */
  crashAt(operation: number): void {
    this.#crashAt = operation
  }

  /** Loses power now: every operation throws `SimulatedCrash` until `crash` has been called. */
  powerOff(): void {
    this.#poweredOff = true
  }

  get isOff(): boolean {
    return this.#poweredOff
  }

  /** Decides what survives, and starts the machine again. */
  crash(): FileSystem {
    for (const change of this.#changes) if (this.#random.nextUint32() % 2 === 0) this.#makeDurable(change)
    this.#changes = []
    this.#entries = new Map(this.#durableEntries)
    for (const data of new Set(this.#entries.values())) data.crash(this.#random)
    this.#failures = []
    this.#crashAt = 0
    this.#poweredOff = false
    this.#epoch += 1
    this.#mounted = new SimulatedMount(this, this.#epoch)
    return this.#mounted
  }

  /** The process ends, and the machine does not: what was written stays as it is, synced or not. */
  endProcess(): FileSystem {
    this.#failures = []
    this.#epoch += 1
    this.#mounted = new SimulatedMount(this, this.#epoch)
    return this.#mounted
  }

  /** A copy of the present bytes of a file. */
  contents(path: string): Buffer {
    return this.#existing(path).contents()
  }

  /** Spoils the bytes of a file behind its programs' backs. */
  damage(path: string, change: (bytes: Buffer) => void): void {
    this.#existing(path).damage(change)
  }

  /** Cuts a file behind its programs' backs. */
  cut(path: string, size: number): void {
    this.#existing(path).damageSize(size)
  }

  /** Takes a file away behind its programs' backs. */
  lose(path: string): void {
    this.#entries.delete(path)
    this.#durableEntries.delete(path)
  }

  open(path: string, options: OpenOptions): Promise<File> {
    return this.#mounted.open(path, options)
  }

  list(directory: string): Promise<string[]> {
    return this.#mounted.list(directory)
  }

  makeDirectory(path: string): Promise<void> {
    return this.#mounted.makeDirectory(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#mounted.rename(from, to)
  }

  remove(path: string): Promise<void> {
    return this.#mounted.remove(path)
  }

  syncDirectory(path: string): Promise<void> {
    return this.#mounted.syncDirectory(path)
  }

  /**
   * One operation of a mount: counted, possibly failing or crashing. `begin` takes effect at once and may be undone by a
   * crash; `finish` runs when it completes.
   */
  perform<T>(epoch: number, operation: DiskOperation, begin: () => void, finish: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isDead(epoch)) return this.#schedule(() => reject(new SimulatedCrash()))
      this.operations += 1
      this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1)
      const code = this.#failureFor(operation)
      try {
        if (code !== undefined) throw diskError(code, `${operation} failed on demand`)
        begin()
      } catch (error) {
        return this.#schedule(() => reject(error))
      }
      if (this.operations === this.#crashAt) this.#poweredOff = true
      this.#schedule(() => {
        if (this.#isDead(epoch)) return reject(new SimulatedCrash())
        try {
          resolve(finish())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** As `perform`, for an operation that is over when it returns. */
  performNow(epoch: number, operation: DiskOperation, work: () => void): void {
    if (this.#isDead(epoch)) throw new SimulatedCrash()
    this.beforeWriteNow?.()
    this.operations += 1
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1)
    const code = this.#failureFor(operation)
    if (code !== undefined) throw diskError(code, `${operation} failed on demand`)
    work()
    if (this.operations !== this.#crashAt) return
    this.#poweredOff = true
    throw new SimulatedCrash()
  }

  /** The file at `path`, made if `create`. */
  enter(path: string, create: boolean): SimulatedFileData {
    const found = this.#entries.get(path)
    if (found) return found
    if (!create) throw diskError('ENOENT', `no such file: ${path}`)
    const data = new SimulatedFileData()
    this.#entries.set(path, data)
    this.#changes.push({ kind: 'create', data, from: path, to: path })
    return data
  }

  names(directory: string): string[] {
    const prefix = `${directory}/`
    const inside = [...this.#entries.keys()].filter((path) => path.startsWith(prefix) && !path.includes('/', prefix.length))
    return inside.map((path) => path.slice(prefix.length)).sort()
  }

  move(from: string, to: string): void {
    const data = this.#existing(from)
    this.#entries.delete(from)
    this.#entries.set(to, data)
    this.#changes.push({ kind: 'rename', data, from, to })
  }

  drop(path: string): void {
    const data = this.#entries.get(path)
    if (!data) return
    this.#entries.delete(path)
    this.#freeBytes += data.size
    this.#changes.push({ kind: 'remove', data, from: path, to: path })
  }

  /** Makes the changes in a directory durable. */
  settleDirectory(directory: string): void {
    const inside = (path: string): boolean => path.slice(0, path.lastIndexOf('/')) === directory
    const settled = this.#changes.filter((change) => inside(change.from) || inside(change.to))
    this.#changes = this.#changes.filter((change) => !settled.includes(change))
    for (const change of settled) this.#makeDurable(change)
  }

  /** Makes a file's own creation durable. */
  settleCreation(data: SimulatedFileData): void {
    const creation = this.#changes.find((change) => change.kind === 'create' && change.data === data)
    if (!creation) return
    this.#changes = this.#changes.filter((change) => change !== creation)
    this.#makeDurable(creation)
  }

  /** Takes room on the disk, or throws ENOSPC. */
  allocate(bytes: number): void {
    if (bytes > this.#freeBytes) throw diskError('ENOSPC', 'no space left on the simulated disk')
    this.#freeBytes -= bytes
  }

  #isDead(epoch: number): boolean {
    return this.#poweredOff || epoch !== this.#epoch
  }

  #failureFor(operation: DiskOperation): string | undefined {
    const at = this.#failures.findIndex((failure) => failure.operation === operation || failure.operation === this.operations)
    return at < 0 ? undefined : this.#failures.splice(at, 1)[0]!.code
  }

  #makeDurable(change: Change): void {
    if (change.kind === 'remove') {
      if (this.#durableEntries.get(change.from) === change.data) this.#durableEntries.delete(change.from)
      return
    }
    // A file has one name: whichever arrived before, this change gives it its new one.
    for (const [path, data] of this.#durableEntries) if (data === change.data) this.#durableEntries.delete(path)
    this.#durableEntries.set(change.to, change.data)
  }

  #existing(path: string): SimulatedFileData {
    return this.enter(path, false)
  }
}

/** The disk between two crashes. */
class SimulatedMount implements FileSystem {
  readonly #disk: SimulatedDisk
  readonly #epoch: number

  constructor(disk: SimulatedDisk, epoch: number) {
    this.#disk = disk
    this.#epoch = epoch
  }

  open(path: string, options: OpenOptions): Promise<File> {
    let data: SimulatedFileData
    return this.#perform(
      'open',
      () => {
        data = this.#disk.enter(path, options.create === true)
      },
      () => new SimulatedFile(this.#disk, this.#epoch, data, options),
    )
  }

  list(directory: string): Promise<string[]> {
    return this.#perform('list', nothing, () => this.#disk.names(directory))
  }

  makeDirectory(_path: string): Promise<void> {
    return this.#perform('makeDirectory', nothing, nothing)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#perform('rename', () => this.#disk.move(from, to), nothing)
  }

  remove(path: string): Promise<void> {
    return this.#perform('remove', () => this.#disk.drop(path), nothing)
  }

  syncDirectory(path: string): Promise<void> {
    return this.#perform('syncDirectory', nothing, () => this.#disk.settleDirectory(path))
  }

  #perform<T>(operation: DiskOperation, begin: () => void, finish: () => T): Promise<T> {
    return this.#disk.perform(this.#epoch, operation, begin, finish)
  }
}

class SimulatedFile implements File {
  readonly #disk: SimulatedDisk
  readonly #epoch: number
  readonly #data: SimulatedFileData
  readonly #options: OpenOptions
  #closed = false

  constructor(disk: SimulatedDisk, epoch: number, data: SimulatedFileData, options: OpenOptions) {
    this.#disk = disk
    this.#epoch = epoch
    this.#data = data
    this.#options = options
    disk.openFiles++
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.writePieces([bytes], position)
  }

  writePieces(pieces: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = Buffer.concat(pieces)
    let settle: () => void
    return this.#perform(
      'write',
      () => {
        this.#requireWritable()
        this.#disk.allocate(Math.max(0, position + bytes.length - this.#data.size))
        settle = this.#data.write(bytes, position)
      },
      () => {
        // A real disk reads the bytes at some moment while the write is under way.
        if (!bytes.equals(Buffer.concat(pieces))) throw new Error('bytes were changed while they were written')
        if (this.#options.durable !== true) return
        settle()
        this.#disk.settleCreation(this.#data)
      },
    )
  }

  writePiecesNow(pieces: readonly Uint8Array[], position: number): void {
    if (this.#closed) throw diskError('EBADF', 'the file is closed')
    if (this.#options.durable === true) throw new Error('a durable write would block the event loop')
    this.#disk.performNow(this.#epoch, 'write', () => {
      this.#requireWritable()
      const bytes = Buffer.concat(pieces)
      this.#disk.allocate(Math.max(0, position + bytes.length - this.#data.size))
      this.#data.write(bytes, position)
    })
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#perform('read', nothing, () => this.#data.read(into, position))
  }

  sync(): Promise<void> {
    let settle: () => void
    return this.#perform(
      'sync',
      () => {
        settle = this.#data.sync()
      },
      () => {
        settle()
        this.#disk.settleCreation(this.#data)
      },
    )
  }

  truncate(size: number): Promise<void> {
    return this.#perform(
      'truncate',
      () => {
        this.#requireWritable()
        this.#disk.allocate(Math.max(0, size - this.#data.size))
        this.#data.truncate(size)
      },
      nothing,
    )
  }

  size(): Promise<number> {
    return this.#perform('size', nothing, () => this.#data.size)
  }

  close(): Promise<void> {
    return this.#perform('close', nothing, () => {
      this.#closed = true
      this.#disk.openFiles--
    })
  }

  #requireWritable(): void {
    if (!this.#options.write) throw diskError('EBADF', 'the file is open for reading only')
  }

  #perform<T>(operation: DiskOperation, begin: () => void, finish: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(diskError('EBADF', 'the file is closed'))
    return this.#disk.perform(this.#epoch, operation, begin, finish)
  }
}

function nothing(): void {}

function diskError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
