/** A data directory that is in use, from the future, or damaged: the server refuses to start and says what and where. */
import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine } from './processes.ts'

/** Bytes that do not compress. */
function noiseOf(i: number): string {
  return createHash('shake256', { outputLength: 1000 }).update(`${i}`).digest('hex')
}

describeWith([builtMoraine], 'a data directory', () => {
  let directory: string
  let server: ServerProcess | undefined

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'moraine-bad-day-'))
  })

  afterEach(async () => {
    await server?.stop()
    server = undefined
    await rm(directory, { recursive: true, force: true })
  })

  /** Two checkpoints, then a few records in the log, then the end of the server without a word. */
  async function fill(): Promise<void> {
    for (const [name, signal] of [
      ['k', 'SIGTERM'],
      ['more', 'SIGTERM'],
      ['later', 'SIGKILL'],
    ] as const) {
      server = await startMoraine('--dir', directory)
      const client = new Redis(server.port)
      client.on('error', () => undefined)
      for (let i = 0; i < 100; i++) await client.set(`${name}${i}`, noiseOf(i))
      client.disconnect()
      await server.stop(signal)
      server = undefined
    }
  }

  async function pathOf(folder: string, wanted: RegExp): Promise<string> {
    const name = (await readdir(join(directory, folder))).filter((each) => wanted.test(each)).sort()[0]
    if (name === undefined) throw new Error(`no ${wanted} in ${folder}: ${await readdir(join(directory, folder))}`)
    return join(directory, folder, name)
  }

  async function change(path: string, offset: number, byte: (before: number) => number): Promise<void> {
    const file = await open(path, 'r+')
    const one = Buffer.alloc(1)
    await file.read(one, 0, 1, offset)
    one[0] = byte(one[0] as number)
    await file.write(one, 0, 1, offset)
    await file.close()
  }

  async function refusal(): Promise<string> {
    try {
      server = await startMoraine('--dir', directory)
    } catch (failure) {
      return (failure as Error).message
    }
    throw new Error('the server has started')
  }

  it('that another server uses is refused, and its pid is named', async () => {
    const first = await startMoraine('--dir', directory)
    try {
      expect(await refusal()).toMatch(new RegExp(`\\b${first.pid}\\b`))
    } finally {
      await first.stop()
    }
  })

  it('can be used at once after a kill', async () => {
    await (await startMoraine('--dir', directory)).stop()
    server = await startMoraine('--dir', directory)
  })

  it('with a catalog of a newer format is refused', async () => {
    await fill()
    const path = await pathOf('.', /catalog/)
    const whole = join(directory, 'whole')
    await copyFile(path, whole)
    const size = (await stat(path)).size
    expect(size).toBeGreaterThan(100)
    await change(path, 8, (before) => before + 1)
    expect(await refusal()).toMatch(/catalog/)
    await copyFile(whole, path)
    await rm(whole)
    server = await startMoraine('--dir', directory)
  })

  for (const [what, at] of [
    ['in its beginning', 0.1],
    ['before its last checkpoint', 0.3],
  ] as const) {
    it(`with a catalog damaged ${what} is refused, with file and offset`, async () => {
      await fill()
      const path = await pathOf('.', /catalog/)
      await change(path, Math.floor((await stat(path)).size * at), (before) => before ^ 0x10)
      const said = await refusal()
      expect(said).toContain(path)
      expect(said).toMatch(/offset \d+/)
    })
  }

  it('with a damaged log is refused, with file and offset', async () => {
    await fill()
    const path = await pathOf('log', /\.log$/)
    await change(path, 4096 + 5000, (before) => before ^ 0x10)
    const said = await refusal()
    expect(said).toContain(path)
    expect(said).toMatch(/offset \d+/)
  })

  it('that has lost its log is refused: a checkpoint knows that there was one', async () => {
    await fill()
    await rm(join(directory, 'log'), { recursive: true })
    expect(await refusal()).toMatch(/log/)
  })

  it('with a damaged value serves all other values, and says which one is damaged', async () => {
    await fill()
    const names = await readdir(join(directory, 'cold'))
    const tables = names.filter((name) => /\.(ldb|log)$/.test(name))
    for (const name of tables) {
      const path = join(directory, 'cold', name)
      const { size } = await stat(path)
      if (size > 10_000) await change(path, Math.floor(size / 2), (before) => before ^ 0x10)
    }
    let said = ''
    try {
      server = await startMoraine('--dir', directory)
    } catch (failure) {
      said = (failure as Error).message
    }
    if (server !== undefined) {
      const client = new Redis(server.port)
      const wrong: string[] = []
      for (let i = 0; i < 100; i++) {
        const value = await client.get(`k${i}`).catch((failure: Error) => failure)
        if (value instanceof Error) said += value.message
        else if (value !== noiseOf(i)) wrong.push(`k${i}`)
      }
      client.disconnect()
      expect(wrong).toEqual([])
    }
    expect(said).toMatch(/corrupt|cold/i)
  })
})
