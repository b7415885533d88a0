/** SORT, ZRANGESTORE and searches of places in slices while what they read changes, expires and goes cold: in the end they come to what they would in one turn. */
import { expect, it } from 'vitest'
import { expireCommands } from '../../engine/commands/expire.ts'
import { geoCommands } from '../../engine/commands/geo.ts'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortCommands } from '../../engine/commands/sort.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testRuns, testSeed } from '../chance.ts'
import { format } from '../commands/notation.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

const stepsMax = testRuns(3000)
const tables = {
  ...stringCommands,
  ...hashCommands,
  ...listCommands,
  ...setCommands,
  ...sortedSetCommands,
  ...keyCommands,
  ...expireCommands,
  ...sortCommands,
  ...geoCommands,
}
const sortable = ['list', 'set', 'zset'] as const
const keys = [...sortable, 'places'] as const
const kinds = ['SORT', 'ZRANGESTORE', 'GEOSEARCH'] as const
type Kind = (typeof kinds)[number]

class Sorting {
  used = 0
  readonly #cold = new ColdEngine(tables, testSeed)
  readonly #tell: (line: string) => void
  #staged: StagedWork | undefined
  #asks: string[] = []
  /** How what is stored is shown; missing when nothing is. */
  #whole: string[] | undefined
  readonly #kind: Kind

  constructor(kind: Kind, tell: (line: string) => void) {
    this.#kind = kind
    this.#tell = tell
    const { execution, keyspace } = this.#cold.engine
    Object.assign(execution.limits, { setMaxIntsetEntries: 8, zsetMaxListpackEntries: 6 })
    keyspace.trees.leafBytesMax = 200
  }

  async step(random: SeededRandom): Promise<void> {
    this.#cold.random = random
    const staged = this.#staged
    if (staged === undefined) {
      if (random.once(30)) await this.#begin(random)
      else await this.#change(random)
      return
    }
    // What changes at every step would never be sorted.
    if (random.once(40)) await this.#change(random)
    else {
      this.#tell('fetch and go on')
      if (!(await this.#cold.advance(staged))) await this.#finish(staged)
    }
    if (random.once(8)) this.#tell(`(${this.#cold.freeze(0.5)} leaves and values become cold)`)
  }

  async #begin(random: SeededRandom): Promise<void> {
    if (this.#kind === 'SORT') this.#askSort(random)
    else if (this.#kind === 'GEOSEARCH') this.#askSearch(random)
    else this.#askRange(random)
    this.#cold.engine.execution.limits.slicedValueBytes = 1 + random.below(3000)
    this.#staged = this.#cold.session.stage(...this.#asks)
    this.#tell(`begin ${this.#asks.join(' ')}${this.#staged === undefined ? ': at once' : ''}`)
  }

  #askSort(random: SeededRandom): void {
    const by = random.pick([[], [], ['BY', 'w_*'], ['BY', 'h_*->f'], ['BY', 'nosort']])
    const limit = random.once(3) ? ['LIMIT', `${random.below(40)}`, `${random.below(60)}`] : []
    const gets = random.pick([[], [], ['GET', '#', 'GET', 'v_*'], ['GET', 'h_*->f']])
    const order = random.once(3) ? ['DESC'] : []
    this.#whole = random.once(2) ? ['LRANGE', 'target', '0', '-1'] : undefined
    this.#asks = ['SORT', random.pick(sortable), ...by, ...limit, ...gets, ...order, ...(random.once(2) ? ['ALPHA'] : [])]
    if (this.#whole !== undefined) this.#asks.push('STORE', 'target')
  }

  #askRange(random: SeededRandom): void {
    const range = random.pick([
      ['0', '-1'],
      [`${random.below(20)}`, `${-random.below(20)}`, 'REV'],
      ['(3', '+inf', 'BYSCORE'],
      ['15', '2', 'BYSCORE', 'REV', 'LIMIT', '3', '50'],
      ['-', '(7', 'BYLEX'],
    ])
    this.#whole = ['ZRANGE', 'target', '0', '-1', 'WITHSCORES']
    this.#asks = ['ZRANGESTORE', 'target', 'zset', ...range]
  }

  #askSearch(random: SeededRandom): void {
    const from = random.once(2) ? ['FROMMEMBER', `${random.below(150)}`] : ['FROMLONLAT', `${random.below(20)}`, `${random.below(20)}`]
    const by = random.once(2) ? ['BYRADIUS', `${random.below(3000)}`, 'km'] : ['BYBOX', '2000', '3000', 'km']
    const order = random.pick([[], ['ASC'], ['DESC']])
    const count = random.pick([[], [], ['COUNT', `${1 + random.below(60)}`], ['COUNT', '20', 'ANY']])
    const asks = [...from, ...by, ...order, ...count]
    this.#whole = random.once(2) ? ['ZRANGE', 'target', '0', '-1', 'WITHSCORES'] : undefined
    if (this.#whole === undefined)
      this.#asks = ['GEOSEARCH', 'places', ...asks, ...random.pick([[], ['WITHDIST', 'WITHCOORD', 'WITHHASH']])]
    else this.#asks = ['GEOSEARCHSTORE', 'target', 'places', ...asks, ...(random.once(2) ? ['STOREDIST'] : [])]
  }

  async #finish(staged: StagedWork): Promise<void> {
    this.#staged = undefined
    const { engine } = this.#cold
    const asks = this.#asks.join(' ')
    this.#tell(asks)
    const shows = async (): Promise<string> => (this.#whole === undefined ? '' : format(await this.#cold.ask(...this.#whole)))
    const encoding = (): number => {
      engine.keyspace.forgetLookUp()
      const entry = engine.keyspace.find(0, Buffer.from('target'), 0, 6)
      return entry === 0 ? 0 : engine.keyspace.entries.encoding(entry)
    }
    // No name of a key that is read, so that what is staged stays valid.
    const plain = [format(await this.#cold.ask(...this.#asks)), await shows(), encoding()]
    const ours = [format(await this.#cold.askStaged(staged, ...this.#asks)), await shows(), encoding()]
    engine.inRecord(() => staged.release?.())
    expect(ours, asks).toEqual(plain)
    expect(engine.mutator.interest.active).toBe(0)
    expect(engine.keyspace.databases[16]?.index.size).toBe(0)
    this.used++
  }

  async #change(random: SeededRandom): Promise<void> {
    const number = (): string => `${random.once(30) ? 'x' : ''}${random.below(150)}`
    const name = (): string => `${random.below(150)}`
    const request = random.pick<() => string[]>([
      () => ['RPUSH', 'list', number(), number(), number(), number()],
      () => ['LPOP', 'list', '2'],
      () => ['LREM', 'list', '0', number()],
      () => ['SADD', 'set', number(), number(), number()],
      () => ['SREM', 'set', number()],
      () => ['ZADD', 'zset', `${random.below(20)}`, number(), `${random.below(20)}`, number()],
      () => ['ZREM', 'zset', number()],
      () => ['GEOADD', 'places', `${random.below(40) - 10}`, `${random.below(40)}`, number(), `${random.below(40)}`, '1', number()],
      () => ['ZREM', 'places', number()],
      () => ['SET', `w_${name()}`, `${random.below(30)}`, ...(random.once(20) ? ['PX', '300'] : [])],
      () => ['SET', `v_${name()}`, 'v'.repeat(random.below(50))],
      () => ['HSET', `h_${name()}`, 'f', `${random.below(30)}`, 'g', 'x'.repeat(random.below(300))],
      () => (random.once(40) ? ['DEL', random.pick(keys)] : ['DEL', `w_${name()}`]),
      () => (random.once(20) ? ['PEXPIRE', random.pick(keys), '400'] : ['PERSIST', random.pick(keys)]),
    ])()
    this.#cold.engine.advance(1)
    this.#tell(request.join(' '))
    await this.#cold.ask(...request)
  }
}

it.each(kinds)('%s comes to what it would in one turn', async (kind) => {
  const used = await runSession({ steps: stepsMax }, async (steps, tell) => {
    const sorting = new Sorting(kind, tell)
    for (const random of steps) await sorting.step(random)
    return sorting.used
  })
  // One that is made in very small slices, and anew after changes, may take a thousand steps.
  expect(used).toBeGreaterThan(0)
})
