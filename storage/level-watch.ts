/**
 * What LevelDB tells about itself, asked for in a thread of its own. LevelDB answers under the one lock of its database, which it also
 * holds while it makes and removes files, for a tenth of a second at times: nobody on the event loop may wait for that.
 *
 * Both threads have the same database open (`multithreading`), so the watch has to be closed before LevelDB is, or that stays open.
 * A thread that fails is not started again: the figures then stay what they were, which costs LevelDB's own throttling.
 */
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { LevelFigures } from './level-figures.ts'
import { tableBytes } from './level-figures.ts'

/** The thread's program is text, so that it is there in whatever form the sources are run. */
const program = `
const { parentPort, workerData } = require('node:worker_threads')
const { ClassicLevel } = require(workerData.module)
let db
const work = {
  open: () => {
    db = new ClassicLevel(workerData.directory, { multithreading: true, createIfMissing: false })
    return db.open()
  },
  ask: () => [Number(db.getProperty('leveldb.num-files-at-level0')), db.getProperty('leveldb.stats')],
  close: () => db.close(),
}
let last = Promise.resolve()
parentPort.on('message', (name) => {
  last = last.then(() => work[name]()).then((result) => parentPort.postMessage({ result }), (failure) => parentPort.postMessage({ failure: String(failure) }))
})
`

interface Answer {
  readonly result?: readonly [level0Files: number, levels: string] | undefined
  readonly failure?: string
}

export class LevelWatch {
  /** As last heard. */
  figures: LevelFigures = { level0Files: 0, tableBytes: 0 }
  readonly #worker: Worker
  /** Those who wait for an answer, in the order of their questions. */
  readonly #waiting: ((answer: Answer) => void)[] = []
  #asking: Promise<void> | undefined
  #isOpen = false
  #hasEnded = false

  constructor(directory: string) {
    const module = createRequire(import.meta.url).resolve('classic-level')
    this.#worker = new Worker(program, {
      eval: true,
      workerData: { module, directory },
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

  /** Resolves when `figures` are of a moment after the call. */
  async renew(): Promise<void> {
    // An answer that is on its way may be of a moment before.
    await this.#asking
    await this.refresh()
  }

  /** Resolves when `figures` are new, be it of a question that was asked before. */
  refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<void> {
    if (!this.#isOpen) return
    const { result } = await this.#send('ask')
    if (result !== undefined) this.figures = { level0Files: result[0], tableBytes: tableBytes(result[1]) }
  }

  /** Lets the database go, so that closing it closes it. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#send('close')
  }

  /** Ends the thread. */
  async end(): Promise<void> {
    await this.close()
    this.#end()
    await this.#worker.terminate()
  }

  #send(question: 'open' | 'ask' | 'close'): Promise<Answer> {
    if (this.#hasEnded) return Promise.resolve({ failure: 'the thread has ended' })
    // Whoever waits for an answer keeps the process up.
    this.#worker.ref()
    return new Promise((resolve) => {
      this.#waiting.push((answer) => {
        if (this.#waiting.length === 0) this.#worker.unref()
        resolve(answer)
      })
      this.#worker.postMessage(question)
    })
  }

  #end(): void {
    this.#hasEnded = true
    for (const answer of this.#waiting.splice(0)) answer({ failure: 'the thread has ended' })
  }
}
