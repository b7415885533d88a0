/** What is logged, in which form, and how progress shows. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { LogLevel } from '../../server/logging.ts'
import { createLog, MemoryLog } from '../../server/logging.ts'
import { progressTo } from '../../server/progress.ts'
import type { Clock } from '../../storage/clock.ts'

function capture() {
  let text = ''
  const write = (line: string) => {
    text += line
  }
  return { stream: { write }, text: () => text }
}

describe('the log', () => {
  it('is JSON without a terminal, with fields and the stack of errors', () => {
    const out = capture()
    const log = createLog({ level: 'notice', file: '', terminal: false, stream: out.stream })
    log.with({ part: 'log' }).warn('sync failed', { lsn: 7, error: new Error('no space') })
    const line = JSON.parse(out.text())
    expect(line).toMatchObject({ level: 40, msg: 'sync failed', part: 'log', lsn: 7, pid: process.pid, error: { message: 'no space' } })
    expect(line.error.stack).toContain('logging.test.ts')
    expect(new Date(line.time).getTime()).toBeGreaterThan(0)
  })

  it('rounds durations, and only those', () => {
    const out = capture()
    const log = createLog({ level: 'notice', file: '', terminal: false, stream: out.stream })
    log.info('done', { durationMs: 12.345678901234, loadMs: 1234.5678, seconds: 0.0123456789, wholeMs: 123456, share: 0.123456789 })
    const line = JSON.parse(out.text())
    expect(line).toMatchObject({ durationMs: 12.3, loadMs: 1235, seconds: 0.0123, wholeMs: 123456, share: 0.123456789 })
  })

  it.each<[LogLevel, string[]]>([
    ['debug', ['e', 'w', 'i', 'd']],
    ['verbose', ['e', 'w', 'i', 'd']],
    ['notice', ['e', 'w', 'i']],
    ['warning', ['e', 'w']],
  ])('shows at level %s: %j', (level, shown) => {
    const out = capture()
    const log = createLog({ level: 'warning', file: '', terminal: false, stream: out.stream })
    log.setLevel(level)
    log.error('e')
    log.warn('w')
    log.info('i')
    log.debug('d')
    const texts = out.text().trim().split('\n')
    expect(texts.map((line) => JSON.parse(line).msg)).toEqual(shown)
  })

  it('goes to a file, which grows', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'moraine-log-'))
    try {
      const file = join(folder, 'moraine.log')
      createLog({ level: 'notice', file, terminal: true }).info('one')
      createLog({ level: 'notice', file, terminal: true }).info('two')
      const lines = (await readFile(file, 'utf8')).trim().split('\n')
      expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['one', 'two'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('is readable on a terminal', async () => {
    const stream = new PassThrough()
    const log = createLog({ level: 'notice', file: '', terminal: true, stream })
    const line = new Promise<string>((resolve) => stream.once('data', (bytes: Buffer) => resolve(bytes.toString())))
    log.info('ready', { port: 6379 })
    const text = await line
    expect(text).toMatch(/INFO.*ready/)
    expect(() => JSON.parse(text)).toThrow()
  })
})

describe('progress', () => {
  function clockAt(now: { ms: number }): Clock {
    const never = () => {
      throw new Error('not used')
    }
    return { wallMs: () => now.ms, monotonicMs: () => now.ms, afterTurn: never, after: never }
  }

  it('logs at most every two seconds, and the end', () => {
    const now = { ms: 100 }
    const log = new MemoryLog()
    const progress = progressTo({ clock: clockAt(now), log })('replay', 1_000_000, 'records')
    for (let done = 0; done <= 1_000_000; done += 100_000) {
      progress.update(done)
      now.ms += 500
    }
    progress.finish()
    expect(log.lines.map((line) => line.text)).toEqual([
      'replay: 40% (400,000 of 1,000,000 records, 200,000/s)',
      'replay: 80% (800,000 of 1,000,000 records, 200,000/s)',
      'replay: 1,000,000 records in 5.5 s',
    ])
  })

  it('draws a bar on a terminal', () => {
    const now = { ms: 0 }
    const log = new MemoryLog()
    let drawn = ''
    const terminal = Object.assign(new PassThrough(), {
      isTTY: true,
      columns: 100,
      cursorTo: () => true,
      clearLine: () => true,
      moveCursor: () => true,
    })
    terminal.on('data', (bytes: Buffer) => {
      drawn += bytes.toString()
    })
    const progress = progressTo({ clock: clockAt(now), log, terminal })('replay', 200, 'records')
    now.ms = 1000
    progress.update(100)
    progress.finish()
    expect(drawn).toContain('replay [')
    expect(drawn).toMatch(/50% \| 100\/200 records \| 100\/s/)
    expect(log.lines).toHaveLength(1)
  })
})
