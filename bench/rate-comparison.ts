/** Commands sent by redis-benchmark to both servers in turns, and how the rates compare. */
import type { Context } from './context.ts'
import type { RunningServer } from './processes.ts'
import { redisCli } from './processes.ts'
import { measure } from './redis-benchmark.ts'
import type { Aim } from './report.ts'
import type { Table } from './table.ts'
import { count, decimal, median } from './table.ts'

const connections = 50
const sampleNumber = '000000000042'

export interface RatedCommand {
  readonly name: string
  /** With `__rand_int__` where a random number below `keys` belongs. */
  readonly command: readonly string[]
  readonly requests: number
  /** Sent to both servers before each run. */
  readonly before?: readonly (readonly string[])[]
}

/** Rates of both, in requests a second. */
export interface Comparison {
  readonly name: string
  readonly pipeline: number
  readonly moraine: number
  readonly redis: number
  /** The aim, as a multiple of Redis's rate; undefined for what is only told. */
  readonly least: number | undefined
}

/** Runs each command in each round on both servers, which take turns; the first round is for warming up. */
export async function compareCommands(
  context: Context,
  servers: readonly RunningServer[],
  commands: readonly RatedCommand[],
  { pipeline, keys, least }: { readonly pipeline: number; readonly keys: number; readonly least: number | undefined },
): Promise<Comparison[]> {
  const rates = commands.map(() => servers.map((): number[] => []))
  const rounds = context.size(5, 1)
  const shown = context.progress(`pipeline ${pipeline}`, (rounds + 1) * commands.length, 'runs')
  for (let round = 0; round <= rounds; round++) {
    for (const [c, { command, requests, before = [] }] of commands.entries()) {
      // Whoever goes first alternates.
      const turns = [...servers.entries()]
      if (round % 2 === 1) turns.reverse()
      for (const [s, { port, name }] of turns) {
        for (const each of before) await redisCli(port, ...each)
        if (round === 0) await tryIt(name, port, command)
        const some = Math.max(connections * pipeline, Math.round((requests * (round === 0 ? 0.3 : 1)) / context.size(1, 4)))
        const { perSecond } = await measure({ port, test: command, connections, pipeline, requests: some, keys, valueBytes: 3 })
        if (round > 0) rates[c]![s]!.push(perSecond)
      }
      shown.update(round * commands.length + c + 1)
    }
  }
  shown.finish()
  return commands.map(({ name }, c) => {
    const [moraine, redis] = rates[c]!.map(median) as [number, number]
    return { name, pipeline, moraine, redis, least }
  })
}

/** redis-benchmark does not say that all replies are errors. */
async function tryIt(name: string, port: number, command: readonly string[]): Promise<void> {
  const said = await redisCli(port, ...command.map((part) => part.replaceAll('__rand_int__', sampleNumber)))
  if (/^(\(error\) )?[A-Z]+ .*(wrong|invalid|not )/.test(said)) throw new Error(`${name}: ${command.join(' ')}: ${said}`)
}

export function ratioOf({ moraine, redis }: Comparison): number {
  return moraine / redis
}

/** One aim for comparisons that have the same. */
export function comparisonAim(context: Context, what: string, compared: readonly Comparison[]): Aim {
  const least = compared[0]?.least ?? 0
  const below = compared.filter((each) => !(ratioOf(each) >= least))
  const told = compared.length <= 4 ? compared : below
  const figures = told.map((each) => `${each.name} P${each.pipeline} ${decimal(ratioOf(each))}`).join(', ')
  return {
    aim: `${what}: ≥ ${least} × Redis`,
    measured: `${compared.length - below.length} of ${compared.length}${figures === '' ? '' : `; ${figures}`}`,
    met: context.quick ? undefined : below.length === 0,
  }
}

export function comparisonTable(title: string, compared: readonly Comparison[]): Table {
  return {
    title,
    columns: ['what', 'pipeline', 'Moraine', 'Redis', 'ratio'],
    rows: compared.map((each) => [each.name, `${each.pipeline}`, count(each.moraine), count(each.redis), decimal(ratioOf(each))]),
  }
}
