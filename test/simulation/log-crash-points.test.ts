import { describe, expect, it } from 'vitest'
import type { CrashPoint } from '../../wal/crash-points.ts'
import { CRASH_POINTS } from '../../wal/crash-points.ts'
import type { SyncPolicy } from '../../wal/transaction-log.ts'
import { LogRun } from './log-run.ts'

const SEEDS = 12

/** Passes every crash point at least once, the spare's twice. */
async function work(run: LogRun): Promise<void> {
  await run.open()
  for (let round = 0; round < 12; round += 1) {
    for (let i = 0; i < 6; i += 1) run.append(900)
    await run.commit()
    if (round % 4 === 3) await run.trim(run.log.committed - 10)
  }
  await run.close()
}

describe('a power cut at a crash point of the local log', () => {
  for (const syncPolicy of ['always', 'no'] satisfies SyncPolicy[]) {
    it.each(CRASH_POINTS)(`loses nothing that was promised: %s, ${syncPolicy}`, async (point: CrashPoint) => {
      let hits = 0
      for (let seed = 0; seed < SEEDS; seed += 1) {
        const run = new LogRun(seed)
        run.syncPolicy = syncPolicy
        await run.open()
        // An unfinished group, so that opening again has a tail to rewrite or cut.
        for (let i = 0; i < 5; i += 1) run.append(700)
        await run.commit()
        for (let i = 0; i < 8; i += 1) run.append(700)
        run.log.flush()
        run.crash()
        let countdown = 1 + (seed % 3)
        run.crashPoint = (reached) => {
          if (reached !== point) return
          countdown -= 1
          if (countdown !== 0) return
          hits += 1
          run.disk.powerOff()
        }
        await work(run).catch((error: Error) => expect(error.message).toContain('crash'))
        run.crash()
        run.crashPoint = () => undefined
        await run.open()
        await work(run)
      }
      expect(hits).toBeGreaterThan(0)
    })
  }
})
