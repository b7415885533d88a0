/**
 * A disk that fails under a real server: each kind of failure, once or for as long as it lasts, in the log, the cold store
 * and the catalog. Afterwards either acknowledged writes go on, or a writer is told why not; INFO, /healthz and the log say
 * so; nobody waits for ever; when the disk works again so does the server, if it can; and after a kill and a start on a
 * sound disk every acknowledged write is there.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FaultRule } from './disk-faults.ts'
import { compileDiskFaults, DiskFaults, enospc } from './disk-faults.ts'
import type { ServerProcess } from './processes.ts'
import { moraineIsBuilt, startMoraine, startMoraineWith, withFreePort } from './processes.ts'

const libraryDirectory = mkdtempSync(join(tmpdir(), 'moraine-faults-'))
const library = compileDiskFaults(libraryDirectory)
if (library === undefined) console.warn('No gcc, or no Linux: failures of the disk are not tested.')
const writerCount = 3
/** In one pipeline. */
const together = 8
const valueBytes = 5000
const pollMs = 20
/** For many faults on one server. */
const sequenceMs = 1_200_000
/** Longer than anything may take: for what waits for ever. */
const foreverMs = 180_000

afterAll(() => rmSync(libraryDirectory, { recursive: true, force: true }))

/** Bytes that do not compress. */
function valueFor(key: string): string {
  return createHash('shake256', { outputLength: valueBytes / 2 })
    .update(key)
    .digest('hex')
}

/** Looks again and again until `isSo` holds; fails after a time that says that it never will. */
async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + foreverMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** Sets keys of its own, each once, and remembers which were acknowledged and what was said otherwise. */
class SettingClient {
  readonly acknowledged: string[] = []
  readonly refusals: string[] = []
  closed = false
  /** After each pipeline. */
  pauseMs = 0
  #running = true
  #next = 0
  readonly #name: string
  readonly #client: Redis
  readonly #ended: Promise<void>

  constructor(name: string, port: number) {
    this.#name = name
    this.#client = new Redis(port, { retryStrategy: () => null, maxRetriesPerRequest: 0, commandTimeout: foreverMs })
    this.#client.on('error', () => undefined)
    this.#client.on('end', () => {
      this.closed = true
    })
    this.#ended = this.#run()
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#ended
    this.#client.disconnect()
  }

  async #run(): Promise<void> {
    while (this.#running && !this.closed) {
      const keys = Array.from({ length: together }, () => `${this.#name}:${this.#next++}`)
      const answers = await Promise.all(keys.map((key) => this.#client.set(key, valueFor(key)).catch((failure: Error) => failure)))
      for (const [i, answer] of answers.entries()) {
        if (answer === 'OK') this.acknowledged.push(keys[i] as string)
        else this.refusals.push((answer as Error).message)
      }
      await new Promise((resolve) => setTimeout(resolve, this.pauseMs))
    }
  }
}

type Outcome =
  /** Writes go on, perhaps after a while. */
  | 'goes on'
  /** Writers are refused while it lasts, and go on when it is over. */
  | 'refuses'
  /** Writes go on, but no checkpoint can be made while it lasts. */
  | 'no checkpoint'

interface Case {
  readonly name: string
  readonly rules: readonly FaultRule[]
  readonly flags?: readonly string[]
  readonly outcome: Outcome
  /** Whether the cold store must have been opened again. */
  readonly reopens?: boolean
  /** What makes the server do what is to fail, besides writers and checkpoints. */
  readonly provoke?: (client: Redis) => Promise<unknown>
}

const coldLog = 'cold/*.log'
const catalog = 'catalog-*'
const always = { times: -1 }

/** The log has failed after each of them: nothing is acknowledged until a restart. */
const fatal: readonly Omit<Case, 'outcome' | 'reopens'>[] = [
  { name: 'a write to the log', rules: [{ call: 'write', path: 'log/*.log' }] },
  {
    name: 'a log that is written in part, then full',
    rules: [
      { call: 'short', path: 'log/*.log', times: 1 },
      { call: 'write', path: 'log/*.log', skip: 1, times: -1, errno: enospc },
    ],
  },
  { name: 'a sync of the log', rules: [{ call: 'sync', path: 'log/*.log' }], flags: ['--appendfsync', 'everysec'] },
  { name: 'the opening of files in the log, for ever', rules: [{ call: 'open', path: 'log/*', ...always }] },
  { name: 'a new name in the log', rules: [{ call: 'rename', path: 'log/*.log' }] },
]

/** One after the other on one server, which gets over each of them. */
const passing: Readonly<Record<string, readonly Case[]>> = {
  'the log': [
    { name: 'a short write to the log', rules: [{ call: 'short', path: 'log/*.log' }], outcome: 'goes on' },
    { name: 'the removal of old segments', rules: [{ call: 'rename', path: 'log/spare-*', times: 2 }], outcome: 'goes on' },
    {
      name: 'the removal of a segment that was made for one large record',
      rules: [{ call: 'unlink', path: 'log/*', times: 2 }],
      outcome: 'goes on',
      provoke: (client) => client.set('large', 'x'.repeat(3 << 20)),
    },
  ],
  'the cold store': [
    { name: "a sync of LevelDB's log", rules: [{ call: 'sync', path: coldLog }], outcome: 'goes on', reopens: true },
    { name: "a sync of LevelDB's log, which loses data", rules: [{ call: 'lose', path: coldLog }], outcome: 'goes on', reopens: true },
    { name: 'a sync of a table', rules: [{ call: 'sync', path: 'cold/*.ldb' }], outcome: 'goes on', reopens: true },
    { name: "a sync of LevelDB's manifest", rules: [{ call: 'lose', path: 'cold/MANIFEST-*' }], outcome: 'goes on', reopens: true },
    { name: "a write to LevelDB's log", rules: [{ call: 'write', path: coldLog, times: 3 }], outcome: 'goes on' },
    { name: "a short write to LevelDB's log", rules: [{ call: 'short', path: coldLog }], outcome: 'goes on' },
    { name: "the opening of LevelDB's next log", rules: [{ call: 'open', path: coldLog }], outcome: 'goes on' },
    { name: 'the opening of a table', rules: [{ call: 'open', path: 'cold/*.ldb' }], outcome: 'goes on' },
    {
      name: 'all syncs of the cold store, for ever',
      rules: [{ call: 'sync', path: 'cold/*', ...always }],
      outcome: 'refuses',
      reopens: true,
    },
    {
      name: "all syncs of LevelDB's files, for ever, with data lost",
      rules: [
        { call: 'lose', path: coldLog, ...always },
        { call: 'sync', path: 'cold/*.ldb', ...always },
      ],
      outcome: 'refuses',
      reopens: true,
    },
    { name: 'all writes to the cold store, for ever', rules: [{ call: 'write', path: 'cold/*', ...always }], outcome: 'refuses' },
    {
      name: 'a full disk under the cold store',
      rules: [{ call: 'write', path: 'cold/*', ...always, errno: enospc }],
      outcome: 'refuses',
    },
    {
      name: 'the new name by which LevelDB opens',
      rules: [
        { call: 'lose', path: coldLog },
        { call: 'rename', path: 'cold/CURRENT', times: 3 },
      ],
      outcome: 'goes on',
      reopens: true,
    },
    { name: "the removal of LevelDB's old files", rules: [{ call: 'unlink', path: 'cold/*', times: 20 }], outcome: 'goes on' },
  ],
  'the catalog': [
    { name: 'a write to the catalog', rules: [{ call: 'write', path: catalog }], outcome: 'goes on' },
    { name: 'a short write to the catalog', rules: [{ call: 'short', path: catalog }], outcome: 'goes on' },
    { name: 'a sync of the catalog, which loses data', rules: [{ call: 'lose', path: catalog }], outcome: 'goes on' },
    { name: 'all syncs of the catalog, for ever', rules: [{ call: 'lose', path: catalog, ...always }], outcome: 'no checkpoint' },
    {
      name: 'the opening of a new catalog',
      rules: [
        { call: 'sync', path: catalog },
        { call: 'open', path: catalog, times: 2 },
      ],
      outcome: 'goes on',
    },
    {
      name: 'the removal of the old catalog',
      rules: [
        { call: 'sync', path: catalog },
        { call: 'unlink', path: catalog, times: 2 },
      ],
      outcome: 'goes on',
    },
  ],
}

describe.skipIf(!moraineIsBuilt || library === undefined)('a disk that fails', () => {
  let root: string
  let directory: string
  let faults: DiskFaults
  let server: ServerProcess | undefined
  let metricsPort = 0
  let operator: Redis
  let writers: SettingClient[] = []

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'moraine-faulty-disk-'))
    directory = join(root, 'data')
    await mkdir(directory)
    faults = new DiskFaults(library as string, directory)
  })

  afterEach(async () => {
    operator?.disconnect()
    await server?.stop()
    server = undefined
    await rm(root, { recursive: true, force: true })
  })

  function flags(): string[] {
    const small = [
      '--maxmemory',
      '32mb',
      '--log-segment-bytes',
      '2mb',
      '--checkpoint-log-bytes',
      '8mb',
      '--checkpoint-interval-seconds',
      '2',
    ]
    return ['--dir', directory, ...small]
  }

  async function startFaulty(more: readonly string[]): Promise<ServerProcess> {
    return withFreePort((port) => {
      metricsPort = port
      return startMoraineWith(faults, ...flags(), '--metrics-port', `${port}`, ...more)
    })
  }

  async function info(field: string): Promise<string> {
    return new RegExp(`^${field}:(.*)\r$`, 'm').exec(await operator.info('everything'))?.[1] ?? ''
  }

  async function health(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${metricsPort}/healthz`)
    return `${response.status} ${(await response.text()).trim()}`
  }

  async function everyWriterGoesOn(): Promise<void> {
    for (const writer of writers) {
      const before = writer.acknowledged.length
      await until('a writer goes on', () => writer.acknowledged.length > before + 5 * together)
    }
  }

  async function checkAll(port: number): Promise<void> {
    const client = new Redis(port, { commandTimeout: foreverMs })
    try {
      for (const { acknowledged } of writers) {
        for (let at = 0; at < acknowledged.length; at += 100) {
          const keys = acknowledged.slice(at, at + 100)
          const values = await Promise.all(keys.map((key) => client.get(key)))
          for (const [i, key] of keys.entries()) if (values[i] !== valueFor(key)) throw new Error(`${key}: ${values[i]?.slice(0, 40)}`)
        }
      }
    } finally {
      client.disconnect()
    }
  }

  async function logFails(): Promise<void> {
    for (const writer of writers) await until('a writer is cut off or refused', () => writer.closed || writer.refusals.length > 0)
    expect(await info('log_failed')).toBe('1')
    expect(await info('aof_last_write_status')).toBe('err')
    expect(await health()).toMatch(/^503 the log has failed: /)
    await expect(operator.set('late', 'x')).rejects.toThrow(/^MISCONF Errors writing to the AOF file: /)
    const key = writers[0]?.acknowledged[0] as string
    expect(await operator.get(key)).toBe(valueFor(key))
    await expect.poll(() => server?.lines.join('\n')).toContain('The log failed')
  }

  async function refuses(): Promise<void> {
    for (const writer of writers) await until('a writer is refused', () => writer.refusals.length > 0)
    for (const { refusals } of writers)
      for (const refusal of refusals) expect(refusal).toMatch(/^MISCONF Errors writing to the cold store: .*Memory is full/)
    // A checkpoint that began before may not have failed yet.
    await until('INFO tells of it', async () => {
      const told = [await info('tier_write_status'), await info('tier_writes_refused'), await info('rdb_last_bgsave_status')]
      return told.join() === 'err,1,err'
    })
    expect(await health()).toMatch(/^503 memory cannot be written out: /)
    expect(await operator.del('nothing')).toBe(0)
  }

  /** A server under load, with values on disk and a checkpoint. */
  async function begin(more: readonly string[] = []): Promise<void> {
    server = await startFaulty(more)
    const { port } = server
    operator = new Redis(port, { commandTimeout: foreverMs })
    operator.on('error', () => undefined)
    writers = Array.from({ length: writerCount }, (_, i) => new SettingClient(`w${i}`, port))
    await until('values are cold, and there is a checkpoint', async () => {
      return Number(await info('tier_cold_values')) > 100 && Number(await info('checkpoints')) > 0
    })
    for (const writer of writers) writer.pauseMs = pollMs
  }

  async function hit({ rules, provoke }: Pick<Case, 'rules' | 'provoke'>): Promise<void> {
    const before = faults.hits.length
    faults.order(...rules)
    const lasting = rules.filter(({ times }) => times === -1)
    const groups = [...rules.filter(({ times }) => times !== -1).map((rule) => [rule]), ...(lasting.length === 0 ? [] : [lasting])]
    // Of several that last one may hide the others.
    for (const group of groups) {
      await until(`${group.map(({ call, path }) => `${call} of ${path}`).join(' or ')} has failed`, async () => {
        await provoke?.(operator)
        // A call that comes only with a checkpoint comes with one that is asked for.
        await operator.bgsave('SCHEDULE').catch(() => undefined)
        return faults.hits.slice(before).some((each) => group.some(({ call }) => each.startsWith(call)))
      })
    }
  }

  /** Every acknowledged write is there: now, and after a kill and a start on a sound disk. */
  async function end(): Promise<void> {
    await Promise.all(writers.map((writer) => writer.stop()))
    await checkAll((server as ServerProcess).port)
    await server?.stop('SIGKILL')
    server = await startMoraine(...flags())
    await checkAll(server.port)
  }

  async function noCheckpoint(): Promise<void> {
    await until('INFO tells of it', async () => {
      return (await info('tier_write_status')) === 'err' && (await info('rdb_last_bgsave_status')) === 'err'
    })
    expect(await health()).toMatch(/^503 memory cannot be written out: /)
    await everyWriterGoesOn()
  }

  async function getsOver(each: Case): Promise<void> {
    const { outcome, reopens = false } = each
    for (const writer of writers) writer.refusals.length = 0
    const reopened = Number(await info('tier_store_reopened'))
    await hit(each)
    if (outcome === 'refuses') await refuses()
    else if (outcome === 'no checkpoint') await noCheckpoint()
    faults.lift()
    await everyWriterGoesOn()
    // What has failed behind the server's back it hears of with the next write.
    if (reopens) await until('the cold store is opened again', async () => Number(await info('tier_store_reopened')) > reopened)
    await until('all is well again', async () => {
      const told = [await info('tier_write_status'), await info('rdb_last_bgsave_status'), await info('log_failed'), await health()]
      return told.join() === 'ok,ok,0,200 ok'
    })
    for (const { refusals } of writers)
      for (const refusal of refusals) expect(refusal).toMatch(/^MISCONF Errors writing to the cold store: /)
    if (reopens) await expect.poll(() => server?.lines.join('\n')).toContain('The cold store failed and was opened again')
  }

  for (const { name, rules, flags: more } of fatal) {
    it(
      `at ${name} refuses writes until it is started again`,
      async () => {
        await begin(more)
        await hit({ rules })
        await logFails()
        faults.lift()
        await end()
      },
      sequenceMs,
    )
  }

  for (const [place, cases] of Object.entries(passing)) {
    it(
      `in ${place} is overcome: ${cases.map(({ name }) => name).join('; ')}`,
      async () => {
        await begin()
        for (const each of cases) {
          await getsOver(each).catch((failure: Error) => {
            throw new Error(`at ${each.name}: ${failure.message}\n${server?.lines.slice(-10).join('\n')}`, { cause: failure })
          })
        }
        await end()
      },
      sequenceMs,
    )
  }

  it('lets no server start that cannot read or make what it needs, and one start when it can', async () => {
    await begin()
    await Promise.all(writers.map((writer) => writer.stop()))
    await server?.stop('SIGKILL')
    server = undefined
    for (const rule of [
      { call: 'open', path: catalog },
      { call: 'open', path: 'cold/CURRENT' },
      { call: 'sync', path: 'cold/MANIFEST-*' },
      { call: 'rename', path: 'cold/CURRENT' },
      { call: 'open', path: 'log/*.log' },
      { call: 'sync', path: catalog },
    ] as const) {
      faults.order({ ...rule, times: -1 })
      await expect(startMoraineWith(faults, ...flags()), `${rule.call} ${rule.path}`).rejects.toThrow(
        /Moraine cannot start: .*(EIO|Input\/output error)/,
      )
    }
    faults.lift()
    server = await startMoraine(...flags())
    await checkAll(server.port)
  })
})
