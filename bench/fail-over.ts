/** For how long is no write acknowledged when the primary is killed, when it hands the lead over, and when etcd's leader is killed? */
import { loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from './context.ts'
import { redisCli } from './processes.ts'
import type { Answer, Question } from './report.ts'
import { GapWriter, SharedShard } from './shared-shard.ts'
import { barChart } from './svg-chart.ts'
import { count, decimal, median } from './table.ts'

/** Everybody has followed for a while before the next one. */
const restMs = 1500

export const failOver: Question = {
  name: 'fail-over',
  title: 'Fail-over',
  prediction:
    'Three nodes over three members of etcd on one machine, `leader-lease-ms` 2000, and one client that sets a key again and again at whichever node takes it. A gap is the longest time ' +
    'from one acknowledgement to the next. Aims for the median: at most 3 s when the primary is killed with -9, 200 ms when it hands the lead over (FAILOVER), 2.5 s when the member that leads etcd is killed.',
  diskBytes: () => 2e9,
  run: answer,
}

interface Kind {
  readonly name: string
  readonly aimMs: number
  /** Returns what is to be done before the next. */
  cause(shard: SharedShard): Promise<() => Promise<void>>
}

const kinds: readonly Kind[] = [
  {
    name: 'the primary is killed',
    aimMs: 3000,
    async cause(shard) {
      const node = await shard.primary()
      await node.stop('SIGKILL')
      return () => shard.startAgain(node)
    },
  },
  {
    name: 'the lead is handed over',
    aimMs: 200,
    async cause(shard) {
      await redisCli((await shard.primary()).port, 'FAILOVER')
      return async () => undefined
    },
  },
  {
    name: "etcd's leader is killed",
    aimMs: 2500,
    async cause(shard) {
      const member = await shard.etcdLeader()
      const ended = new Promise((resolve) => member.child.once('exit', resolve))
      member.child.kill('SIGKILL')
      await ended
      return async () => member.startAgain()
    },
  },
]

async function answer(context: Context): Promise<Answer> {
  const rounds = context.size(10, 3)
  const shard = await SharedShard.start(context, 3)
  const writer = new GapWriter(() => shard.ports)
  const shown = context.progress('fail-over', rounds * kinds.length, 'rounds')
  const results = kinds.map((kind) => ({ ...kind, gapsMs: [] as number[] }))
  for (let round = 0; round < rounds; round++) {
    for (const [i, { cause, gapsMs }] of results.entries()) {
      await shard.hasReplicas(2)
      await pause(restMs)
      writer.begin()
      const mend = await cause(shard)
      gapsMs.push(await writer.gapMs())
      await mend()
      await writer.more(100)
      shown.update(round * kinds.length + i + 1)
    }
  }
  shown.finish()
  await writer.stop()
  await shard.stop()
  return {
    aims: results.map(({ name, aimMs, gapsMs }) => {
      const middle = median(gapsMs)
      return { aim: `${name}: median gap ≤ ${count(aimMs)} ms`, measured: `${count(middle)} ms`, met: middle <= aimMs }
    }),
    tables: [
      {
        title: 'Time without an acknowledged write',
        columns: ['when', 'rounds', 'median ms', 'least ms', 'most ms'],
        rows: results.map(({ name, gapsMs }) => [
          name,
          count(gapsMs.length),
          count(median(gapsMs)),
          count(Math.min(...gapsMs)),
          count(Math.max(...gapsMs)),
        ]),
      },
    ],
    charts: [
      {
        name: 'gaps',
        title: 'Time without an acknowledged write',
        svg: barChart({
          title: 'Milliseconds without an acknowledged write, median and most',
          unit: 'ms',
          groups: results.map(({ name }) => name),
          series: [
            { name: 'median', values: results.map(({ gapsMs }) => median(gapsMs)) },
            { name: 'most', values: results.map(({ gapsMs }) => Math.max(...gapsMs)) },
          ],
        }),
      },
    ],
    notes: [
      `Everything shares this machine: three members, three nodes and the client. Load average at the end: ${loadavg()
        .map((each) => decimal(each, 1))
        .join(', ')}.`,
      'The kinds take turns. Before each the primary knows two replicas, and nothing happens for a moment.',
    ],
  }
}
