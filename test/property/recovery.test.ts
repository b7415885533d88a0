/**
 * Fuzzy checkpoints and the log after them give the exact state: random records of several mutations, write-outs,
 * demotions, checkpoints, failures of disks and crashes, with more records in the middle of everything that waits.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import { mutation } from './random-mutations.ts'
import { RecoverableShard } from './recoverable-shard.ts'

const runs = testRuns(30)

const record = fc.oneof(
  { weight: 3, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.array(mutation, { minLength: 2, maxLength: 6 }) },
)
const meanwhile = fc.array(record, { maxLength: 10 })
const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant('change' as const), record }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('cool' as const), count: fc.integer({ min: 1, max: 12 }), meanwhile }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('demote' as const), count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('checkpoint' as const), meanwhile }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('fail' as const), what: fc.constantFrom('sync', 'write', 'open', 'cold write', 'cold sync') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash during' as const), operation: fc.integer({ min: 1, max: 12 }), meanwhile }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A failure that was ordered may hit; anything else is a mistake. */
function expectDiskFailure(failure: unknown): void {
  const { code, name } = failure as { code?: string; name?: string }
  if (code !== 'EIO' && code !== 'ENOSPC' && name !== 'SimulatedCrash') throw failure
}

async function crash(shard: RecoverableShard): Promise<void> {
  await shard.crash()
  await shard.check()
  shard.resetModel()
}

async function apply(shard: RecoverableShard, s: Step): Promise<void> {
  if (s.do === 'change') await shard.change(s.record)
  else if (s.do === 'cool') await shard.during(s.meanwhile, () => shard.writeOut.step(s.count)).catch(expectDiskFailure)
  else if (s.do === 'checkpoint') await shard.during(s.meanwhile, () => shard.checkpointer.run()).catch(expectDiskFailure)
  else if (s.do === 'demote') for (let i = 0; i < s.count; i++) shard.tier.demoteOne()
  else if (s.do === 'release') shard.tier.lazyFree.step()
  else if (s.do === 'compact') shard.compactor.step()
  else if (s.do === 'crash') await crash(shard)
  else if (s.do === 'crash during') {
    shard.disk.crashAt(shard.disk.operations + s.operation)
    await shard.during(s.meanwhile, () => shard.checkpointer.run()).catch(expectDiskFailure)
    await crash(shard)
  } else if (s.what === 'cold write' || s.what === 'cold sync') shard.coldDisk.fail(s.what === 'cold write' ? 'write' : 'sync', 'EIO', 1)
  else shard.disk.failNext(s.what as 'sync' | 'write' | 'open', s.what === 'write' ? 'ENOSPC' : 'EIO')
}

describe('checkpoint and log', () => {
  it('give the exact state after any crash', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_000_000), fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }), async (seed, steps) => {
        const shard = new RecoverableShard(seed)
        await shard.open()
        for (const each of steps) await apply(shard, each)
        expect(shard.matchesModel()).toBe(true)
        // Whatever failed before: once the disks work, a checkpoint succeeds, and frees what is stale.
        shard.coldDisk.fail('write', 'EIO', 0)
        shard.coldDisk.fail('sync', 'EIO', 0)
        // Only a new generation of the catalog opens a file: that may not come to it in six checkpoints.
        shard.disk.cancelFailures()
        for (let i = 0; i < 6; i++) await shard.checkpointer.run().catch(expectDiskFailure)
        while (shard.tier.lazyFree.any) shard.tier.lazyFree.step()
        await shard.checkpointer.run()
        await shard.checkpointer.run()
        expect(shard.logDisk.records.length).toBe(0)
        await shard.check()
        await crash(shard)
      }),
      { numRuns: runs, interruptAfterTimeLimit: 50_000 },
    )
  })
})
