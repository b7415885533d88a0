/**
 * Runs scripts, one at a time: each is one atomic record of what its commands have changed. A script that takes long is left alone every
 * few milliseconds so that the server goes on: until `busy-reply-threshold` other requests wait, then they are told that it is busy.
 */
import type { Arguments } from '../../engine/arguments.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import type { Clock } from '../../storage/clock.ts'
import type { ColdSet } from '../../storage/cold-set.ts'
import type { Gate } from '../gate.ts'
import type { Outcome } from './interpreter.ts'
import { Interpreter } from './interpreter.ts'
import { Libraries } from './libraries.ts'
import type { RegisteredFunction } from './library-loader.ts'
import type { Decision } from './protected-call.ts'
import { ReplyMaker } from './reply-maker.ts'
import type { Script } from './script-cache.ts'
import { readScript, ScriptCache } from './script-cache.ts'
import type { ScriptClient, ScriptRights, ScriptServer } from './script-calls.ts'
import { ScriptCalls } from './script-calls.ts'

export interface ScriptingHost extends ScriptServer {
  readonly clock: Clock
  readonly gate: Gate
  /** How long a script may keep others waiting before they are told. 0: for ever. */
  readonly busyThresholdMs: number
  readonly memoryBytesMax: number
  /** Lets nothing else change the keyspace, or write it out, until the returned function is called. */
  holdRecord(): () => void
  /** What it has changed so far never becomes a record. */
  giveUpChanges(): void
  /** What was read for a run may leave memory again. */
  settle(): void
  /** A later turn begins. */
  beginTurn(): void
  /** A broken invariant was met in a later turn. */
  broke(failure: unknown): void
}

/** One run of a script or a function. */
export interface ScriptJob {
  readonly client: ScriptClient
  /** In the interpreter. */
  readonly reference: number
  /** The script's SHA-1 or the function's name. */
  readonly name: string
  readonly isFunction: boolean
  readonly rights: ScriptRights
  readonly args: Arguments
  readonly firstKey: number
  readonly keyCount: number
  /** In EXEC nothing may wait. */
  readonly mayWait: boolean
  /** How often it has begun before. */
  readonly restarts: number
  /** Called when it ends in a later turn, with what writes its reply. */
  readonly endsLater: (write: () => void) => void
}

/** A reply is there; the run has to be repeated when `wanted` is fetched; or it goes on in later turns. */
export type Started = 'ended' | 'again' | 'suspended'

interface Running {
  readonly job: ScriptJob
  readonly startMs: number
  readonly now: number
  /** Of the script's own client: what SELECT has made of it. */
  database: number
  sliceEndsMs: number
  ticks: number
  isKilled: boolean
  isBusy: boolean
  release: (() => void)[]
}

const killedText = 'Script killed by user with SCRIPT KILL...'
const stuckText = 'Script killed by the server: it has exceeded busy-reply-threshold in a place where it cannot be interrupted'
const sliceMs = 10
/** How long the text of a library may run. */
const loadMsMax = 500
const loadTicksMax = 2000
/** Where the clock stands still during a turn, as in a simulation. */
const ticksMax = 32
/** Of an interpreter without any script in it. */
const initialBytes = 16 * 1024 * 1024
/** One that has become so large is given up when it has nothing to do. */
const keptBytesMax = 64 * 1024 * 1024

export class Scripting {
  readonly cache = new ScriptCache()
  readonly libraries: Libraries
  readonly #host: ScriptingHost
  readonly #calls: ScriptCalls
  #interpreter: Interpreter | undefined
  #maker!: ReplyMaker
  #running: Running | undefined
  #stopped = false

  constructor(host: ScriptingHost) {
    this.#host = host
    this.#calls = new ScriptCalls(host)
    this.libraries = new Libraries(this)
  }

  /** What is being run and has been suspended. */
  get running(): { readonly job: ScriptJob; readonly ms: number } | undefined {
    const running = this.#running
    return running === undefined ? undefined : { job: running.job, ms: this.#host.clock.monotonicMs() - running.startMs }
  }

  /** Why requests are refused: a script has been running for too long. */
  get busyText(): string | undefined {
    const running = this.#running
    if (running === undefined || !running.isBusy) return undefined
    const kind = running.job.isFunction ? 'FUNCTION' : 'SCRIPT'
    return `BUSY Redis is busy running a script. You can only call ${kind} KILL or SHUTDOWN NOSAVE.`
  }

  get interpreterBytes(): number {
    if (this.#interpreter === undefined) return 0
    const { usedBytes, heldBytes } = this.#interpreter.lua
    return heldBytes > initialBytes ? heldBytes : usedBytes
  }

  get memoryBytes(): number {
    return this.interpreterBytes + this.cache.bytes + this.libraries.bytes
  }

  /** What the run that has to be repeated waits for. */
  get wanted(): ColdSet {
    return this.#calls.wanted as ColdSet
  }

  /** The interpreter, made when it is first wanted. */
  get interpreter(): Interpreter {
    this.#interpreter ??= this.#makeInterpreter()
    return this.#interpreter
  }

  /** The script with this text, known from now on; or why it is none. */
  load(buffer: Buffer, start: number, end: number): Script | string {
    const found = this.cache.lookUp(buffer, start, end)
    if (typeof found !== 'string') return this.#compiled(found)
    const script = readScript(found, Buffer.from(buffer.subarray(start, end)))
    if (typeof script === 'string') return script
    const compiled = this.#compiled(script)
    if (typeof compiled !== 'string') this.cache.add(script)
    return compiled
  }

  find(sha: string): Script | string | undefined {
    const script = this.cache.find(sha)
    return script === undefined ? undefined : this.#compiled(script)
  }

  /** Compiles and runs the text of a library, behind its first line. What it registers, or an error's text. */
  loadLibrary(code: Buffer): readonly RegisteredFunction[] | string {
    const { interpreter } = this
    const compiled = interpreter.compile(code, code.indexOf(0x0a), '@user_function')
    if (typeof compiled === 'string') return `Error compiling function: ${compiled}`
    const { clock } = this.#host
    const untilMs = clock.monotonicMs() + loadMsMax
    let ticks = 0
    interpreter.tick = () => (++ticks < loadTicksMax && clock.monotonicMs() < untilMs ? 'go on' : 'end')
    interpreter.endText = 'FUNCTION LOAD timeout'
    const registered = interpreter.loadLibrary(compiled)
    interpreter.end()
    return typeof registered === 'string' ? `Error registering functions: ${registered}` : registered
  }

  /** SCRIPT FLUSH. */
  flush(): void {
    this.cache.clear()
    this.#giveUpInterpreter()
  }

  /** Set by the libraries. Called when compiled functions are worth nothing any more. */
  onInterpreterGone: () => void = () => undefined

  run(job: ScriptJob): Started {
    const { clock, primary } = this.#host
    const { interpreter } = this
    const startMs = clock.monotonicMs()
    const { database } = job.client
    const release: Running['release'] = []
    const sliceEndsMs = startMs + sliceMs
    const running: Running = { job, startMs, now: primary.x.now, database, sliceEndsMs, ticks: 0, isKilled: false, isBusy: false, release }
    // The record begins first: what the one before it had is not this script's.
    primary.beginUnit()
    this.#calls.begin(job.client, job.args, job.rights, job.restarts, !job.mayWait)
    interpreter.tick = (maySuspend) => this.#tick(running, maySuspend)
    interpreter.endText = killedText
    const outcome = this.#within(running, () => {
      const { reference, args, firstKey, keyCount } = job
      return job.isFunction
        ? interpreter.runFunction(reference, args, firstKey, keyCount)
        : interpreter.run(reference, args, firstKey, keyCount)
    })
    if (outcome === 'suspended') {
      this.#suspend(running)
      return 'suspended'
    }
    const isRepeated = this.#calls.wanted !== undefined
    if (!isRepeated) this.#reply(job, outcome, job.client.reply)
    this.#end()
    const { hasWritten } = this.#calls
    const lsn = primary.endUnit()
    if (lsn !== 0) job.client.hold(lsn, hasWritten)
    if (job.mayWait) this.#host.settle()
    return isRepeated ? 'again' : 'ended'
  }

  /** SCRIPT KILL, FUNCTION KILL: an error's text, or undefined when it will end. */
  kill(functions: boolean): string | undefined {
    const running = this.#running
    if (running === undefined) return 'NOTBUSY No scripts in execution right now.'
    if (running.job.isFunction !== functions) return this.busyText
    if (this.#calls.hasWritten) {
      return 'UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.'
    }
    running.isKilled = true
    return undefined
  }

  /** Runs nothing any more. */
  stop(): void {
    this.#stopped = true
    if (this.#running !== undefined) this.#host.giveUpChanges()
  }

  /** Drops the run that is suspended, and what it has done with it: the shard that it works on is given up. */
  drop(): void {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    this.#host.giveUpChanges()
    this.#giveUpInterpreter()
    for (const each of running.release) each()
  }

  #compiled(script: Script): Script | string {
    if (script.reference !== 0) return script
    const compiled = this.interpreter.compile(script.source, script.start, '@user_script')
    if (typeof compiled === 'string') return `ERR Error compiling script (new function): ${compiled}`
    script.reference = compiled
    return script
  }

  #makeInterpreter(): Interpreter {
    const interpreter = new Interpreter(this.#host.memoryBytesMax, this.#calls)
    this.#calls.connect(interpreter.lua)
    this.#maker = new ReplyMaker(interpreter.lua)
    return interpreter
  }

  #giveUpInterpreter(): void {
    this.#interpreter = undefined
    this.cache.forgetReferences()
    this.onInterpreterGone()
  }

  /** Lets the script's client write its replies where the script reads them. */
  #within(running: Running, work: () => Outcome): Outcome {
    const { client } = running.job
    const { args, reply, database, inExec } = client
    client.reply = this.#calls.reply
    client.database = running.database
    client.inExec = true
    this.#calls.reply.onError = reply.onError
    const outcome = work()
    running.database = client.database
    client.args = args
    client.reply = reply
    client.database = database
    client.inExec = inExec
    return outcome
  }

  #tick(running: Running, maySuspend: boolean): Decision {
    if (running.isKilled) return 'end'
    if (!running.job.mayWait || !maySuspend) return this.#isStuck(running) ? 'end' : 'go on'
    return ++running.ticks < ticksMax && this.#host.clock.monotonicMs() < running.sliceEndsMs ? 'go on' : 'suspend'
  }

  /** Whether it must end because nobody could end it: it has kept everybody waiting for too long where it cannot be left alone. What it has written has to be whole. */
  #isStuck({ startMs, job }: Running): boolean {
    const { clock, busyThresholdMs, log } = this.#host
    if (busyThresholdMs === 0 || clock.monotonicMs() - startMs < busyThresholdMs || this.#calls.hasWritten) return false
    log.warn('A slow script was ended: where it was, others could not be served, nor SCRIPT KILL', { script: job.name })
    this.interpreter.endText = stuckText
    return true
  }

  #suspend(running: Running): void {
    if (this.#running === undefined) {
      this.#running = running
      running.release.push(this.#host.gate.hold(), this.#host.holdRecord())
      this.#calls.mayRestart = false
    }
    this.#host.clock.afterTurn(() => {
      try {
        if (!this.#stopped && this.#running === running) this.#goOn(running)
      } catch (failure) {
        this.#host.broke(failure)
      }
    })
  }

  #goOn(running: Running): void {
    const { clock, primary, busyThresholdMs, log } = this.#host
    this.#host.beginTurn()
    if (!running.isBusy && busyThresholdMs > 0 && clock.monotonicMs() - running.startMs >= busyThresholdMs) {
      running.isBusy = true
      log.warn('A slow script is running: others are told that the server is busy, until it ends or SCRIPT KILL ends it')
      running.release.shift()?.()
    }
    primary.x.now = running.now
    running.ticks = 0
    running.sliceEndsMs = clock.monotonicMs() + sliceMs
    const outcome = this.#within(running, () => this.interpreter.goOn())
    if (outcome === 'suspended') this.#suspend(running)
    else this.#endsLater(running, outcome)
  }

  /** The reply comes first, then what the record has to say to its client. A client that has left gets none. */
  #endsLater(running: Running, outcome: Outcome): void {
    const { job, release } = running
    job.endsLater(() => {
      this.#reply(job, outcome, job.client.reply)
      this.#endsUnit(job.client)
    })
    if (this.#running === running) this.#endsUnit(undefined)
    this.#host.settle()
    for (const each of release) each()
  }

  /** Appends the record of a run that has been suspended, for which its client's reply waits. */
  #endsUnit(client: ScriptClient | undefined): void {
    const { hasWritten } = this.#calls
    const lsn = this.#host.primary.endUnit()
    this.#running = undefined
    if (lsn !== 0) client?.hold(lsn, hasWritten)
    this.#end()
  }

  /** Writes the reply of a run that has ended. */
  #reply({ name }: ScriptJob, outcome: Outcome, reply: ReplyWriter): void {
    const { interpreter } = this
    if (outcome === 'failed') {
      const { text, place } = interpreter.failure
      reply.error(place === undefined ? text : `${text} script: ${name}, on ${place.source}:${place.line}.`)
      return
    }
    this.#maker.protocol = this.#calls.protocol
    const { position } = reply
    const { thread } = interpreter
    const isWritten = interpreter.use(() => this.#maker.write(thread, 1, reply))
    if (isWritten) return
    reply.rewindTo(position)
    reply.error('ERR not enough memory')
  }

  #end(): void {
    const interpreter = this.#interpreter as Interpreter
    interpreter.end()
    if (interpreter.lua.heldBytes > keptBytesMax) this.#giveUpInterpreter()
  }
}
