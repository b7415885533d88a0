/**
 * A thread of our own that has the cold store's LevelDB open beside the event loop's. It does what may take its time: it asks LevelDB about
 * itself, and reads values one after the other, over memory that both threads share.
 *
 * Where the system has the pages, such a read takes a few microseconds, and what the pool's threads need beside it costs more than it: a
 * piece of work for each few ids, threads that wait for each other at LevelDB's one lock, and results made on the event loop. Here a batch costs the event
 * loop two atomic operations and one wake-up; then the values lie where they can be copied from.
 *
 * The database has to be closed here before LevelDB is, or that stays open. A thread that fails is not started again: then the pool reads
 * everything. Whatever it cannot read, or has no room for, it leaves to the pool, which says why.
 */
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { byteCopyBytesMax, copyBytes } from '../engine/memory/word-copy.ts'
import type { TimedReads } from './cold-read-queue.ts'

/** Ids of a batch, and bytes of their values. */
export const batchIdsMax = 64
const batchBytes = 128 << 10

/** Words of the shared memory: what the thread sleeps on, questions that it has to leave its reading for, the state of the batch. */
const wakeWord = 0
const questionsWord = 1
const stateWord = 2
const controlWords = 3
const idle = 0
const asked = 1
const answered = 2

/** In the place of a value's end: there is none under this id; it was not read. */
const missing = -1
const unread = -2

/** The thread's program is text, so that it is there in whatever form the sources are run. */
const program = `
const { parentPort, workerData } = require('node:worker_threads')
const { ClassicLevel } = require(workerData.module)
const { control, batch } = workerData
let db
const work = {
  open: async () => {
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
    const opened = new ClassicLevel(workerData.directory, { multithreading: true, createIfMissing: false, ...encodings })
    await opened.open()
    db = opened
  },
  ask: () => [Number(db.getProperty('leveldb.num-files-at-level0')), db.getProperty('leveldb.stats')],
  close: () => {
    const closing = db.close()
    db = undefined
    return closing
  },
}
const key = Buffer.alloc(8)
function read({ figures, ids, ends, bytes }) {
  const startMs = performance.now()
  let end = 0
  for (let i = 0; i < figures[0]; i++) {
    let value
    try {
      key.writeUIntBE(ids[i], 2, 6)
      value = db.getSync(key)
    } catch {
      ends[i] = ${unread}
      continue
    }
    if (value === undefined) ends[i] = ${missing}
    else if (end + value.length > bytes.length) ends[i] = ${unread}
    else {
      bytes.set(value, end)
      end += value.length
      ends[i] = end
    }
  }
  figures[1] = performance.now() - startMs
}
function readIfAsked() {
  if (Atomics.load(control, ${stateWord}) !== ${asked}) return false
  read(batch)
  Atomics.store(control, ${stateWord}, ${answered})
  Atomics.notify(control, ${stateWord})
  return true
}
function serve() {
  while (db !== undefined && Atomics.load(control, ${questionsWord}) === 0) {
    const seen = Atomics.load(control, ${wakeWord})
    if (!readIfAsked() && Atomics.load(control, ${questionsWord}) === 0) Atomics.wait(control, ${wakeWord}, seen)
  }
}
let last = Promise.resolve()
parentPort.on('message', (name) => {
  last = last
    .then(() => work[name]())
    .then((result) => parentPort.postMessage({ result }), (failure) => parentPort.postMessage({ failure: String(failure) }))
    .then(() => {
      Atomics.sub(control, ${questionsWord}, 1)
      serve()
    })
})
`

/** Ids that are to be read, and then their values one behind the other, by where each ends. */
interface Batch {
  /** How many ids there are, and how many milliseconds reading them took. */
  readonly figures: Float64Array
  readonly ids: Float64Array
  readonly ends: Int32Array
  readonly bytes: Uint8Array
}

interface Answer {
  readonly result?: unknown
  readonly failure?: string
}

type Question = 'open' | 'ask' | 'close'

/** Reads ids where the thread has not; results in their order. */
export type OtherReads = (ids: readonly number[]) => Promise<(Buffer | undefined)[]>

export class LevelThread {
  readonly #worker: Worker
  readonly #control = new Int32Array(new SharedArrayBuffer(controlWords * 4))
  readonly #batch = makeBatch()
  /** Those who wait for an answer, in the order of their questions. */
  readonly #waiting: ((answer: Answer) => void)[] = []
  /** Whether a batch is under way, and who wants to hear when none is. */
  #isReading = false
  #whenIdle: () => void = () => undefined
  #isOpen = false
  #hasEnded = false

  constructor(directory: string) {
    const module = createRequire(import.meta.url).resolve('classic-level')
    this.#worker = new Worker(program, {
      eval: true,
      workerData: { module, directory, control: this.#control, batch: this.#batch },
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 1 },
    })
    this.#worker.on('message', (answer: Answer) => this.#waiting.shift()?.(answer))
    this.#worker.on('error', () => this.#end())
    this.#worker.on('exit', () => this.#end())
    this.#worker.unref()
  }

  /** Joins the database, which the event loop's thread has opened. */
  async open(): Promise<void> {
    const { failure } = await this.#send('open')
    this.#isOpen = failure === undefined
  }

  /** What LevelDB tells about itself: the files in level 0, and its table of levels. Undefined when it cannot be asked. */
  async ask(): Promise<readonly [level0Files: number, levels: string] | undefined> {
    if (!this.#isOpen) return undefined
    const { result } = await this.#send('ask')
    return result as readonly [number, string] | undefined
  }

  /**
   * Reads up to `batchIdsMax` ids, those that the thread cannot read with `others`. Undefined while it reads a batch, and when it has not the database
   * open.
   */
  read(ids: readonly number[], others: OtherReads): Promise<TimedReads> | undefined {
    if (!this.#isOpen || this.#isReading) return undefined
    const { figures, ids: asks } = this.#batch
    figures[0] = ids.length
    for (let i = 0; i < ids.length; i++) asks[i] = ids[i]!
    this.#isReading = true
    this.#worker.ref()
    Atomics.store(this.#control, stateWord, asked)
    this.#wake()
    return this.#answer(ids, others)
  }

  /** Lets the database go, so that closing it closes it. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#isReading) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
    await this.#send('close')
  }

  /** Ends the thread. */
  async end(): Promise<void> {
    await this.close()
    this.#end()
    await this.#worker.terminate()
  }

  async #answer(ids: readonly number[], others: OtherReads): Promise<TimedReads> {
    await this.#answered()
    const { values, left } = takeValues(this.#batch, ids.length)
    const ms = this.#batch.figures[1]!
    Atomics.store(this.#control, stateWord, idle)
    this.#isReading = false
    this.#restsIfIdle()
    this.#whenIdle()
    if (left !== undefined) {
      const found = await others(left.map((i) => ids[i]!))
      for (const [i, at] of left.entries()) values[at] = found[i]
    }
    return { values, ms }
  }

  /**
   * Resolves when the batch has been read. Who is woken looks again: the thread may be held up between its answer and its notice of it, and that
   * notice then comes while the next batch is under way.
   */
  async #answered(): Promise<void> {
    for (;;) {
      const { async: isLater, value: later } = Atomics.waitAsync(this.#control, stateWord, asked)
      if (!isLater) return
      await later
    }
  }

  #send(question: Question): Promise<Answer> {
    if (this.#hasEnded) return Promise.resolve({ failure: 'the thread has ended' })
    // Whoever waits for an answer keeps the process up.
    this.#worker.ref()
    return new Promise((resolve) => {
      this.#waiting.push((answer) => {
        this.#restsIfIdle()
        resolve(answer)
      })
      Atomics.add(this.#control, questionsWord, 1)
      this.#wake()
      this.#worker.postMessage(question)
    })
  }

  #wake(): void {
    Atomics.add(this.#control, wakeWord, 1)
    Atomics.notify(this.#control, wakeWord)
  }

  #restsIfIdle(): void {
    if (this.#waiting.length === 0 && !this.#isReading) this.#worker.unref()
  }

  /** The thread is no more: what it has not read is left to others. */
  #end(): void {
    this.#hasEnded = true
    this.#isOpen = false
    for (const answer of this.#waiting.splice(0)) answer({ failure: 'the thread has ended' })
    if (Atomics.load(this.#control, stateWord) !== asked) return
    this.#batch.ends.fill(unread)
    Atomics.store(this.#control, stateWord, answered)
    Atomics.notify(this.#control, stateWord)
  }
}

function makeBatch(): Batch {
  return {
    figures: new Float64Array(new SharedArrayBuffer(16)),
    ids: new Float64Array(new SharedArrayBuffer(batchIdsMax * 8)),
    ends: new Int32Array(new SharedArrayBuffer(batchIdsMax * 4)),
    bytes: new Uint8Array(new SharedArrayBuffer(batchBytes)),
  }
}

/** Copies the values out of the memory, which the next batch will overwrite; `left` are the places of those that were not read. */
function takeValues({ ends, bytes }: Batch, count: number): { values: (Buffer | undefined)[]; left: number[] | undefined } {
  const values: (Buffer | undefined)[] = new Array(count).fill(undefined)
  let left: number[] | undefined
  let start = 0
  for (let i = 0; i < count; i++) {
    const end = ends[i]!
    if (end >= 0) {
      const value = Buffer.allocUnsafe(end - start)
      if (end - start <= byteCopyBytesMax) copyBytes(bytes, start, end, value, 0)
      else value.set(bytes.subarray(start, end))
      values[i] = value
      start = end
    } else if (end === unread) {
      left ??= []
      left.push(i)
    }
  }
  return { values, left }
}
