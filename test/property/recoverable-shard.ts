/**
 * A keyspace with its tier, cold store, catalog and log, and nothing of a server around it: it changes, is written out,
 * loses power and recovers as a shard does. While anything waits for a disk or a turn of the loop, more changes come.
 */
import { wantValue } from '../../engine/cold-wants.ts'
import { Compactor } from '../../engine/keyspace/compactor.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { CommitWaiters } from '../../server/shard/commit-waiters.ts'
import { LogReplay, restoreCatalog } from '../../server/shard/recovery.ts'
import { CatalogWriter } from '../../storage/catalog-writer.ts'
import { Checkpointer } from '../../storage/checkpoint.ts'
import type { Clock, Timer } from '../../storage/clock.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import { MemoryColdDisk, MemoryColdStore } from '../../storage/memory-cold-store.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { WriteOut } from '../../storage/write-out.ts'
import type { MemoryLog } from '../../wal/memory-log.ts'
import { leadMemoryLog } from '../../wal/memory-log.ts'
import { MemoryLogDisk } from '../../wal/memory-log-disk.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import type { KeyState } from './keyspace-check.ts'
import { checkKeyspace, contentsOf, entriesOf, keyOf, stateOf } from './keyspace-check.ts'
import { leafBytesMax } from './mutated-type.ts'
import type { Mutation } from './random-mutations.ts'
import { KeyspaceModel, mutate, withoutEncodings } from './random-mutations.ts'

export const tinySizes: Sizes = {
  arenaBytes: undefined,
  recordBytesMax: undefined,
  largeValueBytes: undefined,
  slicedValueBytes: undefined,
  digestBytes: 1000,
  treeLeafBytes: leafBytesMax,
  batchBytes: 3000,
  batchEntries: 5,
  coldPieceBytes: 90,
  catalogRecordsMin: 40,
  deletesPerBatch: 3,
}

const noProgress = () => ({ update() {}, finish() {} })

/** Moves on at every look, so that slices end, and tells when a turn ends. */
class RestlessClock implements Clock {
  readonly #betweenTurns: () => void
  #nowMs = 0

  constructor(betweenTurns: () => void) {
    this.#betweenTurns = betweenTurns
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs)
  }

  monotonicMs(): number {
    this.#nowMs += 0.4
    return this.#nowMs
  }

  afterTurn(work: () => void): void {
    queueMicrotask(() => {
      this.#betweenTurns()
      work()
    })
  }

  after(): Timer {
    throw new Error('nothing here sets timers')
  }
}

export class RecoverableShard {
  readonly random: SeededRandom
  readonly disk: SimulatedDisk
  readonly coldDisk = new MemoryColdDisk()
  readonly logDisk = new MemoryLogDisk()
  readonly #clock = new RestlessClock(() => this.#meanwhileOne())
  readonly #codec = new ValueCodec({ compressMinBytes: 100 })
  /** All records since the beginning, trimmed or not. */
  readonly history: Buffer[] = []
  model = new KeyspaceModel()
  /** What it was after each record, those before the first included. */
  readonly #models = [this.model.copy()]
  /** Records that are to come while something waits. */
  #meanwhile: (readonly Mutation[])[] = []
  keyspace!: Keyspace
  mutator!: Mutator
  tier!: Tier
  writeOut!: WriteOut
  checkpointer!: Checkpointer
  compactor!: Compactor
  log!: MemoryLog
  store!: MemoryColdStore

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.disk = new SimulatedDisk(this.random, { schedule: (work) => this.#later(work) })
  }

  /** Opens as a server's shard opens: catalog, then log. */
  async open(): Promise<void> {
    const files = this.disk.mount()
    const keyspace = new Keyspace(this.random, noObserver)
    keyspace.trees.leafBytesMax = leafBytesMax
    const mutator = new Mutator(keyspace)
    this.store = new MemoryColdStore(this.coldDisk)
    const tier = new Tier(
      keyspace,
      this.store,
      this.#codec,
      this.#clock,
      { demotes: true, valueBytesMin: 32, promote: 'always', ttlMinMs: 0 },
      () => undefined,
    )
    await files.makeDirectory('data')
    const restored = await restoreCatalog(files, 'data', keyspace, (value) => tier.isMovable(value), noProgress)
    restored?.finish(tier)
    const log = leadMemoryLog(this.logDisk, { clock: this.#clock, schedule: (work) => this.#later(work) })
    const waiters = new CommitWaiters(log)
    log.onCommitted = (lsn) => {
      waiters.committed(lsn)
      this.keyspace.committed(lsn)
    }
    const nextValueId = restored?.marker.nextValueId ?? 1
    await this.store.clearFrom(nextValueId)
    if (restored !== undefined) tier.staleIds = restored.freedIds
    keyspace.observer = tier
    const catalog = restored ? await CatalogWriter.resume(files, 'data', restored.end) : await CatalogWriter.create(files, 'data', 1)
    const { store } = this
    const committed = (lsn: number): Promise<void> => {
      log.flush()
      return waiters.wait(lsn)
    }
    const writeOut = new WriteOut({
      keyspace,
      tier,
      store,
      codec: this.#codec,
      clock: this.#clock,
      catalog,
      nextValueId,
      committed,
      sizes: tinySizes,
    })
    await new LogReplay(keyspace, mutator, tier, restored?.marker.checkpointLsn ?? 0).run(
      log,
      this.#clock,
      noProgress,
      async () => undefined,
    )
    const lastLsn = restored?.marker.checkpointLsn ?? 0
    const checkpointLog = {
      get appended() {
        return log.appended
      },
      id: Buffer.alloc(8),
      committed,
      noteChecksum: () => () => undefined,
      sync: () => log.sync(),
      trim: (upTo: number) => log.trim(upTo),
    }
    this.checkpointer = new Checkpointer({
      keyspace,
      tier,
      writeOut,
      catalog,
      store,
      files,
      directory: 'data',
      clock: this.#clock,
      log: checkpointLog,
      lastLsn,
      sizes: tinySizes,
    })
    Object.assign(this, { keyspace, mutator, tier, writeOut, log, compactor: new Compactor(keyspace) })
  }

  /** One record of several mutations, as EXEC makes; cold values are fetched first. */
  async change(record: readonly Mutation[]): Promise<void> {
    const cold = this.#coldOf(record)
    if (cold !== undefined) {
      await this.tier.fetch(cold)
      this.tier.admit(cold)
    }
    this.#apply(record)
    this.tier.settle()
  }

  /** Runs work of the background while `records` come. Whatever the work does not leave room for comes after it. */
  async during<T>(records: readonly (readonly Mutation[])[], work: () => Promise<T>): Promise<T> {
    this.#meanwhile = [...records]
    try {
      return await work()
    } finally {
      const rest = this.#meanwhile
      this.#meanwhile = []
      for (const record of rest) await this.change(record)
    }
  }

  /** As `during`, with what `next` gives tried at every point at which the work waits for anything, each microtask counting. */
  async interleaved<T>(next: () => readonly Mutation[] | undefined, work: () => Promise<T>): Promise<T> {
    let isDone = false
    const working = work().finally(() => {
      isDone = true
    })
    const changing = (async () => {
      while (!isDone) {
        const record = next()
        if (record !== undefined && this.#coldOf(record) === undefined) this.#apply(record)
        await Promise.resolve()
      }
    })()
    const [result] = await Promise.allSettled([working, changing])
    await changing
    if (result.status === 'rejected') throw result.reason
    return result.value
  }

  /** Loses power, and with it what chance picks of all that no sync covers, and recovers. */
  async crash(): Promise<void> {
    this.#meanwhile = []
    this.disk.crash()
    this.coldDisk.fail('write', 'EIO', 0)
    this.coldDisk.fail('sync', 'EIO', 0)
    this.coldDisk.crash(this.random)
    this.logDisk.crash(this.random)
    this.history.length = this.logDisk.first - 1 + this.logDisk.records.length
    await this.open()
  }

  /** What the log says: all records ever, applied to an empty keyspace. */
  replayedHistory(): Keyspace {
    const keyspace = new Keyspace(new SeededRandom(5), noObserver)
    keyspace.trees.leafBytesMax = leafBytesMax
    const mutator = new Mutator(keyspace)
    mutator.recording = false
    const replay = new Replay(keyspace, mutator)
    for (const [i, payload] of this.history.entries()) replay.apply(i + 1, payload)
    return keyspace
  }

  /** All keys with their values, cold ones read. */
  async contents(): Promise<Map<string, KeyState>> {
    const contents = new Map<string, KeyState>()
    for (const [number, physical] of this.keyspace.logical.entries()) {
      for (const ref of entriesOf(this.keyspace, physical)) {
        const set = new ColdSet(this.keyspace.trees)
        wantValue(this.keyspace, ref, set)
        if (set.items.length > 0) {
          await this.tier.fetch(set)
          this.tier.admit(set)
        }
        contents.set(`${number}/${keyOf(this.keyspace, ref)}`, stateOf(this.keyspace, ref))
        this.tier.settle()
      }
    }
    return contents
  }

  /** After a crash the model is what the log kept. */
  async check(): Promise<void> {
    checkKeyspace(this.keyspace)
    const expected = contentsOf(this.replayedHistory())
    const found = await this.contents()
    if (!same(found, expected)) throw new Error(difference(found, expected))
    for (const { flushedLsn } of this.keyspace.databases)
      if (flushedLsn > this.history.length) throw new Error('a flush is ahead of the log')
  }

  /** The model is what it was when the last record that survived was made. */
  resetModel(): void {
    this.#models.length = this.history.length + 1
    this.model = (this.#models.at(-1) as KeyspaceModel).copy()
  }

  matchesModel(): boolean {
    return same(withoutEncodings(contentsOf(this.replayedHistory())), this.model.contents())
  }

  #apply(record: readonly Mutation[]): void {
    const { mutator, log } = this
    mutator.begin(log.appended + 1)
    for (const each of record) mutate(this.keyspace, mutator, this.model, each)
    this.keyspace.forgetLookUp()
    if (mutator.operations === 0) return
    this.history.push(Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end)))
    this.#models[this.history.length] = this.model.copy()
    log.append(mutator.record.bytes, 0, mutator.record.end)
  }

  #coldOf(record: readonly Mutation[]): ColdSet | undefined {
    const set = new ColdSet(this.keyspace.trees)
    // A move needs nothing of a value.
    if (record.every((each) => each.do === 'move' || each.do === 'delete' || each.do === 'expire')) return undefined
    for (const each of record) {
      if (each.do === 'flush' || each.do === 'swap') continue
      const key = Buffer.from(each.key, 'latin1')
      for (const db of [0, 1, 2]) {
        this.keyspace.forgetLookUp()
        const ref = this.keyspace.find(db, key, 0, key.length)
        if (ref !== 0) wantValue(this.keyspace, ref, set)
      }
    }
    this.keyspace.forgetLookUp()
    return set.items.length > 0 ? set : undefined
  }

  #meanwhileOne(): void {
    const next = this.#meanwhile[0]
    if (next === undefined || this.#coldOf(next) !== undefined) return
    this.#meanwhile.shift()
    this.#apply(next)
    if (this.random.nextUint32() % 8 === 0) this.compactor.step()
  }

  #later(work: () => void): void {
    queueMicrotask(() => {
      this.#meanwhileOne()
      work()
    })
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b))
}

/** Maps as sorted lists. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return [...value].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, plain(each)])
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
}

function difference(found: ReadonlyMap<string, KeyState>, expected: ReadonlyMap<string, KeyState>): string {
  for (const key of new Set([...found.keys(), ...expected.keys()])) {
    const [is, was] = [JSON.stringify(plain(found.get(key))), JSON.stringify(plain(expected.get(key)))]
    if (is !== was) return `${key.slice(0, 40)} is ${is?.slice(0, 600)}, but by the log ${was?.slice(0, 600)}`
  }
  return 'the order differs'
}
