/**
 * The log under crashes and damage. Run counts scale by MORAINE_TEST_SCALE (1 unless set); fast-check prints the seed and path
 * of a failure, to be put into `fc.assert`'s parameters.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameHeader, logSeed } from '../../wal/record.ts'
import { SEGMENT_HEADER_BYTES } from '../../wal/segment.ts'
import { LogCorrupt } from '../../wal/transaction-log.ts'
import { testRuns } from '../chance.ts'
import { LOG_DIRECTORY, LogRun } from '../simulation/log-run.ts'

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 12 }),
      bytes: fc.integer({ min: 30, max: 1500 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.constant(1), bytes: fc.integer({ min: 8000, max: 40_000 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), keep: fc.nat({ max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('second' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('policy' as const),
      policy: fc.constantFrom('always' as const, 'everysec' as const, 'no' as const),
    }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

async function perform(run: LogRun, todo: Step): Promise<void> {
  switch (todo.kind) {
    case 'append':
      for (let i = 0; i < todo.count; i += 1) run.append(todo.bytes)
      break
    case 'commit':
      return run.commit()
    case 'flush':
      run.log.flush()
      break
    case 'trim':
      return run.trim(run.log.committed - todo.keep)
    case 'reopen':
      await run.close()
      return run.open()
    case 'second':
      run.clock.advance(1000)
      break
    case 'policy':
      await run.commit()
      run.syncPolicy = todo.policy
      run.log.setSyncPolicy(todo.policy)
      break
  }
}

describe('the local log on a disk that loses power', () => {
  it('keeps every promised record, whatever the operation at which it stops', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(fc.record({ steps: fc.array(step, { minLength: 3, maxLength: 25 }), crashAfter: fc.integer({ min: 1, max: 120 }) }), {
          minLength: 1,
          maxLength: 4,
        }),
        async (seed, lives) => {
          const run = new LogRun(seed)
          for (const life of lives) {
            run.disk.crashAt(run.disk.operations + life.crashAfter)
            try {
              await run.open()
              for (const todo of life.steps) await perform(run, todo)
            } catch (error) {
              if (!run.disk.isOff) throw error
            }
            run.crash()
          }
          await run.open()
          run.append(100)
          await run.close()
          await run.open()
        },
      ),
      { numRuns: testRuns(300) },
    )
  })

  it('fails loudly and loses nothing when the k-th operation fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(step, { minLength: 5, maxLength: 30 }),
        fc.integer({ min: 1, max: 150 }),
        fc.constantFrom('EIO', 'ENOSPC'),
        async (seed, steps, failAfter, code) => {
          const run = new LogRun(seed)
          run.disk.failAt(run.disk.operations + failAfter, code)
          try {
            await run.open()
            for (const todo of steps) await perform(run, todo)
          } catch (error) {
            expect(String(error)).toMatch(new RegExp(`${code}|failed before|can commit no more`))
          }
          run.crash()
          await run.open()
        },
      ),
      { numRuns: testRuns(300) },
    )
  })
})

/** A log of several groups in several segments; where its frames are. */
async function makeLog(seed: number, groups: readonly number[]) {
  const run = new LogRun(seed)
  await run.open()
  const lastOfGroup: number[] = []
  for (const [index, count] of groups.entries()) {
    for (let i = 0; i < count; i += 1) run.append(60 + ((index * 37 + i * 11) % 700))
    await run.commit()
    lastOfGroup.push(run.log.committed)
  }
  return { run, lastOfGroup }
}

/** Path, offset and header of every frame. */
function frames(run: LogRun, names: readonly string[]) {
  const found: { path: string; offset: number; bytes: number; bodyBytes: number; firstLsn: number; lastLsn: number }[] = []
  for (const name of names) {
    const path = `${LOG_DIRECTORY}/${name}`
    const bytes = run.disk.contents(path)
    const header = new FrameHeader()
    const seed = logSeed(run.log.logId)
    for (let at = SEGMENT_HEADER_BYTES; at + 32 <= bytes.length && header.decode(bytes, at, seed); at += header.frameBytes) {
      const { firstLsn, lastLsn, bodyBytes, frameBytes } = header
      found.push({ path, offset: at, bytes: frameBytes, bodyBytes, firstLsn, lastLsn })
    }
  }
  return found
}

async function segmentNames(run: LogRun): Promise<string[]> {
  return (await run.disk.list(LOG_DIRECTORY)).filter((name) => name.endsWith('.log'))
}

/** Opens; true when it opened (and was compared with the model), false when it was refused as corrupt. */
async function opens(run: LogRun, knownCommitted = 0): Promise<boolean> {
  try {
    await run.open(knownCommitted)
    return true
  } catch (error) {
    if (!(error instanceof LogCorrupt)) throw error
    expect(error.file.startsWith(LOG_DIRECTORY)).toBe(true)
    expect(error.message).toContain(`(${error.file}, offset ${error.offset})`)
    return false
  }
}

const groupSizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 14 })

describe('the local log with damaged files', () => {
  it('refuses a flipped bit in any frame of a cleanly closed log', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), groupSizes, fc.nat(), fc.nat(), async (seed, groups, pick, bit) => {
        const { run } = await makeLog(seed, groups)
        await run.close()
        const all = frames(run, await segmentNames(run)).filter((frame) => frame.lastLsn >= frame.firstLsn)
        const frame = all[pick % all.length]!
        const at = bit % ((32 + frame.bodyBytes) * 8)
        run.disk.damage(frame.path, (bytes) => {
          bytes[frame.offset + (at >> 3)]! ^= 1 << (at & 7)
        })
        expect(await opens(run)).toBe(false)
      }),
      { numRuns: testRuns(150) },
    )
  })

  it('after a crash, a flipped bit costs at most the last group, and is refused anywhere else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), groupSizes, fc.nat(), fc.nat(), async (seed, groups, pick, bit) => {
        const { run, lastOfGroup } = await makeLog(seed, groups)
        const vouched = lastOfGroup.at(-2)!
        run.crash()
        const all = frames(run, await segmentNames(run))
        const frame = all[pick % all.length]!
        const at = bit % ((32 + frame.bodyBytes) * 8)
        run.disk.damage(frame.path, (bytes) => {
          bytes[frame.offset + (at >> 3)]! ^= 1 << (at & 7)
        })
        run.safe = vouched
        const opened = await opens(run)
        if (frame.firstLsn <= vouched) expect(opened).toBe(false)
        else if (opened) expect(run.log.appended).toBe(frame.firstLsn - 1)
      }),
      { numRuns: testRuns(150) },
    )
  })

  it('refuses any loss when told what had been committed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        groupSizes,
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 3000 }),
        async (seed, groups, pick, from, length) => {
          const { run } = await makeLog(seed, groups)
          const known = run.log.committed
          run.crash()
          const names = await segmentNames(run)
          const path = `${LOG_DIRECTORY}/${names[pick % names.length]}`
          run.disk.damage(path, (bytes) => bytes.fill(0, from % bytes.length, Math.min(bytes.length, (from % bytes.length) + length)))
          run.safe = 0
          if (await opens(run, known)) expect(run.log.appended).toBe(known)
        },
      ),
      { numRuns: testRuns(150) },
    )
  })

  it('refuses a segment that was cut, or is missing in the middle', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.nat(), fc.boolean(), async (seed, pick, size, cut) => {
        const { run } = await makeLog(seed, [10, 40, 40, 40, 10])
        run.crash()
        const names = await segmentNames(run)
        expect(names.length).toBeGreaterThan(2)
        if (cut) {
          run.disk.cut(`${LOG_DIRECTORY}/${names[pick % names.length]}`, size % run.segmentBytes)
        } else {
          run.disk.lose(`${LOG_DIRECTORY}/${names[1 + (pick % (names.length - 2))]}`)
        }
        expect(await opens(run)).toBe(false)
      }),
      { numRuns: testRuns(60) },
    )
  })
})
