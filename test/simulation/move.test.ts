/** A node's data go from a log of its own to one that nodes share, and back, whatever happens in between. */
import { describe, expect, it } from 'vitest'
import { Config } from '../../server/config/config.ts'
import { moveToLocal, moveToShared } from '../../server/move/move.ts'
import type { OfflineData } from '../../server/move/offline-shard.ts'
import type { SharedLogs } from '../../server/ports.ts'
import { hasLocalLog } from '../../wal/local-log-files.ts'
import { ClusterScene } from './cluster-scene.ts'
import type { Machine } from './machine.ts'

const ok = '+OK\r\n'

class MovingScene extends ClusterScene {
  readonly written = new Map<string, string>()

  constructor(seed: number) {
    super(seed, { nodes: 2, config: { log: 'local', 'log-segment-bytes': 65536n } })
    this.logDisk.exists = false
  }

  get node(): Machine {
    return this.machines[0]!
  }

  /** As the real ones say what is there. */
  readonly shared: SharedLogs = {
    exists: async () => this.logDisk.exists,
    create: async (logId, after) => {
      const { exists, leader } = this.logDisk
      if (exists && (leader !== undefined || logId !== this.logDisk.logId)) throw new Error('there is a log')
      this.logDisk.begin(logId, after)
    },
  }

  data(): OfflineData {
    return { ports: this.node.ports(), values: new Config(this.values as unknown as Partial<Config['values']>).values }
  }

  /** Serves with this kind of log, looks for all that was written, writes more, and stops. */
  async use(log: 'local' | 'etcd', how: 'stop' | 'crash' = 'stop'): Promise<void> {
    this.values.log = log
    await this.startNode(this.node)
    await this.primary()
    const client = await this.client(this.node)
    for (const [key, value] of this.written) expect(await client.ask('GET', key)).toBe(`$${value.length}\r\n${value}\r\n`)
    for (let i = 0; i < 5; i++) {
      const key = `${this.written.size}`
      this.written.set(key, `written with ${log}`)
      expect(await client.ask('SET', key, `written with ${log}`)).toBe(ok)
    }
    if (how === 'stop') await this.settled(this.node.stop())
    else this.node.crash()
  }

  async moves(to: 'etcd' | 'local'): Promise<number> {
    const moving = to === 'etcd' ? moveToShared(this.data(), this.shared) : moveToLocal(this.data(), this.shared)
    return (await this.settled(moving)).lsn
  }

  hasOwnLog(): Promise<boolean> {
    return this.settled(hasLocalLog(this.node.ports().files, '/data/log'))
  }
}

describe('a move between logs', () => {
  it('goes there and back with all data, again and again, and another node starts from a copy', async () => {
    const scene = new MovingScene(1)
    await scene.use('local')
    for (let round = 0; round < 3; round++) {
      await scene.use('local', 'crash')
      const lsn = await scene.moves('etcd')
      expect(scene.logDisk).toMatchObject({ exists: true, first: lsn + 1, committed: lsn })
      expect(await scene.hasOwnLog()).toBe(false)
      expect(await scene.moves('etcd')).toBe(lsn)
      await scene.use('etcd', round === 1 ? 'crash' : 'stop')
      await scene.moves('local')
      expect(scene.logDisk.exists).toBe(false)
      await scene.moves('local')
      await scene.use('local')
    }
    await scene.moves('etcd')
    await scene.use('etcd')
    await scene.start()
    await scene.primary()
    await scene.caughtUp()
    await scene.pass(3000)
    // Nobody knew a checksum, so one has begun where the first node has led.
    expect(scene.logDisk.checksum!.since).toBeGreaterThan(0)
    for (const { server } of scene.replicas) expect(server!.shard!.replay.checksum!.comparedLsn).toBe(scene.logDisk.committed)
    const other = await scene.client(scene.machines[1]!)
    expect(await other.ask('GET', '3')).toBe('$18\r\nwritten with local\r\n')
  })

  it('is advised to who has records of its own, with the reason why the shared log could not be asked for them', async () => {
    const scene = new MovingScene(3)
    await scene.use('local')
    await scene.use('local', 'crash')
    scene.values.log = 'etcd'
    const advice = "has a log of its own, up to record 10, that is not in the shared one: 'moraine move --to etcd' moves it"
    await expect(scene.startNode(scene.node)).rejects.toThrow(
      `${advice}. Or is it there? The shared one could not be opened: the shared log has lost records`,
    )
    await scene.moves('etcd')
    await scene.use('etcd')
  })

  it('refuses while a node leads, and a log that another one uses', async () => {
    const scene = new MovingScene(2)
    await scene.use('local')
    scene.logDisk.exists = true
    scene.logDisk.logId = 77n
    await expect(scene.moves('etcd')).rejects.toThrow('there is a log')
    await scene.use('local')
    scene.logDisk.exists = false
    await scene.moves('etcd')
    await scene.use('etcd')
    await scene.startNode(scene.node)
    await scene.primary()
    await scene.startNode(scene.machines[1]!)
    await scene.primary()
    await scene.caughtUp()
    await scene.settled(scene.node.stop())
    const client = await scene.client(await scene.primary())
    const write = (): void => {
      client.send('SET', 'busy', 'x')
      scene.loop.schedule(50, write)
    }
    write()
    await expect(scene.moves('local')).rejects.toThrow('stop all nodes first')
  })

  it('does not start a node with the shared log that has changes of its own', async () => {
    const scene = new MovingScene(3)
    await scene.use('local')
    const { logDisk, node } = scene
    await scene.use('local', 'crash')
    const { lsn, logId } = await scene.settled(idOf(scene))
    logDisk.begin(logId, lsn)
    scene.values.log = 'etcd'
    await node.start()
    expect(node.failure?.message).toContain('moraine move --to etcd')
  })

  it.each(['etcd', 'local'] as const)('to %s can be cut short anywhere and repeated', async (to) => {
    for (let operations = 1, isCut = true; isCut; operations += 3) {
      const scene = new MovingScene(100 + operations)
      await scene.use('local')
      if (to === 'local') {
        await scene.moves('etcd')
        await scene.use('etcd')
      }
      const { disk } = scene.node
      disk.crashAt(disk.operations + operations)
      let isDone = false
      const moving = to === 'etcd' ? moveToShared(scene.data(), scene.shared) : moveToLocal(scene.data(), scene.shared)
      moving.then(
        () => {
          isDone = true
        },
        () => undefined,
      )
      await scene.loop.run(() => isDone || disk.isOff)
      isCut = disk.isOff
      scene.node.crash()
      // One of the two can be used as it is; the other one, if the first has not, after the move.
      if (to === 'etcd' && (await scene.hasOwnLog())) await scene.use('local', operations % 2 === 0 ? 'stop' : 'crash')
      if (to === 'local' && !(await scene.hasOwnLog())) await scene.use('etcd')
      await scene.moves(to)
      await scene.use(to)
      await scene.use(to)
    }
  })
})

async function idOf(scene: MovingScene): Promise<{ readonly logId: bigint; readonly lsn: number }> {
  const { withShard } = await import('../../server/move/offline-shard.ts')
  const found = await withShard(scene.data(), 'local', async ({ log }) => ({ logId: log.logId, lsn: log.appended - 1 }))
  return found
}
