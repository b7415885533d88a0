/**
 * Removals, and additions, of many elements that are prepared in slices, with changes and cold leaves in between: the replies, what stays, and what the records come to
 * are as without.
 */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { objectCommands } from '../../engine/commands/object.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { StagedAddition } from '../../engine/commands/staged-addition.ts'
import { StagedRemoval } from '../../engine/commands/staged-removal.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { testRuns } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { format, formatInline } from '../commands/notation.ts'
import type { AggregateReply, Reply } from '../commands/resp-decoder.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

const tables = { ...setCommands, ...sortedSetCommands, ...hashCommands, ...keyCommands, ...objectCommands }
const membersMax = 600
/** Removals of so many elements are staged. */
const longRemoval = 16

function member(random: SeededRandom): string {
  const number = random.below(membersMax)
  return `${'m'.repeat(number % 12)}${number}`
}

function members(random: SeededRandom, max: number): string[] {
  return Array.from({ length: 1 + random.below(max) }, () => member(random))
}

function removal(random: SeededRandom): string[] {
  const rank = (): string => `${random.below(700) - 350}`
  const count = `${random.below(400)}`
  return random.pick([
    ['ZREM', 'z', ...members(random, 200)],
    ['SREM', 's', ...members(random, 200)],
    ['HDEL', 'h', ...members(random, 200)],
    ['ZREMRANGEBYRANK', 'z', rank(), rank()],
    ['ZREMRANGEBYSCORE', 'z', random.pick(['-inf', '(7', '3']), random.pick(['inf', '(30', '25'])],
    ['ZREMRANGEBYLEX', 'l', random.pick(['-', '[m', '(mm2']), random.pick(['+', '[mmm4', '(mmmmmm'])],
    ['ZPOPMIN', 'z', count],
    ['ZPOPMAX', 'z', count],
    ['ZMPOP', '2', 'missing', 'z', random.pick(['MIN', 'MAX']), 'COUNT', `${1 + random.below(400)}`],
    ['SPOP', 's', count],
  ])
}

/** To what there is, or to a key that is missing, or holds something small. */
function addition(random: SeededRandom): string[] {
  const names = [...members(random, 200), ...members(random, 200)]
  const to = (key: string): string => random.pick([key, `${key}2`])
  const flags = random.pick([[], [], ['CH'], ['NX'], ['XX', 'CH'], ['GT'], ['LT', 'CH']])
  const score = (): string => (random.once(2000) ? 'none' : random.pick(['inf', '-0', '0', `${random.below(40)}`]))
  return random.pick([
    ['SADD', to('s'), ...names],
    ['HSET', to('h'), ...names.flatMap((name) => [name, `${random.below(9)}`])],
    ['HMSET', to('h'), ...names.flatMap((name) => [name, 'x'.repeat(random.below(70))])],
    ['ZADD', to('z'), ...flags, ...names.flatMap((name) => [score(), name])],
  ])
}

function change(random: SeededRandom): string[] {
  const name = member(random)
  return random.pick([
    ['ZADD', 'z', `${random.below(40)}`, name],
    ['ZADD', 'l', '0', name],
    ['ZREM', 'z', name],
    ['SADD', 's', name],
    ['SREM', 's', name],
    ['HSET', 'h', name, 'v'],
    ['HDEL', 'h', name],
    ['SADD', 's2', name],
    ['ZADD', 'z2', '1', name],
    ['HSET', 'h2', name, 'v'],
    ['PEXPIRE', random.pick(['z', 's', 'h']), '100000'],
  ])
}

/** Requests that bring the collections to a size at which removals are staged. */
function* refill(random: SeededRandom): Generator<string[]> {
  for (let i = 0; i < 60; i++) {
    const names = members(random, 8)
    yield ['SADD', 's', ...names]
    yield ['ZADD', 'l', '0', names[0] as string]
    yield ['HSET', 'h', ...names.flatMap((name) => [name, `value of ${name}`])]
    for (const name of names) yield ['ZADD', 'z', `${random.below(40)}`, name]
  }
}

const whole: readonly (readonly string[])[] = [
  ['ZRANGE', 'z', '0', '-1', 'WITHSCORES'],
  ['ZRANGE', 'l', '0', '-1', 'WITHSCORES'],
  ['SMEMBERS', 's'],
  ['HGETALL', 'h'],
  ['ZRANGE', 'z2', '0', '-1', 'WITHSCORES'],
  ['SMEMBERS', 's2'],
  ['HGETALL', 'h2'],
  ['OBJECT', 'ENCODING', 's2'],
  ['OBJECT', 'ENCODING', 'z2'],
  ['OBJECT', 'ENCODING', 'h2'],
]

function itemsOf(reply: Reply): string[] {
  return (reply as AggregateReply).items.map((item) => format(item))
}

/** Replies without the order of hashes, which depends on seeds. */
function shown(words: readonly string[], reply: Reply): string {
  if (words[0] === 'SMEMBERS') return itemsOf(reply).sort().join(' ')
  if (words[0] !== 'HGETALL') return formatInline(reply)
  const items = itemsOf(reply)
  return items
    .flatMap((name, i) => (i % 2 === 0 ? [`${name} ${items[i + 1]}`] : []))
    .sort()
    .join(' ')
}

function lowerThresholds({ keyspace, execution }: InProcessEngine): void {
  keyspace.trees.leafBytesMax = 200
  Object.assign(execution.limits, {
    slicedValueBytes: longRemoval * 512,
    setMaxIntsetEntries: 8,
    zsetMaxListpackEntries: 8,
    hashMaxListpackEntries: 8,
  })
}

/** What has to be true of the trees: sums, and both orders of a sorted set. */
function checkTrees({ engine }: ColdEngine): void {
  const { keyspace, mutator } = engine
  const { entries, trees } = keyspace
  keyspace.databases[0].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
    if (!entries.isTree(entry)) return
    const root = entries.value(entry)
    const at = new LeafRow()
    let leaves = 0
    let elements = 0
    trees.shape.first(root, at)
    do {
      leaves++
      elements += trees.nodes.count(at.node, at.row)
    } while (trees.shape.next(at))
    expect(trees.roots.leaves(root)).toBe(leaves)
    expect(trees.roots.count(root)).toBe(elements)
    const isSorted = entries.type(entry) === mutator.types.sortedSets.number
    expect(elements).toBe(entries.length(entry) * (isSorted ? 2 : 1))
  })
}

/** The same requests on an engine whose removals are staged, on one where nothing is, and their records on a third. */
class Removing {
  used = 0
  readonly cold = new ColdEngine(tables, 1)
  readonly #plain = new InProcessEngine(tables, 2)
  readonly #session = this.#plain.connect()
  readonly #replayed = new InProcessEngine(tables, 3)
  readonly #replay = new Replay(this.#replayed.keyspace, this.#replayed.mutator)
  readonly #tell: (line: string) => void

  constructor(tell: (line: string) => void) {
    this.#tell = tell
    for (const engine of [this.cold.engine, this.#plain, this.#replayed]) lowerThresholds(engine)
    // Takes out and puts in one element after the other.
    this.#plain.execution.limits.slicedValueBytes = Number.POSITIVE_INFINITY
    this.#replayed.mutator.recording = false
  }

  async ask(...words: readonly string[]): Promise<void> {
    this.#tell(words.join(' '))
    await this.#compare(words, await this.cold.ask(...words))
  }

  async #compare(words: readonly string[], reply: Reply): Promise<void> {
    const { mutator } = this.cold.engine
    if (mutator.operations > 0) this.#replay.apply(mutator.lsn, Buffer.from(mutator.record.bytes.subarray(0, mutator.record.end)))
    if (words[0] !== 'SPOP') {
      expect(formatInline(reply), words.join(' ')).toBe(formatInline(this.#session.ask(...words)))
      return
    }
    const popped = (reply as AggregateReply).items.map((item) => ('text' in item ? String(item.text) : format(item).slice(1, -1)))
    expect(new Set(popped).size).toBe(popped.length)
    const length = formatInline(this.#session.ask('SCARD', 's'))
    expect(popped.length).toBe(Math.min(Number(words[2]), Number(length.slice(1))))
    if (popped.length > 0) expect(formatInline(this.#session.ask('SREM', 's', ...popped)), words.join(' ')).toBe(`:${popped.length}`)
  }

  async change(words: readonly string[], random: SeededRandom): Promise<void> {
    // A transaction stages nothing.
    const isStaged = words[0]?.endsWith('ADD') || !random.once(4)
    const staged = isStaged ? this.cold.session.stage(...words) : undefined
    if (random.once(2)) this.cold.freeze(random.pick([0.3, 1]))
    if (staged === undefined) {
      await this.ask(...words)
      return
    }
    let changes = 0
    for (let goesOn = true; goesOn; ) {
      if (changes < 3 && random.once(8)) {
        changes++
        await this.ask(...change(random))
      }
      goesOn = await this.cold.advance(staged)
      if (random.once(8)) this.cold.freeze(0.3)
    }
    this.#tell(`${words.join(' ')}, staged`)
    const entry = this.#entryOf(words[0] === 'ZMPOP' ? 'z' : (words[1] as string))
    if ((staged instanceof StagedRemoval || staged instanceof StagedAddition) && staged.isOf(entry)) this.used++
    await this.#compare(words, await this.cold.askStaged(staged, ...words))
    staged.release?.()
  }

  #entryOf(key: string): number {
    const { keyspace } = this.cold.engine
    keyspace.forgetLookUp()
    const entry = keyspace.find(0, Buffer.from(key), 0, key.length)
    keyspace.forgetLookUp()
    return entry
  }

  async check(): Promise<void> {
    checkTrees(this.cold)
    const replayed = this.#replayed.connect()
    for (const words of whole) {
      const expected = shown(words, this.#session.ask(...words))
      const inOrder = await this.cold.ask(...words)
      expect(shown(words, inOrder), words.join(' ')).toBe(expected)
      // Replayed, even the order is the same.
      expect(formatInline(replayed.ask(...words)), `${words.join(' ')}, replayed`).toBe(formatInline(inOrder))
    }
  }
}

describe('changes of many elements in slices', () => {
  it('come to what the command does by itself, whatever changes meanwhile', async () => {
    const used = await runSession({ steps: testRuns(50) }, async (steps, tell) => {
      const removing = new Removing(tell)
      let number = 0
      for (const random of steps) {
        removing.cold.random = random
        if (number++ % 3 === 0) for (const words of refill(random)) await removing.ask(...words)
        if (random.once(4)) await removing.ask('DEL', random.pick(['s2', 'z2', 'h2']))
        await removing.change(random.once(3) ? addition(random) : removal(random), random)
        await removing.check()
      }
      return removing.used
    })
    expect(used, 'changes that were staged').toBeGreaterThan(testRuns(50) / 25)
  })

  it.each([
    ['ZREM', 'z'],
    ['SREM', 's'],
    ['HDEL', 'h'],
    ['ZREMRANGEBYRANK', 'z'],
    ['ZPOPMAX', 'z'],
    ['SPOP', 's'],
  ])('take out no element in the turn of %s itself, and little in each step', (name, key) => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    const names = Array.from({ length: 20_000 }, (_, i) => `member ${i}`)
    for (let i = 0; i < names.length; i += 1000) {
      const some = names.slice(i, i + 1000)
      if (key === 'z') session.ask('ZADD', key, ...some.flatMap((each, j) => [j % 100, each]))
      else if (key === 's') session.ask('SADD', key, ...some)
      else session.ask('HSET', key, ...some.flatMap((each) => [each, 'value']))
    }
    const gone = names.slice(3000, 13_000)
    const words = name === 'ZREMRANGEBYRANK' ? [name, key, 3000, 12_999] : name.includes('POP') ? [name, key, 10_000] : [name, key, ...gone]
    const staged = session.stage(...words)
    if (!(staged instanceof StagedRemoval)) throw new Error('nothing was staged')
    let steps = 1
    while (staged.step()) steps++
    expect(steps).toBeGreaterThan(10)
    const { trees } = engine.keyspace
    const changedBefore = countChanges(trees)
    const reply = session.askStaged(staged, ...words)
    expect(changedBefore()).toBe(0)
    expect('items' in reply ? (reply as AggregateReply).items.length : formatInline(reply)).toBe(
      name === 'ZPOPMAX' ? 20_000 : name === 'SPOP' ? 10_000 : ':10000',
    )
    const size = { z: 'ZCARD', s: 'SCARD', h: 'HLEN' }[key] as string
    expect(session.run(`${size} ${key}`)).toBe(':10000')
    staged.release()
  })

  it.each([
    ['SADD', 'new'],
    ['ZADD', 'new'],
    ['HSET', 'new'],
    ['SADD', 'large'],
    ['ZADD', 'large'],
    ['HSET', 'large'],
  ])('put in no element in the turn of %s to a %s key itself, and little in each step', (name, state) => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    const request = (names: readonly string[]): string[] => {
      if (name === 'SADD') return [name, 'k', ...names]
      return [name, 'k', ...names.flatMap((each, i) => (name === 'ZADD' ? [`${i % 100}`, each] : [each, 'value']))]
    }
    const names = Array.from({ length: 15_000 }, (_, i) => `member ${i}`)
    if (state === 'large') for (let i = 0; i < 10_000; i += 1000) session.ask(...request(names.slice(i, i + 1000)))
    const words = request(names.slice(5000))
    const staged = session.stage(...words)
    if (!(staged instanceof StagedAddition)) throw new Error('nothing was staged')
    let steps = 1
    while (staged.step()) steps++
    expect(steps).toBeGreaterThan(10)
    const changedBefore = countChanges(engine.keyspace.trees)
    expect(formatInline(session.askStaged(staged, ...words))).toBe(state === 'new' ? ':10000' : ':5000')
    expect(changedBefore()).toBe(0)
    staged.release()
  })

  it('make no copy of what has no place beside itself: the elements are put in one by one', () => {
    const engine = new InProcessEngine(tables)
    const session = engine.connect()
    const names = Array.from({ length: 10_000 }, (_, i) => `member ${i}`)
    session.ask('SADD', 'k', ...names.slice(0, 5000))
    const asked: number[] = []
    engine.keyspace.hasPlaceFor = (bytes) => {
      asked.push(bytes)
      return false
    }
    const words = ['SADD', 'k', ...names]
    const staged = session.stage(...words)
    if (!(staged instanceof StagedAddition)) throw new Error('nothing was staged')
    const before = engine.keyspace.arena.liveBytes
    while (staged.step());
    expect(engine.keyspace.arena.liveBytes).toBe(before)
    expect(asked).toHaveLength(1)
    expect(asked[0]).toBeGreaterThan(50_000)
    expect(formatInline(session.askStaged(staged, ...words))).toBe(':5000')
    staged.release()
  })
})

/** Counts changes of leaves from now on. */
function countChanges(trees: InProcessEngine['keyspace']['trees']): () => number {
  let count = 0
  const changed = trees.changed.bind(trees)
  trees.changed = (...on) => {
    count++
    changed(...on)
  }
  return () => count
}
