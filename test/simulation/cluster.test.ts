/**
 * Some simulations of a cluster, each with its own seed, and servers and logs that are faulty on purpose, which must be found out. `npm run simulate -- --cluster` goes on
 * for as long as one likes, and `npm run explore` tries other seeds.
 */
import { describe, expect, it } from 'vitest'
import type { Server } from '../../server/server.ts'
import { testRuns, testSeed } from '../chance.ts'
import type { ClusterOptions, ClusterResult } from './cluster.ts'
import { simulateCluster, stepsOf } from './cluster.ts'
import { explainCluster } from './cluster-explanation.ts'

/** So few see nearly every kind of fault. */
const runsMin = 3
const runs = Math.max(runsMin, testRuns(6))
const seedsMax = 60

describe('nodes that share a log', () => {
  const total: Record<string, number> = { epochs: 0, records: 0, operations: 0 }

  it(`lose nothing that anybody saw, and agree: seeds ${testSeed} to ${testSeed + runs - 1}`, async () => {
    for (let i = 0; i < runs; i++) {
      const result = await simulateCluster(testSeed + i)
      if (result.failure !== undefined) throw new Error(await explainCluster(result), { cause: result.failure })
      const { epochs, records, operations } = result
      for (const [name, count] of Object.entries({ epochs, records, operations, ...result.faults }))
        total[name] = (total[name] ?? 0) + count
    }
    const { epochs, records, operations, ...faults } = total
    expect(epochs).toBeGreaterThan(2 * runs)
    expect(Math.min(records as number, operations as number)).toBeGreaterThan(10 * runs)
    // A run has a dozen faults or two, of as many kinds: which ones it has is up to chance.
    expect(Object.keys(faults).length, Object.keys(faults).join()).toBeGreaterThan(6)
  })

  it('do the same for the same seed', async () => {
    const [once, again] = [await simulateCluster(testSeed), await simulateCluster(testSeed)]
    expect(again).toEqual(once)
    expect((await simulateCluster(testSeed + 1)).trace).not.toBe(once.trace)
  })
})

/** Runs seeds until one fails. */
async function firstFailure(planted: ClusterOptions): Promise<ClusterResult> {
  for (let seed = testSeed; seed < testSeed + seedsMax; seed++) {
    const result = await simulateCluster(seed, planted)
    if (result.failure !== undefined) return result
  }
  throw new Error('nothing was found')
}

async function found(planted: ClusterOptions): Promise<string> {
  return (await firstFailure(planted)).failure?.message ?? ''
}

/** Changes each shard that a server serves from. */
function onShard(change: (server: Server) => void): (server: Server) => void {
  return (server) => {
    change(server)
    const connectShard = server.connectShard.bind(server)
    server.connectShard = (shard) => {
      connectShard(shard)
      change(server)
    }
  }
}

/** Faults by which nodes fall behind a log that is trimmed meanwhile. */
const behind = ['crash', 'stop', 'cut', 'checkpoint']

describe('the simulation of a cluster finds', () => {
  it('a primary that does not watch its lease', async () => {
    const onServer = ({ roles }: Server): void => {
      roles.mayAnswer = () => true
    }
    expect(await found({ onServer, faults: ['cut'] })).toMatch(/answers as the primary|no order of the operations|comes in the list before/)
  })

  it('replies that leave before their record is committed', async () => {
    const onServer = onShard(({ primary }) => {
      const run = primary.run.bind(primary)
      primary.run = (...request) => {
        run(...request)
        return 0
      }
    })
    expect(await found({ onServer })).toContain('which is not committed')
  })

  it('a log that tells a leader of the past that its record is written', async () => {
    const failure = await found({
      faults: ['cut'],
      // The lease alone would keep it from telling anybody.
      onServer: ({ roles }) => {
        roles.mayAnswer = () => true
      },
      onEngine: (engine) => {
        const write = engine.write.bind(engine)
        engine.write = (...entry) => (write(...entry) === 'early' ? 'early' : 'written')
      },
    })
    expect(failure).toMatch(/which is not committed|answers as the primary/)
  })

  it('a log that lets claim who has not read all of it', async () => {
    const failure = await found({
      faults: ['stop', 'cut', 'slow'],
      onEngine: (engine) => {
        const claim = engine.claim.bind(engine)
        engine.claim = (_read, ...about) => claim(engine.entries.length, ...about)
      },
    })
    expect(failure).not.toBe('')
  })

  it('a replica that leaves out a record', async () => {
    const onServer = onShard(({ shard }) => {
      const replay = shard!.replay
      const apply = replay.apply.bind(replay)
      replay.apply = (record) => {
        if (record.lsn % 20 !== 0) return apply(record)
        replay.applied = record.lsn
        return undefined
      }
    })
    expect(await found({ onServer })).toMatch(
      /hold different data|missing|expected|has shown|no order|is not in the list|cannot start|not /,
    )
  })

  it('a primary that trims what is in no checkpoint', async () => {
    const onServer = onShard(({ shard }) => {
      const { log } = shard!
      const trim = log.trim.bind(log)
      log.trim = () => trim(log.committed)
    })
    expect(await found({ onServer })).toMatch(/the log is trimmed up to record \d+, which \d nodes have in a checkpoint/)
  })

  it('a copy that leaves out a value', async () => {
    const onServer = ({ copies }: Server): void => {
      const values = copies.values.bind(copies)
      copies.values = async (id) => (await values(id)).slice(1)
    }
    expect(await found({ onServer, faults: behind })).toMatch(/cold value|value \d+|missing/)
  })

  it('a primary that answers after it has handed over the lead', async () => {
    const onServer = (server: Server): void => {
      server.roles.handOver = async (successor) => server.shard!.log.leadership!.release(Buffer.from(successor))
    }
    expect(await found({ onServer, faults: ['failover'] })).toMatch(
      /answers as the primary|no order of the operations|is not led from here/,
    )
  })

  it('a hand-over to nobody, which takes a part of a lease', async () => {
    const onServer = ({ roles }: Server): void => {
      const handOver = roles.handOver.bind(roles)
      roles.handOver = () => handOver('nobody')
    }
    expect(await found({ onServer, faults: ['failover'] })).toMatch(/a planned hand-over has taken \d+ ms/)
  })

  it('and tells it with fewer steps', async () => {
    const onServer = ({ roles }: Server): void => {
      roles.mayAnswer = () => true
    }
    const planted = { onServer, faults: ['cut'] }
    const failed = await firstFailure(planted)
    let tries = 30
    const text = await explainCluster(failed, planted, () => tries-- > 0)
    expect(text).toContain(`--cluster --seed ${failed.seed} --runs 1`)
    expect(Number(/fails has (\d+) steps/.exec(text)?.[1])).toBeLessThan(stepsOf(failed.seed).length)
  })
})
